//! What the peer has written.

use bytes::Buf;
use excc_peer::wire::{Message, Pong};
use excc_peer::{Instant, Timer, Transmit};

use super::model::nonce_of_ping;
use super::script::Script;
use super::{Life, PING_LEN};

impl Life {
    /// The peer is asked for bytes. Returns the time at which they count as sent.
    fn begin_transmit(&mut self, now: Instant) -> Instant {
        self.take_note();
        let owed = [Timer::Pong, Timer::Stall].map(|timer| self.deadline(timer));
        self.owed = Some((owed, self.pings.answered)).filter(|_| !self.pressed);
        self.told(now);
        // A write is not over before one that began earlier.
        self.offered_at = self.offered_at.max(now);
        self.offered_at
    }

    /// The transmit is over. If the peer is closed, this was one of the last tries.
    fn end_transmit(&mut self) {
        if self.tries > 0 {
            self.tries -= 1;
            if self.tries == 0 || !self.peer.wants_write() {
                self.tries = 0;
                assert!(!self.peer.wants_write(), "the last try has no end");
            }
        }
        self.is_offered = self.peer.wants_write();
        self.take_note();
        if !self.is_closed {
            self.assert_not_put_off();
        }
    }

    /// What was sent gives the remote no more time for what it owed before.
    fn assert_not_put_off(&mut self) {
        let Some(([pong, stall], answered)) = self.owed.take() else { return };
        if pong.is_some() && self.pings.answered == answered {
            assert_eq!(self.deadline(Timer::Pong), pong);
        }
        if stall.is_some() {
            assert!(self.deadline(Timer::Stall) <= stall);
        }
    }

    /// Sends `len` bytes, and compares all ways of looking at what is to be sent.
    pub(super) fn transmit(&mut self, now: Instant, len: usize) {
        self.look();
        let at = self.begin_transmit(now);
        let mut out = self.peer.transmit(now);
        assert_eq!(out.has_remaining(), !out.chunk().is_empty());
        let (whole, is_all) = lent(&out, usize::MAX);
        assert_vectored(&out, &whole);
        let bytes = write(&mut out, if is_all { len } else { len.min(whole.len()) });
        drop(out);
        assert_eq!(bytes, whole[..len.min(whole.len())]);
        self.see(&whole, is_all);
        self.count_sent(&bytes, at);
        self.end_transmit();
    }

    /// Sends `len` bytes from single chunks, so that no more is lent than the first frame.
    pub(super) fn transmit_chunks(&mut self, len: usize) {
        if self.setup.looks {
            return self.transmit(self.now, len);
        }
        let at = self.begin_transmit(self.now);
        let mut out = self.peer.transmit(self.now);
        let bytes = write(&mut out, len);
        let rest = out.chunk().to_vec();
        drop(out);
        // Any part of a frame but the last one is followed by more of it.
        let mut all = bytes.clone();
        all.extend_from_slice(&rest);
        self.see(&all, false);
        self.count_sent(&bytes, at);
        self.end_transmit();
    }

    /// Writes from a buffer that is shared, and tells the peer so afterwards.
    pub(super) fn transmit_shared(&mut self, frames: usize, len: usize) {
        let now = self.now;
        let bytes = self.share(frames, len);
        // What was written may be answered before the peer is told that it was sent.
        self.answer_pings(&bytes, 1);
        self.finish_write(&bytes, now);
    }

    /// The same, with much else in between.
    pub(super) fn write_slowly(&mut self, script: &mut Script<'_>) {
        let [frames, len, what]: [u8; 3] = script.array();
        let has = |bit: u8| what & (1 << bit) != 0;
        let begun_at = self.now;
        let bytes = self.share(frames.into(), usize::from(len) * 8);
        if has(0) {
            self.now += script.duration();
        }
        if has(1) {
            self.time_out(self.now);
        }
        if has(2) {
            self.ping();
            self.send_pings(script.byte() % 4, 0);
        }
        if has(3) {
            self.answer_pings(&bytes, usize::MAX);
        } else {
            self.answer_pings(&bytes, 1);
        }
        if has(4) {
            self.deliver(0);
        }
        if has(5) {
            self.poll_event();
        }
        // The time before the write is that of sending; a driver may not know better.
        let written_at = if has(6) { self.now } else { begun_at };
        self.finish_write(&bytes, written_at);
    }

    /// Writes `len` bytes at most of so many frames, and does not tell the peer.
    fn share(&mut self, frames: usize, len: usize) -> Vec<u8> {
        self.look();
        self.begin_transmit(self.now);
        let out = self.peer.transmit(self.now);
        let (bytes, is_all) = lent(&out, frames);
        let whole = self.setup.looks.then(|| lent(&out, usize::MAX));
        drop(out);
        match whole {
            Some((whole, is_all)) => self.see(&whole, is_all),
            None => self.see(&bytes, is_all),
        }
        self.end_transmit();
        bytes[..len.min(bytes.len())].to_vec()
    }

    /// Tells the peer that bytes were sent, which the last transmit lent.
    fn finish_write(&mut self, bytes: &[u8], now: Instant) {
        let at = self.begin_transmit(now);
        let mut out = self.peer.transmit(now);
        let is_abandoned = !out.has_remaining();
        let whole = self.setup.looks.then(|| lent(&out, usize::MAX));
        out.advance(bytes.len());
        drop(out);
        match whole {
            Some((whole, is_all)) => self.see(&whole, is_all),
            None => self.see(bytes, false),
        }
        if !is_abandoned {
            self.count_sent(bytes, at);
        }
        self.end_transmit();
    }

    /// Lets the remote answer the latest `ping`s that are whole in what was written, wherever
    /// that begins.
    fn answer_pings(&mut self, written: &[u8], most: usize) {
        if !self.peer.wants_read() || !self.pipe.is_empty() || !self.buffer.is_empty() {
            return;
        }
        let nonces = written.windows(PING_LEN).rev().filter_map(nonce_of_ping).take(most);
        let mut nonces: Vec<u64> = nonces.collect();
        nonces.reverse();
        for nonce in nonces {
            self.send_message(&Message::Pong(Pong { nonce }));
        }
        self.deliver(0);
    }

    /// Bytes were sent at `at`, and seen before.
    fn count_sent(&mut self, bytes: &[u8], at: Instant) {
        self.left += bytes.len() as u64;
        self.queued.drain(..bytes.len());
        self.pings.on_sent(bytes, at);
        if self.setup.looks {
            let mut rest = bytes.len();
            while let Some(message) = self.outgoing.sent(&mut rest) {
                self.on_message_sent(&message, at);
            }
        } else {
            self.follow(bytes);
            while let Some(message) = self.outgoing.sent_as_seen() {
                self.on_message_sent(&message, at);
            }
        }
    }

    fn on_message_sent(&mut self, message: &Message, at: Instant) {
        self.last_send = Some(at);
        *self.sent.entry(message.command()).or_default() += 1;
        match message {
            Message::GetData(_) => self.asked.on_sent(),
            message => self.requests.on_sent(message.command()),
        }
    }

    /// The write deadline runs while something is offered.
    pub(super) fn assert_write_deadline(&self) {
        let has_deadline = self.deadline(Timer::Write).is_some();
        if self.setup.write_timeout.is_some() && !self.is_near_the_end_of_time() {
            assert!(has_deadline || !self.is_offered, "a write may take forever");
        }
        assert!(!has_deadline || self.peer.wants_write(), "nothing is to be written");
    }

    /// Looks at what was queued since the last time.
    pub(super) fn look(&mut self) {
        if !self.setup.looks || self.peer.close_reason().is_some() {
            return;
        }
        self.begin_transmit(self.now);
        let out = self.peer.transmit(self.now);
        let mut all = out.batch(usize::MAX);
        self.is_blind |= all.remaining() < out.remaining();
        drop(out);
        // What was seen before is compared when it is sent.
        all.advance(self.queued.len());
        let new = all.copy_to_bytes(all.remaining());
        self.queued.extend_from_slice(&new);
        self.follow(&new);
        self.pings.lend(&self.queued);
        self.end_transmit();
    }

    /// A transmit lent the first frames, of which `bytes` are not sent. Nothing is inserted
    /// before what was lent.
    fn see(&mut self, bytes: &[u8], is_all: bool) {
        self.is_blind |= !is_all;
        self.pings.lend(bytes);
        let known = self.queued.len().min(bytes.len());
        assert_eq!(self.queued[..known], bytes[..known]);
        if self.setup.looks {
            self.queued.extend_from_slice(&bytes[known..]);
            self.follow(&bytes[known..]);
        } else {
            // Anything may be inserted behind what the latest transmit lent.
            self.queued.clear();
            self.queued.extend_from_slice(bytes);
        }
    }

    fn follow(&mut self, bytes: &[u8]) {
        for message in self.outgoing.follow(bytes, self.peer.protocol_version()) {
            match message {
                Message::Version(version) => self.own_version = Some(version),
                Message::Pong(_) => self.pongs[0] += 1,
                Message::Inv(vectors) if self.setup.looks => {
                    for vector in &vectors {
                        // What was not seen at once may have become known since.
                        let is_known = self.known.contains(vector, self.latest);
                        assert!(!is_known || self.is_blind, "the remote has it");
                        self.known.insert(*vector, self.latest);
                    }
                }
                _ => {}
            }
        }
    }
}

/// The bytes of the first frames, at most so many, and whether these are all bytes.
fn lent(out: &Transmit<'_>, frames: usize) -> (Vec<u8>, bool) {
    let mut shared = out.batch(frames);
    let len = shared.remaining();
    assert!(frames == 0 || len > 0 || !out.has_remaining(), "nothing is lent");
    (shared.copy_to_bytes(len).to_vec(), len == out.remaining())
}

/// Takes `len` bytes, chunk by chunk.
fn write(out: &mut Transmit<'_>, len: usize) -> Vec<u8> {
    let mut rest = len;
    let mut bytes = Vec::new();
    while rest > 0 && out.has_remaining() {
        let chunk = &out.chunk()[..out.chunk().len().min(rest)];
        bytes.extend_from_slice(chunk);
        let len = chunk.len();
        out.advance(len);
        rest -= len;
    }
    // Beyond the end there is nothing to advance past.
    if rest > 0 {
        out.advance(rest);
    }
    bytes
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
