//! Received bytes and messages (`docs/protocol.md`, 2.3 and 10.2).

use excc_peer::wire::{Decoder, InputBuffer, InvVect, Message};
use excc_peer::{CloseReason, Instant, Timer};

use super::{Model, ModelEvent, extended};

impl Model {
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
                self.is_deferred = self.is_backpressured() && !self.unconsumed().is_empty();
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

    /// Extends the deadlines of the remote by the bytes that it sent.
    pub(super) fn on_progress(&mut self, bytes: usize) {
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
                self.deadlines.move_to(timer, extended(at, clock, bytes, rate, timeout));
            }
        }
        for (request, due) in &mut self.dues {
            let timeout = self.setup.response_timeout(*request).expect("it has a due time");
            *due = extended(*due, clock, bytes, rate, timeout);
        }
        self.set_stall_timer();
    }

    /// A decoder for the next frame, and the bytes for it.
    pub(super) fn reader(&self) -> (Decoder, InputBuffer) {
        let mut decoder = Decoder::new(self.setup.network, self.protocol().version);
        decoder.set_trailing_bytes(self.setup.trailing);
        (decoder, InputBuffer::from(&self.received[..]))
    }

    /// Ends where the remote's stream does.
    pub(super) fn end(&mut self) {
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
    pub(super) fn receive_frame(&mut self) -> Result<bool, CloseReason> {
        if self.unconsumed().is_empty() {
            return Ok(false);
        }
        let (mut reader, mut rest) = self.reader();
        let header = reader.header(&mut rest);
        self.taken = self.received.len() - rest.len();
        let Some(header) = header? else { return Ok(false) };
        if !self.is_admitted {
            self.is_admitted = true;
            self.check_order(header.command, 24 + header.len)?;
            self.admit_size(header.command, header.len)?;
        }
        let frame = reader.payload(&mut rest);
        self.taken = self.received.len() - rest.len();
        let Some(frame) = frame? else { return Ok(false) };
        self.received.drain(..frame.len);
        self.bytes_received += frame.len;
        (self.taken, self.is_admitted) = (0, false);

        self.count_frame(header.command, frame.len, |traffic| &mut traffic.received);
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

    pub(super) fn on_message(&mut self, message: Message, len: usize) {
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

    /// The vector under which a message is announced and requested.
    pub(super) fn vector_of(message: &Message) -> Option<InvVect> {
        match message {
            Message::Tx(tx) => Some(InvVect::tx(tx.tx_hash())),
            Message::Block(block) => Some(InvVect::block(block.block_hash())),
            message => message
                .as_mix()
                .map(|mix| InvVect::mix(mix.message_hash().expect("the hash of a valid message"))),
        }
    }

    pub(crate) fn bytes_received(&self) -> u64 {
        (self.bytes_received + self.taken) as u64
    }

    /// The received bytes that were not taken.
    pub(crate) fn unconsumed(&self) -> &[u8] {
        &self.received[self.taken..]
    }
}
