//! Input from the remote, to both.

use excc_peer::wire::{Command, Message, PeerAddress, Ping, Pong, Services, Version};

use super::Duel;
use crate::common::{frame, hash};
use crate::parts::{Subject, answers};
use crate::script::{Opening, Pace, Step};
use crate::words::{BEFORE_STOP, GENESIS, Thing, Words, one_of_each, stop_hash};

/// Most pieces in which one message comes.
const MOST_PIECES: usize = 64;

impl Duel {
    pub(super) fn remote_step(&mut self, step: &Step) {
        match step {
            Step::Version(opening, pace) => {
                let version = self.version(opening).into();
                self.say(&Words::Plain(version), *pace);
            }
            Step::Say(words, pace) => self.say_politely(words, *pace),
            Step::Blurt(words) => self.say(words, Pace::AtOnce),
            Step::Pings(count, pace) => {
                let (network, version) = (self.setup.network, self.version_in_force());
                let ping = |nonce| frame(network, version, Message::Ping(Ping { nonce }));
                let pings: Vec<u8> = (0..*count).flat_map(ping).collect();
                self.come(&pings, *pace);
            }
            Step::AnswerPing(which, pace) => {
                let mut nonces = self.reference.ping_nonces();
                if nonces.is_empty() {
                    nonces.push(1);
                }
                let nonce = nonces[which % nonces.len()];
                self.say(&Words::Plain(Message::Pong(Pong { nonce })), *pace);
            }
            Step::Answer(which, pace) => {
                if let Some(words) = self.answer(*which) {
                    self.say_politely(&words, *pace);
                }
            }
            Step::Repeat(pace) => {
                let frame = self.last_said.clone();
                self.come(&frame, *pace);
            }
            Step::Dribble(words, piece, gap, is_called) => {
                self.under_way.extend(self.polite_frame(words));
                let all = std::mem::take(&mut self.under_way);
                for piece in all.chunks((all.len() / MOST_PIECES).max(*piece)) {
                    self.now += *gap;
                    if *is_called {
                        self.time_out();
                        self.compare();
                    }
                    self.receive(piece);
                    self.compare();
                }
            }
            Step::Suspend(time, words, order) => {
                self.now += *time;
                let frame = self.polite_frame(words);
                if *order == Some(true) {
                    self.come(&frame, Pace::AtOnce);
                }
                self.time_out();
                self.compare();
                if *order == Some(false) {
                    self.come(&frame, Pace::AtOnce);
                }
                if let Some((_, at)) = self.peer.next_deadline() {
                    self.now = self.now.max(at);
                    self.time_out();
                }
            }
            Step::Damaged(words, at, flip, pace) => {
                let mut frame = words.frame(self.setup.network, self.version_in_force());
                let at = at.index(frame.len());
                frame[at] ^= flip;
                self.come(&frame, *pace);
            }
            Step::Raw(bytes) => self.come(bytes, Pace::AtOnce),
            Step::Arrive => self.come(&[], Pace::AtOnce),
            Step::Resume => self.receive(&[]),
            Step::Eof => {
                self.peer.handle_eof(self.now);
                self.reference.handle_eof(self.now);
            }
            Step::Lost => {
                self.peer.handle_connection_lost(self.now);
                self.reference.handle_connection_lost(self.now);
            }
            other => panic!("not of the remote: {other:?}"),
        }
    }

    /// The frame of a message, or of another one where it would end the peer.
    fn polite_frame(&self, words: &Words) -> Vec<u8> {
        let command = words.command();
        let is_defined = command.is_defined(self.reference.protocol());
        let is_due = command != Command::VerAck || !self.reference.has_verack;
        let frame = words.frame(self.setup.network, self.version_in_force());
        if is_defined && is_due && !self.reference.refuses(command, frame.len() - 24) {
            return frame;
        }
        Words::Plain(Message::GetAddr).frame(self.setup.network, self.version_in_force())
    }

    fn say_politely(&mut self, words: &Words, pace: Pace) {
        let frame = self.polite_frame(words);
        self.come(&frame, pace);
    }

    /// An answer to one of the requests.
    fn answer(&self, which: usize) -> Option<Words> {
        let asked = self.reference.asked.get(which % self.reference.asked.len().max(1))?;
        let chain = self.setup.network.chain();
        Some(match &asked.subject {
            Subject::Vector(vector) => {
                let things = (0..3).map(Thing::Tx).chain([Thing::Block, Thing::Mix]);
                let found = things.into_iter().find(|thing| thing.vector(chain) == *vector);
                let words = found.and_then(Thing::words);
                words.unwrap_or_else(|| {
                    Words::Of(Command::NotFound, vec![Thing::Nothing(*vector), Thing::Tx(0)])
                })
            }
            Subject::Headers(request) => {
                let known = (0..9).find(|&n| request.locator.first() == Some(&hash(n)));
                let is_stop = request.stop == stop_hash(chain);
                let parent = known.unwrap_or(if is_stop { BEFORE_STOP } else { GENESIS });
                Words::Headers(parent, which % 15, (which % 20) as u32)
            }
            Subject::Command => {
                let protocol = self.reference.protocol();
                let mut commands = answers(asked.request).iter();
                let answer = *commands.find(|command| command.is_defined(protocol))?;
                one_of_each().into_iter().find(|words| words.command() == answer)?
            }
        })
    }

    pub(super) fn version(&self, opening: &Opening) -> Version {
        let nonce = opening.nonce.or(self.reference.nonces.version);
        Version {
            protocol_version: opening.number.unwrap_or(self.setup.version.cast_signed()),
            services: Services::NODE_NETWORK | Services::NODE_CF,
            timestamp: opening.timestamp,
            receiver: PeerAddress::UNSPECIFIED,
            sender: PeerAddress::UNSPECIFIED,
            nonce: nonce.unwrap_or(0x5eed),
            user_agent: "/remote:1/".into(),
            start_height: opening.start_height,
            relay: opening.relay,
        }
    }

    pub(super) fn say(&mut self, words: &Words, pace: Pace) {
        let frame = words.frame(self.setup.network, self.version_in_force());
        self.come(&frame, pace);
    }

    /// The remote sends `bytes`, which come after what is under way already.
    pub(super) fn come(&mut self, bytes: &[u8], pace: Pace) {
        // A second `version` or `verack` would end the peer.
        if bytes.get(4..).is_some_and(|command| !command.starts_with(b"ver")) {
            self.last_said = bytes.to_vec();
        }
        self.under_way.extend_from_slice(bytes);
        let mut all = std::mem::take(&mut self.under_way);
        match pace {
            Pace::AtOnce => {}
            Pace::InPieces(len) => {
                for _ in 0..MOST_PIECES.min(all.len() / len) {
                    let piece: Vec<u8> = all.drain(..len).collect();
                    self.receive(&piece);
                    self.compare();
                }
            }
            Pace::InPart(len) => {
                self.under_way = all.split_off(len.min(all.len()));
            }
        }
        self.receive(&all);
    }

    pub(super) fn receive(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        let result = self.peer.handle_input(self.now, &mut self.buffer);
        assert_eq!(result, self.reference.handle_input(self.now, bytes));
        if self.peer.close_reason().is_none() && !self.peer.wants_read() {
            self.saw("back-pressure");
        }
    }
}
