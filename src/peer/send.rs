//! From messages to the queue.

use core::net::Ipv6Addr;
use core::time::Duration;

use super::PeerState;
use super::config::Overflow;
use super::error::{CloseReason, SendErrorKind};
use super::event::SendId;
use super::outbox::Purpose;
use super::timers::Timer;
use super::trickle;
use crate::network::Chain;
use crate::wire::{
    Command, EncodeError, EncodedMessage, HEADER_LEN, InvType, InvVect, Message, PeerAddress,
    Services, Version,
};

/// The protocol version that first had mixing messages.
const MIX_VERSION: u32 = 10;

/// Most bytes of a trickled `inv` besides its vectors: the header and the count.
const INV_OVERHEAD: usize = HEADER_LEN + 3;

/// The fewest bytes that must be allowed in the queue for announcements to leave at all.
pub(super) const LEAST_QUEUE: usize = INV_OVERHEAD + size_of::<InvVect>();

/// How long announcements that found the queue full wait at least.
const RETRY: Duration = Duration::from_millis(100);

impl PeerState {
    pub(super) fn push_version(&mut self) {
        let config = &self.config;
        let remote_services =
            self.remote_version.as_ref().map_or(Services::empty(), |version| version.services);
        let version = Version {
            protocol_version: self.protocol_version().cast_signed(),
            services: config.services,
            timestamp: self.wall_clock(),
            receiver: config.receiver(self.remote, remote_services),
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

    /// Whether the application may send a message of that name now.
    pub(super) fn check_sendable(&self, command: Command) -> Result<(), SendErrorKind> {
        self.check_open().map_err(SendErrorKind::Closed)?;
        if matches!(command, Command::Version | Command::VerAck) {
            return Err(SendErrorKind::Handshake(command));
        }
        if self.remote_version.is_none() {
            return Err(SendErrorKind::NotReady);
        }
        Ok(())
    }

    /// Queues a message of the application's; of a `ping`, its nonce is known.
    pub(super) fn push_receipt(
        &mut self,
        frame: EncodedMessage,
        ping: Option<u64>,
    ) -> Result<SendId, SendErrorKind> {
        self.make_room(frame.len())?;
        let id = self.outbox.next_receipt();
        self.outbox.push(frame, Purpose::Receipt { id, ping });
        Ok(id)
    }

    /// Sees to it that so many more bytes may be queued.
    pub(super) fn make_room(&mut self, bytes: usize) -> Result<(), SendErrorKind> {
        let limit = self.config.max_queued_bytes;
        let queued = self.outbox.limited().saturating_add(bytes);
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
            InvType::MIX => {
                let protocol = self.decoder.protocol();
                relays && protocol.chain == Chain::Decred && protocol.version >= MIX_VERSION
            }
            _ => true,
        }
    }

    /// Queues the announcements that wait, as far as there is room for them.
    pub(super) fn send_trickle(&mut self) {
        while self.trickle.len() > 0 {
            let most = match self.config.overflow {
                Overflow::Refuse => self.vectors_with_room().min(trickle::BATCH),
                Overflow::Close => trickle::BATCH,
            };
            if most == 0 {
                return self.timers.set(Timer::Trickle, self.now + RETRY);
            }
            let batch = self.trickle.take_batch(most, &mut self.known, self.now);
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
