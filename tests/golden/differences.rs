//! Where this crate differs from the Go nodes on purpose: all the places there are.
//!
//! Each is a rule and says for a line whether it applies and what holds instead. The
//! test counts how often each does, so that one which is no longer needed shows.

use std::ops::RangeInclusive;

use excc_peer::Chain;
use excc_peer::wire::{Command, HEADER_LEN};

use crate::vectors::{Line, command_of};

/// Difference 1: a message that does not exist at the version in force is refused at its
/// header, with the error returned.
///
/// The nodes first wait for its payload, which may not come, and then hash it.
pub(crate) fn refused_at_header(line: &Line, bytes: &[u8], error: &str) -> Option<&'static str> {
    let versions = versions(command_of(bytes)?, line.network().chain())?;
    let waits_or_hashes = matches!(error, "Truncated" | "PayloadChecksum");
    (waits_or_hashes && !versions.contains(&line.version())).then_some("MsgInvalidForPVer")
}

/// Difference 2: a message that the chain's nodes cannot read has no payload and is not
/// written, with the error returned.
///
/// Decred's wire code still has a size limit and an encoder for `reject`.
pub(crate) fn not_of_this_chain(line: &Line) -> Option<&'static str> {
    let unread = line.network().chain() == Chain::Decred && line.command() == Some(Command::Reject);
    unread.then_some("UnknownCmd")
}

/// Difference 3: a stream that ends between two frames ends well.
///
/// The nodes call that `io.EOF`, as they call the end inside a frame.
pub(crate) fn ends_between_frames(bytes: &[u8]) -> bool {
    bytes.is_empty()
}

/// Difference 4: a stream that ends inside a frame is cut, and no frame is refused for it. The
/// bytes received of what is cut and the bytes needed: of the header or of the payload.
///
/// The nodes call that `io.ErrUnexpectedEOF`, as they call a payload that is too short.
pub(crate) fn ends_inside_frame(bytes: &[u8]) -> Option<(usize, usize)> {
    let Some((header, payload)) = bytes.split_first_chunk::<HEADER_LEN>() else {
        return Some((bytes.len(), HEADER_LEN));
    };
    let [.., a, b, c, d, _, _, _, _] = *header;
    let needed = u32::from_le_bytes([a, b, c, d]) as usize;
    (payload.len() < needed).then_some((payload.len(), needed))
}

/// The protocol versions that have a message, if any has on `chain`: what the
/// specification says, and not what this crate does.
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
