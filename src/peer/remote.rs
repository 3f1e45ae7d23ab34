//! Facts about the remote that are known from its `version` on.

use alloc::sync::Arc;

use crate::wire::{Command, InvType, Message, Protocol, Version};

/// The remote, once its `version` was received.
pub(super) struct Remote {
    pub(super) version: Arc<Version>,
    /// The remote's clock less ours, in seconds, when its `version` was received.
    pub(super) time_offset: i64,
    /// The height of the highest block that the remote claims to have.
    pub(super) last_block: i64,
    /// Whether the remote sent `sendheaders`.
    pub(super) wants_headers: bool,
    /// The fee rate of the latest `feefilter`.
    pub(super) fee_filter: Option<i64>,
}

impl Remote {
    /// `unix_time` is our wall clock, in seconds.
    pub(super) fn new(version: Version, unix_time: i64) -> Self {
        Self {
            time_offset: version.timestamp.saturating_sub(unix_time),
            // Nodes may send a negative height (`docs/protocol.md`, 5.2).
            last_block: version.start_height.max(0).into(),
            wants_headers: false,
            fee_filter: None,
            version: Arc::new(version),
        }
    }

    /// Records the facts that a message states.
    pub(super) fn on_message(&mut self, message: &Message) {
        match message {
            Message::SendHeaders => self.wants_headers = true,
            Message::FeeFilter(filter) => self.fee_filter = Some(filter.min_fee),
            message => {
                if let Some(height) = message.tip_height() {
                    self.raise_last_block(height.into());
                }
            }
        }
    }

    /// Raises the height of the remote's best block. Heights only rise, because a message may
    /// carry an older block (`docs/protocol.md`, 5.2).
    pub(super) fn raise_last_block(&mut self, height: i64) {
        self.last_block = self.last_block.max(height);
    }

    /// Returns whether announcements of a type reach the remote. `relay` in its `version`
    /// disables those of transactions and mixing messages (`docs/protocol.md`, 8.4).
    pub(super) fn wants(&self, kind: InvType, protocol: Protocol) -> bool {
        match kind {
            InvType::TX => self.version.relay,
            InvType::MIX => self.version.relay && has_mixes(protocol),
            _ => true,
        }
    }
}

/// Returns whether a protocol version defines mixing messages.
pub(super) fn has_mixes(protocol: Protocol) -> bool {
    Command::MixPairReq.is_defined(protocol)
}
