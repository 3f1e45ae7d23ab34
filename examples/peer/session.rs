//! One interactive peer: its commands, and its answers to the remote.

use std::error::Error;
use std::io::{self, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use excc_peer::adapter::{Events, Handle};
use excc_peer::wire::{FeeFilter, GetCFilterV2, InvVect, Message, NetAddressV2, Services};
use excc_peer::{Config, Direction, Event, Hash, PeerState, Relay, SendErrorKind, SendId};

use crate::commands::Command;
use crate::report::Report;
use crate::runtime::Runtime;
use crate::store::Store;

/// A peer, and its socket for the command `raw`.
pub(crate) struct Session {
    pub(crate) remote: SocketAddr,
    pub(crate) peer: Handle,
    socket: TcpStream,
    store: Arc<Mutex<Store>>,
}

impl Session {
    pub(crate) fn start(
        runtime: &Runtime,
        config: &Arc<Config>,
        socket: TcpStream,
        direction: Direction,
        store: &Arc<Mutex<Store>>,
    ) -> io::Result<(Self, Events)> {
        let (peer, events) = runtime.start(config.clone(), socket.try_clone()?, direction)?;
        Ok((Self { remote: peer.remote_address(), peer, socket, store: store.clone() }, events))
    }

    pub(crate) fn on_event(&self, event: &Event) {
        let Event::Message { message, .. } = event else { return };
        let answers = self.store.lock().unwrap_or_else(PoisonError::into_inner).answers(message);
        for answer in answers {
            if let Err(error) = self.peer.send(answer) {
                // The peer is closed or its queue is full, so later answers would fail as well.
                return eprintln!("error: {}: {error}", self.remote);
            }
        }
    }

    pub(crate) fn run(&self, command: &Command, report: &Report) -> Result<(), Box<dyn Error>> {
        match command {
            Command::Ping => self.peer.ping().map(drop)?,
            Command::Inv { vectors, now } => self.announce(vectors, *now),
            Command::GetData(vectors) => self.send(Message::GetData(vectors[..].into()))?,
            Command::GetHeaders(hashes) => {
                let command =
                    |peer: &mut PeerState, now| peer.push_getheaders(now, &hashes[..], Hash::ZERO);
                self.report_repetition(self.peer.with(command).map_err(|error| error.kind)?);
            }
            Command::GetBlocks(hashes) => {
                let command =
                    |peer: &mut PeerState, now| peer.push_getblocks(now, &hashes[..], Hash::ZERO);
                self.report_repetition(self.peer.with(command).map_err(|error| error.kind)?);
            }
            Command::GetCFilterV2(hash) => self.send(GetCFilterV2 { block_hash: *hash })?,
            Command::GetInitState(request) => self.send(request.clone())?,
            Command::MemPool => self.send(Message::MemPool)?,
            Command::GetAddr => self.send(Message::GetAddr)?,
            Command::Addr(count) => {
                let addresses: Vec<_> = (0..*count).map(invented_address).collect();
                let _ = self.peer.with(|peer, now| peer.push_addrs(now, &addresses))?;
            }
            Command::FeeFilter(min_fee) => self.send(FeeFilter { min_fee: *min_fee })?,
            Command::Reject(reject) => self.send(reject.clone())?,
            Command::Raw(bytes) => (&self.socket).write_all(bytes)?,
            Command::Stats => report.stats(self.remote, &self.peer.stats()),
            Command::Shutdown => self.peer.shutdown(Duration::from_secs(5)),
            Command::Close => self.peer.close(),
            // The caller handles these for all peers.
            Command::Make { .. } | Command::Help => {}
        }
        Ok(())
    }

    fn send(&self, message: impl Into<Message>) -> Result<(), SendErrorKind> {
        self.peer.send(message).map(drop).map_err(|error| error.kind)
    }

    fn announce(&self, vectors: &[InvVect], now: bool) {
        let relay = if now { Relay::Immediate } else { Relay::Trickle };
        for vector in vectors {
            let outcome = self.peer.announce(*vector, relay);
            eprintln!("{}: {vector}: {outcome}", self.remote);
        }
    }

    fn report_repetition(&self, id: Option<SendId>) {
        if id.is_none() {
            eprintln!("{}: not sent, because it repeats the last request", self.remote);
        }
    }
}

/// Returns an address of a network that is reserved for documentation (RFC 5737).
fn invented_address(n: usize) -> NetAddressV2 {
    let [.., port_high, port_low, host] = n.to_be_bytes();
    let ip = Ipv4Addr::new(203, 0, 113, host);
    let port = u16::from_be_bytes([port_high, port_low]).wrapping_add(9666);
    let address = SocketAddr::new(IpAddr::V4(ip), port);
    NetAddressV2::new(1_700_000_000, Services::NODE_NETWORK, address)
}
