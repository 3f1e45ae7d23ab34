//! From bytes to behaviour: what each message does.

use alloc::sync::Arc;

use bytes::BytesMut;

use super::PeerState;
use super::error::CloseReason;
use super::event::{Direction, Established, Event};
use super::handshake::{Phase, VerAckRule};
use super::outbox::Purpose;
use super::timers::Timer;
use crate::wire::{HEADER_LEN, InvVect, Message, Pong, Version};

impl PeerState {
    /// Takes frames while there is room for what they bring.
    pub(super) fn receive(&mut self, buffer: &mut BytesMut) -> Result<(), CloseReason> {
        let was_held = core::mem::replace(&mut self.input.is_held, false);
        let is_longer = was_held || buffer.len() > self.input.left;
        loop {
            self.check_open()?;
            if !self.has_room() {
                self.input.is_held = !buffer.is_empty();
                self.note_hold();
                break;
            }
            let before = buffer.len();
            let taken = self.receive_frame(buffer);
            self.counters.bytes_received += (before - buffer.len()) as u64;
            match taken {
                Ok(true) => {}
                Ok(false) => {
                    if is_longer {
                        self.extend_idle_timer();
                    }
                    break;
                }
                Err(reason) => {
                    self.close_with(reason.clone());
                    return Err(reason);
                }
            }
        }
        self.input.left = buffer.len();
        if self.input.has_ended && !self.input.is_held {
            self.close_at_eof();
        }
        self.check_open()
    }

    /// Takes one frame. Tells whether there was a whole one.
    fn receive_frame(&mut self, buffer: &mut BytesMut) -> Result<bool, CloseReason> {
        let Some(header) = self.decoder.header(buffer)? else { return Ok(false) };
        self.handshake.admits(header.command, HEADER_LEN + header.len)?;
        let Some(frame) = self.decoder.payload(buffer)? else { return Ok(false) };

        trace!(TRACE, self, command = %header.command, bytes = frame.len, "received");
        self.counters.received(header.command, frame.len, self.now);
        self.set_idle_timer();
        match (self.handshake.phase(), frame.message) {
            (Phase::AwaitsVersion, Message::Version(version)) => self.on_version(*version)?,
            (_, Message::VerAck) => self.on_verack(),
            (Phase::AwaitsVerAck, message) => self.handshake.hold(message, frame.len),
            (_, message) => self.on_message(message, frame.len),
        }
        Ok(true)
    }

    fn on_version(&mut self, version: Version) -> Result<(), CloseReason> {
        let config = &self.config;
        if !config.allow_self_connections && config.sent_nonces.contains(version.nonce) {
            return Err(CloseReason::SelfConnection);
        }
        let advertised = version.protocol_version;
        let negotiated = config.protocol_version.min(advertised.cast_unsigned());
        let minimum = config.min_remote_version;
        let required = config.required_services;
        let review = config.review_version;

        self.decoder.set_version(negotiated);
        self.time_offset = version.timestamp.saturating_sub(self.wall_clock());
        self.last_block = version.start_height.max(0).into();
        let version = Arc::new(version);
        self.remote_version = Some(version.clone());
        trace!(
            DEBUG,
            self,
            version = advertised,
            services = %version.services,
            user_agent = %version.user_agent,
            height = version.start_height,
            "version received"
        );
        self.tell(Event::VersionReceived(version), 0);

        if i64::from(advertised) < i64::from(minimum) {
            return Err(CloseReason::ProtocolVersionTooOld { advertised, minimum });
        }
        let offered = self.remote_services();
        if !offered.contains(required) {
            return Err(CloseReason::MissingServices { offered, required });
        }
        if review {
            self.handshake.set_phase(Phase::UnderReview);
        } else {
            self.answer_version();
        }
        Ok(())
    }

    /// Goes on after the remote's `version` was found acceptable.
    pub(super) fn answer_version(&mut self) {
        if self.direction == Direction::Inbound {
            self.push_version();
        }
        match VerAckRule::of(self.decoder.protocol(), self.config.max_before_verack) {
            VerAckRule::Late => {
                self.push(&Message::VerAck, Purpose::Handshake);
                self.establish();
                if let Some(timeout) = self.config.verack_timeout {
                    self.timers.set(Timer::VerAck, self.now + timeout);
                }
            }
            VerAckRule::Within(may_precede) => {
                if self.direction == Direction::Inbound {
                    self.push(&Message::VerAck, Purpose::Handshake);
                }
                self.handshake.await_verack(may_precede);
            }
        }
    }

    fn on_verack(&mut self) {
        self.handshake.set_verack();
        self.timers.clear(Timer::VerAck);
        self.tell(Event::VerAckReceived, 0);
        if self.handshake.phase() == Phase::AwaitsVerAck {
            if self.direction == Direction::Outbound {
                self.push(&Message::VerAck, Purpose::Handshake);
            }
            self.establish();
            for (message, len) in self.handshake.take_held() {
                self.on_message(message, len);
            }
        }
    }

    fn establish(&mut self) {
        self.handshake.set_phase(Phase::Established);
        self.timers.clear(Timer::Handshake);
        self.set_ping_timer();
        self.outbox.open();
        let established =
            Established { version: self.protocol_version(), time_offset: self.time_offset };
        trace!(DEBUG, self, version = established.version, "established");
        self.tell(Event::Established(established), 0);
    }

    fn on_message(&mut self, message: Message, len: usize) {
        let mut round_trip = None;
        match &message {
            Message::Ping(ping) => {
                self.push(&Message::Pong(Pong { nonce: ping.nonce }), Purpose::Pong);
            }
            Message::Pong(pong) => {
                let time = self.pinger.answered(pong.nonce, self.now);
                round_trip = time.map(|time| Event::RoundTrip { nonce: pong.nonce, time });
            }
            Message::SendHeaders => self.wants_headers = true,
            Message::FeeFilter(filter) => self.fee_filter = Some(filter.min_fee),
            Message::Inv(announced) => self.learn_all(announced),
            Message::NotFound(missing) => self.answer_vectors(missing),
            Message::Tx(tx) if self.follows_inventory() => self.got(InvVect::tx(tx.tx_hash())),
            Message::Block(block) if self.follows_inventory() => {
                self.got(InvVect::block(block.block_hash()));
            }
            message if self.follows_inventory() => {
                if let Some(Ok(hash)) = message.as_mix().map(|mix| mix.message_hash()) {
                    self.got(InvVect::mix(hash));
                }
            }
            _ => {}
        }
        if let Some(requests) = &mut self.requests
            && requests.answer(message.command())
        {
            self.set_stall_timer();
        }
        self.tell(Event::Message(message), len);
        if let Some(event) = round_trip {
            self.timers.clear(Timer::Pong);
            self.tell(event, 0);
        }
    }

    /// The remote has what it announces. Of a long list only the end is looked at, as no
    /// more than that could be remembered.
    fn learn_all(&mut self, announced: &[InvVect]) {
        let skipped = announced.len().saturating_sub(self.known.capacity());
        announced.iter().skip(skipped).for_each(|vector| self.learn(*vector));
    }

    /// The remote has what `vector` names.
    pub(super) fn learn(&mut self, vector: InvVect) {
        self.known.insert(vector, self.now + self.config.known_lifetime);
    }

    /// Whether it matters which transaction or block came.
    fn follows_inventory(&self) -> bool {
        self.known.capacity() > 0 || self.requested() > 0
    }

    /// The remote sent what `vector` names: it has it, and has answered for it.
    fn got(&mut self, vector: InvVect) {
        self.learn(vector);
        self.answer_vectors(&[vector]);
    }

    fn answer_vectors(&mut self, vectors: &[InvVect]) {
        if let Some(requests) = self.requests.as_mut().filter(|requests| requests.vectors() > 0) {
            vectors.iter().for_each(|vector| requests.answer_vector(vector));
            self.set_stall_timer();
        }
    }
}
