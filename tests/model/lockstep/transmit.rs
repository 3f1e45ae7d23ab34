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
        let advance = |out: &mut Transmit<'_>, model: &mut Model, bytes: usize| {
            out.advance(bytes);
            model.advance(bytes);
        };
        model.begin_transmit(at);
        if self.written > 0 {
            advance(&mut out, model, std::mem::take(&mut self.written));
        }
        assert_eq!(out.remaining(), model.remaining());
        match access {
            Access::Chunks(_) | Access::ChunksAfterBatch(_) => {
                if let Access::ChunksAfterBatch(frames) = access {
                    lend_batch(&out, model, frames);
                }
                let mut rest = most.min(out.remaining());
                while rest > 0 {
                    let chunk = out.chunk();
                    assert!(!chunk.is_empty());
                    model.lend(1, chunk);
                    let len = chunk.len().min(rest);
                    advance(&mut out, model, len);
                    rest -= len;
                }
                if let Access::Chunks(true) = access {
                    assert_eq!(out.chunk().is_empty(), !out.has_remaining());
                    model.lend(1, out.chunk());
                } else if !out.has_remaining() {
                    // Advancing beyond the end stops there.
                    out.advance(1);
                }
            }
            Access::Vectored(slices) => {
                let mut slices = vec![IoSlice::new(&[]); slices];
                let count = out.chunks_vectored(&mut slices);
                assert!(slices[..count].iter().all(|slice| !slice.is_empty()));
                let seen: Vec<u8> =
                    slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
                assert_eq!(seen.is_empty(), slices.is_empty() || !out.has_remaining());
                let all = model.lend(model.frames_in(seen.len()), &seen);
                // Unused slices show that these have all that may be lent. Without the standard
                // library, `Buf` fills one slice only.
                let is_first_only = !cfg!(feature = "std");
                assert!(is_first_only || count == slices.len() || seen.len() == all);
                advance(&mut out, model, seen.len().min(most));
            }
            Access::Batch(frames) | Access::BatchUntilNext(frames) => {
                let len = lend_batch(&out, model, frames).min(most);
                match access {
                    Access::Batch(_) => advance(&mut out, model, len),
                    _ => self.written = len,
                }
            }
        }
        drop(out);
        model.end_transmit();
    }
}

/// Reads the first frames. Returns how many bytes they have.
fn lend_batch(out: &Transmit<'_>, model: &mut Model, frames: usize) -> usize {
    let mut batch = out.batch(frames);
    let bytes = batch.copy_to_bytes(batch.remaining());
    assert_eq!(bytes.len(), model.lend(frames, &bytes));
    bytes.len()
}
