//! What the remote sends.

use excc_peer::wire::{BlockHeader, Command, EncodedMessage, Frame, Headers, Message, Ping};
use excc_peer::{Chain, CloseReason, Timer};

use super::model::{Kind, vector_of};
use super::script::Script;
use super::{Arrived, EVENTS_OF_A_FRAME, Life};

impl Life {
    /// A frame with a header that fits it, whatever is in it.
    pub(super) fn send_frame(&mut self, command: Command, payload: &[u8]) {
        let network = self.setup.config.network();
        let mut header = [0; 24];
        header[..4].copy_from_slice(&network.magic().to_le_bytes());
        header[4..][..command.as_str().len()].copy_from_slice(command.as_str().as_bytes());
        header[16..20].copy_from_slice(&(payload.len() as u32).to_le_bytes());
        header[20..].copy_from_slice(&network.chain().hash_function().checksum(&[payload]));
        self.pipe.extend_from_slice(&header);
        self.pipe.extend_from_slice(payload);
    }

    pub(super) fn send_message(&mut self, message: &Message) {
        let network = self.setup.config.network();
        // What cannot be said at this version is left out.
        if let Ok(frame) = EncodedMessage::new(network, self.protocol().version, message) {
            frame.parts().iter().for_each(|part| self.pipe.extend_from_slice(part));
        }
    }

    /// The remote pings many times.
    pub(super) fn receive_pings(&mut self, count: u8) {
        for nonce in 0..count.into() {
            self.send_message(&Message::Ping(Ping { nonce }));
        }
    }

    /// The remote answers a request.
    pub(super) fn answer(&mut self, script: &mut Script<'_>) {
        let chain = self.setup.config.network().chain();
        let [what, place] = script.array();
        let asked = self.asked.get(usize::from(place) % self.asked.len().max(1));
        let message = match what % 8 {
            0 | 1 => Message::NotFound(asked.into_iter().collect()),
            2 => {
                let all = (0..self.asked.len()).filter_map(|place| self.asked.get(place));
                Message::NotFound(all.collect())
            }
            3 => Message::Headers(Headers::empty(chain)),
            4 => {
                let mut header = BlockHeader::zeroed(chain);
                header.prev_block = self.locator.unwrap_or_default();
                let headers = std::iter::repeat_n(&header, 1 + usize::from(place) % 16);
                Message::Headers(Headers::new(chain, headers).expect("of the chain"))
            }
            5 => Message::Inv(asked.into_iter().collect()),
            6 => Message::Addr(Vec::new().into()),
            _ => script.small_tx(chain),
        };
        self.send_message(&message);
        self.deliver(script.byte());
    }

    /// Lets come what the remote has sent: in pieces of `pace` bytes, at most so many of
    /// them, at once with 0, and not yet with 255.
    pub(super) fn deliver(&mut self, pace: u8) {
        const MOST_PIECES: usize = 64;
        match pace {
            0 => {}
            255 => return,
            pace => {
                for _ in 0..MOST_PIECES.min(self.pipe.len() / usize::from(pace)) {
                    let piece = self.pipe.split_to(pace.into());
                    self.receive(&piece);
                }
            }
        }
        let all = self.pipe.split();
        self.receive(&all);
    }

    /// Lets it come byte by byte, with time between them.
    pub(super) fn dribble(&mut self, script: &mut Script<'_>) {
        let (count, pause) = (script.byte(), script.duration());
        for _ in 0..self.pipe.len().min(count.into()) {
            self.now += pause;
            self.time_out(self.now);
            let piece = self.pipe.split_to(1);
            self.receive(&piece);
        }
    }

    pub(super) fn end_stream(&mut self) {
        self.told_now();
        let was_closed = self.peer.close_reason().is_some();
        self.peer.handle_eof(self.now);
        self.has_ended = true;
        if !was_closed {
            self.mirror.assert_agrees(self.peer.close_reason(), self.untaken.len());
        }
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.take_note();
        self.buffer.extend_from_slice(bytes);
        self.untaken.extend_from_slice(bytes);
        let was_closed = self.peer.close_reason().cloned();
        let had_events = self.peer.stats().waiting_events;
        let before = self.owed();
        self.told_now();
        let result = self.peer.handle_input(self.now, &mut self.buffer);
        assert_eq!(result.as_ref().err(), self.peer.close_reason());

        let taken = self.untaken.split_to(self.untaken.len() - self.buffer.len());
        assert!(taken.is_empty() || self.untaken == *self.buffer.reserve());
        self.taken += taken.len() as u64;
        if let Some(reason) = was_closed {
            assert_eq!((result, taken.len()), (Err(reason), 0));
            return;
        }
        let frames = self.mirror.receive(&taken);
        let any = !frames.is_empty();
        frames.into_iter().for_each(|frame| self.on_frame(frame));
        self.take_note();
        // On Decred, what comes before a `verack` waits for it.
        let was_established = match self.setup.config.network().chain() {
            Chain::Decred => self.peer.verack_received(),
            _ => self.peer.close_reason().is_some(),
        };
        if self.peer.is_established() || was_established {
            self.heed();
        }
        self.mirror.assert_agrees(self.peer.close_reason(), self.untaken.len());
        assert!(!self.peer.can_resume(), "what can be taken was taken");
        if self.peer.wants_read() {
            assert!(!self.mirror.is_served_by(&self.buffer), "a whole frame was left");
        }
        let most = had_events.max(self.setup.max_waiting_events - 1 + EVENTS_OF_A_FRAME);
        assert!(self.peer.stats().waiting_events <= most, "events grow without bound");
        if self.peer.close_reason().is_none() {
            self.assert_put_off(&before, bytes.len());
            if any {
                self.assert_set(Timer::Idle, self.setup.idle_timeout);
            }
        }
    }

    /// A frame was taken.
    fn on_frame(&mut self, frame: Frame) {
        let is_over = self.limits.on_frame(&frame, self.latest);
        if is_over && self.setup.budget.is_some_and(|budget| budget.closes) {
            let reason = self.peer.close_reason();
            assert!(matches!(reason, Some(CloseReason::OverBudget { .. })), "{reason:?}");
            return;
        }
        let Frame { message, len, .. } = frame;
        if !matches!(message, Message::Version(_) | Message::VerAck) {
            let of = Kind::default();
            self.early.push(Arrived { message, len, solicited: None, of });
        }
    }

    /// What messages that came bring with them.
    fn heed(&mut self) {
        for mut arrived in std::mem::take(&mut self.early) {
            let message = &arrived.message;
            arrived.of = self.requests.of(message.command());
            if let Message::Inv(vectors) = message {
                vectors.iter().for_each(|vector| self.known.insert(*vector, self.latest));
            }
            if let Message::Pong(pong) = message {
                self.pings.on_pong(pong.nonce, self.latest);
            }
            if let Message::NotFound(vectors) = message {
                arrived.solicited = Some(self.asked.on_answer(vectors));
            }
            if let Some(vector) = vector_of(message) {
                self.known.insert(vector, self.latest);
                arrived.solicited = Some(self.asked.on_answer(&[vector]));
            }
            self.event_bytes += arrived.len;
            self.messages.push_back(arrived);
        }
    }
}
