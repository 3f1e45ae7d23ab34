//! Parses a line and decodes its frames.

use excc_peer::wire::{
    Decoder, EncodedMessage, Frame, IncompleteFrame, InputBuffer, Message, Transactions,
};
use excc_peer::{Hash, Network, UnknownNetwork};
use serde::Serialize;

/// Network and version of lines that do not name them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Defaults {
    pub(crate) network: Network,
    /// `None` for the version that nodes of the chain advertise.
    pub(crate) version: Option<u32>,
}

/// A report about a frame, or about an error in a line.
///
/// Its keys are serialised in the order of the fields.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Report {
    Frame(FrameReport),
    Error(ErrorReport),
}

#[derive(Debug, Serialize)]
pub(crate) struct FrameReport {
    pub(crate) line: u64,
    ok: bool,
    #[serde(flatten)]
    pub(crate) message: Message,
    #[serde(flatten)]
    pub(crate) hashes: Option<Hashes>,
    pub(crate) canonical: bool,
    pub(crate) consumed: usize,
}

#[derive(Debug, Serialize)]
pub(crate) struct ErrorReport {
    pub(crate) line: u64,
    ok: bool,
    pub(crate) error: &'static str,
    pub(crate) detail: String,
}

/// Hashes of a message that are not part of it.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub(crate) enum Hashes {
    Tx { tx_hash: Hash, tx_hash_witness: Hash, tx_hash_full: Hash },
    Block { block_hash: Hash, tx_hashes: Vec<Hash>, stx_hashes: Vec<Hash> },
    Headers { block_hashes: Vec<Hash> },
}

impl Hashes {
    fn of(message: &Message) -> Option<Self> {
        let ids = |txs: Transactions<'_>| txs.map(|tx| tx.tx_hash()).collect();
        Some(match message {
            Message::Tx(tx) => Self::Tx {
                tx_hash: tx.tx_hash(),
                tx_hash_witness: tx.witness_hash(),
                tx_hash_full: tx.full_hash(),
            },
            Message::Block(block) => Self::Block {
                block_hash: block.block_hash(),
                tx_hashes: ids(block.transactions()),
                stx_hashes: ids(block.stake_transactions()),
            },
            Message::Headers(headers) => Self::Headers {
                block_hashes: headers.iter().map(|header| header.block_hash()).collect(),
            },
            _ => return None,
        })
    }
}

/// Reports the frames of a line up to the first error. A blank line has none.
pub(crate) fn line(
    number: u64,
    text: &[u8],
    defaults: Defaults,
) -> impl Iterator<Item = Report> + use<> {
    let (capture, error) = match Capture::parse(text, defaults) {
        Ok(capture) => (capture, None),
        Err(LineError { name, detail }) => {
            (None, Some(ErrorReport { line: number, ok: false, error: name, detail }))
        }
    };
    let frames = capture.into_iter().flat_map(move |capture| Frames::new(number, capture));
    frames.chain(error.map(Report::Error))
}

/// Contents of a line.
struct Capture {
    network: Network,
    version: u32,
    bytes: Vec<u8>,
}

/// An error in a line outside of its frames.
struct LineError {
    name: &'static str,
    detail: String,
}

impl LineError {
    const fn bad_hex(detail: String) -> Self {
        Self { name: "BadHex", detail }
    }

    fn bad_version(word: &[u8]) -> Self {
        let detail = format!("{}: not a number from 0 to {}", quoted(word), u32::MAX);
        Self { name: "BadVersion", detail }
    }

    fn unknown_network(word: &[u8]) -> Self {
        Self { name: "UnknownNetwork", detail: format!("{}: {UnknownNetwork}", quoted(word)) }
    }
}

impl Capture {
    /// Parses up to three words: the network, the version and the bytes. The first two are optional.
    /// Returns `None` for a blank line.
    fn parse(line: &[u8], defaults: Defaults) -> Result<Option<Self>, LineError> {
        // A fourth word is enough to detect that there are too many.
        let words: Vec<_> = words(line).take(4).collect();
        let named = words.first().and_then(|word| network(word));
        let (version, hex) = match (named, &words[usize::from(named.is_some())..]) {
            (None, []) => return Ok(None),
            (_, [hex]) if !is_lone_version(hex) => (None, *hex),
            (Some(_), []) | (_, [_]) => {
                let last = words.last().copied().unwrap_or_default();
                return Err(LineError::bad_hex(format!("no bytes after {}", quoted(last))));
            }
            (_, [word, hex]) => match version(word) {
                Some(version) => (Some(version), *hex),
                None if named.is_none() && word[0].is_ascii_alphabetic() => {
                    return Err(LineError::unknown_network(word));
                }
                None => return Err(LineError::bad_version(word)),
            },
            (None, [word, _, _]) => return Err(LineError::unknown_network(word)),
            (_, [.., last]) => {
                return Err(LineError::bad_hex(format!(
                    "{} where the line should have ended: the bytes are one word",
                    quoted(last)
                )));
            }
        };
        let network = named.unwrap_or(defaults.network);
        let version =
            version.or(defaults.version).unwrap_or_else(|| network.chain().advertised_version());
        Ok(Some(Self { network, version, bytes: unhex(hex)? }))
    }
}

fn words(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty())
}

fn network(word: &[u8]) -> Option<Network> {
    str::from_utf8(word).ok()?.parse().ok()
}

fn version(word: &[u8]) -> Option<u32> {
    // `parse` would accept a sign, which a version does not have.
    let digits = word.iter().all(u8::is_ascii_digit);
    str::from_utf8(word).ok().filter(|_| digits)?.parse().ok()
}

/// Returns whether a word is a version without bytes. No frame is one byte long, and versions have
/// one or two digits.
const fn is_lone_version(word: &[u8]) -> bool {
    matches!(word, [b'0'..=b'9'] | [b'1'..=b'9', b'0'..=b'9'])
}

fn unhex(word: &[u8]) -> Result<Vec<u8>, LineError> {
    if let Some(at) = word.iter().position(|byte| !byte.is_ascii_hexdigit()) {
        let seen = word[at].escape_ascii();
        return Err(LineError::bad_hex(format!("'{seen}' at {at} is not a hexadecimal digit")));
    }
    hex::decode(word).map_err(|_| {
        LineError::bad_hex(format!("{} hexadecimal digits do not make whole bytes", word.len()))
    })
}

/// Returns the beginning of a word, in quotes.
fn quoted(word: &[u8]) -> String {
    const SHOWN: usize = 32;
    let dots = if word.len() > SHOWN { "..." } else { "" };
    format!("\"{}{dots}\"", word[..word.len().min(SHOWN)].escape_ascii())
}

/// The frames of a line, and the error that ends them.
struct Frames {
    line: u64,
    capture: Capture,
    decoder: Decoder,
    /// Bytes that are not decoded yet.
    remaining: InputBuffer,
    has_ended: bool,
}

impl Frames {
    fn new(line: u64, capture: Capture) -> Self {
        let decoder = Decoder::new(capture.network, capture.version);
        let remaining = InputBuffer::from(&capture.bytes[..]);
        Self { line, capture, decoder, remaining, has_ended: false }
    }

    fn frame(&self, start: usize, Frame { message, len, .. }: Frame) -> Report {
        let Capture { network, version, bytes } = &self.capture;
        let encoded = EncodedMessage::new(network, *version, &message);
        let canonical = encoded.is_ok_and(|encoded| {
            let [head, body] = encoded.parts();
            bytes[start..][..len].strip_prefix(head) == Some(body)
        });
        let hashes = Hashes::of(&message);
        let line = self.line;
        Report::Frame(FrameReport { line, ok: true, message, hashes, canonical, consumed: len })
    }

    fn error(&mut self, error: &'static str, detail: String) -> Report {
        self.has_ended = true;
        Report::Error(ErrorReport { line: self.line, ok: false, error, detail })
    }

    /// Reports that the line ends inside a frame.
    fn cut(
        &mut self,
        IncompleteFrame { command, needed, received, .. }: IncompleteFrame,
    ) -> Report {
        let place = command.map_or("frame", |command| command.as_str());
        let detail = format!("{place}: {needed} bytes needed, {received} remaining");
        self.error("Truncated", detail)
    }
}

impl Iterator for Frames {
    type Item = Report;

    fn next(&mut self) -> Option<Report> {
        if self.has_ended {
            return None;
        }
        let start = self.capture.bytes.len() - self.remaining.len();
        match self.decoder.decode(&mut self.remaining) {
            Ok(Some(frame)) => Some(self.frame(start, frame)),
            Ok(None) => {
                self.decoder.incomplete_frame(self.remaining.len()).map(|frame| self.cut(frame))
            }
            Err(error) => Some(self.error(error.kind().name(), error.to_string())),
        }
    }
}
