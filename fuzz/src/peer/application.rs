//! What the application asks for and is told.

use std::time::Duration;

use excc_peer::wire::{Command, EncodedMessage, MAX_ADDRS, Message, NetAddressV2, Protocol};
use excc_peer::{Announced, CloseReason, Event, Instant, Overflow, SendErrorKind, SendId};

use super::Life;
use super::script::Script;

impl Life {
    pub(super) fn poll_event(&mut self) {
        let Some(event) = self.peer.poll_event() else {
            assert_eq!(self.told.closed, self.peer.close_reason().is_some());
            return;
        };
        assert!(!self.told.closed, "{event:?} after the end");
        match event {
            Event::VersionReceived(version) => {
                assert!(!std::mem::replace(&mut self.told.version, true));
                assert_eq!(self.peer.remote_version(), Some(&version));
                let both = [
                    self.setup.config.protocol_version(),
                    version.protocol_version.cast_unsigned(),
                ];
                assert_eq!(Some(self.peer.protocol_version()), both.into_iter().min());
            }
            Event::VerAckReceived => {
                assert!(self.told.version && !std::mem::replace(&mut self.told.verack, true));
                assert!(self.peer.verack_received());
            }
            Event::Established(terms) => {
                assert!(self.told.version && !std::mem::replace(&mut self.told.established, true));
                assert_eq!(terms.version, self.peer.protocol_version());
            }
            Event::Message(message) => {
                assert!(self.told.established);
                assert_eq!(self.messages.pop_front(), Some(message));
            }
            Event::RoundTrip { .. } => assert!(self.told.established),
            Event::Sent(id) => assert_eq!(self.receipts.pop_front(), Some(id)),
            Event::NotSent(id) => {
                assert!(self.peer.close_reason().is_some());
                assert_eq!(self.peer.linger_until(), None, "something has not left");
                assert_eq!(self.receipts.pop_front(), Some(id));
            }
            Event::Closed(reason) => {
                self.told.closed = true;
                assert_eq!(self.peer.close_reason(), Some(&reason));
                assert!(self.receipts.is_empty());
                if let CloseReason::Stall { request: Command::GetData, vector } = reason {
                    let vector = vector.expect("it was asked for by vectors");
                    assert!(self.asked.contains(&vector), "{vector} was answered");
                }
                assert!(self.messages.len() <= self.may_be_lost(&reason));
            }
            other => panic!("{other:?} is new"),
        }
    }

    /// How many whole messages the peer may have taken without telling of them.
    fn may_be_lost(&self, reason: &CloseReason) -> usize {
        let is_refused = matches!(reason, CloseReason::NotVersion(_) | CloseReason::NotVerAck(_));
        let held = if self.told.established { 0 } else { 2 };
        held + usize::from(is_refused)
    }

    pub(super) fn send(&mut self, message: Message) {
        let message = match message {
            // An application that announces by itself knows what it does.
            Message::Inv(vectors) => Message::NotFound(vectors),
            message => message,
        };
        let command = message.command();
        match self.peer.send(message.clone()) {
            Ok(id) => {
                self.asked.ask(&message);
                self.count_sent(command, id);
            }
            Err(error) => {
                assert_eq!(error.message, message);
                self.assert_refused(&error.kind);
            }
        }
    }

    pub(super) fn send_encoded(&mut self, script: &mut Script<'_>) {
        let own = *self.setup.config.network();
        let network = if script.byte() == 255 { excc_peer::Network::DCR_REGNET } else { own };
        let version = match script.byte() {
            0 => self.protocol().version,
            version => u32::from(version % 16),
        };
        let message = script.message(Protocol::new(network.chain(), version), None);
        let Ok(frame) = EncodedMessage::new(&network, version, &message) else { return };
        if frame.command() == Command::Inv {
            return;
        }
        match self.peer.send_encoded(frame.clone()) {
            Ok(id) => {
                assert_eq!(network, own);
                self.asked.ask(&message);
                self.count_sent(frame.command(), id);
            }
            Err(error) => {
                assert_eq!(error.message, frame);
                self.assert_refused(&error.kind);
            }
        }
    }

    fn count_sent(&mut self, command: Command, id: SendId) {
        assert!(!matches!(command, Command::Version | Command::VerAck));
        if command == Command::Pong {
            self.pongs[1] += 1;
        }
        self.count_receipt(id);
    }

    fn count_receipt(&mut self, id: SendId) {
        assert!(self.peer.remote_version().is_some() && self.peer.close_reason().is_none());
        assert!(!self.peer.is_shutting_down());
        assert!(self.receipts.back().is_none_or(|last| *last < id));
        self.receipts.push_back(id);
    }

    fn assert_refused(&self, kind: &SendErrorKind) {
        let closed = self.peer.close_reason();
        match kind {
            SendErrorKind::Closed(reason) => assert_eq!(closed, Some(reason)),
            SendErrorKind::NotReady => assert!(self.peer.remote_version().is_none()),
            SendErrorKind::ShuttingDown => assert!(self.peer.is_shutting_down()),
            SendErrorKind::QueueFull { queued, limit } => {
                assert!(closed.is_none() && queued > limit);
                assert_eq!(self.setup.overflow, Overflow::Refuse);
            }
            SendErrorKind::TooManyRequested { requested, limit } => {
                assert!(closed.is_none() && requested > limit);
                assert_eq!(*limit, self.setup.max_requested);
            }
            SendErrorKind::Unwelcome(_) => {
                assert!(closed.is_none() && !self.setup.sends_unwelcome);
            }
            _ => assert!(closed.is_none()),
        }
    }

    pub(super) fn push_addrs(&mut self, script: &mut Script<'_>) {
        let given: Vec<NetAddressV2> = script.addresses();
        match self.peer.push_addrs(&given) {
            Ok(pushed) => {
                assert_eq!(pushed.id.is_none(), pushed.addresses.is_empty());
                assert!(pushed.addresses.len() <= MAX_ADDRS);
                assert!(pushed.addresses.iter().all(|address| given.contains(address)));
                if let Some(id) = pushed.id {
                    self.count_receipt(id);
                }
            }
            Err(kind) => self.assert_refused(&kind),
        }
    }

    pub(super) fn push_request(&mut self, script: &mut Script<'_>) {
        let request = script.locator_request();
        let is_empty = request.locator.is_empty();
        self.told_now();
        let pushed = if script.byte() & 1 == 0 {
            self.peer.push_getheaders(self.now, request.locator, request.stop)
        } else {
            self.peer.push_getblocks(self.now, request.locator, request.stop)
        };
        match pushed {
            Ok(Some(id)) => self.count_receipt(id),
            Ok(None) => {
                assert!(!is_empty, "what asks for nothing in particular is no repetition");
                assert!(!self.peer.is_shutting_down());
            }
            Err(error) => self.assert_refused(&error.kind),
        }
    }

    /// Asks for many things at once.
    pub(super) fn ask(&mut self, script: &mut Script<'_>) {
        let count = usize::from(script.byte());
        let vectors = std::iter::repeat_with(|| script.vector()).take(count).collect();
        self.send(Message::GetData(vectors));
    }

    pub(super) fn announce(&mut self, script: &mut Script<'_>) {
        let (vector, relay) = (script.vector(), script.relay());
        self.look();
        self.told_now();
        let is_known = self.known.contains(&vector, self.latest);
        let waiting = self.peer.stats().waiting_announcements;
        let announced = self.peer.announce(self.now, vector, relay);
        match announced {
            Announced::NotReady => {
                assert!(!self.peer.is_established() || self.peer.is_shutting_down());
            }
            Announced::Known | Announced::Unwanted | Announced::Full => {}
            Announced::Queued => {
                assert!(!is_known);
                assert_eq!(self.peer.stats().waiting_announcements, waiting + 1);
                if self.setup.longest_trickle < Duration::MAX && !self.is_near_the_end_of_time() {
                    assert!(self.peer.poll_timeout().is_some(), "an announcement waits forever");
                }
            }
            Announced::Sent(id) => {
                assert!(!is_known);
                self.count_receipt(id);
                // Its vector is entered into the model when its frame is seen.
            }
            other => panic!("{other:?} is new"),
        }
        self.look();
        self.known.count_uses(1);
    }

    pub(super) fn ping(&mut self) {
        match self.peer.ping() {
            Ok(nonce) => assert!(self.peer.is_established() && nonce != 0),
            Err(kind) => {
                assert!(!self.peer.is_established() || self.peer.is_shutting_down());
                assert_eq!(
                    matches!(kind, SendErrorKind::Closed(_)),
                    self.peer.close_reason().is_some()
                );
            }
        }
    }

    pub(super) fn shutdown(&mut self, script: &mut Script<'_>) {
        let second = Duration::from_secs(1);
        let nanosecond = Duration::from_nanos(1);
        let timeout =
            script.one_of(&[second, second * 1_000, nanosecond, Duration::MAX, Duration::ZERO]);
        self.look();
        self.told_now();
        let was_open = self.peer.close_reason().is_none();
        let waiting = self.peer.stats().waiting_announcements;
        self.peer.shutdown(self.now, timeout);
        self.known.count_uses(waiting - self.peer.stats().waiting_announcements);
        if was_open && !timeout.is_zero() {
            let last = Instant::from_nanos(u64::MAX - 1);
            self.shuts_down_by = Some(last.min(self.latest + timeout));
        }
    }

    pub(super) fn inventory(&mut self, script: &mut Script<'_>) {
        let vector = script.vector();
        self.look();
        self.told_now();
        if script.byte() & 1 == 0 {
            self.peer.add_known_inventory(self.now, vector);
            self.known.insert(vector, self.latest);
        } else {
            let must_be = self.known.contains(&vector, self.latest);
            let is_known = self.peer.is_known_inventory(self.now, &vector);
            assert!(is_known || !must_be, "forgotten too early");
            self.known.count_uses(1);
        }
    }
}
