//! The handshake (`docs/protocol.md`, 5).

use std::net::{Ipv6Addr, SocketAddr};

use excc_peer::wire::{Command, Message, PeerAddress, Services, Version};
use excc_peer::{Chain, CloseReason, Direction, Instant, Timer};

use super::{Model, ModelEvent, Purpose};
use crate::lockstep::common::remote;
use crate::lockstep::frames::LAST_SECOND;

/// Most bytes of the messages before a `verack` (`docs/protocol.md`, 5.6).
const MAX_EARLY_BYTES: usize = 4 * 1024 * 1024;

impl Model {
    /// Whether a message of that name, in a frame of `len` bytes, may come now.
    pub(super) fn check_order(&self, command: Command, len: usize) -> Result<(), CloseReason> {
        let early = len + self.early.iter().map(|(_, len)| len).sum::<usize>();
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
            other
                if !self.is_done
                    && (self.early.len() >= may_be_early || early > MAX_EARLY_BYTES) =>
            {
                Err(CloseReason::NotVerAck(other))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn on_version(&mut self, version: Version) -> Result<(), CloseReason> {
        let is_in_use = self.other_nonces.contains(&version.nonce)
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
        self.other_nonces.clear();
    }

    /// Whether the peer is outbound and in its handshake, so that its nonce counts.
    pub(crate) fn has_nonce_in_use(&self) -> bool {
        self.setup.direction == Direction::Outbound && !self.is_done && self.closed.is_none()
    }

    pub(crate) fn accept_version(&mut self, now: Instant) {
        self.set_time(now);
        if self.closed.is_none() && self.remote_version.is_some() && !self.is_accepted {
            self.accept();
        }
    }

    /// Abandons the queue, after the remote ended the conversation as well.
    pub(crate) fn refuse_version(&mut self, now: Instant) {
        self.set_time(now);
        self.end_try("last try: refused");
        self.close_for(CloseReason::VersionRefused);
    }

    pub(super) fn accept(&mut self) {
        self.is_accepted = true;
        if self.setup.direction == Direction::Inbound {
            self.push_version();
        }
        let is_late = self.setup.network.chain() == Chain::Exchangecoin;
        if is_late || self.setup.direction == Direction::Inbound {
            self.push(&Message::VerAck, Purpose::Handshake);
        }
        if is_late {
            self.establish();
            self.deadlines.set_after(Timer::VerAck, self.remote_clock(), self.setup.verack_timeout);
        }
    }

    pub(super) fn on_verack(&mut self) {
        self.has_verack = true;
        self.deadlines.clear(Timer::VerAck);
        self.emit(ModelEvent::VerAckReceived, 0);
        if self.is_done {
            return;
        }
        if self.setup.direction == Direction::Outbound {
            self.push(&Message::VerAck, Purpose::Handshake);
        }
        self.establish();
        for (message, len) in std::mem::take(&mut self.early) {
            self.on_message(message, len);
        }
    }

    pub(super) fn establish(&mut self) {
        self.is_done = true;
        self.deadlines.clear(Timer::Handshake);
        self.deadlines.set_after(Timer::Ping, self.now, self.setup.ping_interval);
        self.emit(ModelEvent::Established(self.protocol().version, self.time_offset), 0);
    }

    pub(super) fn push_version(&mut self) {
        let remote_services =
            self.remote_version.as_ref().map_or(Services::empty(), |version| version.services);
        let hidden = SocketAddr::from(([0, 0, 0, 0], 0));
        let address = if self.setup.hides_address { hidden } else { remote() };
        let version = Version {
            protocol_version: self.protocol().version.cast_signed(),
            services: self.setup.services,
            timestamp: self.wall_clock(),
            receiver: PeerAddress::new(remote_services, address),
            sender: PeerAddress::from_parts(self.setup.services, Ipv6Addr::UNSPECIFIED, 0),
            nonce: 0,
            user_agent: self.setup.user_agent().into(),
            start_height: self.setup.start_height,
            relay: self.setup.relay,
        };
        self.push(&version.into(), Purpose::Handshake);
    }

    pub(super) fn wall_clock(&self) -> i64 {
        let seconds =
            self.setup.unix_time.as_secs().saturating_add((self.now - self.started).as_secs());
        i64::try_from(seconds).map_or(LAST_SECOND, |seconds| seconds.min(LAST_SECOND))
    }
}
