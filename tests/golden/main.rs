//! Golden vectors: this crate decodes and encodes frames as the Go nodes do.
//!
//! Every line of the vector files has one outcome. The outcomes are counted, so that no line is
//! skipped.

mod differences;
mod large;
mod vectors;

use std::collections::BTreeMap;
use std::iter;

use bytes::Bytes;
use excc_peer::wire::{
    Block, Command, DecodeError, Decoder, EncodedMessage, Frame, FrameHeader, HEADER_LEN,
    IncompleteFrame, InputBuffer, Message, MixMessage, Protocol, Reject, RejectCode, TrailingBytes,
    Tx, TxSerialization,
};
use excc_peer::{Chain, Hash, HashFunction, Network};

use vectors::{Expected, Line};

/// Frames up to this size are also fed byte by byte.
const FED_BYTE_BY_BYTE: usize = 4 * 1024;

/// The number of headers or transactions of a list whose hashes the vectors have.
const HASHED: usize = 8;

/// Counters: the outcome of each line, then the checks, then the deliberate differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Count {
    /// Decoded and encoded again.
    Accepted,
    /// Refused with the same error.
    Refused,
    /// The hash of a bare header or block, or the hashes of a bare transaction.
    Hashed,
    /// The digest of a described input.
    Digest,

    FedByteByByte,
    Fields,
    NotCanonical,
    BlockHashes,
    TxHashes,
    MixHashes,
    Genesis,
    Unencodable,
    MaxPayload,

    RefusedAtHeader,
    NotOfThisChain,
    EndsBetweenFrames,
    EndsInsideFrame,
}

#[derive(Default)]
struct Tally(BTreeMap<Count, usize>);

impl Tally {
    fn add(&mut self, count: Count) {
        *self.0.entry(count).or_default() += 1;
    }
}

/// Fails the line with a formatted reason unless the condition is true.
macro_rules! ensure {
    ($condition:expr, $($reason:tt)+) => {
        if !$condition {
            return Err(format!($($reason)+));
        }
    };
}

#[test]
fn frames_of_exchangecoin_are_decoded_as_by_its_node() {
    check_file(
        "exccd.jsonl",
        &[
            (Count::Accepted, 1059),
            (Count::Refused, 1776),
            (Count::Hashed, 40),
            (Count::Digest, 12),
            (Count::FedByteByByte, 2781),
            (Count::Fields, 1025),
            (Count::NotCanonical, 74),
            (Count::BlockHashes, 89),
            (Count::TxHashes, 61),
            (Count::Genesis, 4),
            (Count::Unencodable, 83),
            (Count::MaxPayload, 282),
            (Count::RefusedAtHeader, 24),
            (Count::EndsBetweenFrames, 1),
            (Count::EndsInsideFrame, 196),
        ],
    );
}

#[test]
fn frames_of_decred_are_decoded_as_by_its_node() {
    check_file(
        "dcrd.jsonl",
        &[
            (Count::Accepted, 1448),
            (Count::Refused, 2997),
            (Count::Hashed, 40),
            (Count::Digest, 12),
            (Count::FedByteByByte, 4356),
            (Count::Fields, 1394),
            (Count::NotCanonical, 4),
            (Count::BlockHashes, 92),
            (Count::TxHashes, 61),
            (Count::MixHashes, 286),
            (Count::Genesis, 4),
            (Count::Unencodable, 238),
            (Count::MaxPayload, 469),
            (Count::RefusedAtHeader, 37),
            (Count::NotOfThisChain, 24),
            (Count::EndsBetweenFrames, 1),
            (Count::EndsInsideFrame, 280),
        ],
    );
}

#[test]
fn messages_are_defined_at_the_versions_of_the_nodes() {
    for chain in [Chain::Exchangecoin, Chain::Decred] {
        for &command in Command::ALL {
            for version in 0..=chain.newest_version() {
                let expected = differences::versions(command, chain)
                    .is_some_and(|versions| versions.contains(&version));
                let defined = command.is_defined(Protocol::new(chain, version));
                assert_eq!(defined, expected, "{command} of {chain} at {version}");
            }
        }
    }
}

/// Checks every line of a file, and reports all failures together.
fn check_file(file: &str, expected: &[(Count, usize)]) {
    let mut tally = Tally::default();
    let mut failures = Vec::new();
    for line in vectors::load(file) {
        match outcome(&line, &mut tally) {
            Ok(outcome) => tally.add(outcome),
            Err(reason) => failures.push(format!("{}: {reason:.400}", line.id())),
        }
    }
    assert!(failures.is_empty(), "{} fail:\n{}", failures.len(), failures.join("\n"));
    // The fields are compared as serialized data.
    let is_checked = |count| count != Count::Fields || cfg!(feature = "serde");
    let expected = expected.iter().copied().filter(|(count, _)| is_checked(*count)).collect();
    assert_eq!(tally.0, expected, "lines were skipped");
}

fn outcome(line: &Line, tally: &mut Tally) -> Result<Count, String> {
    max_payload(line, tally)?;
    match line.kind() {
        "" => {
            let bytes = line.bytes();
            unencodable(line, &bytes, tally)?;
            stream(line, &bytes, tally)
        }
        "large" => described(line, tally),
        "hash" => bare(line, tally),
        "hashb" => digest(line),
        other => Err(format!("no such kind of line: {other}")),
    }
}

/// Decodes a stream at once and byte by byte, and compares the results with the line.
fn stream(line: &Line, bytes: &[u8], tally: &mut Tally) -> Result<Count, String> {
    let received = Received::at_once(line.network(), line.version(), bytes);
    if bytes.len() <= FED_BYTE_BY_BYTE {
        let bytewise = Received::in_pieces(line.network(), line.version(), bytes.chunks(1));
        ensure!(bytewise == received, "byte by byte {bytewise:?}, at once {received:?}");
        tally.add(Count::FedByteByByte);
    }
    match line.expected() {
        Expected::Accepted => accepted(line, bytes, received, tally),
        Expected::Refused(error) => refused(line, bytes, error, received, tally),
    }
}

/// The result of decoding a stream.
#[derive(Debug, PartialEq, Eq)]
struct Received {
    /// The first message, if the stream has one.
    frame: Result<Option<Frame>, DecodeError>,
    /// The frame that the end of the stream left incomplete.
    cut: Option<IncompleteFrame>,
    /// The number of bytes taken.
    consumed: usize,
}

impl Received {
    fn at_once(network: Network, version: u32, bytes: &[u8]) -> Self {
        Self::in_pieces(network, version, iter::once(bytes))
    }

    /// Feeds a decoder piece by piece, until it has a message or an error.
    fn in_pieces<'a>(
        network: Network,
        version: u32,
        pieces: impl IntoIterator<Item = &'a [u8]>,
    ) -> Self {
        let mut decoder = Decoder::new(network, version);
        let mut buffer = InputBuffer::new();
        let mut fed = 0;
        for piece in pieces {
            buffer.extend_from_slice(piece);
            fed += piece.len();
            let frame = decoder.decode(&mut buffer);
            if frame != Ok(None) {
                return Self { frame, cut: None, consumed: fed - buffer.len() };
            }
        }
        let cut = decoder.incomplete_frame(buffer.len());
        Self { frame: Ok(None), cut, consumed: fed - buffer.len() }
    }
}

fn accepted(
    line: &Line,
    bytes: &[u8],
    received: Received,
    tally: &mut Tally,
) -> Result<Count, String> {
    let Received { frame: Ok(Some(Frame { message, len, .. })), consumed, .. } = received else {
        return Err(format!("expected a message, got {received:?}"));
    };
    ensure!(line.number("n") == Some(len as u64), "a frame of {len} bytes");
    ensure!(line.number("consumed") == Some(consumed as u64), "{consumed} bytes taken");

    #[cfg(feature = "serde")]
    if let Some(expected) = line.get("fields") {
        let serialized = serde_json::to_value(&message).map_err(|error| error.to_string())?;
        ensure!(
            serialized["fields"] == *expected,
            "fields {}, expected {expected}",
            serialized["fields"]
        );
        tally.add(Count::Fields);
    }
    match &message {
        Message::Headers(headers) if line.get("tx_hashes").is_some() => {
            let hashes = headers.iter().take(HASHED).map(|it| it.block_hash());
            hashed(line, "tx_hashes", hashes)?;
            tally.add(Count::BlockHashes);
        }
        Message::Block(block) if line.get("block_hash").is_some() => {
            block_hashes(line, block)?;
            tally.add(Count::BlockHashes);
        }
        Message::Tx(tx) if line.get("tx_hash").is_some() => {
            tx_hashes(line, tx)?;
            tally.add(Count::TxHashes);
        }
        _ => {}
    }
    // Hashing the described payloads takes long.
    if let (Some(mix), "") = (message.as_mix(), line.kind()) {
        mix_hashes(mix, &bytes[HEADER_LEN..len])?;
        tally.add(Count::MixHashes);
    }
    let encoded = encode(line, &message)?;
    let canonical = encoded == bytes;
    ensure!(line.flag("canonical") == Some(canonical), "encoded as {}", hex::encode(encoded));
    if !canonical {
        let again = Received::at_once(line.network(), line.version(), &encoded);
        let same = matches!(&again.frame, Ok(Some(frame)) if frame.message == message);
        ensure!(same, "{message:?} encoded and decoded is {again:?}");
        tally.add(Count::NotCanonical);
    }
    Ok(Count::Accepted)
}

/// Checks the hashes of a mix message against its payload.
fn mix_hashes(mix: &dyn MixMessage, payload: &[u8]) -> Result<(), String> {
    let (signature, fields) = payload.split_first_chunk().ok_or("a payload of no signature")?;
    let tag = format!("{}-sig", mix.command());
    let signed = [&[tag.len() as u8], tag.as_bytes(), fields].concat();
    ensure!(mix.signature() == signature, "another signature");
    ensure!(mix.identity()[..] == fields[..33], "another identity");
    ensure!(mix.signed_bytes().as_ref() == Ok(&signed), "other signed bytes");

    let digest = |bytes: &[u8]| HashFunction::Blake256.digest(&[bytes]);
    ensure!(mix.message_hash() == Ok(digest(payload)), "another message hash");
    ensure!(mix.signature_hash() == Ok(digest(&signed)), "another signature hash");
    Ok(())
}

fn refused(
    line: &Line,
    bytes: &[u8],
    error: &str,
    received: Received,
    tally: &mut Tally,
) -> Result<Count, String> {
    if differences::ends_between_frames(bytes) {
        let is_between_frames = received.frame == Ok(None) && received.cut.is_none();
        ensure!(is_between_frames, "expected an end between frames, got {received:?}");
        tally.add(Count::EndsBetweenFrames);
        return Ok(Count::Refused);
    }
    let at_header = differences::refused_at_header(line, bytes, error);
    if at_header.is_some() {
        tally.add(Count::RefusedAtHeader);
    }
    let expected = at_header.unwrap_or(error);
    if let Some((received_len, needed)) = differences::ends_inside_frame(bytes)
        && expected == "Truncated"
    {
        let is_cut = received.frame == Ok(None)
            && received.cut.is_some_and(|cut| (cut.received, cut.needed) == (received_len, needed))
            && received.cut.is_some_and(|cut| cut.command == vectors::command_of(bytes));
        ensure!(is_cut, "expected a cut frame, got {received:?}");
        tally.add(Count::EndsInsideFrame);
        return Ok(Count::Refused);
    }
    match &received.frame {
        Err(error) if error.kind().name() == expected => Ok(Count::Refused),
        _ => Err(format!("expected {expected}, got {received:?}")),
    }
}

fn encode(line: &Line, message: &Message) -> Result<Vec<u8>, String> {
    EncodedMessage::new(&line.network(), line.version(), message)
        .map(|encoded| encoded.parts().concat())
        .map_err(|error| error.to_string())
}

/// Checks the error of encoding a message that the version of the line cannot encode. The message is
/// decoded at a version that has it.
fn unencodable(line: &Line, bytes: &[u8], tally: &mut Tally) -> Result<(), String> {
    let (network, command) = (line.network(), line.command());
    let (message, expected) = match (differences::not_of_this_chain(line), line.encode_error()) {
        (Some(expected), error) if error.is_some() || line.build() == "enc-ok" => {
            tally.add(Count::NotOfThisChain);
            let (command, hash) = (String::new(), None);
            let reject = Reject { command, code: RejectCode::INVALID, reason: String::new(), hash };
            (Message::from(reject), expected)
        }
        (None, Some(expected)) => {
            let versions = command.and_then(|it| differences::versions(it, network.chain()));
            let newest = *versions.ok_or("no version has it")?.end();
            let received = Received::at_once(network, newest, bytes);
            let Received { frame: Ok(Some(frame)), .. } = received else {
                return Err(format!("expected a message at {newest}, got {received:?}"));
            };
            (frame.message, expected)
        }
        _ => return Ok(()),
    };
    let encoded = EncodedMessage::new(&network, line.version(), &message);
    let refused = matches!(&encoded, Err(error) if error.kind().name() == expected);
    ensure!(refused, "expected the encode error {expected}, got {encoded:?}");
    tally.add(Count::Unencodable);
    Ok(())
}

fn max_payload(line: &Line, tally: &mut Tally) -> Result<(), String> {
    let Some(mut expected) = line.number("max_payload") else { return Ok(()) };
    if expected != 0 && differences::not_of_this_chain(line).is_some() {
        tally.add(Count::NotOfThisChain);
        expected = 0;
    }
    let command = line.command().ok_or("a limit of no command")?;
    let limit = command.max_payload(Protocol::new(line.network().chain(), line.version()));
    ensure!(limit as u64 == expected, "at most {limit} bytes, expected {expected}");
    tally.add(Count::MaxPayload);
    Ok(())
}

/// Decodes a frame with a described payload: first the header alone, then the frame.
fn described(line: &Line, tally: &mut Tally) -> Result<Count, String> {
    let command = line.command().ok_or("a payload of no command")?;
    let len = line.number("payload_len").ok_or("a payload of no length")?;
    let checksum = line.hex("checksum").ok_or("a payload without a checksum")?;

    let mut name = [0; 12];
    name[..command.as_str().len()].copy_from_slice(command.as_str().as_bytes());
    let magic = line.network().magic().to_le_bytes();
    let header = [&magic, &name[..], &(len as u32).to_le_bytes(), &checksum].concat();

    let mut decoder = Decoder::new(line.network(), line.version());
    let decoded = decoder.header(&mut InputBuffer::from(&header[..]));
    let is_expected = match (&decoded, line.expected()) {
        (Err(error), expected) => expected == Expected::Refused(error.kind().name()),
        (Ok(Some(header)), expected) => {
            let FrameHeader { command: of, len: bytes, checksum: sum, .. } = *header;
            (of, bytes as u64, &sum[..]) == (command, len, &checksum)
                && expected != Expected::Refused("PayloadTooLarge")
        }
        (Ok(None), _) => false,
    };
    ensure!(is_expected, "the header is {decoded:?}");

    let payload = large::payload(line).ok_or("an unknown description of the payload")?;
    let digest = HashFunction::Sha256.digest(&[&payload]);
    let built = Some(digest.as_ref()) == line.hex("payload_sha256").as_deref();
    ensure!(built && payload.len() as u64 == len, "another payload is built");
    stream(line, &[header, payload].concat(), tally)
}

/// A bare header, block or transaction.
fn bare(line: &Line, tally: &mut Tally) -> Result<Count, String> {
    let bytes = Bytes::from(line.bytes());
    let protocol = Protocol::new(line.network().chain(), line.version());
    let text = |error: DecodeError| error.to_string();
    match line.command() {
        Some(Command::Tx) => {
            bare_tx_hashes(line, &Tx::from_bytes(protocol.chain, &bytes).map_err(text)?)?;
        }
        Some(Command::Block) => {
            let block = Block::from_bytes(protocol, &bytes).map_err(text)?;
            block_hashes(line, &block)?;
            let genesis = line.network().genesis();
            ensure!(block.block_hash() == genesis, "genesis {genesis}");
            tally.add(Count::Genesis);
        }
        _ => {
            let payload = Bytes::from([&[1], &bytes[..], &[0]].concat());
            let message =
                Message::decode(Command::Headers, &payload, protocol, TrailingBytes::Reject);
            let Ok(Message::Headers(headers)) = &message else {
                return Err(format!("expected a header, got {message:?}"));
            };
            hashed(line, "block_hash", headers.iter().map(|it| it.block_hash()))?;
        }
    }
    Ok(Count::Hashed)
}

fn hashed(line: &Line, key: &str, hashes: impl Iterator<Item = Hash>) -> Result<(), String> {
    let (hashes, expected) = (hashes.collect(), line.hashes(key));
    ensure!(Some(&hashes) == expected.as_ref(), "{key} {hashes:?}, expected {expected:?}");
    Ok(())
}

/// Checks the block hashes of a line.
fn block_hashes(line: &Line, block: &Block) -> Result<(), String> {
    hashed(line, "block_hash", iter::once(block.block_hash()))?;
    if line.get("tx_hashes").is_some() {
        hashed(line, "tx_hashes", block.transactions().map(|tx| tx.tx_hash()).take(HASHED))?;
    }
    if line.get("stx_hashes").is_some() {
        hashed(line, "stx_hashes", block.stake_transactions().map(|tx| tx.tx_hash()).take(HASHED))?;
    }
    Ok(())
}

/// Checks the transaction hashes of a line.
fn tx_hashes(line: &Line, tx: &Tx) -> Result<(), String> {
    hashed(line, "tx_hash", iter::once(tx.tx_hash()))?;
    hashed(line, "tx_hash_witness", iter::once(tx.witness_hash()))?;
    hashed(line, "tx_hash_full", iter::once(tx.full_hash()))
}

/// Checks the hashes of a bare transaction, which may have only its prefix or its witness.
fn bare_tx_hashes(line: &Line, tx: &Tx) -> Result<(), String> {
    match tx.view().serialization() {
        TxSerialization::Full => tx_hashes(line, tx),
        TxSerialization::NoWitness => hashed(line, "tx_hash", iter::once(tx.tx_hash())),
        TxSerialization::OnlyWitness => {
            hashed(line, "tx_hash_witness", iter::once(tx.witness_hash()))
        }
    }
}

fn digest(line: &Line) -> Result<Count, String> {
    let build = line.build().strip_prefix("chainhash.HashB of ");
    let (times, byte) = build
        .and_then(|build| build.split_once(" bytes of 0x"))
        .ok_or("an unknown description of the input")?;
    let times = times.parse().map_err(|error| format!("{times}: {error}"))?;
    let byte = u8::from_str_radix(byte, 16).map_err(|error| format!("{byte}: {error}"))?;
    let digest = line.network().chain().hash_function().digest(&[&vec![byte; times]]);
    let expected = line.hex("checksum");
    ensure!(Some(digest.as_ref()) == expected.as_deref(), "digest {digest}");
    Ok(Count::Digest)
}
