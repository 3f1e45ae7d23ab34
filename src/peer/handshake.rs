//! The opening of a connection: which messages may come when.

use alloc::vec::Vec;

use super::error::CloseReason;
use crate::network::Chain;
use crate::wire::{Command, Message, Protocol};

/// Most bytes of messages that are held until a `verack` comes: nobody has to send anything
/// large before it, and who has not shaken hands is owed no memory.
const MOST_HELD: usize = 4 * 1024 * 1024;

/// When the remote's `verack` must come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum VerAckRule {
    /// At any time after its `version`: Exchangecoin's node sends it behind whatever it
    /// queued before, and is heard before it comes.
    Late,
    /// After so many other messages at most, which are held until then: Decred. Below
    /// protocol version 12 there may be some.
    Within(u8),
}

impl VerAckRule {
    pub(super) const fn of(protocol: Protocol, max_before_verack: u8) -> Self {
        match protocol.chain {
            Chain::Exchangecoin => Self::Late,
            Chain::Decred if protocol.version < 12 => Self::Within(max_before_verack),
            Chain::Decred => Self::Within(0),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// The remote's `version` has not come.
    AwaitsVersion,
    /// The application decides on it.
    UnderReview,
    /// The remote's `verack` has not come, and everything waits for it.
    AwaitsVerAck,
    /// Messages go both ways.
    Established,
}

/// How far the handshake is.
pub(super) struct Handshake {
    phase: Phase,
    has_verack: bool,
    /// How many messages may precede the remote's `verack`, where it is waited for.
    may_precede: u8,
    /// Messages that came before their time, with the sizes of their frames.
    held: Vec<(Message, usize)>,
}

impl Handshake {
    pub(super) const fn new() -> Self {
        Self { phase: Phase::AwaitsVersion, has_verack: false, may_precede: 0, held: Vec::new() }
    }

    pub(super) const fn phase(&self) -> Phase {
        self.phase
    }

    pub(super) const fn set_phase(&mut self, phase: Phase) {
        self.phase = phase;
    }

    /// Waits for the remote's `verack`, and holds so many other messages until then.
    pub(super) const fn await_verack(&mut self, may_precede: u8) {
        self.phase = Phase::AwaitsVerAck;
        self.may_precede = may_precede;
    }

    /// Whether a message of `len` bytes can be held.
    fn can_hold(&self, len: usize) -> bool {
        let held: usize = self.held.iter().map(|(_, len)| len).sum();
        self.held.len() < self.may_precede.into() && held.saturating_add(len) <= MOST_HELD
    }

    pub(super) const fn has_verack(&self) -> bool {
        self.has_verack
    }

    pub(super) const fn set_verack(&mut self) {
        self.has_verack = true;
    }

    /// Whether a message of that name, in a frame of `len` bytes, may come now. Asked as soon as its header is there,
    /// so that nothing is received in vain.
    pub(super) fn admits(&self, command: Command, len: usize) -> Result<(), CloseReason> {
        match (self.phase, command) {
            (Phase::AwaitsVersion, Command::Version) => Ok(()),
            (Phase::AwaitsVersion, other) => Err(CloseReason::NotVersion(other)),
            (_, Command::Version) => Err(CloseReason::DuplicateVersion),
            (_, Command::VerAck) if self.has_verack => Err(CloseReason::DuplicateVerAck),
            (Phase::AwaitsVerAck, other) if other != Command::VerAck && !self.can_hold(len) => {
                Err(CloseReason::NotVerAck(other))
            }
            _ => Ok(()),
        }
    }

    /// Keeps a message that came before its time.
    pub(super) fn hold(&mut self, message: Message, len: usize) {
        self.held.push((message, len));
    }

    /// The messages held, in the order in which they came.
    pub(super) fn take_held(&mut self) -> Vec<(Message, usize)> {
        core::mem::take(&mut self.held)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Ping;

    const DCR_11: Protocol = Protocol::new(Chain::Decred, 11);
    const DCR_12: Protocol = Protocol::new(Chain::Decred, 12);

    #[test]
    fn nothing_comes_before_a_version() {
        let handshake = Handshake::new();
        assert_eq!(handshake.admits(Command::Version, 100), Ok(()));
        for command in [Command::VerAck, Command::Ping] {
            assert_eq!(handshake.admits(command, 24), Err(CloseReason::NotVersion(command)));
        }
    }

    #[test]
    fn each_opening_comes_once() {
        let mut handshake = Handshake::new();
        handshake.set_phase(Phase::Established);
        assert_eq!(handshake.admits(Command::VerAck, 24), Ok(()));
        handshake.set_verack();
        assert_eq!(handshake.admits(Command::VerAck, 24), Err(CloseReason::DuplicateVerAck));
        assert_eq!(handshake.admits(Command::Version, 100), Err(CloseReason::DuplicateVersion));
        assert_eq!(handshake.admits(Command::Ping, 32), Ok(()));
    }

    #[test]
    fn as_many_messages_precede_a_verack_as_the_version_allows() {
        for (protocol, allowed) in [(DCR_11, 2), (DCR_12, 0)] {
            let VerAckRule::Within(may_precede) = VerAckRule::of(protocol, 2) else {
                panic!("Decred's nodes wait for a verack");
            };
            let mut handshake = Handshake::new();
            handshake.await_verack(may_precede);
            for nonce in 0..allowed {
                assert_eq!(handshake.admits(Command::Ping, 32), Ok(()));
                handshake.hold(Message::Ping(Ping { nonce }), 32);
            }
            let refused = Err(CloseReason::NotVerAck(Command::Ping));
            assert_eq!(handshake.admits(Command::Ping, 32), refused);
            assert_eq!(handshake.admits(Command::VerAck, 24), Ok(()));
            assert_eq!(handshake.take_held().len(), allowed as usize);
        }
    }

    #[test]
    fn what_precedes_a_verack_is_bounded_in_bytes_too() {
        let mut handshake = Handshake::new();
        handshake.await_verack(2);
        assert_eq!(handshake.admits(Command::Inv, MOST_HELD), Ok(()));
        let refused = Err(CloseReason::NotVerAck(Command::Inv));
        assert_eq!(handshake.admits(Command::Inv, MOST_HELD + 1), refused);
        handshake.hold(Message::Ping(Ping { nonce: 0 }), 32);
        assert_eq!(handshake.admits(Command::Inv, MOST_HELD - 32), Ok(()));
        assert_eq!(handshake.admits(Command::Inv, MOST_HELD - 31), refused);
    }
}
