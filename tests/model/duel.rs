//! A peer and its reference, to whom the same things happen.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use excc_peer::wire::{
    Command, EncodedMessage, ErrorKind, HostAddress, Message, PeerAddress, Ping, Pong, Services,
    Version,
};
use excc_peer::{
    Announced, CloseReason, Direction, Instant, PeerState, SendError, SendErrorKind, SendId, Timer,
    Traffic,
};

use crate::common::{frame, hash, remote, rng};
use crate::parts::Told;
use crate::reference::{Answer, Reference};
use crate::script::{Opening, Pace, Step, Way, Words, address, reject};
use crate::setup::Setup;

/// Most pieces in which one message comes.
const MOST_PIECES: usize = 64;

pub(crate) struct Duel {
    setup: Setup,
    peer: PeerState,
    reference: Reference,
    now: Instant,
    /// What the remote has sent and has not come.
    under_way: Vec<u8>,
    /// What has come and was not taken by the peer.
    buffer: BytesMut,
    /// What happened, and how often.
    pub(crate) seen: BTreeMap<String, usize>,
}

/// Lets a peer and its reference live through a script, and compares them after each step.
/// Returns what happened, and how often.
pub(crate) fn run(setup: &Setup, script: &[Step]) -> BTreeMap<String, usize> {
    let mut duel = Duel::new(setup);
    for (at, step) in script.iter().enumerate() {
        let _told = TellStep(at, step);
        let was_shutting_down = duel.peer.is_shutting_down();
        duel.step(step);
        duel.see_shutdown(was_shutting_down);
        duel.compare();
    }
    duel.end();
    duel.seen
}

/// Tells at which step of a script the two parted.
struct TellStep<'a>(usize, &'a Step);

impl Drop for TellStep<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("at step {}, {:?}", self.0, self.1);
        }
    }
}

impl Duel {
    fn new(setup: &Setup) -> Self {
        let make = match setup.direction {
            Direction::Inbound => PeerState::inbound,
            Direction::Outbound => PeerState::outbound,
        };
        // The clock can go back from here.
        let now = Instant::from_secs(1_000);
        let duel = Self {
            setup: setup.clone(),
            peer: make(setup.config(), remote(), now, setup.unix_time, &mut rng(setup.seed)),
            reference: Reference::new(setup, now),
            now,
            under_way: Vec::new(),
            buffer: BytesMut::new(),
            seen: BTreeMap::new(),
        };
        duel.compare();
        duel
    }

    fn saw(&mut self, what: impl Into<String>) {
        *self.seen.entry(what.into()).or_default() += 1;
    }

    /// Notes how a shutdown went.
    fn see_shutdown(&mut self, was_shutting_down: bool) {
        let closed = self.peer.close_reason().map(name);
        match (was_shutting_down, self.peer.linger_until(), closed) {
            (true, Some(_), Some(_)) => self.saw("shut down: all left"),
            (true, None, Some(reason)) => self.saw(format!("shut down: {reason}")),
            _ => {}
        }
    }

    fn step(&mut self, step: &Step) {
        match step {
            Step::Version(opening, pace) => {
                let version = self.version(opening).into();
                self.say(&Words::Plain(version), *pace);
            }
            Step::Say(words, pace) => {
                let command = words.command();
                let is_defined = command.is_defined(self.reference.protocol());
                let is_due = command != Command::VerAck || !self.reference.has_verack;
                let other = Words::Plain(Message::GetAddr);
                self.say(if is_defined && is_due { words } else { &other }, *pace);
            }
            Step::Blurt(words) => self.say(words, Pace::AtOnce),
            Step::Pings(count, pace) => {
                let (network, version) = (self.setup.network, self.version_in_force());
                let ping = |nonce| frame(network, version, Message::Ping(Ping { nonce }));
                let pings: Vec<u8> = (0..*count).flat_map(ping).collect();
                self.come(&pings, *pace);
            }
            Step::AnswerPing(pace) => {
                let outstanding = self.reference.outstanding.map(|(nonce, _)| nonce);
                let nonce = self.reference.nonces.ping.or(outstanding).unwrap_or(1);
                self.say(&Words::Plain(Message::Pong(Pong { nonce })), *pace);
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
            Step::Wait(time) => self.now += *time,
            Step::GoBack(time) => {
                self.now = Instant::ZERO + self.now.since_epoch().saturating_sub(*time);
            }
            Step::EndOfTime => self.now = Instant::MAX,
            Step::TimeOut => self.time_out(),
            Step::Skip(beyond) => {
                if let Some(at) = self.peer.poll_timeout() {
                    self.now = at + *beyond;
                    self.time_out();
                }
            }
            Step::SkipOwn => {
                if let Some((Timer::Ping | Timer::Trickle, at)) = self.peer.next_deadline() {
                    self.now = at;
                    self.time_out();
                }
            }
            Step::Poll(most) => self.poll(*most),
            Step::Transmit(len, way) => self.transmit(*len, *way),
            wish => self.wish(wish),
        }
    }

    /// What the application wants.
    fn wish(&mut self, step: &Step) {
        match step {
            Step::Send(words) => {
                let Some(message) = words.message(self.setup.network.chain()) else { return };
                let sent = self.peer.send(message.clone());
                if let Err(SendError { message: given_back, .. }) = &sent {
                    assert_eq!(*given_back, message);
                }
                let sent = sent.map(number).map_err(|error| error.kind);
                self.saw_sent(&sent);
                assert_eq!(sent, self.reference.send(&message));
            }
            Step::SendEncoded(words, is_foreign) => self.send_encoded(words, *is_foreign),
            Step::PushHeaders(..) | Step::PushBlocks(..) => self.push_request(step),
            Step::PushAddrs(count, tor) => self.push_addrs(*count, *tor),
            Step::PushReject => {
                let pushed = self.peer.push_reject(reject(3)).map(number);
                let pushed = pushed.map_err(|error| error.kind);
                assert_eq!(pushed, self.reference.send(&reject(3).into()));
            }
            Step::Announce(thing, relay) => {
                let vector = thing.vector(self.setup.network.chain());
                let answer = match self.peer.announce(self.now, vector, *relay) {
                    Announced::Sent(id) => Answer::Sent(number(id)),
                    other => Answer::Other(other),
                };
                let mut deadlines = self.peer.deadlines();
                let drawn = deadlines.find(|&(timer, _)| timer == Timer::Trickle);
                let drawn = drawn.map(|(_, at)| at);
                drop(deadlines);
                assert_eq!(answer, self.reference.announce(self.now, vector, *relay, drawn));
                self.saw(match answer {
                    Answer::Sent(_) => "announced: sent".into(),
                    Answer::Other(other) => format!("announced: {other}"),
                });
            }
            Step::Ping => {
                let nonce = self.peer.ping();
                assert_eq!(nonce.clone().map(drop), self.reference.ping());
                if let Ok(nonce) = nonce {
                    assert_ne!(nonce, 0, "stands for none");
                    assert_eq!(*self.reference.nonces.ping.get_or_insert(nonce), nonce);
                }
            }
            Step::Accept => {
                self.peer.accept_version();
                self.reference.accept_version();
            }
            Step::Refuse => {
                self.peer.refuse_version();
                self.reference.refuse_version();
            }
            Step::Close => {
                self.peer.close();
                self.reference.close();
            }
            Step::Shutdown(timeout) => {
                let was_open = self.peer.close_reason().is_none();
                let was_shutting_down = self.peer.is_shutting_down();
                let had_announcements = self.peer.stats().waiting_announcements > 0;
                self.peer.shutdown(self.now, *timeout);
                self.reference.shutdown(self.now, *timeout);
                let still_has_some = self.peer.stats().waiting_announcements > 0;
                let lingers = self.peer.linger_until().is_some();
                self.saw(match self.peer.close_reason() {
                    _ if !was_open => "shut down: too late".into(),
                    Some(_) if lingers => "shut down: nothing to send".into(),
                    Some(reason) => format!("shut down: at once, {}", name(reason)),
                    None if was_shutting_down => "shut down: again".into(),
                    None if still_has_some => "shut down: no room to announce".into(),
                    None if had_announcements => "shut down: announces".into(),
                    None => "shut down: begins".into(),
                });
            }
            Step::AddKnown(thing) => {
                let vector = thing.vector(self.setup.network.chain());
                self.peer.add_known_inventory(self.now, vector);
                self.reference.add_known_inventory(self.now, vector);
            }
            Step::IsKnown(thing) => {
                let vector = thing.vector(self.setup.network.chain());
                let is_known = self.peer.is_known_inventory(self.now, &vector);
                assert_eq!(is_known, self.reference.is_known_inventory(self.now, &vector));
            }
            Step::UpdateLastBlock(height) => {
                self.peer.update_last_block(*height);
                self.reference.update_last_block(*height);
            }
            other => panic!("not of the application: {other:?}"),
        }
    }

    fn push_request(&mut self, step: &Step) {
        let hashes = |numbers: &[u32]| numbers.iter().map(|&n| hash(n)).collect::<Vec<_>>();
        let (pushed, expected) = match step {
            Step::PushBlocks(locator, stop) => {
                let (locator, stop) = (hashes(locator), hash(*stop));
                let pushed = self.peer.push_getblocks(self.now, locator.clone(), stop);
                let message = Message::GetBlocks;
                (pushed, self.reference.push_request(self.now, message, &locator, stop))
            }
            Step::PushHeaders(locator, stop) => {
                let (locator, stop) = (hashes(locator), hash(*stop));
                let pushed = self.peer.push_getheaders(self.now, locator.clone(), stop);
                let message = Message::GetHeaders;
                (pushed, self.reference.push_request(self.now, message, &locator, stop))
            }
            other => panic!("no request: {other:?}"),
        };
        let pushed = pushed.map(|id| id.map(number)).map_err(|error| error.kind);
        if let Ok(id) = pushed {
            self.saw(if id.is_some() { "pushed: request" } else { "pushed: nothing again" });
        }
        assert_eq!(pushed, expected);
    }

    fn push_addrs(&mut self, count: usize, tor: usize) {
        let mut addresses: Vec<_> = (0..count as u64).map(address).collect();
        // Of too many, any might be drawn, and these are longer than others.
        let tor = if count > 1_000 { 0 } else { tor };
        for address in addresses.iter_mut().take(tor) {
            address.addr = HostAddress::TorV3([7; 32]);
        }
        let (pushed, drawn) = match self.peer.push_addrs(&addresses) {
            Ok(pushed) => {
                let addresses = pushed.addresses;
                (Ok((pushed.id.map(number), addresses.clone())), addresses)
            }
            // Which ones would have been sent makes no difference to how many.
            Err(kind) => (Err(kind), addresses.iter().rev().take(1_000).copied().collect()),
        };
        assert_eq!(pushed, self.reference.push_addrs(&addresses, &drawn));
        if let Ok((_, sent)) = pushed {
            self.saw(match sent.len() {
                0 => "pushed: no addresses",
                1_000 => "pushed: 1,000 addresses",
                _ => "pushed: addresses",
            });
        }
    }

    fn send_encoded(&mut self, words: &Words, is_foreign: bool) {
        let network = self.setup.network;
        let chain = network.chain();
        let Some(message) = words.message(chain) else { return };
        let sender = if is_foreign {
            excc_peer::Network::new("other", chain, !network.magic(), 1, network.genesis())
        } else {
            network
        };
        // As some version has it, which need not be the one in force.
        let encoded = (0..=chain.newest_version())
            .rev()
            .find_map(|version| EncodedMessage::new(&sender, version, &message).ok());
        let Some(encoded) = encoded else { return };
        let sent = self.peer.send_encoded(encoded.clone());
        if let Err(SendError { message: given_back, .. }) = &sent {
            assert_eq!(*given_back, encoded);
        }
        let sent = sent.map(number).map_err(|error| error.kind);
        self.saw_sent(&sent);
        match self.reference.send_encoded(&message, is_foreign) {
            Ok(id) => assert_eq!(sent, Ok(id)),
            Err(Some(kind)) => assert_eq!(sent, Err(kind)),
            Err(None) => assert!(
                matches!(&sent, Err(SendErrorKind::Encode(error))
                    if matches!(error.kind(), ErrorKind::WrongNetwork { .. })),
                "{sent:?}",
            ),
        }
    }

    fn saw_sent(&mut self, sent: &Result<u64, SendErrorKind>) {
        self.saw(match sent {
            Ok(_) => "sent",
            Err(SendErrorKind::NotReady) => "not sent: not ready",
            Err(SendErrorKind::ShuttingDown) => "not sent: shutting down",
            Err(SendErrorKind::Closed(_)) => "not sent: closed",
            Err(SendErrorKind::Handshake(_)) => "not sent: handshake",
            Err(SendErrorKind::QueueFull { .. }) => "not sent: queue full",
            Err(SendErrorKind::Unwelcome(_)) => "not sent: unwelcome",
            Err(SendErrorKind::TooManyRequested { .. }) => "not sent: too many requested",
            Err(SendErrorKind::Encode(_)) => "not sent: not encoded",
            Err(_) => "not sent",
        });
    }

    fn version_in_force(&self) -> u32 {
        self.reference.protocol().version
    }

    fn version(&self, opening: &Opening) -> Version {
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

    fn say(&mut self, words: &Words, pace: Pace) {
        let frame = words.frame(self.setup.network, self.version_in_force());
        self.come(&frame, pace);
    }

    /// The remote sends `bytes`, which come after what is under way already.
    fn come(&mut self, bytes: &[u8], pace: Pace) {
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

    fn receive(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        let result = self.peer.handle_input(self.now, &mut self.buffer);
        assert_eq!(result, self.reference.handle_input(self.now, bytes));
        if self.peer.close_reason().is_none() && !self.peer.wants_read() {
            self.saw("held back");
        }
    }

    fn time_out(&mut self) {
        self.peer.handle_timeout(self.now);
        let reason = self.peer.close_reason();
        for timer in self.reference.handle_timeout(self.now, reason) {
            self.saw(format!("timer: {timer}"));
        }
    }

    fn poll(&mut self, most: usize) {
        for _ in 0..most {
            let event = self.peer.poll_event().map(Told::from);
            assert_eq!(event, self.reference.poll_event());
            let Some(event) = event else { return };
            self.saw(match event {
                Told::VersionReceived(_) => "told: version".into(),
                Told::VerAckReceived => "told: verack".into(),
                Told::Established(..) => format!("told: {} established", self.setup.network),
                Told::Message(message) => format!("told: {}", message.command()),
                Told::RoundTrip(..) => "told: round trip".into(),
                Told::Sent(_) => "told: sent".into(),
                Told::NotSent(_) => "told: not sent".into(),
                Told::Closed(reason) => format!("closed: {}", name(&reason)),
            });
        }
    }

    fn transmit(&mut self, len: usize, way: Way) {
        let mut out = self.peer.transmit(self.now);
        self.reference.offer(self.now);
        let seen = out.share(usize::MAX).copy_to_bytes(out.remaining());
        assert_eq!(seen, self.reference.look(&seen));
        match way {
            Way::Lent => {
                let len = len.min(out.remaining());
                let lent = out.copy_to_bytes(len);
                assert_eq!(lent, seen[..len]);
                // Beyond the end there is nothing that could leave.
                if len == seen.len() {
                    out.advance(1);
                }
                self.reference.leave(len);
            }
            Way::Shared(frames) => {
                let mut shared = out.share(frames);
                let len = len.min(shared.remaining());
                assert_eq!(shared.copy_to_bytes(len), seen[..len]);
                out.advance(len);
                self.reference.leave(len);
            }
        }
        let nonces = self.peer.config().sent_nonces();
        if let (Direction::Outbound, Some(nonce)) =
            (self.setup.direction, self.reference.nonces.version)
        {
            assert!(nonces.contains(nonce));
        }
    }

    /// Both must be in the same state, as far as it can be seen.
    fn compare(&self) {
        let (peer, reference) = (&self.peer, &self.reference);
        assert_eq!(peer.deadlines().collect::<Vec<_>>(), reference.deadlines.all());
        assert_eq!(peer.next_deadline(), reference.deadlines.next());
        assert_eq!(peer.poll_timeout(), reference.deadlines.next().map(|(_, at)| at));
        assert_eq!(self.buffer.len(), reference.untaken(), "bytes left in the buffer");
        assert_eq!(peer.close_reason(), reference.closed.as_ref());
        let shuts_down = reference.shuts_down_by.is_some();
        assert_eq!(peer.is_shutting_down(), shuts_down, "shutting down");
        assert_eq!(peer.linger_until(), reference.linger_until, "lingers");
        assert_eq!(peer.wants_read(), reference.wants_read(), "wants to read");
        assert_eq!(peer.can_resume(), reference.can_resume(), "can resume");
        assert_eq!(peer.is_established(), reference.is_established(), "established");
        assert_eq!(peer.verack_received(), reference.has_verack, "verack");
        assert_eq!(peer.wants_headers(), reference.wants_headers, "sendheaders");
        assert_eq!(peer.fee_filter(), reference.fee_filter);
        assert_eq!(peer.last_block(), reference.last_block);
        assert_eq!(peer.protocol_version(), reference.protocol().version);
        assert_eq!(peer.remote_version().map(|version| &**version), self.remote_version());
        self.compare_stats();
    }

    fn remote_version(&self) -> Option<&Version> {
        self.reference.remote_version.as_ref()
    }

    fn compare_stats(&self) {
        let (stats, reference) = (self.peer.stats(), &self.reference);
        let theirs = self.remote_version();
        assert_eq!(stats.services, theirs.map(|version| version.services));
        assert_eq!(stats.user_agent.as_ref(), theirs.map(|version| &version.user_agent));
        let advertised = theirs.map(|version| version.protocol_version.cast_unsigned());
        assert_eq!(stats.advertised_version, advertised);
        assert_eq!(stats.negotiated_version, theirs.map(|_| self.version_in_force()));
        assert_eq!(stats.start_height, theirs.map(|version| version.start_height));
        assert_eq!(stats.last_block, reference.last_block);
        assert_eq!(stats.time_offset, theirs.map(|_| reference.time_offset));
        assert_eq!(stats.relay, theirs.map(|version| version.relay));
        assert_eq!(stats.wants_headers, reference.wants_headers);
        assert_eq!(stats.fee_filter, reference.fee_filter);
        assert_eq!(stats.last_send, reference.last_send);
        assert_eq!(stats.last_receive, reference.last_receive);
        assert_eq!(stats.bytes_sent, reference.bytes_sent);
        assert_eq!(stats.bytes_received, reference.taken as u64);
        assert_eq!(stats.outstanding_ping, reference.outstanding.map(|(nonce, _)| nonce));
        assert_eq!(stats.last_ping, reference.last_ping);
        assert_eq!(stats.round_trip, reference.round_trip);
        assert_eq!(stats.queued_frames, reference.queued_frames());
        assert_eq!(stats.queued_bytes, reference.queued_bytes());
        assert_eq!(stats.waiting_announcements, reference.waiting_announcements());
        assert_eq!(stats.waiting_events, reference.events.len());
        assert_eq!(stats.requested, reference.requested());
        assert_eq!(stats.known_inventory, reference.known.vectors.len());

        let mut commands: BTreeMap<Command, [Traffic; 2]> = BTreeMap::new();
        for (direction, frames) in reference.traffic.iter().enumerate() {
            for &(command, len) in frames {
                let traffic = &mut commands.entry(command).or_default()[direction];
                traffic.messages += 1;
                traffic.bytes += len as u64;
            }
        }
        let seen = stats.commands.iter().map(|of| (of.command, [of.received, of.sent]));
        assert!(seen.eq(commands), "{:?}", stats.commands);
    }

    /// Lets everything leave and be told, ends the peer where nothing else has, and sees to
    /// it that it stays ended.
    fn end(&mut self) {
        self.transmit(usize::MAX, Way::Lent);
        self.poll(usize::MAX);
        self.compare();
        self.peer.close();
        self.reference.close();
        self.poll(usize::MAX);
        self.compare();
        self.now += Duration::from_secs(1_000_000);
        self.time_out();
        self.transmit(usize::MAX, Way::Shared(usize::MAX));
        self.poll(usize::MAX);
        self.compare();
    }
}

fn number(id: SendId) -> u64 {
    id.to_string().parse().expect("ids are numbers")
}

/// A name for each reason, with the kind of error where that is one.
fn name(reason: &CloseReason) -> String {
    match reason {
        CloseReason::Stall { vector: Some(_), .. } => "Stall of a vector".into(),
        CloseReason::Decode(error) => error.kind().name().into(),
        other => {
            let shown = format!("{other:?}");
            shown.split(['(', ' ']).next().unwrap_or_default().into()
        }
    }
}
