//! What the application asks for and is told.

use std::time::Duration;

use excc_peer::wire::{
    Command, EncodedMessage, InvVect, MAX_ADDRS, Message, NetAddressV2, Ping, Protocol,
};
use excc_peer::{
    Announced, CloseReason, Event, Instant, Overflow, Relay, SendErrorKind, SendId, Timer,
};

use super::Life;
use super::script::Script;

impl Life {
    pub(super) fn poll_event(&mut self) {
        self.take_note();
        let has_events = self.peer.has_events();
        let event = self.peer.poll_event();
        assert_eq!(event.is_some(), has_events);
        let Some(event) = event else {
            let is_over = self.peer.close_reason().is_some() && self.tries == 0;
            assert_eq!(self.told.closed, is_over, "the end comes after the last try");
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
                assert_eq!(terms.protocol_version, self.peer.protocol_version());
            }
            Event::Message { message, solicited } => self.on_message(&message, solicited),
            Event::RoundTrip { nonce, time } => {
                assert!(self.told.established);
                assert_eq!(self.pings.take_round_trip(), Some((nonce, time)));
            }
            Event::OverBudget { .. } => {
                self.told.over_budget += 1;
                assert!(self.told.over_budget <= self.limits.over);
            }
            Event::Sent(id) => assert_eq!(self.receipts.pop_front(), Some(id)),
            Event::NotSent(id) => {
                let reason = self.peer.close_reason().expect("closed");
                let is_sent = *reason == CloseReason::Local && self.peer.linger_until().is_some();
                assert!(!is_sent, "something was not sent");
                assert_eq!(self.receipts.pop_front(), Some(id));
            }
            Event::Closed(reason) => {
                self.told.closed = true;
                assert_eq!(self.peer.close_reason(), Some(&reason));
                assert!(self.receipts.is_empty());
                assert!(self.messages.len() <= self.may_be_lost(&reason));
            }
            other => panic!("{other:?} is new"),
        }
    }

    fn on_message(&mut self, message: &Message, solicited: bool) {
        assert!(self.told.established);
        let expected = self.messages.pop_front().expect("it came");
        assert_eq!(expected.message, *message);
        self.event_bytes -= expected.len;
        match expected.solicited {
            Some(expected) => assert_eq!(solicited, expected, "{message:?}"),
            None => self.requests.on_message(message.command(), expected.of, solicited),
        }
    }

    /// How many whole messages the peer may have taken without an event of them.
    fn may_be_lost(&self, reason: &CloseReason) -> usize {
        let is_refused = matches!(reason, CloseReason::NotVersion(_) | CloseReason::NotVerAck(_));
        let early = if self.told.established { 0 } else { 2 };
        early + usize::from(is_refused)
    }

    pub(super) fn send(&mut self, message: Message) {
        let message = match message {
            // An application that announces by itself knows what it does.
            Message::Inv(vectors) => Message::NotFound(vectors),
            message => message,
        };
        self.told_now();
        match self.peer.send(self.now, message.clone()) {
            Ok(id) => self.on_queued(&message, id),
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
        self.told_now();
        match self.peer.send_encoded(self.now, frame.clone()) {
            Ok(id) => {
                assert_eq!(network, own);
                self.on_queued(&message, id);
            }
            Err(error) => {
                assert_eq!(error.message, frame);
                self.assert_refused(&error.kind);
            }
        }
    }

    fn on_queued(&mut self, message: &Message, id: SendId) {
        let command = message.command();
        assert!(!matches!(command, Command::Version | Command::VerAck));
        if command == Command::Pong {
            self.pongs[1] += 1;
        }
        if let Message::GetData(vectors) = message {
            self.asked.on_queued(vectors);
        }
        if let Message::GetHeaders(request) = message {
            self.locator = request.locator.first().copied();
        }
        self.requests.on_queued(command);
        self.limits.on_queued(message);
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
        self.told_now();
        match self.peer.push_addrs(self.now, &given) {
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
        let (message, pushed) = if script.byte() & 1 == 0 {
            let (locator, stop) = (request.locator.clone(), request.stop);
            let pushed = self.peer.push_getheaders(self.now, locator, stop);
            (Message::GetHeaders(request), pushed)
        } else {
            let (locator, stop) = (request.locator.clone(), request.stop);
            let pushed = self.peer.push_getblocks(self.now, locator, stop);
            (Message::GetBlocks(request), pushed)
        };
        match pushed {
            Ok(Some(id)) => self.on_queued(&message, id),
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

    pub(super) fn announce(&mut self, vector: InvVect, relay: Relay) {
        self.look();
        self.told_now();
        let is_known = self.known.contains(&vector, self.latest);
        let before = self.peer.stats().waiting_announcements;
        if before == 0 {
            self.waiting.clear();
        }
        let announced = self.peer.announce(self.now, vector, relay);
        match announced {
            Announced::NotReady => {
                assert!(!self.peer.is_established() || self.peer.is_shutting_down());
            }
            Announced::Known | Announced::Unwanted | Announced::Full => {}
            Announced::Batched => {
                assert!(!is_known);
                let after = self.peer.stats().waiting_announcements;
                let is_new = self.waiting.insert(vector);
                // Announced again, it waits once.
                assert!(after == before + 1 || (after == before && !is_new));
                assert!(after == before || before < self.waiting.len());
                if self.setup.longest_trickle < Duration::MAX && !self.is_near_the_end_of_time() {
                    assert!(self.deadline(Timer::Trickle).is_some(), "it waits forever");
                }
            }
            Announced::Queued(id) => {
                assert!(!is_known);
                self.count_receipt(id);
                // Its vector is entered into the model when its frame is seen.
            }
            other => panic!("{other:?} is new"),
        }
        self.look();
        self.known.count_uses(1);
    }

    /// Sends so many `ping`s, of nonces that may be used again.
    pub(super) fn send_pings(&mut self, count: u8, first: u8) {
        for nonce in 0..u64::from(count) {
            self.send(Message::Ping(Ping { nonce: (u64::from(first) + nonce) % 24 }));
        }
    }

    pub(super) fn ping(&mut self) {
        self.take_note();
        let (before, pressed) = (self.deadline(Timer::Pong), self.pressed);
        self.told_now();
        let pinged = self.peer.ping(self.now);
        if !pressed {
            assert_eq!(self.deadline(Timer::Pong), before, "a ping gives the remote more time");
        }
        match pinged {
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
        if timeout.is_zero() {
            self.end_tries();
        }
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
