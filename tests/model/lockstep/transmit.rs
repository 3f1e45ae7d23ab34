//! Output of the peer and its model.

use std::io::IoSlice;
use std::time::Duration;

use bytes::Buf;
use excc_peer::{Instant, Transmit};

use super::Lockstep;
use super::model::Model;
use super::script::Access;

impl Lockstep {
    pub(super) fn transmit(&mut self, most: usize, access: Access, earlier: Duration) {
        let at = Instant::ZERO + self.now.since_epoch().saturating_sub(earlier);
        let (mut out, model) = (self.peer.transmit(at), &mut self.model);
        let wire = &mut self.wire;
        let mut advance = |out: &mut Transmit<'_>, model: &mut Model, bytes: &[u8]| {
            out.advance(bytes.len());
            wire.extend_from_slice(&bytes[..model.advance(bytes.len())]);
        };
        model.begin_transmit(at);
        let written = std::mem::take(&mut self.written);
        if !written.is_empty() {
            advance(&mut out, model, &written);
        }
        assert_eq!(out.remaining(), model.remaining());
        match access {
            Access::Chunks(_) | Access::ChunksAfterBatch(_) => {
                if let Access::ChunksAfterBatch(frames) = access {
                    let mut shared = out.batch(frames);
                    let seen = shared.copy_to_bytes(shared.remaining());
                    assert_eq!(seen.len(), model.lend(frames, &seen));
                }
                let mut rest = most.min(out.remaining());
                while rest > 0 {
                    let mut chunk = out.chunk().to_vec();
                    assert!(!chunk.is_empty());
                    model.lend(1, &chunk);
                    chunk.truncate(rest);
                    advance(&mut out, model, &chunk);
                    rest -= chunk.len();
                }
                if let Access::Chunks(true) = access {
                    model.lend(1, out.chunk());
                } else if !out.has_remaining() {
                    // Advancing beyond the end stops there.
                    out.advance(1);
                }
            }
            Access::Vectored(slices) => {
                let mut slices = vec![IoSlice::new(&[]); slices];
                let count = out.chunks_vectored(&mut slices);
                let mut seen: Vec<u8> =
                    slices[..count].iter().flat_map(|slice| slice.to_vec()).collect();
                assert_eq!(seen.is_empty(), slices.is_empty() || !out.has_remaining());
                model.lend(model.frames_in(seen.len()), &seen);
                seen.truncate(most);
                advance(&mut out, model, &seen);
            }
            Access::Batch(frames) | Access::BatchUntilNext(frames) => {
                let mut shared = out.batch(frames);
                let mut seen = shared.copy_to_bytes(shared.remaining()).to_vec();
                assert_eq!(seen.len(), model.lend(frames, &seen));
                seen.truncate(most);
                match access {
                    Access::Batch(_) => advance(&mut out, model, &seen),
                    _ => self.written = seen,
                }
            }
        }
        drop(out);
        model.end_transmit();
    }
}
