//! Any stream of bytes, decoded in one piece and in many.
//!
//! The first byte chooses the network, the second the protocol version, the third what
//! [`Settings`] says; the stream follows.

use bytes::{BufMut, Bytes};
use excc_peer::Network;
use excc_peer::wire::{
    DecodeError, Decoder, ErrorKind, Frame, HEADER_LEN, InputBuffer, Message, TrailingBytes,
};

use crate::sound::Terms;
use crate::walk::show;

/// Decodes what `data` describes.
///
/// # Panics
///
/// If anything is found.
pub(crate) fn run(data: &[u8]) {
    let Some((&[network, version, flags], stream)) = data.split_first_chunk() else { return };
    let settings = Settings::new(network, version, flags);
    let mut stream = stream.to_vec();
    if settings.mends {
        mend(&settings.terms.network, &mut stream);
    }

    let whole = settings.decode([&stream[..]], Append::Slice);
    let pieces = settings.decode(Pieces { rest: &stream, seed: flags }, settings.append);
    assert_eq!(whole, pieces, "the pieces of a stream make a difference");

    let mut position = 0;
    for frame in &whole.frames {
        let bytes = &stream[position..][..frame.len];
        position += frame.len;
        settings.check(frame, bytes);
    }
}

/// How received bytes get into the buffer.
#[derive(Clone, Copy)]
enum Append {
    /// They were received elsewhere.
    Slice,
    /// The buffer reserves room for each read.
    Reserve,
}

/// Room for one read, at most.
const MAX_READ: usize = 64 * 1024;

impl Append {
    fn append(self, buffer: &mut InputBuffer, piece: &[u8]) {
        let before = buffer.len();
        match self {
            Self::Slice => buffer.extend_from_slice(piece),
            Self::Reserve => {
                let mut rest = piece;
                while !rest.is_empty() {
                    let bytes = buffer.reserve();
                    let (len, room) = (bytes.len(), bytes.capacity() - bytes.len());
                    assert!(room > 0, "no room for a read");
                    assert!(room <= 2 * MAX_READ.max(len), "{room} bytes reserved beside {len}");
                    let (read, more) = rest.split_at(room.min(rest.len()));
                    bytes.put_slice(read);
                    rest = more;
                }
            }
        }
        assert_eq!(buffer.len(), before + piece.len());
    }
}

struct Settings {
    terms: Terms,
    append: Append,
    /// Whether the stream's magics, lengths and checksums are set right beforehand: no
    /// fuzzer guesses a hash.
    mends: bool,
}

impl Settings {
    fn new(network: u8, version: u8, flags: u8) -> Self {
        let network = Network::ALL[usize::from(network) % Network::ALL.len()];
        let chain = network.chain();
        let terms = Terms {
            network,
            // One beyond the newest, too.
            version: u32::from(version) % (chain.newest_version() + 2),
            trailing: match flags & 3 {
                0 => TrailingBytes::Ignore,
                1 => TrailingBytes::Reject,
                _ => TrailingBytes::of(chain),
            },
        };
        Self {
            terms,
            append: if flags & 4 == 0 { Append::Reserve } else { Append::Slice },
            mends: flags & 8 == 0,
        }
    }

    /// Decodes a stream that comes in pieces, up to its first error.
    fn decode<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>, append: Append) -> Outcome {
        let mut decoder = self.terms.decoder();
        let mut buffer = InputBuffer::new();
        let mut outcome = Outcome::default();
        for piece in pieces {
            append.append(&mut buffer, piece);
            loop {
                let before = buffer.len();
                let decoded = decoder.decode(&mut buffer);
                outcome.taken += before - buffer.len();
                match decoded {
                    Ok(Some(frame)) => {
                        assert!(!holds_a_header(&decoder), "a header outlives its frame");
                        outcome.frames.push(frame);
                    }
                    Ok(None) => break,
                    Err(error) => {
                        assert_fused(&mut decoder, &error);
                        if matches!(error.kind(), ErrorKind::Truncated { .. }) {
                            assert!(!error.is_violation(self.terms.network.chain()));
                        }
                        outcome.error = Some(error);
                        return outcome;
                    }
                }
            }
            assert!(decoder.missing(&buffer) > 0, "nothing is missing, and nothing decoded");
            let framed: usize = outcome.frames.iter().map(|frame| frame.len).sum();
            let header = if holds_a_header(&decoder) { HEADER_LEN } else { 0 };
            assert_eq!(outcome.taken, framed + header);
        }
        let is_between_frames = buffer.is_empty() && !holds_a_header(&decoder);
        match decoder.incomplete_frame(buffer.len()) {
            None => assert!(is_between_frames),
            Some(cut) => {
                assert!(!is_between_frames && cut.received < cut.needed);
                assert_eq!(
                    (cut.received, cut.command.is_some()),
                    (buffer.len(), holds_a_header(&decoder))
                );
                assert_eq!(cut.needed - cut.received, decoder.missing(&buffer));
                show(&cut);
            }
        }
        outcome
    }

    fn check(&self, frame: &Frame, bytes: &[u8]) {
        let Frame { message, .. } = frame;
        let payload = Bytes::copy_from_slice(&bytes[HEADER_LEN..]);
        let Terms { trailing, .. } = self.terms;
        let direct = Message::decode(message.command(), &payload, self.terms.protocol(), trailing);
        assert_eq!(direct.as_ref(), Ok(message));
        self.terms.check(message, &payload);
    }
}

/// Whether a header has been taken without its payload.
fn holds_a_header(decoder: &Decoder) -> bool {
    decoder.incomplete_frame(0).is_some()
}

/// The outcome of a stream.
#[derive(Debug, Default, PartialEq)]
struct Outcome {
    frames: Vec<Frame>,
    error: Option<DecodeError>,
    taken: usize,
}

/// A stream in pieces of sizes that follow from its own bytes.
struct Pieces<'a> {
    rest: &'a [u8],
    seed: u8,
}

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let first = *self.rest.first()?;
        self.seed = self.seed.wrapping_mul(5).wrapping_add(first).wrapping_add(1);
        let len = usize::from(self.seed % 40 + 1).min(self.rest.len());
        let (piece, rest) = self.rest.split_at(len);
        self.rest = rest;
        Some(piece)
    }
}

/// Sets the magic, length and checksum of every frame right, as far as there are bytes.
fn mend(network: &Network, stream: &mut [u8]) {
    let mut rest = stream;
    while let Some((header, after)) = rest.split_first_chunk_mut::<HEADER_LEN>() {
        let [_, _, _, _, .., a, b, c, d, _, _, _, _] = *header;
        let claimed = u32::from_le_bytes([a, b, c, d]) as usize;
        let len = claimed.min(after.len());
        let (payload, next) = after.split_at_mut(len);
        header[..4].copy_from_slice(&network.magic().to_le_bytes());
        header[16..20].copy_from_slice(&(len as u32).to_le_bytes());
        let checksum = network.chain().hash_function().checksum(&[payload]);
        header[20..].copy_from_slice(&checksum);
        rest = next;
    }
}

/// The first error is final, and nothing is taken after it.
fn assert_fused(decoder: &mut Decoder, error: &DecodeError) {
    let mut more = InputBuffer::from(&[0; 2 * HEADER_LEN][..]);
    assert_eq!(decoder.decode(&mut more).as_ref(), Err(error));
    assert_eq!(decoder.header(&mut more).as_ref(), Err(error));
    assert_eq!(decoder.payload(&mut more).as_ref(), Err(error));
    assert_eq!(decoder.incomplete_frame(0), None);
    assert_eq!(more.len(), 2 * HEADER_LEN);
    show(error);
}
