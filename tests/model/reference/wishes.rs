//! Commands of the application to the reference.

use std::time::Duration;

use excc_peer::wire::{
    Command, EncodedMessage, HostAddress, InvType, InvVect, List, LocatorRequest, Message,
    NetAddress, NetAddressV2, PeerAddress,
};
use excc_peer::{Announced, Chain, CloseReason, Hash, Instant, Relay, SendErrorKind, Timer};

use super::{LAST_DEADLINE, Reference};
use crate::parts::{Follows, Starts, answers};

/// The result of an announcement, with the receipt as a plain number.
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

    pub(crate) fn send(&mut self, now: Instant, message: &Message) -> Result<u64, SendErrorKind> {
        self.set_time(now);
        let command = message.command();
        self.check_sendable(command)?;
        let frame = EncodedMessage::new(&self.setup.network, self.protocol().version, message)?;
        let is_welcome = self.is_welcome(message) && self.is_welcome_again(message);
        if !is_welcome && !self.setup.send_unwelcome {
            return Err(SendErrorKind::Unwelcome(command));
        }
        if let Message::GetData(vectors) = message {
            let limit = self.setup.max_requested;
            let requested = self.requested() + vectors.len();
            if requested > limit {
                return Err(SendErrorKind::TooManyRequested { requested, limit });
            }
        }
        self.make_room(frame.len())?;
        self.count_once(message);
        let id = self.receipts;
        self.receipts += 1;
        self.ask(id, message);
        let starts = match message {
            Message::Ping(ping) => Starts::RoundTrip(ping.nonce),
            Message::GetData(_) => Starts::Answer(command),
            _ if !answers(command).is_empty() => Starts::Answer(command),
            _ => Starts::Nothing,
        };
        self.push(message, Follows::Receipt(id, starts));
        Ok(id)
    }

    /// Whether the network's nodes accept a message at all.
    fn is_welcome(&self, message: &Message) -> bool {
        let is_decred = self.setup.network.chain() == Chain::Decred;
        let has_mixes = is_decred && self.protocol().version >= 10;
        let is_served = |vector: &InvVect| {
            [InvType::TX, InvType::BLOCK].contains(&vector.kind())
                || (vector.kind() == InvType::MIX && has_mixes)
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

    /// Sends what is encoded already, for another network perhaps: nothing says in which way
    /// that is refused.
    pub(crate) fn send_encoded(
        &mut self,
        now: Instant,
        message: &Message,
        is_foreign: bool,
    ) -> Result<u64, Option<SendErrorKind>> {
        self.set_time(now);
        self.check_sendable(message.command())?;
        if is_foreign {
            return Err(None);
        }
        Ok(self.send(now, message)?)
    }

    /// Asks for headers or blocks, unless the last request was the same: nothing then.
    pub(crate) fn push_request(
        &mut self,
        now: Instant,
        message: fn(LocatorRequest) -> Message,
        locator: &[Hash],
        stop: Hash,
    ) -> Result<Option<u64>, SendErrorKind> {
        self.set_time(now);
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
        let id = self.send(now, &message)?;
        let end = self.now + self.setup.duplicate_request_lifetime;
        self.last_pushed[last] = first.map(|first| (first, stop, end));
        Ok(Some(id))
    }

    /// Sends those addresses, or the ones of them that were `drawn`. Returns which.
    pub(crate) fn push_addrs(
        &mut self,
        now: Instant,
        addresses: &[NetAddressV2],
        drawn: &[NetAddressV2],
    ) -> Result<(Option<u64>, Vec<NetAddressV2>), SendErrorKind> {
        self.set_time(now);
        let is_v2 = Command::AddrV2.is_defined(self.protocol());
        self.check_sendable(if is_v2 { Command::AddrV2 } else { Command::Addr })?;
        let mut chosen = addresses.to_vec();
        for address in &mut chosen {
            if let Some(std::net::IpAddr::V4(ip)) = address.addr.ip() {
                address.addr = HostAddress::Ipv4(ip);
            }
        }
        chosen.retain(|address| is_v2 || address.socket_addr().is_some());
        if chosen.len() > 1_000 {
            assert_eq!(drawn.len(), 1_000);
            for address in drawn {
                let at = chosen.iter().position(|other| other == address);
                chosen.remove(at.expect("none is drawn twice or made up"));
            }
            chosen = drawn.to_vec();
        }
        if chosen.is_empty() {
            return Ok((None, chosen));
        }
        let v1 = |address: &NetAddressV2| {
            let at = PeerAddress::new(address.services, address.socket_addr()?);
            Some(NetAddress::new(address.timestamp.try_into().unwrap_or(u32::MAX), at))
        };
        let message = match is_v2 {
            true => Message::AddrV2(chosen.clone()),
            false => Message::Addr(chosen.iter().filter_map(v1).collect()),
        };
        Ok((Some(self.send(now, &message)?), chosen))
    }

    /// Announces something. When it leaves is `drawn` by the peer, unless it is set already.
    pub(crate) fn announce(
        &mut self,
        now: Instant,
        vector: InvVect,
        relay: Relay,
        drawn: Option<Instant>,
    ) -> Answer {
        self.set_time(now);
        if !self.is_established() || self.shuts_down_by.is_some() {
            return Answer::Other(Announced::NotReady);
        }
        let protocol = self.protocol();
        let relays = self.remote_version.as_ref().is_some_and(|version| version.relay);
        let is_wanted = match vector.kind() {
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
            return match self.send(now, &Message::Inv([vector].into())) {
                Ok(id) => {
                    self.known.insert(vector, self.now);
                    Answer::Sent(id)
                }
                Err(SendErrorKind::Closed(_)) => Answer::Other(Announced::NotReady),
                Err(_) => Answer::Other(Announced::Full),
            };
        }
        if self.waiting.contains(&vector) {
            self.note("announced: again");
            return Answer::Other(Announced::Batched);
        }
        if self.waiting.len() >= self.setup.max_waiting_announcements {
            return Answer::Other(Announced::Full);
        }
        self.waiting.push(vector);
        if !self.deadlines.is_set(Timer::Trickle) {
            self.draw_trickle(drawn);
        }
        Answer::Other(Announced::Batched)
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
    pub(crate) fn ping(&mut self, now: Instant) -> Result<(), SendErrorKind> {
        self.set_time(now);
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

    pub(crate) fn accept_version(&mut self, now: Instant) {
        self.set_time(now);
        if self.closed.is_none() && self.remote_version.is_some() && !self.is_accepted {
            self.accept();
        }
    }

    /// Abandons the queue, after the remote ended the conversation as well.
    pub(crate) fn refuse_version(&mut self, now: Instant) {
        self.set_time(now);
        self.end_try("last try: refused");
        self.close_for(CloseReason::VersionRefused);
    }

    pub(crate) fn add_known_inventory(&mut self, now: Instant, vector: InvVect) {
        self.set_time(now);
        self.known.insert(vector, self.now);
    }

    pub(crate) fn is_known_inventory(&mut self, now: Instant, vector: &InvVect) -> bool {
        self.set_time(now);
        self.known.contains(vector, self.now)
    }

    pub(crate) fn update_last_block(&mut self, now: Instant, height: i64) {
        self.set_time(now);
        self.raise_last_block(height);
    }

    /// Sends all that is queued, with the waiting announcements, and closes then or when the
    /// time is over.
    pub(crate) fn shutdown(&mut self, now: Instant, timeout: Duration) {
        self.set_time(now);
        if timeout.is_zero() {
            self.close(now);
        }
        if self.closed.is_some() {
            return;
        }
        let end = LAST_DEADLINE.min(self.now + timeout);
        self.shuts_down_by = Some(end);
        self.deadlines.set(Timer::Shutdown, end);
        self.deadlines.clear(Timer::Trickle);
        self.announce_waiting();
        self.close_if_all_was_sent();
    }

    pub(crate) fn close(&mut self, now: Instant) {
        self.set_time(now);
        self.end_try("last try: closed");
        self.close_for(CloseReason::Local);
        self.linger_until = None;
    }
}
