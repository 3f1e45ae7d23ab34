//! Commands of the application to the peer and its model.

use excc_peer::wire::{EncodedMessage, ErrorKind, HostAddress, Message, NetAddressV2, Ping};
use excc_peer::{Announced, Network, SendError, SendErrorKind, Timer};

use super::common::hash;
use super::messages::{ENOUGH, MessageSpec, address, reject};
use super::model::Answer;
use super::script::Step;
use super::{Lockstep, name, number};

impl Lockstep {
    /// A command of the application.
    pub(super) fn command(&mut self, step: &Step) {
        match step {
            Step::Send(spec) => {
                if let Some(message) = spec.message(self.setup.network.chain()) {
                    self.send(message);
                }
            }
            Step::SendRepeatedly(command, times, gap) => {
                let spec = MessageSpec::Zeros(*command, ENOUGH);
                for _ in 0..*times {
                    if let Some(message) = spec.message(self.setup.network.chain()) {
                        self.send(message);
                        self.compare();
                    }
                    self.now += *gap;
                }
            }
            Step::SendPings(count) => {
                (10..10 + count).for_each(|nonce| self.send(Ping { nonce }.into()));
            }
            Step::SendEncoded(spec, is_foreign) => self.send_encoded(spec, *is_foreign),
            Step::PushGetHeaders(..) | Step::PushGetBlocks(..) => self.push_request(step),
            Step::PushAddrs(count, tor) => self.push_addrs(*count, *tor),
            Step::PushReject => {
                let pushed = self.peer.push_reject(self.now, reject(3)).map(number);
                let pushed = pushed.map_err(|error| error.kind);
                assert_eq!(pushed, self.model.send(self.now, &reject(3).into()));
            }
            Step::Announce(object, relay) => {
                let vector = object.vector(self.setup.network.chain());
                let answer = match self.peer.announce(self.now, vector, *relay) {
                    Announced::Queued(id) => Answer::Sent(number(id)),
                    other => Answer::Other(other),
                };
                let mut deadlines = self.peer.deadlines();
                let drawn = deadlines.find(|&(timer, _)| timer == Timer::Trickle);
                let drawn = drawn.map(|(_, at)| at);
                drop(deadlines);
                assert_eq!(answer, self.model.announce(self.now, vector, *relay, drawn));
                match answer {
                    Answer::Sent(_) => self.count("announced: sent"),
                    Answer::Other(other) => self.count(format_args!("announced: {other}")),
                }
            }
            Step::Ping => {
                let nonce = self.peer.ping(self.now);
                assert_eq!(nonce.clone().map(drop), self.model.ping(self.now));
                if let Ok(nonce) = nonce {
                    assert_ne!(nonce, 0, "stands for none");
                    assert_eq!(*self.model.nonces.ping.get_or_insert(nonce), nonce);
                }
            }
            Step::AcceptVersion => {
                self.peer.accept_version(self.now);
                self.model.accept_version(self.now);
            }
            Step::RefuseVersion => {
                self.peer.refuse_version(self.now);
                self.model.refuse_version(self.now);
            }
            Step::Close => {
                self.peer.close(self.now);
                self.model.close(self.now);
            }
            Step::Shutdown(timeout) => {
                let was_open = self.peer.close_reason().is_none();
                let was_shutting_down = self.peer.is_shutting_down();
                let had_announcements = self.peer.stats().waiting_announcements > 0;
                self.peer.shutdown(self.now, *timeout);
                self.model.shutdown(self.now, *timeout);
                let still_has_some = self.peer.stats().waiting_announcements > 0;
                let lingers = self.peer.linger_until().is_some();
                match self.peer.close_reason().cloned() {
                    _ if !was_open => self.count("shut down: too late"),
                    Some(_) if lingers => self.count("shut down: nothing to send"),
                    Some(reason) => {
                        self.count(format_args!("shut down: at once, {}", name(&reason)));
                    }
                    None if was_shutting_down => self.count("shut down: again"),
                    None if still_has_some => self.count("shut down: no room to announce"),
                    None if had_announcements => self.count("shut down: announces"),
                    None => self.count("shut down: begins"),
                }
            }
            Step::AddKnownInventory(object) => {
                let vector = object.vector(self.setup.network.chain());
                self.peer.add_known_inventory(self.now, vector);
                self.model.add_known_inventory(self.now, vector);
            }
            Step::IsKnownInventory(object) => {
                let vector = object.vector(self.setup.network.chain());
                let is_known = self.peer.is_known_inventory(self.now, &vector);
                assert_eq!(is_known, self.model.is_known_inventory(self.now, &vector));
            }
            Step::UpdateLastBlock(height) => {
                self.peer.update_last_block(self.now, *height);
                self.model.update_last_block(self.now, *height);
            }
            other => panic!("not of the application: {other:?}"),
        }
    }

    fn send(&mut self, message: Message) {
        let sent = self.peer.send(self.now, message.clone());
        if let Err(error) = &sent {
            assert_eq!(error.message, message);
            assert!(error.to_string().starts_with("not sent: "));
            if let SendErrorKind::Encode(error) = &error.kind {
                assert_eq!(error.command(), message.command());
            }
        }
        let sent = sent.map(number).map_err(|error| error.kind);
        self.count_sent(&sent);
        assert_eq!(sent, self.model.send(self.now, &message));
    }

    fn push_request(&mut self, step: &Step) {
        let hashes = |numbers: &[u32]| numbers.iter().map(|&n| hash(n)).collect::<Vec<_>>();
        let (pushed, expected) = match step {
            Step::PushGetBlocks(locator, stop) => {
                let (locator, stop) = (hashes(locator), hash(*stop));
                let pushed = self.peer.push_getblocks(self.now, locator.clone(), stop);
                let message = Message::GetBlocks;
                (pushed, self.model.push_request(self.now, message, &locator, stop))
            }
            Step::PushGetHeaders(locator, stop) => {
                let (locator, stop) = (hashes(locator), hash(*stop));
                let pushed = self.peer.push_getheaders(self.now, locator.clone(), stop);
                let message = Message::GetHeaders;
                (pushed, self.model.push_request(self.now, message, &locator, stop))
            }
            other => panic!("no request: {other:?}"),
        };
        let pushed = pushed.map(|id| id.map(number)).map_err(|error| error.kind);
        if let Ok(id) = pushed {
            self.count(if id.is_some() { "pushed: request" } else { "pushed: nothing again" });
        }
        assert_eq!(pushed, expected);
    }

    fn push_addrs(&mut self, count: usize, tor: usize) {
        let mut addresses: Vec<_> = (0..count as u64).map(address).collect();
        for address in addresses.iter_mut().step_by(2) {
            if let HostAddress::Ipv4(ip) = address.addr {
                address.addr = HostAddress::Ipv6(ip.to_ipv6_mapped());
            }
        }
        // Tor services are longer, and any of too many addresses might be drawn.
        let tor = if count > 1_000 { 0 } else { tor };
        for address in addresses.iter_mut().take(tor) {
            address.addr = HostAddress::TorV3([7; 32]);
        }
        let (pushed, drawn) = match self.peer.push_addrs(self.now, &addresses) {
            Ok(pushed) => {
                let addresses = pushed.addresses;
                (Ok((pushed.id.map(number), addresses.clone())), addresses)
            }
            // Which ones would have been sent makes no difference to how many.
            Err(kind) => {
                let drawn = addresses.iter().rev().take(1_000);
                let sent = |&address: &NetAddressV2| NetAddressV2 {
                    addr: address.addr.to_canonical(),
                    ..address
                };
                (Err(kind), drawn.map(sent).collect())
            }
        };
        assert_eq!(pushed, self.model.push_addrs(self.now, &addresses, &drawn));
        if let Ok((_, sent)) = pushed {
            self.count(match sent.len() {
                0 => "pushed: no addresses",
                1_000 => "pushed: 1,000 addresses",
                _ => "pushed: addresses",
            });
        }
    }

    fn send_encoded(&mut self, spec: &MessageSpec, is_foreign: bool) {
        let network = self.setup.network;
        let chain = network.chain();
        let Some(message) = spec.message(chain) else { return };
        let sender = if is_foreign {
            Network::new("other", chain, !network.magic(), 1, network.genesis())
        } else {
            network
        };
        // As some version has it, which need not be the one in force.
        let encoded = (0..=chain.newest_version())
            .rev()
            .find_map(|version| EncodedMessage::new(&sender, version, &message).ok());
        let Some(encoded) = encoded else { return };
        let sent = self.peer.send_encoded(self.now, encoded.clone());
        if let Err(SendError { message: given_back, .. }) = &sent {
            assert_eq!(*given_back, encoded);
        }
        let sent = sent.map(number).map_err(|error| error.kind);
        self.count_sent(&sent);
        match self.model.send_encoded(self.now, &message, is_foreign) {
            Ok(id) => assert_eq!(sent, Ok(id)),
            Err(Some(kind)) => assert_eq!(sent, Err(kind)),
            Err(None) => assert!(
                matches!(&sent, Err(SendErrorKind::Encode(error))
                    if matches!(error.kind(), ErrorKind::WrongNetwork { .. })),
                "{sent:?}",
            ),
        }
    }

    fn count_sent(&mut self, sent: &Result<u64, SendErrorKind>) {
        self.count(match sent {
            Ok(_) => "sent",
            Err(SendErrorKind::NotReady) => "not sent: not ready",
            Err(SendErrorKind::ShuttingDown) => "not sent: shutting down",
            Err(SendErrorKind::Closed(_)) => "not sent: closed",
            Err(SendErrorKind::Handshake(_)) => "not sent: handshake",
            Err(SendErrorKind::QueueFull { .. }) => "not sent: queue full",
            Err(SendErrorKind::Unwelcome(_)) => "not sent: unwelcome",
            Err(SendErrorKind::TooManyRequested { .. }) => "not sent: too many requested",
            Err(SendErrorKind::Encode(_)) => "not sent: not encoded",
            Err(_) => "not sent",
        });
    }
}
