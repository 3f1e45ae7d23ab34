//! Input from the remote to the peer and its model.

use excc_peer::wire::{Command, Decoder, InputBuffer, Message, Ping, Pong, TrailingBytes, Version};

use super::Lockstep;
use super::common::{frame, hash, raw_frame};
use super::frames::{ErrorName, remote_version};
use super::messages::{BEFORE_STOP, GENESIS, MessageSpec, Object, one_of_each, stop_hash};
use super::model::{Subject, answers};
use super::script::{Delivery, Step, VersionFields};

/// Most pieces in which one message comes.
const MAX_PIECES: usize = 64;

/// Bytes that are in flight or in the buffer, beyond which nothing is sent.
const MAX_PENDING: usize = 4 * 1024 * 1024;

impl Lockstep {
    pub(super) fn receive_step(&mut self, step: &Step) {
        match step {
            Step::ReceiveVersion(fields, delivery) => {
                let version = self.version(fields).into();
                self.receive_message(&MessageSpec::Plain(version), *delivery);
            }
            Step::ReceiveEncodedVersion(fields, encoding, delivery) => {
                let rejects = self.setup.trailing == TrailingBytes::Reject;
                let version = self.version(fields);
                let (frame, expected) = encoding.frame(self.setup.network, version, rejects);
                let expected = expected.map(|version| Message::Version(version.into()));
                assert_eq!(self.decode(&frame), expected);
                self.deliver(&frame, *delivery);
            }
            Step::ReceiveBadFrame(bad, delivery) => {
                let (frame, error) = bad.bytes(self.setup.network);
                assert_eq!(self.decode(&frame), Err(error));
                self.deliver(&frame, *delivery);
            }
            Step::ReceivePayload(command, payload) => {
                let name = command.as_str().as_bytes();
                self.deliver(&raw_frame(self.setup.network, name, payload), Delivery::AtOnce);
            }
            Step::Receive(spec, delivery) => self.receive_checked(spec, *delivery),
            Step::ReceiveUnchecked(spec) => self.receive_message(spec, Delivery::AtOnce),
            Step::ReceivePings(count, delivery) => {
                let (network, version) = (self.setup.network, self.version_in_force());
                let ping = |nonce| frame(network, version, Message::Ping(Ping { nonce }));
                let pings: Vec<u8> = (0..*count).flat_map(ping).collect();
                self.deliver(&pings, *delivery);
            }
            Step::ReceivePong(which, delivery) => {
                let mut nonces = self.model.ping_nonces();
                if nonces.is_empty() {
                    nonces.push(1);
                }
                let nonce = nonces[which % nonces.len()];
                self.receive_message(&MessageSpec::Plain(Message::Pong(Pong { nonce })), *delivery);
            }
            Step::ReceiveAnswer(which, delivery) => {
                if let Some(spec) = self.answer(*which) {
                    self.receive_checked(&spec, *delivery);
                }
            }
            Step::ReceiveAgain(delivery) => {
                let frame = self.last_received.clone();
                self.deliver(&frame, *delivery);
            }
            Step::ReceiveSlowly(spec, piece, gap, is_called) => {
                self.in_flight.extend(self.checked_frame(spec));
                let all = std::mem::take(&mut self.in_flight);
                for piece in all.chunks((all.len() / MAX_PIECES).max(*piece)) {
                    self.now += *gap;
                    if *is_called {
                        self.time_out();
                        self.compare();
                    }
                    self.receive(piece);
                    self.compare();
                }
            }
            Step::Suspend(time, spec, order) => {
                self.now += *time;
                let frame = self.checked_frame(spec);
                if *order == Some(true) {
                    self.deliver(&frame, Delivery::AtOnce);
                }
                self.time_out();
                self.compare();
                if *order == Some(false) {
                    self.deliver(&frame, Delivery::AtOnce);
                }
                if let Some((_, at)) = self.peer.next_deadline() {
                    self.now = self.now.max(at);
                    self.time_out();
                }
            }
            Step::ReceiveDamaged(spec, at, flip, delivery) => {
                let mut frame = spec.frame(self.setup.network, self.version_in_force());
                let at = at % frame.len();
                frame[at] ^= flip;
                self.deliver(&frame, *delivery);
            }
            Step::ReceiveBytes(bytes) => self.deliver(bytes, Delivery::AtOnce),
            Step::ReceiveRest => self.deliver(&[], Delivery::AtOnce),
            Step::Resume => self.receive(&[]),
            Step::EndOfStream => {
                self.peer.handle_eof(self.now);
                self.model.handle_eof(self.now);
            }
            Step::ConnectionLost => {
                self.peer.handle_connection_lost(self.now);
                self.model.handle_connection_lost(self.now);
            }
            other => panic!("not of the remote: {other:?}"),
        }
    }

    /// The outcome of decoding a frame alone.
    fn decode(&self, frame: &[u8]) -> Result<Message, ErrorName> {
        let mut decoder = Decoder::new(self.setup.network, self.version_in_force());
        decoder.set_trailing_bytes(self.setup.trailing);
        match decoder.decode(&mut InputBuffer::from(frame)) {
            Ok(frame) => Ok(frame.expect("a whole frame").message),
            Err(error) => Err(error.kind().name()),
        }
    }

    /// The frame of a message, or of another one where it would end the peer.
    fn checked_frame(&self, spec: &MessageSpec) -> Vec<u8> {
        let command = spec.command();
        let is_defined = command.is_defined(self.model.protocol());
        let is_due = command != Command::VerAck || !self.model.has_verack;
        let frame = spec.frame(self.setup.network, self.version_in_force());
        if is_defined && is_due && !self.model.refuses(command, frame.len() - 24) {
            return frame;
        }
        MessageSpec::Plain(Message::GetAddr).frame(self.setup.network, self.version_in_force())
    }

    fn receive_checked(&mut self, spec: &MessageSpec, delivery: Delivery) {
        let frame = self.checked_frame(spec);
        self.deliver(&frame, delivery);
    }

    /// An answer to one of the requests.
    fn answer(&self, which: usize) -> Option<MessageSpec> {
        let request = self.model.outstanding.get(which % self.model.outstanding.len().max(1))?;
        let chain = self.setup.network.chain();
        Some(match &request.subject {
            Subject::Vector(vector) => {
                let objects = (0..3).map(Object::Tx).chain([Object::Block, Object::Mix]);
                let found = objects.into_iter().find(|object| object.vector(chain) == *vector);
                let spec = found.and_then(Object::spec);
                spec.unwrap_or_else(|| {
                    MessageSpec::Inventory(
                        Command::NotFound,
                        vec![Object::Missing(*vector), Object::Tx(0)],
                    )
                })
            }
            Subject::Headers(headers) => {
                let known = (0..9).find(|&n| headers.locator.first() == Some(&hash(n)));
                let is_stop = headers.stop == stop_hash(chain);
                let parent = known.unwrap_or(if is_stop { BEFORE_STOP } else { GENESIS });
                MessageSpec::Headers(parent, which % 15, (which % 20) as u32)
            }
            Subject::Command => {
                let protocol = self.model.protocol();
                let mut commands = answers(request.command).iter();
                let answer = *commands.find(|command| command.is_defined(protocol))?;
                one_of_each().into_iter().find(|spec| spec.command() == answer)?
            }
        })
    }

    pub(super) fn version(&self, fields: &VersionFields) -> Version {
        let nonce = fields.nonce.or(self.model.nonces.version);
        Version {
            protocol_version: fields.number.unwrap_or(self.setup.version.cast_signed()),
            timestamp: fields.timestamp,
            nonce: nonce.unwrap_or(0x5eed),
            start_height: fields.start_height,
            relay: fields.relay,
            ..remote_version()
        }
    }

    pub(super) fn receive_message(&mut self, spec: &MessageSpec, delivery: Delivery) {
        let frame = spec.frame(self.setup.network, self.version_in_force());
        self.deliver(&frame, delivery);
    }

    /// The remote sends `bytes`, which come after what is under access already.
    pub(super) fn deliver(&mut self, bytes: &[u8], delivery: Delivery) {
        // A remote stops when the socket is full.
        if self.in_flight.len() + self.buffer.len() > MAX_PENDING {
            return;
        }
        // A second `version` or `verack` would end the peer.
        if bytes.get(4..).is_some_and(|command| !command.starts_with(b"ver")) {
            self.last_received = bytes.to_vec();
        }
        self.in_flight.extend_from_slice(bytes);
        let mut all = std::mem::take(&mut self.in_flight);
        match delivery {
            Delivery::AtOnce => {}
            Delivery::InPieces(len) => {
                for _ in 0..MAX_PIECES.min(all.len() / len) {
                    let piece: Vec<u8> = all.drain(..len).collect();
                    self.receive(&piece);
                    self.compare();
                }
            }
            Delivery::InPart(len) => {
                self.in_flight = all.split_off(len.min(all.len()));
            }
        }
        self.receive(&all);
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        let result = self.peer.handle_input(self.now, &mut self.buffer);
        assert_eq!(result, self.model.handle_input(self.now, bytes));
        if !self.buffer.is_empty() {
            assert_eq!(*self.buffer.reserve(), *self.model.unconsumed(), "bytes not taken");
        }
        if self.peer.close_reason().is_none() && !self.peer.wants_read() {
            self.count("back-pressure");
        }
    }
}
