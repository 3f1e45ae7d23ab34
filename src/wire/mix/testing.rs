//! What the tests of all messages share.

use super::*;
pub(super) use crate::wire::message::tests::{decoded, encoded, round_trip};

pub(super) const SIGNATURE: [u8; 64] = [1; 64];
pub(super) const IDENTITY: [u8; 33] = [2; 33];
pub(super) const SESSION_ID: [u8; 32] = [3; 32];
pub(super) const RUN: u32 = 4;

/// What the payloads of most messages begin with, as the constants above have it.
pub(super) fn head() -> Vec<u8> {
    [&SIGNATURE[..], &IDENTITY, &SESSION_ID, &RUN.to_le_bytes()].concat()
}

pub(super) fn hashes(count: usize) -> List<Hash> {
    (0..count).map(|n| Hash::from_bytes([n as u8; 32])).collect()
}

pub(super) fn max_payload(command: Command) -> usize {
    command.max_payload(Protocol::new(Chain::Decred, 12))
}

pub(super) const fn excess(seen: u64, allowed: u64) -> Excess {
    Excess { seen, allowed }
}

/// What is wrong with a message that says to have seen one too many.
pub(super) const ONE_TOO_MANY_SEEN: ErrorKind = ErrorKind::TooManyPrevMixMsgs(excess(513, 512));

#[test]
fn messages_of_a_mix_are_found_as_such() {
    let poly = Message::from(MixFactPoly {
        signature: SIGNATURE,
        identity: IDENTITY,
        session_id: SESSION_ID,
        run: RUN,
        roots: [[5]].into_iter().collect(),
        seen_slot_reserves: hashes(1),
    });
    let mix = poly.as_mix().unwrap();
    let fields = [&head()[64..], &[1, 1, 5, 1], &[0; 32]].concat();
    assert_eq!(mix.command(), Command::MixFactPoly);
    assert_eq!((mix.signature(), mix.identity()), (&SIGNATURE, &IDENTITY));
    assert_eq!(mix.message_hash(), Ok(digest(&[&SIGNATURE, &fields])));
    let signed = [b"\x0fmixfactpoly-sig", &fields[..]].concat();
    assert_eq!(mix.signature_hash(), Ok(digest(&[&signed])));
    assert_eq!(mix.signed_bytes(), Ok(signed));
    assert!(Message::VerAck.as_mix().is_none());
}
