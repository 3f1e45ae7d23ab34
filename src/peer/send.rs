//! The path of a message to the queue.

use super::PeerState;
use super::config::Overflow;
use super::error::{CloseReason, SendError, SendErrorKind};
use super::event::{Announced, Relay, SendId};
use super::helpers::{PushedAddrs, addresses_message, choose_addresses};
use super::outbox::Purpose;
use super::relay::Relayer;
use crate::hash::Hash;
use crate::wire::{
    Command, EncodeError, EncodedMessage, InvVect, List, LocatorRequest, MAX_TIMESTAMP, Message,
    NetAddressV2, Services,
};

/// # Messages of the application
impl PeerState {
    /// Checks whether the application may send a command now.
    pub(super) fn check_sendable(&self, command: Command) -> Result<(), SendErrorKind> {
        self.check_not_ending()?;
        if matches!(command, Command::Version | Command::VerAck) {
            return Err(SendErrorKind::Handshake(command));
        }
        if self.remote.is_none() {
            return Err(SendErrorKind::NotReady);
        }
        Ok(())
    }

    /// Checks that the peer is neither closed nor shutting down.
    pub(super) fn check_not_ending(&self) -> Result<(), SendErrorKind> {
        self.check_open().map_err(SendErrorKind::Closed)?;
        if self.is_shutting_down() { Err(SendErrorKind::ShuttingDown) } else { Ok(()) }
    }

    pub(super) fn encode_and_enqueue(
        &mut self,
        message: &Message,
    ) -> Result<SendId, SendErrorKind> {
        self.check_sendable(message.command())?;
        let frame = self.encode(message)?;
        self.enqueue(frame)
    }

    pub(super) fn check_and_enqueue(
        &mut self,
        frame: EncodedMessage,
    ) -> Result<SendId, SendErrorKind> {
        self.check_sendable(frame.command())?;
        frame.check(self.config.network.magic(), self.decoder.protocol())?;
        self.enqueue(frame)
    }

    fn enqueue(&mut self, frame: EncodedMessage) -> Result<SendId, SendErrorKind> {
        let (command, now) = (frame.command(), self.timers.now());
        if !self.config.send_unwelcome
            && !self.sent_limited.is_welcome(&frame, self.decoder.protocol(), now)
        {
            return Err(SendErrorKind::Unwelcome(command));
        }
        self.check_requested(&frame)?;
        self.check_room(frame.len())?;
        let id = self.outbox.next_receipt();
        self.sent_limited.on_queued(command, now);
        self.requests.on_request_queued(&frame, self.relayer.hasher());
        self.outbox.enqueue(frame, Purpose::Receipt(id));
        Ok(id)
    }

    /// Checks the number of outstanding vectors with those of a `getdata`. dcrd disconnects a
    /// remote that exceeds it; the application gets its message back (`docs/protocol.md`, 7.3).
    fn check_requested(&self, frame: &EncodedMessage) -> Result<(), SendErrorKind> {
        if frame.command() != Command::GetData {
            return Ok(());
        }
        let limit = self.config.max_requested;
        let requested = self.requests.vectors().saturating_add(frame.vectors().len());
        if requested > limit {
            return Err(SendErrorKind::TooManyRequested { requested, limit });
        }
        Ok(())
    }

    /// Checks the bytes in the queue with a frame of `len` bytes. Closes the peer if it is
    /// configured so (`docs/protocol.md`, 9.2).
    fn check_room(&mut self, len: usize) -> Result<(), SendErrorKind> {
        let limit = self.config.max_queued_bytes;
        let queued = self.outbox.counted_bytes_with(len);
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
}

/// # Announcements and helpers
impl PeerState {
    pub(super) fn announce_vector(&mut self, vector: InvVect, relay: Relay) -> Announced {
        let is_ready = self.is_established() && !self.is_shutting_down();
        let Some(remote) = self.remote.as_ref().filter(|_| is_ready) else {
            return Announced::NotReady;
        };
        if !remote.wants(vector.kind(), self.decoder.protocol()) {
            return Announced::Unwanted;
        }
        let (timers, random) = (&mut self.timers, &mut self.random);
        match self.relayer.announce(vector, relay, timers, random, &self.config) {
            Some(announced) => announced,
            None => self.announce_immediately(vector),
        }
    }

    fn announce_immediately(&mut self, vector: InvVect) -> Announced {
        match self.encode_and_enqueue(&Message::Inv(List::from([vector]))) {
            Ok(id) => {
                self.relayer.mark_known(vector, &self.timers, &self.config);
                Announced::Queued(id)
            }
            Err(_) if self.closed.is_some() => Announced::NotReady,
            Err(_) => Announced::Full,
        }
    }

    /// Sends a request with a block locator, unless it repeats the latest one
    /// (`docs/protocol.md`, 13.2).
    pub(super) fn enqueue_locator_request(
        &mut self,
        message: fn(LocatorRequest) -> Message,
        locator: List<Hash>,
        stop: Hash,
    ) -> Result<Option<SendId>, SendError<Message>> {
        let now = self.timers.now();
        let first = locator.first().copied();
        let protocol_version = self.protocol_version();
        let message = message(LocatorRequest { protocol_version, locator, stop });
        let command = message.command();
        if self.duplicate_filter.is_duplicate(command, first, stop, now)
            && self.check_not_ending().is_ok()
        {
            return Ok(None);
        }
        match self.encode_and_enqueue(&message) {
            Ok(id) => {
                let expires = now + self.config.duplicate_request_lifetime;
                self.duplicate_filter.on_queued(command, first, stop, expires);
                Ok(Some(id))
            }
            Err(kind) => Err(SendError { kind, message }),
        }
    }

    pub(super) fn enqueue_addresses(
        &mut self,
        addresses: &[NetAddressV2],
    ) -> Result<PushedAddrs, SendErrorKind> {
        let is_v2 = Command::AddrV2.is_defined(self.decoder.protocol());
        self.check_sendable(if is_v2 { Command::AddrV2 } else { Command::Addr })?;
        let addresses = choose_addresses(addresses, is_v2, &mut self.random);
        let mut id = None;
        if !addresses.is_empty() {
            id = Some(self.encode_and_enqueue(&addresses_message(&addresses, is_v2))?);
        }
        Ok(PushedAddrs { id, addresses })
    }

    /// Queues the batch of announcements, as far as the queue has room. The rest waits, or the
    /// peer is closed, as configured (`docs/protocol.md`, 8.2).
    pub(super) fn send_batch(&mut self) {
        while self.relayer.batched() > 0 {
            let max = self.max_batch();
            if max == 0 {
                return Relayer::retry(&mut self.timers);
            }
            let batch = self.relayer.take_batch(max, &self.timers, &self.config);
            if batch.is_empty() {
                continue;
            }
            match self.encode(&Message::Inv(batch)) {
                Ok(frame) if self.check_room(frame.len()).is_ok() => {
                    self.outbox.enqueue(frame, Purpose::Trickle);
                }
                Ok(_) => return,
                Err(error) => return self.close_with(error.into()),
            }
        }
    }

    /// Returns the maximum number of vectors in the next `inv`.
    fn max_batch(&self) -> usize {
        let max = self.config.inv_batch;
        match self.config.overflow {
            Overflow::Refuse => {
                max.min(self.outbox.vectors_with_room(self.config.max_queued_bytes))
            }
            Overflow::Close => max,
        }
    }
}

/// # Messages of the peer's own
impl PeerState {
    pub(super) fn enqueue_version(&mut self) {
        let remote = self.remote.as_ref();
        let remote_services = remote.map_or(Services::empty(), |remote| remote.version.services);
        let version = self.handshake.own_version(
            &self.config,
            self.protocol_version(),
            self.remote_address,
            remote_services,
            self.unix_time(),
        );
        self.enqueue_internal(&version.into(), Purpose::Handshake);
    }

    pub(super) fn enqueue_ping_of_application(&mut self) -> Result<u64, SendErrorKind> {
        self.check_not_ending()?;
        if !self.is_established() {
            return Err(SendErrorKind::NotReady);
        }
        Ok(self.enqueue_ping())
    }

    /// Returns the nonce of the queued `ping`. Queues one if there is none.
    pub(super) fn enqueue_ping(&mut self) -> u64 {
        if let Some(nonce) = self.keepalive.queued_ping() {
            return nonce;
        }
        let ping = self.keepalive.new_ping(&mut self.random);
        self.enqueue_internal(&Message::Ping(ping), Purpose::Ping);
        ping.nonce
    }

    pub(super) fn enqueue_internal(&mut self, message: &Message, purpose: Purpose) {
        match self.encode(message) {
            Ok(frame) => self.outbox.enqueue(frame, purpose),
            Err(error) => self.close_with(error.into()),
        }
    }

    fn encode(&self, message: &Message) -> Result<EncodedMessage, EncodeError> {
        EncodedMessage::new(&self.config.network, self.protocol_version(), message)
    }

    /// Returns the wall clock in Unix seconds, at most the latest time that both chains can
    /// represent.
    pub(super) fn unix_time(&self) -> i64 {
        let time = self.started_at_unix + (self.timers.now() - self.started_at);
        time.as_secs().min(MAX_TIMESTAMP) as i64
    }

    /// Returns the number of frames that were not sent completely.
    pub(super) fn queued_frames(&self) -> usize {
        self.outbox.frames() + self.owed_pongs.len()
    }
}
