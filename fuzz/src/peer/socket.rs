//! What the peer has written.

use bytes::Buf;
use excc_peer::wire::{Message, Pong};

use super::{Life, PING_LEN};

impl Life {
    pub(super) fn transmit(&mut self, len: usize) {
        self.look();
        self.told_now();
        let mut out = self.peer.transmit(self.now);
        let expected = len.min(out.remaining());
        assert_eq!(out.has_remaining(), !out.chunk().is_empty());
        let whole = out.share(usize::MAX).copy_to_bytes(out.remaining());
        assert_vectored(&out, &whole);

        let mut rest = len;
        let mut bytes = Vec::new();
        while rest > 0 && out.has_remaining() {
            let chunk = &out.chunk()[..out.chunk().len().min(rest)];
            bytes.extend_from_slice(chunk);
            let len = chunk.len();
            out.advance(len);
            rest -= len;
        }
        // Beyond the end there is nothing to advance over.
        if rest > 0 {
            out.advance(rest);
        }
        assert_eq!(bytes, whole[..expected]);
        let is_offered = out.has_remaining();
        self.count_left(&bytes, is_offered);
    }

    pub(super) fn transmit_shared(&mut self, frames: usize, len: usize) {
        self.look();
        self.told_now();
        let mut shared = self.peer.transmit(self.now).share(frames);
        let len = len.min(shared.remaining());
        let bytes = shared.copy_to_bytes(len);
        // What was written may be answered before the peer is told that it has left.
        let answered = self.answer_pings(&bytes);
        let was_open = self.peer.close_reason().is_none();
        let mut out = self.peer.transmit(self.now);
        out.advance(len);
        let is_offered = out.has_remaining();
        if was_open {
            self.count_left(&bytes, is_offered);
            let outstanding = self.peer.stats().outstanding_ping;
            assert!(outstanding != answered || answered.is_none(), "it was answered");
        }
    }

    /// Lets the remote answer the last `ping` that is whole in what was written, wherever
    /// that begins. Returns its nonce, if the answer was taken.
    fn answer_pings(&mut self, written: &[u8]) -> Option<u64> {
        if !self.peer.wants_read() || !self.pipe.is_empty() || !self.buffer.is_empty() {
            return None;
        }
        let nonce = written.windows(PING_LEN).rev().find_map(|frame| {
            let (header, nonce) = frame.split_last_chunk()?;
            header[4..].starts_with(b"ping\0\0\0\0\0\0\0\0\x08\0\0\0").then_some(*nonce)
        });
        let nonce = u64::from_le_bytes(nonce?);
        self.send_message(&Message::Pong(Pong { nonce }));
        self.deliver(0);
        self.buffer.is_empty().then_some(nonce)
    }

    fn count_left(&mut self, bytes: &[u8], is_offered: bool) {
        self.left += bytes.len() as u64;
        if self.setup.looks {
            assert_eq!(self.queued.split_to(bytes.len()), bytes);
        } else {
            self.follow(bytes);
        }
        if is_offered && self.setup.write_timeout.is_some() && !self.is_near_the_end_of_time() {
            assert!(self.peer.poll_timeout().is_some(), "a write may take forever");
        }
    }

    /// Looks at what was queued since the last time.
    pub(super) fn look(&mut self) {
        if !self.setup.looks {
            return;
        }
        self.told_now();
        let mut all = self.peer.transmit(self.now).share(usize::MAX);
        if self.peer.close_reason().is_some() {
            assert!(!all.has_remaining());
            self.queued.clear();
            return;
        }
        // What was seen before is compared when it leaves.
        all.advance(self.queued.len());
        let new = all.copy_to_bytes(all.remaining());
        self.queued.extend_from_slice(&new);
        self.follow(&new);
    }

    fn follow(&mut self, bytes: &[u8]) {
        for message in self.outgoing.follow(bytes, self.peer.protocol_version()) {
            match message {
                Message::Version(version) => self.own_version = Some(version),
                Message::Pong(_) => self.pongs[0] += 1,
                Message::Inv(vectors) if self.setup.looks => {
                    for vector in &vectors {
                        assert!(!self.known.contains(vector, self.latest), "the remote has it");
                        self.known.insert(*vector, self.latest);
                    }
                }
                _ => {}
            }
        }
    }
}

#[cfg(feature = "std")]
fn assert_vectored(out: &impl Buf, whole: &[u8]) {
    let mut slices = [std::io::IoSlice::new(&[]); 8];
    let count = out.chunks_vectored(&mut slices);
    let gathered: Vec<u8> =
        slices[..count].iter().flat_map(|slice| slice.iter().copied()).collect();
    assert!(whole.starts_with(&gathered));
    assert!(slices[..count].iter().all(|slice| !slice.is_empty()));
    assert!(count == slices.len() || gathered.len() == whole.len());
}

#[cfg(not(feature = "std"))]
fn assert_vectored(_: &impl Buf, _: &[u8]) {}
