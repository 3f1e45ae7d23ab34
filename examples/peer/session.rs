//! `connect` and `listen`: peers to be played with.

use std::error::Error;
use std::io::{self, BufRead, Write};
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::process;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use excc_peer::adapter::{Events, Handle};
use excc_peer::wire::{InitState, Message, NetAddressV2, Services};
use excc_peer::{CloseReason, Config, Direction, Event, Hash, PeerState, Relay};

use crate::Options;
use crate::commands::{self, Command, HELP};
use crate::report::Report;
use crate::runtime::Runtime;

/// A peer, and its socket for the bytes that go past it.
struct Session {
    remote: SocketAddr,
    peer: Handle,
    socket: TcpStream,
}

impl Session {
    fn start(
        runtime: &Runtime,
        config: &Arc<Config>,
        socket: TcpStream,
        direction: Direction,
    ) -> io::Result<(Self, Events)> {
        let (peer, events) = runtime.start(config.clone(), socket.try_clone()?, direction)?;
        Ok((Self { remote: peer.remote(), peer, socket }, events))
    }

    /// Answers as one who has nothing: nodes hang up on those who do not answer at all.
    fn answer(&self, message: &Message) {
        let answer = match message {
            Message::GetData(vectors) => Message::NotFound(vectors.clone()),
            Message::GetInitState(_) => InitState::default().into(),
            _ => return,
        };
        if let Err(error) = self.peer.send(answer) {
            eprintln!("{}: {error}", self.remote);
        }
    }

    fn run(&self, command: &Command, report: &Report) -> Result<(), Box<dyn Error>> {
        let send = |message: Message| self.peer.send(message).map(drop).map_err(|e| e.kind);
        match command {
            Command::Ping => self.peer.ping().map(drop)?,
            Command::Inv { vectors, now } => {
                let relay = if *now { Relay::Immediate } else { Relay::Trickle };
                for vector in vectors {
                    let outcome = self.peer.announce(*vector, relay);
                    eprintln!("{}: {vector}: {outcome}", self.remote);
                }
            }
            Command::GetData(vectors) => send(Message::GetData(vectors[..].into()))?,
            Command::GetHeaders(hashes) => {
                let ask =
                    |peer: &mut PeerState, now| peer.push_getheaders(now, &hashes[..], Hash::ZERO);
                if self.peer.with(ask).map_err(|error| error.kind)?.is_none() {
                    eprintln!("{}: held back, as it repeats the last getheaders", self.remote);
                }
            }
            Command::GetAddr => send(Message::GetAddr)?,
            Command::Addr(count) => {
                let addresses: Vec<_> = (0..*count).map(made_up_address).collect();
                let _ = self.peer.with(|peer, now| peer.push_addrs(now, &addresses))?;
            }
            Command::Stats => report.stats(self.remote, &self.peer.stats()),
            Command::Raw(bytes) => (&self.socket).write_all(bytes)?,
            Command::Shutdown => self.peer.shutdown(Duration::from_secs(5)),
            Command::Close => self.peer.close(),
            Command::Help => eprintln!("{HELP}"),
        }
        Ok(())
    }
}

/// An address that belongs to nobody: of a network reserved for documentation.
fn made_up_address(n: usize) -> NetAddressV2 {
    let [.., port_high, port_low, host] = n.to_be_bytes();
    let ip = Ipv4Addr::new(203, 0, 113, host);
    let port = u16::from_be_bytes([port_high, port_low]).wrapping_add(9666);
    let address = SocketAddr::new(IpAddr::V4(ip), port);
    NetAddressV2::new(1_700_000_000, Services::NODE_NETWORK, address)
}

/// The peers there are, for the thread that reads commands.
#[derive(Clone, Default)]
struct Sessions(Arc<Mutex<Vec<Arc<Session>>>>);

impl Sessions {
    fn change<T>(&self, change: impl FnOnce(&mut Vec<Arc<Session>>) -> T) -> T {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn all(&self) -> Vec<Arc<Session>> {
        self.change(|sessions| sessions.clone())
    }

    /// Runs the commands of standard input, each on every peer. A peer is not required to
    /// be there: its absence is an error of the command.
    fn read_commands(&self, report: Report) {
        for line in io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            let command = match commands::parse(&line) {
                Ok(Some(command)) => command,
                Ok(None) => continue,
                Err(error) => {
                    eprintln!("error: {error}");
                    continue;
                }
            };
            let sessions = self.all();
            if sessions.is_empty() {
                eprintln!("error: no peer is connected");
            }
            for session in sessions {
                if let Err(error) = session.run(&command, &report) {
                    eprintln!("error: {}: {error}", session.remote);
                }
            }
        }
    }

    /// Reports a peer's events until its end, which it returns.
    fn report_events(&self, session: Session, events: Events, report: Report) -> Ended {
        let session = Arc::new(session);
        self.change(|sessions| sessions.push(session.clone()));
        let mut was_established = false;
        for event in events {
            report.event(session.remote, &event);
            if let Event::Message { message, .. } = &event {
                session.answer(message);
            }
            was_established |= matches!(event, Event::Established(_));
        }
        let reason = session.peer.wait_closed();
        if let Some(error) = session.peer.io_error() {
            eprintln!("{}: {error}", session.remote);
        }
        report.stats(session.remote, &session.peer.stats());
        self.change(|sessions| sessions.retain(|other| !Arc::ptr_eq(other, &session)));
        Ended { was_established, reason }
    }

    fn close_after(&self, seconds: Option<u64>, then: impl FnOnce() + Send + 'static) {
        let Some(seconds) = seconds else { return };
        let sessions = self.clone();
        thread::spawn(move || {
            thread::sleep(Duration::from_secs(seconds));
            sessions.all().iter().for_each(|session| session.peer.close());
            then();
        });
    }
}

struct Ended {
    was_established: bool,
    reason: CloseReason,
}

pub(crate) fn connect(
    options: &Options,
    runtime: &Runtime,
    address: &str,
) -> Result<(), Box<dyn Error>> {
    let report = Report::new(options.network.chain(), options.json);
    let config = Arc::new(options.config().build()?);
    let socket = TcpStream::connect(address).map_err(|error| format!("{address}: {error}"))?;
    let (session, events) = Session::start(runtime, &config, socket, Direction::Outbound)?;
    eprintln!("connected to {} on {}", session.remote, options.network);

    let sessions = Sessions::default();
    sessions.close_after(options.seconds, || {});
    let commands = sessions.clone();
    thread::spawn(move || commands.read_commands(report));
    let ended = sessions.report_events(session, events, report);
    match ended.reason {
        CloseReason::Local => Ok(()),
        CloseReason::RemoteClosed if ended.was_established => Ok(()),
        reason => Err(reason.into()),
    }
}

pub(crate) fn listen(
    options: &Options,
    runtime: &Runtime,
    address: &str,
) -> Result<(), Box<dyn Error>> {
    let report = Report::new(options.network.chain(), options.json);
    let config = Arc::new(options.config().build()?);
    let listener = TcpListener::bind(address).map_err(|error| format!("{address}: {error}"))?;
    eprintln!("listening on {} for {}", listener.local_addr()?, options.network);

    let sessions = Sessions::default();
    let ends = sessions.clone();
    sessions.close_after(options.seconds, move || {
        // The peers report their ends before the process does.
        while !ends.all().is_empty() {
            thread::sleep(Duration::from_millis(10));
        }
        process::exit(0);
    });
    let commands = sessions.clone();
    thread::spawn(move || commands.read_commands(report));
    for socket in listener.incoming() {
        let started =
            socket.and_then(|socket| Session::start(runtime, &config, socket, Direction::Inbound));
        match started {
            Ok((session, events)) => {
                eprintln!("accepted {}", session.remote);
                let sessions = sessions.clone();
                thread::spawn(move || sessions.report_events(session, events, report));
            }
            Err(error) => eprintln!("error: {error}"),
        }
    }
    Ok(())
}
