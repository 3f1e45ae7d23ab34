//! From bytes to behaviour: what each message does.

use alloc::sync::Arc;

use super::PeerState;
use super::error::CloseReason;
use super::event::{Direction, Established, Event};
use super::handshake::{Phase, VerAckRule};
use super::outbox::Purpose;
use super::stall::{answers, continues};
use super::timers::Timer;
use crate::wire::{Command, HEADER_LEN, Headers, InputBuffer, InvVect, Message, Version};

impl PeerState {
    /// Takes frames while there is room for what they bring.
    pub(super) fn receive(&mut self, buffer: &mut InputBuffer) -> Result<(), CloseReason> {
        self.on_progress(buffer.take_new());
        self.input.is_deferred = false;
        while self.has_room() {
            let before = buffer.len();
            let taken = self.receive_frame(buffer);
            self.counters.bytes_received += (before - buffer.len()) as u64;
            match taken {
                Ok(true) => self.check_open()?,
                Ok(false) => break,
                Err(reason) => {
                    self.close_with(reason.clone());
                    return Err(reason);
                }
            }
        }
        if !self.has_room() {
            self.input.is_deferred = !buffer.is_empty();
            self.note_back_pressure();
        }
        self.input.unconsumed = buffer.len();
        if self.input.has_ended && !self.input.is_deferred {
            self.close_at_eof();
        }
        self.check_open()
    }

    /// Takes one frame. Returns whether there was a complete one.
    fn receive_frame(&mut self, buffer: &mut InputBuffer) -> Result<bool, CloseReason> {
        let Some(header) = self.decoder.header(buffer)? else { return Ok(false) };
        if !self.input.is_admitted {
            self.admit(header.command, header.len)?;
            self.input.is_admitted = true;
        }
        let Some(frame) = self.decoder.payload(buffer)? else { return Ok(false) };
        self.input.is_admitted = false;

        trace!(TRACE, self, Received { command: header.command, bytes: frame.len });
        self.counters.received(header.command, frame.len, self.now);
        self.set_idle_timer();
        self.count_budget(header.command, frame.len)?;
        match (self.handshake.phase(), frame.message) {
            (Phase::AwaitsVersion, Message::Version(version)) => self.on_version(*version)?,
            (_, Message::VerAck) => self.on_verack(),
            (Phase::AwaitsVerAck, message) => self.handshake.hold(message, frame.len),
            (_, message) => self.on_message(message, frame.len),
        }
        Ok(true)
    }

    /// Judges a frame by its header, before its payload is received.
    fn admit(&mut self, command: Command, len: usize) -> Result<(), CloseReason> {
        self.handshake.admits(command, HEADER_LEN + len)?;
        if let Some(limit) = self.config.max_payload(command).filter(|&limit| len > limit) {
            return Err(CloseReason::PayloadTooLarge { command, len, limit });
        }
        if let Some(limit) = self.config.max_unsolicited(command).filter(|&limit| len > limit)
            && !self.requests.as_mut().is_some_and(|requests| requests.take_allowed(command))
        {
            return Err(CloseReason::Unsolicited { command, len, limit });
        }
        Ok(())
    }

    fn count_budget(&mut self, command: Command, len: usize) -> Result<(), CloseReason> {
        if self.config.budget(command).is_none() {
            return Ok(());
        }
        let budgets = self.budgets.get_or_insert_default();
        if let Some(budget) = budgets.exceeded(&self.config, command, len, self.now) {
            self.counters.over_budget(command);
            if budget.closes {
                return Err(CloseReason::OverBudget { command });
            }
            self.emit(Event::OverBudget { command }, 0);
        }
        Ok(())
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
        trace!(DEBUG, self, VersionReceived { version: version.clone() });
        self.emit(Event::VersionReceived(version), 0);

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
                    self.timers.set_after(Timer::VerAck, self.now, timeout);
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
        self.emit(Event::VerAckReceived, 0);
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
        // A nonce that comes back later shows no connection to ourselves.
        self.sent_nonce = None;
        self.timers.clear(Timer::Handshake);
        self.set_ping_timer();
        self.outbox.open();
        let established =
            Established { version: self.protocol_version(), time_offset: self.time_offset };
        trace!(DEBUG, self, Established { version: established.version });
        self.emit(Event::Established(established), 0);
    }

    fn on_message(&mut self, message: Message, len: usize) {
        let mut pong = None;
        let mut solicited = false;
        match &message {
            // Queued as a nonce, so that pings cost no memory and never stop the reading.
            Message::Ping(ping) => self.outbox.push_pong(ping.nonce),
            Message::Pong(received) => pong = Some(received.nonce),
            Message::SendHeaders => self.wants_headers = true,
            Message::FeeFilter(filter) => self.fee_filter = Some(filter.min_fee),
            Message::NotFound(missing) => solicited = self.on_vectors(missing),
            Message::Tx(tx) if self.follows_inventory() => {
                solicited = self.on_object(InvVect::tx(tx.tx_hash()));
            }
            Message::Block(block) if self.follows_inventory() => {
                solicited = self.on_object(InvVect::block(block.block_hash()));
            }
            message if self.follows_inventory() && message.as_mix().is_some() => {
                if let Some(Ok(hash)) = message.as_mix().map(|mix| mix.message_hash()) {
                    solicited = self.on_object(InvVect::mix(hash));
                }
            }
            message => solicited = self.on_answer(message),
        }
        if let Message::Inv(announced) = &message {
            self.learn_all(announced);
        }
        if let Some(height) = message.tip_height() {
            self.last_block = self.last_block.max(height.into());
        }
        self.emit(Event::Message { message, solicited }, len);
        if let Some(nonce) = pong
            && !self.on_pong(nonce, self.now)
        {
            self.outbox.answer_lent(self.now, |frame| frame.ping_nonce() == Some(nonce));
        }
    }

    /// A message came that may answer a request other than `getdata`. Returns whether it does.
    ///
    /// Where frames are written from a shared buffer, an answer may come before the driver tells
    /// that its request was sent.
    fn on_answer(&mut self, message: &Message) -> bool {
        let Some(requests) = &mut self.requests else { return false };
        let command = message.command();
        let is_answer = match message {
            Message::Headers(headers) => self.on_headers(headers),
            _ => {
                requests.on_answer(command)
                    || self.outbox.answer_lent(self.now, |frame| match frame.command() {
                        Command::GetData => false,
                        request => answers(request).contains(&command),
                    })
            }
        };
        if is_answer {
            self.set_stall_timer();
        }
        is_answer
    }

    /// Headers came. Returns whether they answer a `getheaders`.
    fn on_headers(&mut self, headers: &Headers) -> bool {
        let Some(requests) = &mut self.requests else { return false };
        let genesis = self.config.network.genesis();
        let protocol = self.decoder.protocol();
        if requests.on_headers(headers, &genesis) {
            return true;
        }
        let is_lent = self.outbox.answer_lent(self.now, |frame| {
            let request = frame.locator_request(protocol);
            request.is_some_and(|request| continues(headers, &request, &genesis))
        });
        if is_lent {
            requests.on_later_headers();
        }
        is_lent
    }

    /// The remote has the inventory that it announces. Of a long list only the end is read, as
    /// no more than that could be remembered.
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

    /// The remote sent the object of a vector. Returns whether it was asked for.
    fn on_object(&mut self, vector: InvVect) -> bool {
        self.learn(vector);
        self.on_vectors(&[vector])
    }

    /// The remote sent the objects of these vectors, or does not have them. Returns whether one
    /// was asked for.
    fn on_vectors(&mut self, vectors: &[InvVect]) -> bool {
        let Some(requests) = self.requests.as_mut().filter(|requests| requests.vectors() > 0)
        else {
            return false;
        };
        let timeout = self.config.response_timeout(Command::GetData);
        let due = timeout.map(|timeout| self.timers.remote_clock(self.now) + timeout);
        let mut any = false;
        for vector in vectors {
            any |= requests.on_vector(vector, due);
        }
        if any {
            self.set_stall_timer();
        }
        any
    }
}
