//! Deliberate differences from the Go nodes, all of them.
//!
//! Each function decides whether the difference applies to a line, and returns the expected result.
//! The test counts the uses, so that an unused difference fails.

use std::ops::RangeInclusive;

use excc_peer::Chain;
use excc_peer::wire::{Command, HEADER_LEN};

use crate::vectors::{Line, command_of};

/// Difference 1: a message that the protocol version lacks is refused at its header with the
/// returned error.
///
/// The nodes wait for its payload first, and hash it.
pub(crate) fn refused_at_header(line: &Line, bytes: &[u8], error: &str) -> Option<&'static str> {
    let versions = versions(command_of(bytes)?, line.network().chain())?;
    let waits_or_hashes = matches!(error, "Truncated" | "PayloadChecksum");
    (waits_or_hashes && !versions.contains(&line.version())).then_some("MsgInvalidForPVer")
}

/// Difference 2: a message that the chain's nodes cannot read has a maximum payload of zero.
/// Encoding fails with the returned error.
///
/// Decred's wire code still has a maximum payload and an encoder for `reject`.
pub(crate) fn not_of_this_chain(line: &Line) -> Option<&'static str> {
    let unread = line.network().chain() == Chain::Decred && line.command() == Some(Command::Reject);
    unread.then_some("UnknownCmd")
}

/// Difference 3: an end of the stream between two frames is no error.
///
/// The nodes return `io.EOF`, as for an end inside a frame.
pub(crate) fn ends_between_frames(bytes: &[u8]) -> bool {
    bytes.is_empty()
}

/// Difference 4: an end of the stream inside a frame leaves a cut frame, and is no decoding error.
/// Returns the received and the needed bytes, of the header or of the payload.
///
/// The nodes return `io.ErrUnexpectedEOF`, as for a payload that is too short.
pub(crate) fn ends_inside_frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Some((bytes.len(), HEADER_LEN));
    };
    let [.., a, b, c, d, _, _, _, _] = *header;
    let needed = u32::from_le_bytes([a, b, c, d]) as usize;
    (payload.len() < needed).then_some((payload.len(), needed))
}

/// The protocol versions of `chain` that have a message, according to the reference nodes and
/// independent of this crate (`docs/protocol.md`, 1.4).
pub(crate) fn versions(command: Command, chain: Chain) -> Option<RangeInclusive<u32>> {
    let newest = match chain {
        Chain::Exchangecoin => 9,
        Chain::Decred => 12,
        other => panic!("{other} has no vectors"),
    };
    let decred = chain == Chain::Decred;
    let versions = match command.as_str() {
        "reject" if decred => return None,
        "reject" => 0..=8,
        "addr" if decred => 0..=11,
        "sendheaders" => 3..=newest,
        "feefilter" => 5..=newest,
        "getcfilter" | "getcfheaders" | "getcftypes" | "cfilter" | "cfheaders" | "cftypes" => {
            6..=newest
        }
        "getcfilterv2" | "cfilterv2" => 7..=newest,
        "getinitstate" | "initstate" => 8..=newest,
        "mixpairreq" | "mixkeyxchg" | "mixcphrtxt" | "mixslotres" | "mixfactpoly" | "mixdcnet"
        | "mixconfirm" | "mixsecrets" => 10..=newest,
        "getcfsv2" | "cfiltersv2" => 11..=newest,
        "addrv2" => 12..=newest,
        _ => 0..=newest,
    };
    (!versions.is_empty()).then_some(versions)
}
