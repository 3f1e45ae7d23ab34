//! Helpers of the unit tests of mixing messages.

use alloc::vec::Vec;

use crate::wire::command::Command;
use crate::wire::error::{ErrorKind, Excess};
use crate::wire::testing::DECRED;
pub(super) use crate::wire::testing::{decoded, encoded, hashes, round_trip};

pub(super) const SIGNATURE: [u8; 64] = [1; 64];
pub(super) const IDENTITY: [u8; 33] = [2; 33];
pub(super) const SESSION_ID: [u8; 32] = [3; 32];
pub(super) const RUN: u32 = 4;

/// Returns the first fields of most payloads, with the values of these constants.
pub(super) fn head() -> Vec<u8> {
    [&SIGNATURE[..], &IDENTITY, &SESSION_ID, &RUN.to_le_bytes()].concat()
}

pub(super) fn max_payload(command: Command) -> usize {
    command.max_payload(DECRED)
}

pub(super) const fn excess(seen: u64, allowed: u64) -> Excess {
    Excess { seen, allowed }
}

/// The error of a message with one hash too many in its list of messages seen.
pub(super) const ONE_TOO_MANY_SEEN: ErrorKind = ErrorKind::TooManyPrevMixMsgs(excess(513, 512));
