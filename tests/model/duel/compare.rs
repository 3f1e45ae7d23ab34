//! Both must be in the same state.

use std::collections::BTreeMap;

use excc_peer::Traffic;
use excc_peer::wire::{Command, Version};

use super::Duel;
use crate::common::remote;

impl Duel {
    /// Both must be in the same state, as far as it can be seen.
    pub(super) fn compare(&self) {
        let (peer, reference) = (&self.peer, &self.reference);
        assert_eq!(peer.deadlines().collect::<Vec<_>>(), reference.deadlines.all());
        assert_eq!(peer.next_deadline(), reference.deadlines.next());
        assert_eq!(peer.poll_timeout(), reference.deadlines.next().map(|(_, at)| at));
        assert_eq!(self.buffer.len(), reference.untaken(), "bytes left in the buffer");
        assert_eq!(peer.close_reason(), reference.closed.as_ref());
        let shuts_down = reference.shuts_down_by.is_some();
        assert_eq!(peer.is_shutting_down(), shuts_down, "shutting down");
        assert_eq!(peer.linger_until(), reference.linger_until, "lingers");
        assert_eq!(peer.wants_read(), reference.wants_read(), "wants to read");
        assert_eq!(peer.wants_write(), reference.wants_write(), "wants to write");
        assert_eq!(peer.has_events(), reference.has_events(), "has events");
        assert_eq!(peer.can_resume(), reference.can_resume(), "can resume");
        assert_eq!(peer.is_established(), reference.is_established(), "established");
        assert_eq!(peer.verack_received(), reference.has_verack, "verack");
        assert_eq!(peer.wants_headers(), reference.wants_headers, "sendheaders");
        assert_eq!(peer.fee_filter(), reference.fee_filter);
        assert_eq!(peer.last_block(), reference.last_block);
        assert_eq!(peer.protocol_version(), reference.protocol().version);
        assert_eq!(peer.remote_version().map(|version| &**version), self.remote_version());
        assert!(self.wire.starts_with(&reference.wire), "the bytes that were sent");
        if let Some(nonce) = reference.nonces.version {
            let is_in_use = peer.config().sent_nonces().contains(nonce);
            assert_eq!(is_in_use, reference.has_nonce_in_use(), "the nonce counts");
        }
        self.compare_stats();
    }

    fn remote_version(&self) -> Option<&Version> {
        self.reference.remote_version.as_ref()
    }

    fn compare_stats(&self) {
        let (stats, reference) = (self.peer.stats(), &self.reference);
        let theirs = self.remote_version();
        assert_eq!((stats.remote_address, self.peer.remote_address()), (remote(), remote()));
        assert_eq!(stats.direction, self.setup.direction);
        assert_eq!(stats.connected_at, reference.started);
        assert_eq!(stats.services, theirs.map(|version| version.services));
        assert_eq!(stats.user_agent.as_ref(), theirs.map(|version| &version.user_agent));
        let advertised = theirs.map(|version| version.protocol_version.cast_unsigned());
        assert_eq!(stats.advertised_version, advertised);
        assert_eq!(stats.negotiated_version, theirs.map(|_| self.version_in_force()));
        assert_eq!(stats.start_height, theirs.map(|version| version.start_height));
        assert_eq!(stats.last_block, reference.last_block);
        assert_eq!(stats.time_offset, theirs.map(|_| reference.time_offset));
        assert_eq!(stats.relay, theirs.map(|version| version.relay));
        assert_eq!(stats.wants_headers, reference.wants_headers);
        assert_eq!(stats.fee_filter, reference.fee_filter);
        assert_eq!(stats.last_send, reference.last_send);
        assert_eq!(stats.last_receive, reference.last_receive);
        assert_eq!(stats.bytes_sent, reference.bytes_sent);
        assert_eq!(stats.bytes_received, reference.taken as u64);
        assert_eq!(stats.outstanding_ping, reference.pings.last().map(|&(nonce, _)| nonce));
        assert_eq!(stats.last_ping, reference.last_ping);
        assert_eq!(stats.round_trip, reference.round_trip);
        assert_eq!(stats.queued_frames, reference.queued_frames());
        assert_eq!(stats.queued_bytes, reference.queued_bytes());
        assert_eq!(stats.waiting_announcements, reference.waiting_announcements());
        assert_eq!(stats.waiting_events, reference.events.len());
        assert_eq!(stats.requested, reference.requested());
        assert_eq!(stats.known_inventory, reference.known.vectors.len());

        let mut commands: BTreeMap<Command, ([Traffic; 2], u32)> = BTreeMap::new();
        for (direction, frames) in reference.traffic.iter().enumerate() {
            for &(command, len) in frames {
                let traffic = &mut commands.entry(command).or_default().0[direction];
                traffic.messages += 1;
                traffic.bytes += len as u64;
            }
        }
        for (&command, &count) in &reference.over_budget {
            commands.entry(command).or_default().1 = count;
        }
        let seen = stats.commands.iter();
        let seen = seen.map(|of| (of.command, ([of.received, of.sent], of.over_budget)));
        assert!(seen.eq(commands), "{:?}", stats.commands);
    }
}
