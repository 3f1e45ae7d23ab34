//! The path of received bytes to events.

use super::PeerState;
use super::error::CloseReason;
use super::event::{Established, Event};
use super::handshake::{Action, Handshake, Negotiation, VerAckReceived};
use super::keepalive::Keepalive;
use super::limits::InputLimits;
use super::outbox::Purpose;
use super::remote::Remote;
use super::timers::transfer_time;
use crate::wire::{Command, HEADER_LEN, InputBuffer, InvVect, Message, Version};

/// The state of the input, besides that of the decoder.
#[derive(Default)]
pub(super) struct Input {
    /// Number of bytes that were left in the caller's buffer.
    unconsumed: usize,
    /// Whether complete frames may be among them, because of back-pressure.
    is_deferred: bool,
    /// Whether the header of the current frame was checked.
    is_header_checked: bool,
    /// Whether the remote ended its stream.
    has_ended: bool,
}

impl Input {
    pub(super) fn is_deferred(&self) -> bool {
        self.is_deferred
    }

    pub(super) fn has_ended(&self) -> bool {
        self.has_ended
    }
}

/// # Frames
impl PeerState {
    /// Takes frames from the buffer until back-pressure sets in.
    pub(super) fn receive(&mut self, buffer: &mut InputBuffer) -> Result<(), CloseReason> {
        self.on_progress(buffer.take_new());
        while !self.is_backpressured() {
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
        self.on_back_pressure();
        self.input.is_deferred = self.is_backpressured() && !buffer.is_empty();
        self.input.unconsumed = buffer.len();
        self.close_if_input_ended();
        self.check_open()
    }

    /// Handles the end of the remote's stream.
    pub(super) fn receive_eof(&mut self) {
        self.input.has_ended = true;
        self.close_if_input_ended();
    }

    /// Closes the peer after the end of the remote's stream. Deferred frames are taken before.
    fn close_if_input_ended(&mut self) {
        if !self.input.has_ended || self.input.is_deferred {
            return;
        }
        self.close_with(match self.decoder.incomplete_frame(self.input.unconsumed) {
            Some(frame) => CloseReason::Cut(frame),
            None => CloseReason::RemoteClosed,
        });
    }

    /// Postpones the deadlines of the remote by the time in which the new bytes are transferred at
    /// the minimum rate (`docs/protocol.md`, 10.2).
    fn on_progress(&mut self, bytes: usize) {
        if bytes == 0 {
            return;
        }
        let (timers, config) = (&mut self.timers, &*self.config);
        let by = transfer_time(bytes, config.read_rate);
        Handshake::on_progress(by, timers, config);
        Keepalive::on_progress(by, timers, config);
        self.requests.on_progress(by, timers, config);
    }

    /// Takes one frame. Returns whether a complete one was received.
    ///
    /// The order of checks: the header by the decoder, the handshake, the limits; then the payload
    /// by the decoder, and the budget (`docs/protocol.md`, 2.3 and 11).
    fn receive_frame(&mut self, buffer: &mut InputBuffer) -> Result<bool, CloseReason> {
        let Some(header) = self.decoder.header(buffer)? else { return Ok(false) };
        let command = header.command;
        if !self.input.is_header_checked {
            self.handshake.check_header(command, HEADER_LEN + header.len)?;
            InputLimits::check_header(command, header.len, &mut self.requests, &self.config)?;
            self.input.is_header_checked = true;
        }
        let Some(frame) = self.decoder.payload(buffer)? else { return Ok(false) };
        self.input.is_header_checked = false;

        trace!(TRACE, self, Received { command, bytes: frame.len });
        self.counters.received(command, frame.len, self.timers.now());
        Keepalive::on_message_received(&mut self.timers, &self.config);
        self.check_budget(command, frame.len)?;
        match frame.message {
            Message::Version(version) => self.on_version(*version)?,
            Message::VerAck => self.on_verack(),
            message => {
                if let Some(message) = self.handshake.defer_early(message, frame.len) {
                    self.on_message(message, frame.len);
                }
            }
        }
        Ok(true)
    }

    fn check_budget(&mut self, command: Command, frame_len: usize) -> Result<(), CloseReason> {
        let now = self.timers.now();
        let exceeded = self.limits.exceeded_budget(command, frame_len, now, &self.config);
        let Some(budget) = exceeded else { return Ok(()) };
        self.counters.over_budget(command);
        if budget.closes {
            return Err(CloseReason::OverBudget { command });
        }
        self.emit(Event::OverBudget { command }, 0);
        Ok(())
    }
}

/// # The handshake
impl PeerState {
    fn on_version(&mut self, version: Version) -> Result<(), CloseReason> {
        let Negotiation { protocol_version, rejection } =
            self.handshake.on_version(&version, &self.config)?;
        self.decoder.set_version(protocol_version);
        let remote = Remote::new(version, self.unix_time());
        let version = remote.version.clone();
        self.remote = Some(remote);
        trace!(DEBUG, self, VersionReceived { version: version.clone() });
        self.emit(Event::VersionReceived(version), 0);
        if let Some(reason) = rejection {
            return Err(reason);
        }
        let protocol = self.decoder.protocol();
        let actions = self.handshake.review_or_answer(protocol, &self.config, &mut self.timers);
        self.perform(actions);
        Ok(())
    }

    fn on_verack(&mut self) {
        let VerAckReceived { actions, early } = self.handshake.on_verack(&mut self.timers);
        self.emit(Event::VerAckReceived, 0);
        self.perform(actions);
        for (message, frame_len) in early {
            self.on_message(message, frame_len);
        }
    }

    pub(super) fn perform(&mut self, actions: &[Action]) {
        for action in actions {
            match action {
                Action::SendVersion => self.enqueue_version(),
                Action::SendVerAck => self.enqueue_internal(&Message::VerAck, Purpose::Handshake),
                Action::Establish => self.on_established(),
            }
        }
    }

    fn on_established(&mut self) {
        Keepalive::schedule_ping(&mut self.timers, &self.config);
        self.outbox.on_established();
        let time_offset = self.remote.as_ref().map_or(0, |remote| remote.time_offset);
        let protocol_version = self.protocol_version();
        let established = Established { protocol_version, time_offset };
        trace!(DEBUG, self, Established { version: protocol_version });
        self.emit(Event::Established(established), 0);
    }
}

/// # Messages
impl PeerState {
    fn on_message(&mut self, message: Message, frame_len: usize) {
        match &message {
            Message::Ping(ping) => self.owed_pongs.on_ping_received(ping.nonce),
            Message::Inv(vectors) => {
                self.relayer.on_inventory_received(vectors, &self.timers, &self.config);
            }
            _ => {}
        }
        if let Some(remote) = &mut self.remote {
            remote.on_message(&message);
        }
        let solicited = self.is_solicited(&message);
        let pong = if let Message::Pong(pong) = &message { Some(pong.nonce) } else { None };
        self.emit(Event::Message { message, solicited }, frame_len);
        if let Some(nonce) = pong {
            self.on_pong(nonce);
        }
    }

    /// Returns whether a message answers an outstanding request, which is answered by it.
    fn is_solicited(&mut self, message: &Message) -> bool {
        if let Message::NotFound(vectors) = message {
            return self.requests.on_objects_received(vectors, &mut self.timers, &self.config);
        }
        if let Some(vector) = self.object_of(message) {
            self.relayer.mark_known(vector, &self.timers, &self.config);
            return self.requests.on_objects_received(&[vector], &mut self.timers, &self.config);
        }
        self.requests.on_message_received(
            message,
            &self.config.network.genesis(),
            self.decoder.protocol(),
            &mut self.outbox,
            &mut self.timers,
        )
    }

    /// Returns the vector of the object in a message. Hashes the object only if the vector can be
    /// known or requested.
    fn object_of(&self, message: &Message) -> Option<InvVect> {
        if !self.relayer.tracks_inventory() && self.requests.vectors() == 0 {
            return None;
        }
        match message {
            Message::Tx(tx) => Some(InvVect::tx(tx.tx_hash())),
            Message::Block(block) => Some(InvVect::block(block.block_hash())),
            message => Some(InvVect::mix(message.as_mix()?.message_hash().ok()?)),
        }
    }

    fn on_pong(&mut self, nonce: u64) {
        let now = self.timers.now();
        match self.keepalive.on_pong(nonce, now, &mut self.timers, &self.config) {
            Some(time) => self.emit(Event::RoundTrip { nonce, time }, 0),
            // The `ping` may have been written and not reported yet (`docs/protocol.md`, 7.4).
            None => _ = self.outbox.mark_answered(now, |frame| frame.ping_nonce() == Some(nonce)),
        }
    }
}
