//! The state of a peer and of its model.

use excc_peer::wire::Version;

use super::Lockstep;
use super::model::CommandTraffic;

impl Lockstep {
    /// Both must be in the same state, as far as it can be seen. Without outcomes to count, a
    /// script runs for its speed: statistics, which only accumulate, are compared in rotation.
    pub(super) fn compare(&mut self) {
        const ROTATION: usize = 4;
        self.comparisons += 1;
        self.compare_state();
        if self.outcomes.is_some() || self.comparisons.is_multiple_of(ROTATION) {
            self.compare_nonces();
            self.compare_stats();
        }
    }

    pub(super) fn compare_state(&self) {
        let (peer, model) = (&self.peer, &self.model);
        assert!(peer.deadlines().eq(model.deadlines.all()), "{}", self.both_deadlines());
        assert_eq!(peer.next_deadline(), model.deadlines.next());
        assert_eq!(peer.poll_timeout(), model.deadlines.next().map(|(_, at)| at));
        assert_eq!(self.buffer.len(), model.unconsumed().len(), "bytes not taken");
        assert_eq!(peer.close_reason(), model.closed.as_ref());
        let shuts_down = model.shuts_down_by.is_some();
        assert_eq!(peer.is_shutting_down(), shuts_down, "shutting down");
        assert_eq!(peer.linger_until(), model.linger_until, "lingers");
        assert_eq!(peer.wants_read(), model.wants_read(), "wants to read");
        assert_eq!(peer.wants_write(), model.wants_write(), "wants to write");
        assert_eq!(peer.has_events(), model.has_events(), "has events");
        assert_eq!(peer.can_resume(), model.can_resume(), "can resume");
        assert_eq!(peer.is_established(), model.is_established(), "established");
        assert_eq!(peer.verack_received(), model.has_verack, "verack");
        assert_eq!(peer.wants_headers(), model.wants_headers, "sendheaders");
        assert_eq!(peer.fee_filter(), model.fee_filter);
        assert_eq!(peer.last_block(), model.last_block);
        assert_eq!(peer.protocol_version(), model.protocol().version);
        assert_eq!(peer.remote_version().map(|version| &**version), self.remote_version());
    }

    /// The nonce of an outbound peer counts during its handshake.
    pub(super) fn compare_nonces(&self) {
        if let Some(nonce) = self.model.nonces.version {
            let is_in_use = self.peer.config().sent_nonces().contains(nonce);
            assert_eq!(is_in_use, self.model.has_nonce_in_use(), "the nonce counts");
        }
    }

    fn both_deadlines(&self) -> String {
        let [of_peer, of_model]: [Vec<_>; 2] =
            [self.peer.deadlines().collect(), self.model.deadlines.all().collect()];
        format!("{of_peer:?} of the peer, {of_model:?} of the model")
    }

    fn remote_version(&self) -> Option<&Version> {
        self.model.remote_version.as_ref()
    }

    pub(super) fn compare_stats(&self) {
        let (stats, model) = (self.peer.stats(), &self.model);
        let theirs = self.remote_version();
        assert_eq!([stats.remote_address, self.peer.remote_address()], [self.remote; 2]);
        assert_eq!(stats.direction, self.setup.direction);
        assert_eq!(stats.connected_at, model.started);
        assert_eq!(stats.services, theirs.map(|version| version.services));
        assert_eq!(stats.user_agent.as_ref(), theirs.map(|version| &version.user_agent));
        let advertised = theirs.map(|version| version.protocol_version.cast_unsigned());
        assert_eq!(stats.advertised_version, advertised);
        assert_eq!(stats.negotiated_version, theirs.map(|_| self.version_in_force()));
        assert_eq!(stats.start_height, theirs.map(|version| version.start_height));
        assert_eq!(stats.last_block, model.last_block);
        assert_eq!(stats.time_offset, theirs.map(|_| model.time_offset));
        assert_eq!(stats.relay, theirs.map(|version| version.relay));
        assert_eq!(stats.wants_headers, model.wants_headers);
        assert_eq!(stats.fee_filter, model.fee_filter);
        assert_eq!(stats.last_send, model.last_send);
        assert_eq!(stats.last_receive, model.last_receive);
        assert_eq!(stats.bytes_sent, model.bytes_sent);
        assert_eq!(stats.bytes_received, model.bytes_received());
        assert_eq!(stats.outstanding_ping, model.pings.last().map(|&(nonce, _)| nonce));
        assert_eq!(stats.last_ping, model.last_ping);
        assert_eq!(stats.round_trip, model.round_trip);
        assert_eq!(stats.queued_frames, model.queued_frames());
        assert_eq!(stats.queued_bytes, model.queued_bytes());
        assert_eq!(stats.waiting_announcements, model.waiting_announcements());
        assert_eq!(stats.waiting_events, model.events.len());
        assert_eq!(stats.requested, model.requested());
        assert_eq!(stats.known_inventory, model.known.vectors.len());

        let seen = stats.commands.iter().map(|of| {
            let (received, sent, over_budget) = (of.received, of.sent, of.over_budget);
            (of.command, CommandTraffic { received, sent, over_budget })
        });
        let expected = model.commands.iter().map(|(&command, &traffic)| (command, traffic));
        assert!(seen.eq(expected), "{:?}", stats.commands);

        let setup = &self.setup;
        assert!(stats.queued_bytes <= setup.max_queued_bytes);
        assert!(stats.waiting_announcements <= setup.max_waiting_announcements);
        assert!(stats.known_inventory <= setup.known_capacity);
        assert!(stats.requested <= setup.max_requested);
    }
}
