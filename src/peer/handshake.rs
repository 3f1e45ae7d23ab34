//! The handshake: negotiation, self-connections, required services, and the `verack`.

use alloc::vec::Vec;
use core::mem;
use core::net::{Ipv6Addr, SocketAddr};
use core::time::Duration;

use super::config::Config;
use super::error::CloseReason;
use super::event::Direction;
use super::nonces::SentNonce;
use super::timers::{Timer, Timers};
use crate::network::Chain;
use crate::wire::{Command, Message, PeerAddress, Protocol, Services, Version};

/// Maximum number of bytes of early messages. A remote that has not completed the handshake must
/// not take much memory, and no early message has to be large (`docs/protocol.md`, 5.6).
const MAX_EARLY_BYTES: usize = 4 * 1024 * 1024;

/// When the remote's `verack` is required (`docs/protocol.md`, 5.5 and 5.6).
enum VerAckRule {
    /// At any time after its `version`, before a deadline. Exchangecoin's node queues any number
    /// of messages before its `verack`.
    Later,
    /// Within the handshake, after at most this number of other messages. dcrd reads three
    /// messages in all before protocol version 12, and one from then on.
    InHandshake { max_early: u8 },
}

impl VerAckRule {
    const fn new(protocol: Protocol, max_before_verack: u8) -> Self {
        match protocol.chain {
            Chain::Exchangecoin => Self::Later,
            Chain::Decred if protocol.version < 12 => {
                Self::InHandshake { max_early: max_before_verack }
            }
            Chain::Decred => Self::InHandshake { max_early: 0 },
        }
    }
}

/// The state of the handshake.
enum Phase {
    AwaitingVersion,
    /// The application decides about the remote's `version`.
    UnderReview,
    /// Other messages are early: they wait for the remote's `verack`.
    AwaitingVerAck(EarlyMessages),
    Established,
}

/// Messages that were received before the `verack`, each with the size of its frame.
struct EarlyMessages {
    max: u8,
    messages: Vec<(Message, usize)>,
}

impl EarlyMessages {
    fn has_room(&self, frame_len: usize) -> bool {
        let bytes: usize = self.messages.iter().map(|(_, len)| len).sum();
        self.messages.len() < self.max.into() && bytes.saturating_add(frame_len) <= MAX_EARLY_BYTES
    }
}

/// A step of the handshake, which the caller performs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Action {
    SendVersion,
    SendVerAck,
    /// Emits [`Event::Established`](super::Event::Established) and sends queued messages.
    Establish,
}

/// The outcome of the remote's `version`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Negotiation {
    /// The protocol version in force from now on.
    pub(super) protocol_version: u32,
    /// Why the remote is not accepted, if so. The application sees the `version` first.
    pub(super) rejection: Option<CloseReason>,
}

/// The outcome of the remote's `verack`.
pub(super) struct VerAckReceived {
    pub(super) actions: &'static [Action],
    /// Messages to be handled now, each with the size of its frame.
    pub(super) early: Vec<(Message, usize)>,
}

/// The progress of the handshake.
pub(super) struct Handshake {
    direction: Direction,
    phase: Phase,
    verack_received: bool,
    /// The nonce of our `version`.
    nonce: u64,
    /// Registers the nonce of an outbound peer while its handshake is incomplete. A nonce that is
    /// received later proves no connection to ourselves (`docs/protocol.md`, 5.4).
    sent_nonce: Option<SentNonce>,
}

impl Handshake {
    pub(super) fn new(
        direction: Direction,
        nonce: u64,
        config: &Config,
        timers: &mut Timers,
    ) -> Self {
        timers.set_after(Timer::Handshake, config.handshake_timeout);
        let sent_nonce = match direction {
            Direction::Outbound => Some(config.sent_nonces.insert(nonce)),
            Direction::Inbound => None,
        };
        Self { direction, phase: Phase::AwaitingVersion, verack_received: false, nonce, sent_nonce }
    }

    pub(super) const fn direction(&self) -> Direction {
        self.direction
    }

    pub(super) const fn is_established(&self) -> bool {
        matches!(self.phase, Phase::Established)
    }

    pub(super) const fn is_under_review(&self) -> bool {
        matches!(self.phase, Phase::UnderReview)
    }

    pub(super) const fn verack_received(&self) -> bool {
        self.verack_received
    }

    /// Returns the name of the phase, for debug output.
    pub(super) const fn phase_name(&self) -> &'static str {
        match self.phase {
            Phase::AwaitingVersion => "awaiting version",
            Phase::UnderReview => "under review",
            Phase::AwaitingVerAck(_) => "awaiting verack",
            Phase::Established => "established",
        }
    }

    /// Returns our `version` message. `unix_time` is the wall clock in seconds.
    pub(super) fn own_version(
        &self,
        config: &Config,
        protocol_version: u32,
        remote_address: SocketAddr,
        remote_services: Services,
        unix_time: i64,
    ) -> Version {
        Version {
            protocol_version: protocol_version.cast_signed(),
            services: config.services,
            timestamp: unix_time,
            receiver: config.receiver(remote_address, remote_services),
            // The reference nodes send their services and no address
            // (`docs/protocol.md`, 5.3).
            sender: PeerAddress::from_parts(config.services, Ipv6Addr::UNSPECIFIED, 0),
            nonce: self.nonce,
            user_agent: config.user_agent.clone(),
            start_height: config.start_height,
            relay: config.relay,
        }
    }

    /// Checks whether a message may be received now. Called with its header, so that the payload
    /// of a message that closes the peer is never buffered.
    ///
    /// # Errors
    ///
    /// Returns the reason to close the peer: [`NotVersion`](CloseReason::NotVersion),
    /// [`DuplicateVersion`](CloseReason::DuplicateVersion),
    /// [`DuplicateVerAck`](CloseReason::DuplicateVerAck) or
    /// [`NotVerAck`](CloseReason::NotVerAck). The reference nodes disconnect for each of them
    /// (`docs/protocol.md`, 5.1).
    pub(super) fn check_header(
        &self,
        command: Command,
        frame_len: usize,
    ) -> Result<(), CloseReason> {
        match (&self.phase, command) {
            (Phase::AwaitingVersion, Command::Version) => Ok(()),
            (Phase::AwaitingVersion, other) => Err(CloseReason::NotVersion(other)),
            (_, Command::Version) => Err(CloseReason::DuplicateVersion),
            (_, Command::VerAck) if self.verack_received => Err(CloseReason::DuplicateVerAck),
            (_, Command::VerAck) => Ok(()),
            (Phase::AwaitingVerAck(early), other) if !early.has_room(frame_len) => {
                Err(CloseReason::NotVerAck(other))
            }
            _ => Ok(()),
        }
    }

    /// Handles the remote's `version`.
    ///
    /// # Errors
    ///
    /// Returns [`SelfConnection`](CloseReason::SelfConnection) if its nonce is one of ours. This
    /// check is the first, so that nothing of our own `version` is recorded as the remote's
    /// (`docs/protocol.md`, 5.2).
    pub(super) fn on_version(
        &self,
        version: &Version,
        config: &Config,
    ) -> Result<Negotiation, CloseReason> {
        if !config.allow_self_connections && config.sent_nonces.contains(version.nonce) {
            return Err(CloseReason::SelfConnection);
        }
        // A negative version counts as a high one here, as in the reference nodes. It is rejected
        // below (`docs/protocol.md`, 5.2).
        let advertised = version.protocol_version;
        let protocol_version = config.protocol_version.min(advertised.cast_unsigned());
        Ok(Negotiation { protocol_version, rejection: rejection(version, config) })
    }

    /// Answers the remote's `version`, which was not rejected, or leaves it to the application to
    /// [`accept`](Self::accept) it.
    pub(super) fn review_or_answer(
        &mut self,
        protocol: Protocol,
        config: &Config,
        timers: &mut Timers,
    ) -> &'static [Action] {
        if config.review_version {
            self.phase = Phase::UnderReview;
            return &[];
        }
        self.answer(protocol, config, timers)
    }

    /// Accepts a `version` that is under review. Does nothing at other times.
    pub(super) fn accept(
        &mut self,
        protocol: Protocol,
        config: &Config,
        timers: &mut Timers,
    ) -> &'static [Action] {
        if !self.is_under_review() {
            return &[];
        }
        self.answer(protocol, config, timers)
    }

    /// An inbound peer answers with its own `version` first (`docs/protocol.md`, 5.1).
    fn answer(
        &mut self,
        protocol: Protocol,
        config: &Config,
        timers: &mut Timers,
    ) -> &'static [Action] {
        use Action::{Establish, SendVerAck, SendVersion};
        match VerAckRule::new(protocol, config.max_before_verack) {
            VerAckRule::Later => {
                self.establish(timers);
                timers.set_after(Timer::VerAck, config.verack_timeout);
                match self.direction {
                    Direction::Inbound => &[SendVersion, SendVerAck, Establish],
                    Direction::Outbound => &[SendVerAck, Establish],
                }
            }
            VerAckRule::InHandshake { max_early } => {
                let early = EarlyMessages { max: max_early, messages: Vec::new() };
                self.phase = Phase::AwaitingVerAck(early);
                // An outbound peer of Decred sends its `verack` after the remote's.
                match self.direction {
                    Direction::Inbound => &[SendVersion, SendVerAck],
                    Direction::Outbound => &[],
                }
            }
        }
    }

    /// Handles the remote's `verack`.
    pub(super) fn on_verack(&mut self, timers: &mut Timers) -> VerAckReceived {
        use Action::{Establish, SendVerAck};
        self.verack_received = true;
        timers.clear(Timer::VerAck);
        let Phase::AwaitingVerAck(early) = &mut self.phase else {
            return VerAckReceived { actions: &[], early: Vec::new() };
        };
        let early = mem::take(&mut early.messages);
        self.establish(timers);
        let actions: &[_] = match self.direction {
            Direction::Inbound => &[Establish],
            Direction::Outbound => &[SendVerAck, Establish],
        };
        VerAckReceived { actions, early }
    }

    /// Keeps a message that precedes the remote's `verack`, in a frame of `len` bytes. Returns any
    /// other message.
    pub(super) fn defer_early(&mut self, message: Message, len: usize) -> Option<Message> {
        match &mut self.phase {
            Phase::AwaitingVerAck(early) => {
                early.messages.push((message, len));
                None
            }
            _ => Some(message),
        }
    }

    /// Postpones the deadline of the `verack`, because received bytes are progress
    /// (`docs/protocol.md`, 10.2).
    pub(super) fn on_progress(by: Duration, timers: &mut Timers, config: &Config) {
        timers.postpone(Timer::VerAck, by, config.verack_timeout);
    }

    /// Drops early messages and the nonce of a closed peer.
    pub(super) fn on_closed(&mut self) {
        self.sent_nonce = None;
        if let Phase::AwaitingVerAck(early) = &mut self.phase {
            early.messages = Vec::new();
        }
    }

    fn establish(&mut self, timers: &mut Timers) {
        self.phase = Phase::Established;
        self.sent_nonce = None;
        timers.clear(Timer::Handshake);
    }
}

/// Returns why a remote is rejected because of its `version`, if so. The order is that of the
/// reference nodes (`docs/protocol.md`, 5.2 and 5.5).
fn rejection(version: &Version, config: &Config) -> Option<CloseReason> {
    let (advertised, minimum) = (version.protocol_version, config.min_remote_version);
    if i64::from(advertised) < i64::from(minimum) {
        return Some(CloseReason::ProtocolVersionTooOld { advertised, minimum });
    }
    let (offered, required) = (version.services, config.required_services);
    if !offered.contains(required) {
        return Some(CloseReason::MissingServices { offered, required });
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::Network;
    use crate::peer::ConfigBuilder;
    use crate::time::Instant;
    use crate::wire::Ping;

    const PING: Message = Message::Ping(Ping { nonce: 7 });

    struct Bench {
        handshake: Handshake,
        timers: Timers,
        config: Config,
    }

    impl Bench {
        fn new(builder: ConfigBuilder, direction: Direction) -> Self {
            let config = builder.build().unwrap();
            let mut timers = Timers::new(Instant::ZERO);
            let handshake = Handshake::new(direction, 1, &config, &mut timers);
            Self { handshake, timers, config }
        }

        fn dcr(direction: Direction) -> Self {
            Self::new(Config::builder(Network::DCR_MAINNET), direction)
        }

        fn excc(direction: Direction) -> Self {
            Self::new(Config::builder(Network::EXCC_MAINNET), direction)
        }

        /// Receives a `version` that is not rejected.
        fn receive(&mut self, protocol_version: i32) -> &'static [Action] {
            let negotiation = self.handshake.on_version(&version(protocol_version), &self.config);
            let Negotiation { protocol_version, rejection } = negotiation.unwrap();
            assert_eq!(rejection, None);
            let protocol = Protocol::new(self.config.network.chain(), protocol_version);
            self.handshake.review_or_answer(protocol, &self.config, &mut self.timers)
        }

        fn verack(&mut self) -> (&'static [Action], usize) {
            let VerAckReceived { actions, early } = self.handshake.on_verack(&mut self.timers);
            (actions, early.len())
        }

        fn check(&self, command: Command, frame_len: usize) -> Result<(), CloseReason> {
            self.handshake.check_header(command, frame_len)
        }
    }

    fn version(protocol_version: i32) -> Version {
        Version { protocol_version, nonce: 2, ..Version::default() }
    }

    #[test]
    fn the_first_message_is_a_version() {
        let bench = Bench::excc(Direction::Inbound);
        assert_eq!(bench.check(Command::Version, 100), Ok(()));
        for command in [Command::VerAck, Command::Ping] {
            assert_eq!(bench.check(command, 24), Err(CloseReason::NotVersion(command)));
        }
    }

    #[test]
    fn version_and_verack_are_received_once() {
        let mut bench = Bench::excc(Direction::Outbound);
        bench.receive(8);
        assert_eq!(bench.check(Command::VerAck, 24), Ok(()));
        bench.verack();
        assert_eq!(bench.check(Command::VerAck, 24), Err(CloseReason::DuplicateVerAck));
        assert_eq!(bench.check(Command::Version, 100), Err(CloseReason::DuplicateVersion));
        assert_eq!(bench.check(Command::Ping, 32), Ok(()));
    }

    #[test]
    fn the_lower_version_is_negotiated() {
        let builder = || Config::builder(Network::DCR_MAINNET).protocol_version(10);
        for (advertised, expected) in [(9, 9), (10, 10), (12, 10), (i32::MAX, 10)] {
            let bench = Bench::new(builder(), Direction::Inbound);
            let negotiation = bench.handshake.on_version(&version(advertised), &bench.config);
            let expected = Negotiation { protocol_version: expected, rejection: None };
            assert_eq!(negotiation, Ok(expected));
        }
    }

    #[test]
    fn remotes_that_are_too_old_or_lack_services_are_rejected() {
        let builder = Config::builder(Network::EXCC_MAINNET);
        let builder = builder.min_remote_version(5).required_services(Services::NODE_NETWORK);
        let bench = Bench::new(builder, Direction::Outbound);
        for advertised in [4, 0, -1, i32::MIN] {
            let negotiation = bench.handshake.on_version(&version(advertised), &bench.config);
            let reason = CloseReason::ProtocolVersionTooOld { advertised, minimum: 5 };
            assert_eq!(negotiation.unwrap().rejection, Some(reason));
        }
        let negotiation = bench.handshake.on_version(&version(5), &bench.config);
        let (offered, required) = (Services::empty(), Services::NODE_NETWORK);
        let reason = CloseReason::MissingServices { offered, required };
        assert_eq!(negotiation.unwrap().rejection, Some(reason));
        let offers = Version { services: Services::NODE_NETWORK, ..version(5) };
        let negotiation = bench.handshake.on_version(&offers, &bench.config);
        assert_eq!(negotiation.unwrap().rejection, None);
    }

    #[test]
    fn a_nonce_of_an_incomplete_handshake_is_a_self_connection() {
        let mut bench = Bench::excc(Direction::Outbound);
        let own = Version { nonce: 1, ..version(8) };
        let inbound =
            Handshake::new(Direction::Inbound, 3, &bench.config, &mut Timers::new(Instant::ZERO));
        assert_eq!(inbound.on_version(&own, &bench.config), Err(CloseReason::SelfConnection));
        bench.receive(8);
        assert!(inbound.on_version(&own, &bench.config).is_ok());
    }

    #[test]
    fn exchangecoin_is_established_by_a_version_and_the_verack_has_a_deadline() {
        use Action::{Establish, SendVerAck, SendVersion};
        let actions: [(_, &[_]); 2] = [
            (Direction::Inbound, &[SendVersion, SendVerAck, Establish]),
            (Direction::Outbound, &[SendVerAck, Establish]),
        ];
        for (direction, expected) in actions {
            let mut bench = Bench::excc(direction);
            assert!(bench.timers.is_set(Timer::Handshake));
            assert_eq!(bench.receive(8), expected);
            assert!(bench.handshake.is_established());
            let timers: Vec<_> = bench.timers.iter().map(|(timer, _)| timer).collect();
            assert_eq!(timers, [Timer::VerAck]);
            assert_eq!(bench.verack(), (&[][..], 0));
            assert_eq!(bench.timers.next(), None);
        }
    }

    #[test]
    fn decred_is_established_by_a_verack() {
        use Action::{Establish, SendVerAck, SendVersion};
        let actions: [(_, &[_], &[_]); 2] = [
            (Direction::Inbound, &[SendVersion, SendVerAck], &[Establish]),
            (Direction::Outbound, &[], &[SendVerAck, Establish]),
        ];
        for (direction, on_version, on_verack) in actions {
            let mut bench = Bench::dcr(direction);
            assert_eq!(bench.receive(12), on_version);
            assert!(!bench.handshake.is_established());
            assert_eq!(bench.verack(), (on_verack, 0));
            assert!(bench.handshake.is_established());
            assert_eq!(bench.timers.next(), None);
        }
    }

    #[test]
    fn early_messages_are_limited_by_number() {
        for (protocol_version, max_early) in [(11, 2), (12, 0)] {
            let mut bench = Bench::dcr(Direction::Outbound);
            bench.receive(protocol_version);
            for _ in 0..max_early {
                assert_eq!(bench.check(Command::Ping, 32), Ok(()));
                assert_eq!(bench.handshake.defer_early(PING, 32), None);
            }
            let not_verack = Err(CloseReason::NotVerAck(Command::Ping));
            assert_eq!(bench.check(Command::Ping, 32), not_verack);
            assert_eq!(bench.check(Command::VerAck, 24), Ok(()));
            assert_eq!(bench.verack().1, max_early);
            assert_eq!(bench.handshake.defer_early(PING, 32), Some(PING));
        }
    }

    #[test]
    fn early_messages_are_limited_by_bytes() {
        let mut bench = Bench::dcr(Direction::Outbound);
        bench.receive(11);
        let not_verack = Err(CloseReason::NotVerAck(Command::Inv));
        assert_eq!(bench.check(Command::Inv, MAX_EARLY_BYTES), Ok(()));
        assert_eq!(bench.check(Command::Inv, MAX_EARLY_BYTES + 1), not_verack);
        bench.handshake.defer_early(PING, 32);
        assert_eq!(bench.check(Command::Inv, MAX_EARLY_BYTES - 32), Ok(()));
        assert_eq!(bench.check(Command::Inv, MAX_EARLY_BYTES - 31), not_verack);
    }

    #[test]
    fn a_version_under_review_is_answered_when_it_is_accepted() {
        let builder = Config::builder(Network::EXCC_MAINNET).review_version(true);
        let mut bench = Bench::new(builder, Direction::Outbound);
        assert_eq!(bench.receive(8), []);
        assert!(bench.handshake.is_under_review());
        let protocol = Protocol::new(Chain::Exchangecoin, 8);
        let Bench { handshake, config, timers } = &mut bench;
        let expected = [Action::SendVerAck, Action::Establish];
        assert_eq!(handshake.accept(protocol, config, timers), expected);
        assert_eq!(handshake.accept(protocol, config, timers), [], "once");
    }
}
