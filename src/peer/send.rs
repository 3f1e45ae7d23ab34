//! From messages to the queue.

use core::net::Ipv6Addr;
use core::time::Duration;

use super::PeerState;
use super::config::Overflow;
use super::error::{CloseReason, SendErrorKind};
use super::event::SendId;
use super::outbox::{OVERHEAD, Purpose};
use super::stall::{self, Requests};
use super::timers::Timer;
use crate::network::Chain;
use crate::wire::{
    Command, EncodeError, EncodedMessage, HEADER_LEN, InvType, InvVect, Message, PeerAddress,
    Protocol, Version,
};

/// The most that a trickled `inv` takes besides its vectors: the header and the count, and
/// its place in the queue.
const INV_OVERHEAD: usize = HEADER_LEN + 3 + OVERHEAD;

/// Bytes of a frame whose payload is a list of nothing.
const EMPTY_LIST: usize = HEADER_LEN + 1;

/// The fewest bytes that must be allowed in the queue for announcements to leave at all.
pub(super) const LEAST_QUEUE: usize = INV_OVERHEAD + size_of::<InvVect>();

/// How long announcements that found the queue full wait at least.
const RETRY: Duration = Duration::from_millis(100);

impl PeerState {
    pub(super) fn push_version(&mut self) {
        let config = &self.config;
        let version = Version {
            protocol_version: self.protocol_version().cast_signed(),
            services: config.services,
            timestamp: self.wall_clock(),
            receiver: config.receiver(self.remote, self.remote_services()),
            sender: PeerAddress::from_parts(config.services, Ipv6Addr::UNSPECIFIED, 0),
            nonce: self.nonce,
            user_agent: config.user_agent.clone(),
            start_height: config.start_height,
            relay: config.relay,
        };
        self.push(&version.into(), Purpose::Handshake);
    }

    /// Queues a message of the peer's own.
    pub(super) fn push(&mut self, message: &Message, purpose: Purpose) {
        match self.encode(message) {
            Ok(frame) => self.outbox.push(frame, purpose),
            Err(error) => self.close_with(error.into()),
        }
    }

    fn encode(&self, message: &Message) -> Result<EncodedMessage, EncodeError> {
        EncodedMessage::new(&self.config.network, self.protocol_version(), message)
    }

    pub(super) fn encode_to_send(
        &self,
        message: &Message,
    ) -> Result<EncodedMessage, SendErrorKind> {
        self.check_sendable(message.command())?;
        Ok(self.encode(message)?)
    }

    /// Queues a message of the application's.
    pub(super) fn enqueue(&mut self, frame: EncodedMessage) -> Result<SendId, SendErrorKind> {
        if !self.config.send_unwelcome {
            self.check_welcome(&frame)?;
        }
        self.check_requested(&frame)?;
        self.make_room(frame.len())?;
        let id = self.outbox.next_receipt();
        self.once.on_queued(frame.command(), self.now);
        self.expect_answer(&frame);
        self.outbox.push(frame, Purpose::Receipt(id));
        Ok(id)
    }

    /// Whether the network's nodes accept a message without banning the sender, and answer it.
    /// The protocol document lists what they do not, for each chain (Appendix D, "never send").
    fn check_welcome(&self, frame: &EncodedMessage) -> Result<(), SendErrorKind> {
        let Protocol { chain, .. } = self.decoder.protocol();
        let is_served = |kind| match kind {
            InvType::MIX => self.has_mixes(),
            kind => stall::is_answered(kind),
        };
        let is_welcome = match frame.command() {
            Command::Inv | Command::Addr => frame.len() > EMPTY_LIST,
            Command::GetData => {
                frame.len() > EMPTY_LIST && frame.vectors().iter().all(|one| is_served(one.kind()))
            }
            Command::GetCFilter | Command::GetCFHeaders | Command::GetCFTypes => false,
            Command::GetMinings | Command::MiningState => chain != Chain::Decred,
            command => self.once.is_welcome(command, chain, self.now),
        };
        if is_welcome { Ok(()) } else { Err(SendErrorKind::Unwelcome(frame.command())) }
    }

    /// Whether so many vectors more may be asked for.
    fn check_requested(&self, frame: &EncodedMessage) -> Result<(), SendErrorKind> {
        let vectors = match frame.command() {
            Command::GetData => frame.vectors(),
            _ => return Ok(()),
        };
        let limit = self.config.max_requested;
        let requested = self.requested().saturating_add(vectors.len());
        if requested > limit {
            return Err(SendErrorKind::TooManyRequested { requested, limit });
        }
        Ok(())
    }

    /// How many vectors are asked for and not answered.
    pub(super) fn requested(&self) -> usize {
        self.requests.as_ref().map_or(0, |requests| requests.vectors())
    }

    /// Remembers a message that is queued, if it is a request.
    fn expect_answer(&mut self, frame: &EncodedMessage) {
        let command = frame.command();
        if !stall::answers(command).is_empty() {
            let key = self.known.key();
            self.requests.get_or_insert_with(|| Requests::new(key).into()).on_queued(frame);
        }
    }

    /// The last byte of a message was sent. If it is a request, its answer may be due.
    pub(super) fn on_request_sent(&mut self, frame: &EncodedMessage, answered: bool) {
        let (command, protocol) = (frame.command(), self.decoder.protocol());
        if let Some(requests) = &mut self.requests
            && !stall::answers(command).is_empty()
        {
            let timeout = self.config.response_timeout(command);
            let due = timeout.map(|timeout| self.timers.remote_clock(self.now) + timeout);
            requests.on_sent(command, due, answered);
            if let (false, Some(request)) = (answered, frame.locator_request(protocol)) {
                requests.on_headers_awaited(request);
            }
            self.set_stall_timer();
        }
    }

    /// Whether the application may send a message of that name now.
    pub(super) fn check_sendable(&self, command: Command) -> Result<(), SendErrorKind> {
        self.check_live()?;
        if matches!(command, Command::Version | Command::VerAck) {
            return Err(SendErrorKind::Handshake(command));
        }
        if self.remote_version.is_none() {
            return Err(SendErrorKind::NotReady);
        }
        Ok(())
    }

    /// Sees to it that a frame of so many bytes may be queued.
    pub(super) fn make_room(&mut self, len: usize) -> Result<(), SendErrorKind> {
        let limit = self.config.max_queued_bytes;
        let queued = self.outbox.limited().saturating_add(len).saturating_add(OVERHEAD);
        if queued <= limit {
            return Ok(());
        }
        match self.config.overflow {
            Overflow::Refuse => Err(SendErrorKind::QueueFull { queued, limit }),
            Overflow::Close => {
                let reason = CloseReason::OutputOverflow { queued, limit };
                self.close_with(reason.clone());
                Err(SendErrorKind::Closed(reason))
            }
        }
    }

    /// Whether the remote wants announcements of that type.
    pub(super) fn wants(&self, kind: InvType) -> bool {
        let relays = self.remote_version.as_ref().is_some_and(|version| version.relay);
        match kind {
            InvType::TX => relays,
            InvType::MIX => relays && self.has_mixes(),
            _ => true,
        }
    }

    /// Whether there are mixing messages at the version in force.
    fn has_mixes(&self) -> bool {
        Command::MixPairReq.is_defined(self.decoder.protocol())
    }

    /// Queues the announcements that wait, as far as there is room for them.
    pub(super) fn send_trickle(&mut self) {
        while self.trickle.len() > 0 {
            let most = match self.config.overflow {
                Overflow::Refuse => self.vectors_with_room().min(self.config.inv_batch),
                Overflow::Close => self.config.inv_batch,
            };
            if most == 0 {
                return self.timers.set(Timer::Trickle, self.now + RETRY);
            }
            let expires = self.now + self.config.known_lifetime;
            let batch = self.trickle.take_batch(most, &mut self.known, self.now, expires);
            if batch.is_empty() {
                continue;
            }
            match self.encode(&Message::Inv(batch)) {
                Ok(frame) if self.make_room(frame.len()).is_ok() => {
                    self.outbox.push(frame, Purpose::Trickle);
                }
                Ok(_) => return,
                Err(error) => return self.close_with(error.into()),
            }
        }
    }

    /// How many vectors an `inv` may have to be queued now.
    fn vectors_with_room(&self) -> usize {
        let room = self.config.max_queued_bytes.saturating_sub(self.outbox.limited());
        room.saturating_sub(INV_OVERHEAD) / size_of::<InvVect>()
    }
}
