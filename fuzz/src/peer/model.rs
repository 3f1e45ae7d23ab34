//! What a peer is compared with.

use std::collections::HashMap;
use std::time::Duration;

use bytes::BytesMut;
use excc_peer::wire::{Command, DecodeError, Decoder, InvType, InvVect, Message};
use excc_peer::{CloseReason, Instant};

use super::script::Setup;

/// The remote's stream as the peer took it, decoded a second time.
pub(super) struct Mirror {
    decoder: Decoder,
    own_version: u32,
    /// What was taken and is not part of a whole message.
    rest: BytesMut,
    error: Option<DecodeError>,
}

impl Mirror {
    pub(super) fn new(setup: &Setup) -> Self {
        let own_version = setup.config.protocol_version();
        let mut decoder = Decoder::new(*setup.config.network(), own_version);
        decoder.set_trailing_bytes(setup.trailing);
        decoder.set_reject_limit(setup.max_reject);
        Self { decoder, own_version, rest: BytesMut::new(), error: None }
    }

    /// The messages that `taken` completes, without those of the handshake.
    pub(super) fn receive(&mut self, taken: &[u8]) -> Vec<Message> {
        self.rest.extend_from_slice(taken);
        let mut messages = Vec::new();
        while self.error.is_none() {
            match self.decoder.decode(&mut self.rest) {
                Ok(None) => break,
                Err(error) => self.error = Some(error),
                Ok(Some(frame)) => match frame.message {
                    Message::Version(version) => {
                        let theirs = version.protocol_version.cast_unsigned();
                        self.decoder.set_version(self.own_version.min(theirs));
                    }
                    Message::VerAck => {}
                    message => messages.push(message),
                },
            }
        }
        messages
    }

    /// Whether `buffer` has all of what comes next.
    pub(super) fn is_served_by(&self, buffer: &BytesMut) -> bool {
        self.decoder.missing(buffer) == 0
    }

    /// A peer takes whole frames and headers, and is open only as long as they are valid.
    pub(super) fn assert_agrees(&self, closed: Option<&CloseReason>) {
        match (closed, &self.error) {
            (None, error) => assert!(error.is_none() && self.rest.is_empty()),
            (Some(CloseReason::Decode(reason)), Some(error)) => assert_eq!(reason, error),
            // The end of the stream cuts a message short.
            (Some(CloseReason::Decode(reason)), None) => assert!(!reason.is_violation()),
            _ => {}
        }
    }
}

/// The peer's own stream, from its first byte.
pub(super) struct Outgoing {
    decoder: Decoder,
    rest: BytesMut,
    frames: usize,
}

impl Outgoing {
    pub(super) fn new(setup: &Setup) -> Self {
        let network = *setup.config.network();
        let decoder = Decoder::new(network, setup.config.protocol_version());
        Self { decoder, rest: BytesMut::new(), frames: 0 }
    }

    /// The messages that `bytes` completes. They are valid, and begin with the handshake.
    pub(super) fn follow(&mut self, bytes: &[u8], version: u32) -> Vec<Message> {
        self.decoder.set_version(version);
        self.rest.extend_from_slice(bytes);
        let mut messages = Vec::new();
        while let Some(frame) = self.decoder.decode(&mut self.rest).expect("valid frames leave") {
            let command = frame.message.command();
            match self.frames {
                0 => assert_eq!(command, Command::Version),
                1 => assert_eq!(command, Command::VerAck),
                _ => assert!(!matches!(command, Command::Version | Command::VerAck)),
            }
            self.frames += 1;
            messages.push(frame.message);
        }
        messages
    }
}

/// What the remote must be known to have. Errs on the side of ignorance: it counts each
/// use of a vector as if it pushed all others back.
pub(super) struct Known {
    capacity: u64,
    lifetime: Duration,
    uses: u64,
    vectors: HashMap<InvVect, (u64, Instant)>,
}

impl Known {
    pub(super) fn new((capacity, lifetime): (usize, Duration)) -> Self {
        Self { capacity: capacity as u64, lifetime, uses: 0, vectors: HashMap::new() }
    }

    /// So many vectors were looked up or inserted.
    pub(super) fn count_uses(&mut self, vectors: usize) {
        self.uses += vectors as u64;
    }

    pub(super) fn insert(&mut self, vector: InvVect, now: Instant) {
        self.uses += 1;
        self.vectors.insert(vector, (self.uses, now));
    }

    pub(super) fn contains(&self, vector: &InvVect, now: Instant) -> bool {
        self.vectors
            .get(vector)
            .is_some_and(|&(used, at)| self.uses - used < self.capacity && now < at + self.lifetime)
    }
}

/// What a message is announced and asked for by.
pub(super) fn vector_of(message: &Message) -> Option<InvVect> {
    match message {
        Message::Tx(tx) => Some(InvVect::tx(tx.tx_hash())),
        Message::Block(block) => Some(InvVect::block(block.block_hash())),
        message => {
            let hash = message.as_mix()?.message_hash().expect("it was decoded");
            Some(InvVect::mix(hash))
        }
    }
}

/// What was asked for by `getdata` and not answered.
pub(super) struct Asked {
    /// Whether answers are waited for at all.
    is_limited: bool,
    vectors: Vec<InvVect>,
}

impl Asked {
    pub(super) const fn new(is_limited: bool) -> Self {
        Self { is_limited, vectors: Vec::new() }
    }

    pub(super) fn len(&self) -> usize {
        self.vectors.len()
    }

    pub(super) fn contains(&self, vector: &InvVect) -> bool {
        self.vectors.contains(vector)
    }

    pub(super) fn ask(&mut self, message: &Message) {
        let Message::GetData(vectors) = message else { return };
        for vector in vectors {
            let is_answered = matches!(vector.kind, InvType::TX | InvType::BLOCK | InvType::MIX);
            if self.is_limited && is_answered && !self.contains(vector) {
                self.vectors.push(*vector);
            }
        }
    }

    pub(super) fn answer(&mut self, message: &Message) {
        let is_answered = |vector: &InvVect| match message {
            Message::NotFound(missing) => missing.contains(vector),
            message => vector_of(message) == Some(*vector),
        };
        self.vectors.retain(|vector| !is_answered(vector));
    }
}
