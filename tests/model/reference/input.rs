//! Input of the reference.

use excc_peer::wire::{Command, Decoder, InputBuffer, InvVect, Message, Version};
use excc_peer::{Chain, CloseReason, Direction, Instant, Timer};

use super::Reference;
use crate::parts::{Follows, ModelEvent, put_off};

impl Reference {
    pub(crate) fn handle_input(&mut self, now: Instant, bytes: &[u8]) -> Result<(), CloseReason> {
        self.set_time(now);
        self.received.extend_from_slice(bytes);
        if self.closed.is_none() {
            self.on_progress(bytes.len());
            self.is_deferred = false;
            while self.closed.is_none() && !self.is_backpressured() {
                match self.receive_frame() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(reason) => self.close_for(reason),
                }
            }
            if self.closed.is_none() {
                self.is_deferred = self.is_backpressured() && self.untaken() > 0;
                self.was_backpressured |= self.is_backpressured();
                if self.has_ended && !self.is_deferred {
                    self.end();
                }
            }
        }
        self.closed.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn handle_eof(&mut self, now: Instant) {
        self.set_time(now);
        if self.closed.is_some() {
            return;
        }
        self.has_ended = true;
        if !self.is_deferred {
            self.end();
        }
    }

    pub(crate) fn handle_connection_lost(&mut self, now: Instant) {
        self.set_time(now);
        self.end_try("last try: connection lost");
        self.close_for(CloseReason::ConnectionLost);
    }

    /// Bytes of the remote's put off what it owes.
    fn on_progress(&mut self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let (clock, rate) = (self.remote_clock(), self.setup.read_rate);
        let owed = [
            (Timer::VerAck, self.setup.verack_timeout),
            (Timer::Idle, self.setup.idle_timeout),
            (Timer::Pong, self.setup.pong_timeout),
        ];
        for (timer, timeout) in owed {
            if let (Some(at), Some(timeout)) = (self.deadlines.at(timer), timeout) {
                self.deadlines.move_to(timer, put_off(at, clock, bytes, rate, timeout));
            }
        }
        for (request, due) in &mut self.dues {
            let timeout = self.setup.response_timeout(*request).expect("it has a due time");
            *due = put_off(*due, clock, bytes, rate, timeout);
        }
        self.set_stall_timer();
    }

    /// A decoder for the next frame, and the bytes for it.
    fn reader(&self) -> (Decoder, InputBuffer) {
        let mut decoder = Decoder::new(self.setup.network, self.protocol().version);
        decoder.set_trailing_bytes(self.setup.trailing);
        (decoder, InputBuffer::from(&self.received[self.frame_at..]))
    }

    /// Ends where the remote's stream does.
    fn end(&mut self) {
        let (mut reader, mut rest) = self.reader();
        let received = rest.len();
        // A header that was refused has closed the peer already.
        let header = reader.header(&mut rest).expect("an acceptable header");
        let Some(cut) = reader.incomplete_frame(rest.len()) else {
            assert_eq!(received, 0);
            return self.close_for(CloseReason::RemoteClosed);
        };
        let expected = match header {
            Some(header) => (Some(header.command), header.len, received - 24),
            None => (None, 24, received),
        };
        assert_eq!((cut.command, cut.needed, cut.received), expected);
        self.close_for(CloseReason::Cut(cut));
    }

    /// Takes one frame, or its header while it is not complete. Returns whether it was.
    fn receive_frame(&mut self) -> Result<bool, CloseReason> {
        let (mut reader, mut rest) = self.reader();
        let header = reader.header(&mut rest);
        self.taken = self.received.len() - rest.len();
        let Some(header) = header? else { return Ok(false) };
        if self.admitted_at != Some(self.frame_at) {
            self.admitted_at = Some(self.frame_at);
            self.check_order(header.command)?;
            self.admit_size(header.command, header.len)?;
        }
        let frame = reader.payload(&mut rest);
        self.taken = self.received.len() - rest.len();
        let Some(frame) = frame? else { return Ok(false) };
        self.frame_at = self.taken;

        self.traffic[0].push((header.command, frame.len));
        self.last_receive = Some(self.now);
        self.deadlines.set_after(Timer::Idle, self.remote_clock(), self.setup.idle_timeout);
        self.spend_budget(header.command, frame.len)?;
        match frame.message {
            Message::Version(version) => self.on_version(*version)?,
            Message::VerAck => self.on_verack(),
            message if self.is_done => self.on_message(message, frame.len),
            message => self.early.push((message, frame.len)),
        }
        Ok(true)
    }

    /// Whether a message of that name may come now.
    fn check_order(&self, command: Command) -> Result<(), CloseReason> {
        let may_be_early = match (self.setup.network.chain(), self.protocol().version) {
            (Chain::Decred, ..12) => self.setup.max_before_verack.into(),
            _ => 0,
        };
        match command {
            Command::Version if self.remote_version.is_none() => Ok(()),
            Command::Version => Err(CloseReason::DuplicateVersion),
            other if self.remote_version.is_none() => Err(CloseReason::NotVersion(other)),
            Command::VerAck if self.has_verack => Err(CloseReason::DuplicateVerAck),
            Command::VerAck => Ok(()),
            other if !self.is_done && self.early.len() >= may_be_early => {
                Err(CloseReason::NotVerAck(other))
            }
            _ => Ok(()),
        }
    }

    fn on_version(&mut self, version: Version) -> Result<(), CloseReason> {
        let is_in_use = self.setup.sent_nonces.contains(&version.nonce)
            || (self.has_nonce_in_use() && self.nonces.version == Some(version.nonce));
        if version.nonce != 0 && is_in_use && !self.setup.allows_self_connections {
            return Err(CloseReason::SelfConnection);
        }
        let (advertised, minimum) = (version.protocol_version, self.setup.min_remote_version);
        self.time_offset = version.timestamp.saturating_sub(self.wall_clock());
        self.last_block = Some(i64::from(version.start_height).max(0));
        let offered = version.services;
        self.remote_version = Some(version.clone());
        self.emit(ModelEvent::VersionReceived(version), 0);
        if i64::from(advertised) < i64::from(minimum) {
            return Err(CloseReason::ProtocolVersionTooOld { advertised, minimum });
        }
        let required = self.setup.required_services;
        if offered & required != required {
            return Err(CloseReason::MissingServices { offered, required });
        }
        if !self.setup.reviews {
            self.accept();
        }
        Ok(())
    }

    /// The nonces of other peers count no more.
    pub(crate) fn forget_other_nonces(&mut self) {
        self.setup.sent_nonces.clear();
    }

    pub(super) fn accept(&mut self) {
        self.is_accepted = true;
        if self.setup.direction == Direction::Inbound {
            self.push_version();
        }
        let is_late = self.setup.network.chain() == Chain::Exchangecoin;
        if is_late || self.setup.direction == Direction::Inbound {
            self.push(&Message::VerAck, Follows::Handshake);
        }
        if is_late {
            self.establish();
            self.deadlines.set_after(Timer::VerAck, self.remote_clock(), self.setup.verack_timeout);
        }
    }

    fn on_verack(&mut self) {
        self.has_verack = true;
        self.deadlines.clear(Timer::VerAck);
        self.emit(ModelEvent::VerAckReceived, 0);
        if self.is_done {
            return;
        }
        if self.setup.direction == Direction::Outbound {
            self.push(&Message::VerAck, Follows::Handshake);
        }
        self.establish();
        for (message, len) in std::mem::take(&mut self.early) {
            self.on_message(message, len);
        }
    }

    fn establish(&mut self) {
        self.is_done = true;
        self.deadlines.clear(Timer::Handshake);
        self.deadlines.set_after(Timer::Ping, self.now, self.setup.ping_interval);
        self.emit(ModelEvent::Established(self.protocol().version, self.time_offset), 0);
    }

    fn on_message(&mut self, message: Message, len: usize) {
        let solicited = self.on_answer(&message);
        self.emit(ModelEvent::Message(message.clone(), solicited), len);
        if let Some(vector) = Self::vector_of(&message) {
            self.known.insert(vector, self.now);
        }
        match message {
            Message::Ping(ping) => self.on_ping(ping.nonce),
            Message::Pong(pong) => self.on_pong(pong.nonce),
            Message::SendHeaders => self.wants_headers = true,
            Message::FeeFilter(filter) => self.fee_filter = Some(filter.min_fee),
            Message::Inv(vectors) => {
                // Only the end of a long list fits.
                let skipped = vectors.len().saturating_sub(self.known.capacity);
                for vector in &vectors[skipped..] {
                    self.known.insert(*vector, self.now);
                }
            }
            Message::Headers(headers) => {
                let heights: Vec<u32> = headers.iter().map(|header| header.height()).collect();
                heights.into_iter().for_each(|height| self.raise_last_block(height.into()));
            }
            Message::Block(block) => self.raise_last_block(block.header().height().into()),
            _ => {}
        }
    }

    pub(super) fn raise_last_block(&mut self, height: i64) {
        self.last_block = self.last_block.map(|last| last.max(height));
    }

    /// The vector under which a message is announced and asked for.
    pub(super) fn vector_of(message: &Message) -> Option<InvVect> {
        match message {
            Message::Tx(tx) => Some(InvVect::tx(tx.tx_hash())),
            Message::Block(block) => Some(InvVect::block(block.block_hash())),
            message => message
                .as_mix()
                .map(|mix| InvVect::mix(mix.message_hash().expect("the hash of a valid message"))),
        }
    }
}
