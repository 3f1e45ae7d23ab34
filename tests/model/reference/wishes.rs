//! What the application wants of the reference.

use std::time::Duration;

use excc_peer::wire::{
    Command, EncodedMessage, InvType, InvVect, List, LocatorRequest, Message, NetAddress,
    NetAddressV2, PeerAddress,
};
use excc_peer::{Announced, Chain, CloseReason, Hash, Instant, Relay, SendErrorKind, Timer};

use super::Reference;
use crate::parts::{Follows, Owed, Starts, Told};

/// What became of an announcement, with the receipt as a plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    Sent(u64),
    Other(Announced),
}

impl Reference {
    fn check_sendable(&self, command: Command) -> Result<(), SendErrorKind> {
        match (&self.closed, command) {
            (Some(reason), _) => Err(SendErrorKind::Closed(reason.clone())),
            _ if self.shuts_down_by.is_some() => Err(SendErrorKind::ShuttingDown),
            (None, Command::Version | Command::VerAck) => Err(SendErrorKind::Handshake(command)),
            (None, _) if self.remote_version.is_none() => Err(SendErrorKind::NotReady),
            _ => Ok(()),
        }
    }

    pub(crate) fn send(&mut self, message: &Message) -> Result<u64, SendErrorKind> {
        let command = message.command();
        self.check_sendable(command)?;
        let frame = EncodedMessage::new(&self.setup.network, self.protocol().version, message)?;
        if !self.setup.send_unwelcome && !self.is_welcome(message) {
            return Err(SendErrorKind::Unwelcome(command));
        }
        let timeout = self.setup.response_timeout(command);
        if let (Message::GetData(vectors), Some(_)) = (message, timeout) {
            let limit = self.setup.max_requested;
            let requested = self.requested() + vectors.len();
            if requested > limit {
                return Err(SendErrorKind::TooManyRequested { requested, limit });
            }
        }
        self.make_room(frame.len())?;
        let id = self.receipts;
        self.receipts += 1;
        if timeout.is_some() {
            self.owe(id, message);
        }
        if let Message::Ping(ping) = message {
            self.ping_by_application = Some(ping.nonce);
            self.early_pong.take_if(|(early, _)| *early == ping.nonce);
        }
        let starts = match (message, timeout) {
            (Message::Ping(ping), _) => Starts::RoundTrip(ping.nonce),
            (_, Some(timeout)) => Starts::Answers(timeout),
            _ => Starts::Nothing,
        };
        self.push(message, Follows::Receipt(id, starts));
        Ok(id)
    }

    /// Whether the network's nodes put up with a message.
    fn is_welcome(&self, message: &Message) -> bool {
        let is_decred = self.setup.network.chain() == Chain::Decred;
        let has_mixes = is_decred && self.protocol().version >= 10;
        let is_served = |vector: &InvVect| {
            [InvType::TX, InvType::BLOCK].contains(&vector.kind)
                || (vector.kind == InvType::MIX && has_mixes)
        };
        match message {
            Message::Inv(vectors) => !vectors.is_empty(),
            Message::Addr(addresses) => !addresses.is_empty(),
            Message::GetData(vectors) => !vectors.is_empty() && vectors.iter().all(is_served),
            Message::GetCFilter(_) | Message::GetCFHeaders(_) | Message::GetCFTypes => false,
            Message::GetMinings | Message::MiningState(_) => !is_decred,
            _ => true,
        }
    }

    /// Notes what must come in answer. What was asked for already is owed already.
    fn owe(&mut self, id: u64, message: &Message) {
        let request = message.command();
        let owed = |vector| Owed { id, request, vector, due: None, came_early: false };
        let Message::GetData(vectors) = message else {
            self.owed.push(owed(None));
            return;
        };
        for vector in vectors.iter() {
            let is_answered = [InvType::TX, InvType::BLOCK, InvType::MIX].contains(&vector.kind);
            let is_owed = self.owed.iter().any(|owed| owed.vector == Some(*vector));
            if is_answered && !is_owed {
                self.owed.push(owed(Some(*vector)));
            }
        }
    }

    /// Sends what is encoded already, for another network perhaps: nothing says in which way
    /// that is refused.
    pub(crate) fn send_encoded(
        &mut self,
        message: &Message,
        is_foreign: bool,
    ) -> Result<u64, Option<SendErrorKind>> {
        self.check_sendable(message.command())?;
        if is_foreign {
            return Err(None);
        }
        Ok(self.send(message)?)
    }

    /// Asks for headers or blocks, unless the last request was the same: nothing then.
    pub(crate) fn push_request(
        &mut self,
        now: Instant,
        message: fn(LocatorRequest) -> Message,
        locator: &[Hash],
        stop: Hash,
    ) -> Result<Option<u64>, SendErrorKind> {
        self.tell_time(now);
        let protocol_version = self.protocol().version;
        let locator = List::from(locator);
        let first = locator.first().copied();
        let message = message(LocatorRequest { protocol_version, locator, stop });
        let last = usize::from(message.command() == Command::GetBlocks);
        if let (None, None, Some(first), Some((last_first, last_stop, end))) =
            (&self.closed, self.shuts_down_by, first, self.last_pushed[last])
            && (first, stop) == (last_first, last_stop)
            && self.now < end
        {
            return Ok(None);
        }
        let id = self.send(&message)?;
        let end = self.now + self.setup.duplicate_request_lifetime;
        self.last_pushed[last] = first.map(|first| (first, stop, end));
        Ok(Some(id))
    }

    /// Tells of those nodes, or of those among them that were `drawn`. Returns which.
    pub(crate) fn push_addrs(
        &mut self,
        addresses: &[NetAddressV2],
        drawn: &[NetAddressV2],
    ) -> Result<(Option<u64>, Vec<NetAddressV2>), SendErrorKind> {
        let is_v2 = Command::AddrV2.is_defined(self.protocol());
        self.check_sendable(if is_v2 { Command::AddrV2 } else { Command::Addr })?;
        let mut told = addresses.to_vec();
        told.retain(|address| is_v2 || address.socket_addr().is_some());
        if told.len() > 1_000 {
            assert_eq!(drawn.len(), 1_000);
            for address in drawn {
                let at = told.iter().position(|other| other == address);
                told.remove(at.expect("none is drawn twice or made up"));
            }
            told = drawn.to_vec();
        }
        if told.is_empty() {
            return Ok((None, told));
        }
        let v1 = |address: &NetAddressV2| {
            let at = PeerAddress::new(address.services, address.socket_addr()?);
            Some(NetAddress::new(address.timestamp.try_into().unwrap_or(u32::MAX), at))
        };
        let message = match is_v2 {
            true => Message::AddrV2(told.clone()),
            false => Message::Addr(told.iter().filter_map(v1).collect()),
        };
        Ok((Some(self.send(&message)?), told))
    }

    /// Announces something. When it leaves is `drawn` by the peer, unless it is set already.
    pub(crate) fn announce(
        &mut self,
        now: Instant,
        vector: InvVect,
        relay: Relay,
        drawn: Option<Instant>,
    ) -> Answer {
        self.tell_time(now);
        if !self.is_established() || self.shuts_down_by.is_some() {
            return Answer::Other(Announced::NotReady);
        }
        let protocol = self.protocol();
        let relays = self.remote_version.as_ref().is_some_and(|version| version.relay);
        let is_wanted = match vector.kind {
            InvType::TX => relays,
            InvType::MIX => relays && protocol.chain == Chain::Decred && protocol.version >= 10,
            _ => true,
        };
        if !is_wanted {
            return Answer::Other(Announced::Unwanted);
        }
        if self.known.contains(&vector, self.now) {
            return Answer::Other(Announced::Known);
        }
        if relay == Relay::Immediate {
            return match self.send(&Message::Inv([vector].into())) {
                Ok(id) => {
                    self.known.insert(vector, self.now);
                    Answer::Sent(id)
                }
                Err(SendErrorKind::Closed(_)) => Answer::Other(Announced::NotReady),
                Err(_) => Answer::Other(Announced::Full),
            };
        }
        if self.waiting.len() >= self.setup.max_waiting_announcements {
            return Answer::Other(Announced::Full);
        }
        self.waiting.push(vector);
        if !self.deadlines.is_set(Timer::Trickle) {
            self.draw_trickle(drawn);
        }
        Answer::Other(Announced::Queued)
    }

    fn draw_trickle(&mut self, drawn: Option<Instant>) {
        let (shortest, longest) = (self.setup.trickle.start(), self.setup.trickle.end());
        let range = self.now + *shortest..=self.now + *longest;
        // The end of time is never seen to be set.
        let drawn = drawn.unwrap_or(Instant::MAX);
        assert!(range.contains(&drawn), "{drawn:?} is not in {range:?}");
        self.deadlines.set(Timer::Trickle, drawn);
    }

    /// Queues a `ping`, unless one waits that will do; its nonce will be seen.
    pub(crate) fn ping(&mut self) -> Result<(), SendErrorKind> {
        match &self.closed {
            Some(reason) => Err(SendErrorKind::Closed(reason.clone())),
            None if self.shuts_down_by.is_some() => Err(SendErrorKind::ShuttingDown),
            None if !self.is_done => Err(SendErrorKind::NotReady),
            None => {
                self.push_ping();
                Ok(())
            }
        }
    }

    pub(crate) fn accept_version(&mut self) {
        if self.closed.is_none() && self.remote_version.is_some() && !self.is_accepted {
            self.accept();
        }
    }

    pub(crate) fn refuse_version(&mut self) {
        self.close_for(CloseReason::VersionRefused);
    }

    pub(crate) fn add_known_inventory(&mut self, now: Instant, vector: InvVect) {
        self.tell_time(now);
        self.known.insert(vector, self.now);
    }

    pub(crate) fn is_known_inventory(&mut self, now: Instant, vector: &InvVect) -> bool {
        self.tell_time(now);
        self.known.contains(vector, self.now)
    }

    pub(crate) fn update_last_block(&mut self, height: i64) {
        self.last_block = self.last_block.map(|last| last.max(height));
    }

    /// Lets all that is queued leave, and what waits to be announced with it, and closes then
    /// or when the time is over.
    pub(crate) fn shutdown(&mut self, now: Instant, timeout: Duration) {
        self.tell_time(now);
        if timeout.is_zero() {
            self.close();
        }
        if self.closed.is_some() {
            return;
        }
        // The end of time never comes, but what comes last before it does.
        let last = Instant::from_nanos(Instant::MAX.as_nanos() - 1);
        let end = last.min(self.now + timeout);
        self.shuts_down_by = Some(end);
        self.deadlines.set(Timer::Shutdown, end);
        self.deadlines.clear(Timer::Trickle);
        self.announce_waiting();
        self.close_if_all_has_left();
    }

    pub(crate) fn close(&mut self) {
        self.close_for(CloseReason::Local);
        self.linger_until = None;
    }

    pub(crate) fn poll_event(&mut self) -> Option<Told> {
        if !self.events.is_empty() {
            return Some(self.events.remove(0).0);
        }
        if !self.after.is_empty() {
            return Some(self.after.remove(0));
        }
        None
    }
}
