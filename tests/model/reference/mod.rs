//! A peer that is plain, slow and obvious: it keeps all that came in one run of bytes, all
//! that is to leave in one list, and works out everything anew each time.

mod leaving;
mod wishes;

use std::time::Duration;

use bytes::BytesMut;
use excc_peer::wire::{Command, Decoder, InvVect, Message, Pong, Protocol, Version};
use excc_peer::{Chain, CloseReason, Direction, Hash, Instant, Overflow, Timer};

pub(crate) use wishes::Answer;

use crate::common::QUEUED;
use crate::parts::{Deadlines, Follows, Frame, Known, Nonces, Owed, Told, answers};
use crate::setup::Setup;

/// What an `inv` takes besides its vectors, where their count takes three bytes.
const INV_OVERHEAD: usize = 24 + 3 + QUEUED;

/// The bytes of an inventory vector.
const VECTOR_LEN: usize = 36;

pub(crate) struct Reference {
    setup: Setup,
    started: Instant,
    pub(crate) now: Instant,
    pub(crate) closed: Option<CloseReason>,
    /// Until when the application waits for what is to leave before the end.
    pub(crate) shuts_down_by: Option<Instant>,
    /// The same, once all of it has left.
    pub(crate) linger_until: Option<Instant>,
    pub(crate) deadlines: Deadlines,
    /// Whether the application kept the remote from being heard at some time since `now`.
    was_deaf: bool,

    /// Everything that ever came.
    received: Vec<u8>,
    /// Where in it the frame begins that is taken next.
    frame_at: usize,
    /// How much of it was taken: up to that frame, or with the header of that.
    pub(crate) taken: usize,
    /// Whether what was not taken was not looked at for want of room.
    is_held: bool,
    has_ended: bool,
    /// When the last message was complete, by the time in which the remote is heard.
    message_at: Instant,

    pub(crate) remote_version: Option<Version>,
    pub(crate) time_offset: i64,
    is_accepted: bool,
    pub(crate) has_verack: bool,
    is_done: bool,
    /// What a remote sent before a `verack` that had to come first, with its size.
    early: Vec<(Message, usize)>,
    pub(crate) wants_headers: bool,
    pub(crate) fee_filter: Option<i64>,
    pub(crate) last_block: Option<i64>,

    /// What was not polled yet, with the bytes of the messages.
    pub(crate) events: Vec<(Told, usize)>,
    /// What is told after the last event.
    after: Vec<Told>,

    frames: Vec<Frame>,
    /// Bytes of the first frame that have left.
    left: usize,
    receipts: u64,
    waiting: Vec<InvVect>,
    pub(crate) known: Known,

    owed: Vec<Owed>,
    /// The first hash and the stop of the last `getheaders` and the last `getblocks` that
    /// were pushed, and until when they are not repeated.
    last_pushed: [Option<(Hash, Hash, Instant)>; 2],

    pub(crate) nonces: Nonces,
    /// The latest `ping` that has left and is not answered.
    pub(crate) outstanding: Option<(u64, Instant)>,
    /// The last `ping` of the application's that was queued, if it has not left.
    ping_by_application: Option<u64>,
    /// The latest `pong` that answered a `ping` that has not left.
    early_pong: Option<(u64, Instant)>,
    pub(crate) last_ping: Option<Instant>,
    pub(crate) round_trip: Option<Duration>,

    pub(crate) bytes_sent: u64,
    pub(crate) last_send: Option<Instant>,
    pub(crate) last_receive: Option<Instant>,
    /// The command and size of every frame that came, and of every frame that left.
    pub(crate) traffic: [Vec<(Command, usize)>; 2],
}

impl Reference {
    pub(crate) fn new(setup: &Setup, now: Instant) -> Self {
        let mut reference = Self {
            setup: setup.clone(),
            started: now,
            now,
            closed: None,
            shuts_down_by: None,
            linger_until: None,
            deadlines: Deadlines::default(),
            was_deaf: false,
            received: Vec::new(),
            frame_at: 0,
            taken: 0,
            is_held: false,
            has_ended: false,
            message_at: now,
            remote_version: None,
            time_offset: 0,
            is_accepted: false,
            has_verack: false,
            is_done: false,
            early: Vec::new(),
            wants_headers: false,
            fee_filter: None,
            last_block: None,
            events: Vec::new(),
            after: Vec::new(),
            frames: Vec::new(),
            left: 0,
            receipts: 0,
            waiting: Vec::new(),
            known: Known {
                capacity: setup.known_capacity,
                lifetime: setup.known_lifetime,
                vectors: Vec::new(),
            },
            owed: Vec::new(),
            last_pushed: [None; 2],
            nonces: Nonces::default(),
            outstanding: None,
            ping_by_application: None,
            early_pong: None,
            last_ping: None,
            round_trip: None,
            bytes_sent: 0,
            last_send: None,
            last_receive: None,
            traffic: [Vec::new(), Vec::new()],
        };
        reference.deadlines.set(Timer::Handshake, now + setup.handshake_timeout);
        reference.deadlines.set_after(Timer::Idle, now, setup.idle_timeout);
        if setup.direction == Direction::Outbound {
            reference.push_version();
        }
        reference
    }

    pub(crate) fn protocol(&self) -> Protocol {
        let version = match &self.remote_version {
            Some(version) => self.setup.version.min(version.protocol_version.cast_unsigned()),
            None => self.setup.version,
        };
        Protocol::new(self.setup.network.chain(), version)
    }

    pub(crate) fn is_established(&self) -> bool {
        self.is_done && self.closed.is_none()
    }

    pub(crate) fn wants_read(&self) -> bool {
        self.closed.is_none() && !self.has_ended && self.has_room()
    }

    pub(crate) fn can_resume(&self) -> bool {
        self.closed.is_none() && self.is_held && self.has_room()
    }

    /// How much of what came was not taken.
    pub(crate) fn untaken(&self) -> usize {
        self.received.len() - self.taken
    }

    fn is_deaf(&self) -> bool {
        let bytes: usize = self.events.iter().map(|(_, bytes)| bytes).sum();
        let is_reviewed = self.remote_version.is_some() && !self.is_accepted;
        (self.setup.reviews && is_reviewed)
            || self.events.len() >= self.setup.max_waiting_events
            || (bytes > 0 && bytes >= self.setup.max_waiting_event_bytes)
    }

    fn has_room(&self) -> bool {
        let pongs = self.frames.iter().filter(|frame| frame.follows == Follows::Pong).count();
        !self.is_deaf() && pongs < 64
    }

    /// The time is told. What passed since it was told last is not held against the remote,
    /// if the application kept it from being heard at some time since.
    fn tell_time(&mut self, now: Instant) {
        let now = now.max(self.now);
        if self.was_deaf {
            self.deadlines.deaf += now - self.now;
        }
        self.now = now;
        self.was_deaf = self.is_deaf();
    }

    fn tell(&mut self, event: Told, bytes: usize) {
        self.events.push((event, bytes));
        self.was_deaf |= self.is_deaf();
    }

    fn close_for(&mut self, reason: CloseReason) {
        if self.closed.is_some() {
            return;
        }
        for frame in self.frames.drain(..) {
            if let Follows::Receipt(id, _) = frame.follows {
                self.after.push(Told::NotSent(id));
            }
        }
        self.after.push(Told::Closed(reason.clone()));
        self.closed = Some(reason);
        self.shuts_down_by = None;
        self.left = 0;
        self.waiting.clear();
        self.owed.clear();
        self.deadlines.clear_all();
    }
}

/// What comes.
impl Reference {
    pub(crate) fn handle_input(&mut self, now: Instant, bytes: &[u8]) -> Result<(), CloseReason> {
        self.tell_time(now);
        self.received.extend_from_slice(bytes);
        if self.closed.is_none() {
            let was_held = std::mem::replace(&mut self.is_held, false);
            while self.closed.is_none() && self.has_room() {
                match self.receive_frame() {
                    Ok(true) => {}
                    Ok(false) => {
                        if was_held || !bytes.is_empty() {
                            self.on_slow_message();
                        }
                        break;
                    }
                    Err(reason) => self.close_for(reason),
                }
            }
            if self.closed.is_none() {
                self.is_held = !self.has_room() && self.untaken() > 0;
                self.was_deaf |= self.is_deaf();
                if self.has_ended && !self.is_held {
                    self.end();
                }
            }
        }
        self.closed.clone().map_or(Ok(()), Err)
    }

    pub(crate) fn handle_eof(&mut self, now: Instant) {
        self.tell_time(now);
        self.has_ended = true;
        if !self.is_held {
            self.end();
        }
    }

    pub(crate) fn handle_connection_lost(&mut self, now: Instant) {
        self.tell_time(now);
        self.close_for(CloseReason::ConnectionLost);
    }

    /// A reader of the frame that is taken next, and the bytes for it.
    fn reader(&self) -> (Decoder, BytesMut) {
        let mut decoder = Decoder::new(self.setup.network, self.protocol().version);
        decoder.set_trailing_bytes(self.setup.trailing);
        decoder.set_reject_limit(self.setup.max_reject);
        (decoder, BytesMut::from(&self.received[self.frame_at..]))
    }

    fn end(&mut self) {
        let (mut reader, mut rest) = self.reader();
        // What is wrong with a header is told by the end, too.
        _ = reader.header(&mut rest);
        match reader.end(rest.len()) {
            Ok(()) => self.close_for(CloseReason::RemoteClosed),
            Err(error) => self.close_for(error.into()),
        }
    }

    /// Takes one frame, or its header while it is not whole. Returns whether it was.
    fn receive_frame(&mut self) -> Result<bool, CloseReason> {
        let (mut reader, mut rest) = self.reader();
        let header = reader.header(&mut rest);
        self.taken = self.received.len() - rest.len();
        let Some(header) = header? else { return Ok(false) };
        self.admit(header.command)?;
        let frame = reader.payload(&mut rest);
        self.taken = self.received.len() - rest.len();
        let Some(frame) = frame? else { return Ok(false) };
        self.frame_at = self.taken;

        self.traffic[0].push((header.command, frame.len));
        self.last_receive = Some(self.now);
        self.deadlines.set_after(Timer::Idle, self.now, self.setup.idle_timeout);
        self.message_at = self.heard();
        match frame.message {
            Message::Version(version) => self.on_version(*version)?,
            Message::VerAck => self.on_verack(),
            message if self.is_done => self.on_message(message, frame.len),
            message => self.early.push((message, frame.len)),
        }
        Ok(true)
    }

    /// Whether a message of that name may come now.
    fn admit(&self, command: Command) -> Result<(), CloseReason> {
        let may_be_early = match self.protocol() {
            Protocol { chain: Chain::Decred, version: ..12, .. } => {
                self.setup.max_before_verack.into()
            }
            _ => 0,
        };
        match command {
            Command::Version if self.remote_version.is_none() => Ok(()),
            Command::Version => Err(CloseReason::DuplicateVersion),
            other if self.remote_version.is_none() => Err(CloseReason::NotVersion(other)),
            Command::VerAck if self.has_verack => Err(CloseReason::DuplicateVerAck),
            Command::VerAck => Ok(()),
            other if !self.is_done && self.early.len() >= may_be_early => {
                Err(CloseReason::NotVerAck(other))
            }
            _ => Ok(()),
        }
    }

    fn on_version(&mut self, version: Version) -> Result<(), CloseReason> {
        let is_own = version.nonce != 0
            && (self.setup.sent_nonces.contains(&version.nonce)
                || (self.setup.direction == Direction::Outbound
                    && self.nonces.version == Some(version.nonce)));
        if is_own && !self.setup.allows_self_connections {
            return Err(CloseReason::SelfConnection);
        }
        let (advertised, minimum) = (version.protocol_version, self.setup.min_remote_version);
        self.time_offset = version.timestamp.saturating_sub(self.wall_clock());
        self.last_block = Some(i64::from(version.start_height).max(0));
        let offered = version.services;
        self.remote_version = Some(version.clone());
        self.tell(Told::VersionReceived(version), 0);
        if i64::from(advertised) < i64::from(minimum) {
            return Err(CloseReason::ProtocolVersionTooOld { advertised, minimum });
        }
        let required = self.setup.required_services;
        if offered & required != required {
            return Err(CloseReason::MissingServices { offered, required });
        }
        if !self.setup.reviews {
            self.accept();
        }
        Ok(())
    }

    fn accept(&mut self) {
        self.is_accepted = true;
        if self.setup.direction == Direction::Inbound {
            self.push_version();
        }
        let is_late = self.setup.network.chain() == Chain::Exchangecoin;
        if is_late || self.setup.direction == Direction::Inbound {
            self.push(&Message::VerAck, Follows::Handshake);
        }
        if is_late {
            self.establish();
            self.deadlines.set_after(Timer::VerAck, self.now, self.setup.verack_timeout);
        }
    }

    fn on_verack(&mut self) {
        self.has_verack = true;
        self.deadlines.clear(Timer::VerAck);
        self.tell(Told::VerAckReceived, 0);
        if self.is_done {
            return;
        }
        if self.setup.direction == Direction::Outbound {
            self.push(&Message::VerAck, Follows::Handshake);
        }
        self.establish();
        for (message, len) in std::mem::take(&mut self.early) {
            self.on_message(message, len);
        }
    }

    fn establish(&mut self) {
        self.is_done = true;
        self.deadlines.clear(Timer::Handshake);
        self.deadlines.set_after(Timer::Ping, self.now, self.setup.ping_interval);
        self.tell(Told::Established(self.protocol().version, self.time_offset), 0);
    }

    /// Bytes came, but no whole message: that is a sign of life, for a time.
    fn on_slow_message(&mut self) {
        if let (Some(idle), Some(slow)) = (self.setup.idle_timeout, self.setup.slow_message_timeout)
        {
            let latest = self.message_at + slow + self.deadlines.deaf;
            self.deadlines.extend(Timer::Idle, latest.min(self.now + idle));
        }
    }

    fn on_message(&mut self, message: Message, len: usize) {
        self.on_answer_to_request(message.command());
        self.tell(Told::Message(message.clone()), len);
        match message {
            Message::Ping(ping) => {
                self.push(&Message::Pong(Pong { nonce: ping.nonce }), Follows::Pong);
            }
            Message::Pong(pong) => match self.outstanding {
                Some((nonce, at)) if nonce == pong.nonce => self.on_pong(nonce, self.now - at),
                _ if [self.ping_by_application, self.nonces.ping].contains(&Some(pong.nonce)) => {
                    self.early_pong = Some((pong.nonce, self.now));
                }
                _ => {}
            },
            Message::SendHeaders => self.wants_headers = true,
            Message::FeeFilter(filter) => self.fee_filter = Some(filter.min_fee),
            Message::Inv(vectors) => {
                // Of a long list only the end is looked at.
                let skipped = vectors.len().saturating_sub(self.known.capacity);
                for vector in &vectors[skipped..] {
                    self.known.insert(*vector, self.now);
                }
            }
            Message::NotFound(vectors) => self.on_vectors(&vectors),
            Message::Tx(tx) => self.on_inventory(InvVect::tx(tx.tx_hash())),
            Message::Block(block) => self.on_inventory(InvVect::block(block.block_hash())),
            message => {
                if let Some(mix) = message.as_mix() {
                    self.on_inventory(InvVect::mix(mix.message_hash().expect("a valid message")));
                }
            }
        }
    }

    /// What a vector names came.
    fn on_inventory(&mut self, vector: InvVect) {
        self.known.insert(vector, self.now);
        self.on_vectors(&[vector]);
    }

    fn on_vectors(&mut self, vectors: &[InvVect]) {
        if self.requested() > 0 {
            self.owed.retain(|owed| owed.vector.is_none_or(|vector| !vectors.contains(&vector)));
            self.set_stall_timer();
        }
    }

    fn on_answer_to_request(&mut self, command: Command) {
        let mut requests: Vec<Command> = self.owed.iter().map(|owed| owed.request).collect();
        requests.sort();
        requests.dedup();
        requests.retain(|request| answers(*request).contains(&command));
        for &request in &requests {
            let before = self.owed.len();
            self.owed.retain(|owed| owed.request != request || owed.due.is_none());
            // Where none has left, it is the answer to one that has and was not told to have.
            if self.owed.len() == before {
                let mut queued = self.owed.iter_mut().filter(|owed| owed.request == request);
                if let Some(next) = queued.find(|owed| !owed.came_early) {
                    next.came_early = true;
                }
            }
        }
        if !requests.is_empty() {
            self.set_stall_timer();
        }
    }

    fn set_stall_timer(&mut self) {
        match self.owed.iter().filter_map(|owed| owed.due).min() {
            Some(due) => self.deadlines.set(Timer::Stall, due + self.deadlines.deaf),
            None => self.deadlines.clear(Timer::Stall),
        }
    }

    /// How many vectors are asked for.
    pub(crate) fn requested(&self) -> usize {
        self.owed.iter().filter(|owed| owed.vector.is_some()).count()
    }

    fn on_pong(&mut self, nonce: u64, time: Duration) {
        self.outstanding = None;
        self.round_trip = Some(time);
        self.deadlines.clear(Timer::Pong);
        self.tell(Told::RoundTrip(nonce, time), 0);
    }
}

/// Time.
impl Reference {
    /// Returns the timers that went off. Of several answers that are overdue, `told` is the
    /// one that is named.
    pub(crate) fn handle_timeout(
        &mut self,
        now: Instant,
        told: Option<&CloseReason>,
    ) -> Vec<Timer> {
        self.tell_time(now);
        let mut fired = Vec::new();
        while let Some(timer) = self.deadlines.take_due(self.now) {
            fired.push(timer);
            match timer {
                Timer::Handshake => self.close_for(CloseReason::HandshakeTimeout),
                Timer::VerAck => self.close_for(CloseReason::VerAckTimeout),
                Timer::Idle => self.close_for(CloseReason::IdleTimeout),
                Timer::Pong => self.close_for(CloseReason::PongTimeout),
                Timer::Write => self.close_for(CloseReason::WriteStall),
                Timer::Shutdown => self.close_for(CloseReason::Local),
                Timer::Ping => {
                    self.push_ping();
                    self.deadlines.set_after(Timer::Ping, self.now, self.setup.ping_interval);
                }
                Timer::Stall => self.on_stall(told),
                Timer::Trickle => self.announce_waiting(),
                other => panic!("no such timer is known: {other}"),
            }
        }
        self.close_if_all_has_left();
        fired
    }

    /// The time, less that in which the remote was not heard.
    fn heard(&self) -> Instant {
        Instant::ZERO + self.now.since_epoch().saturating_sub(self.deadlines.deaf)
    }

    fn on_stall(&mut self, told: Option<&CloseReason>) {
        let heard = self.heard();
        let mut reasons: Vec<_> = self
            .owed
            .iter()
            .filter(|owed| owed.due.is_some_and(|due| due <= heard))
            .map(|owed| CloseReason::Stall { request: owed.request, vector: owed.vector })
            .collect();
        match reasons.iter().position(|reason| Some(reason) == told) {
            Some(named) => self.close_for(reasons.swap_remove(named)),
            None if reasons.is_empty() => self.set_stall_timer(),
            None => self.close_for(reasons.swap_remove(0)),
        }
    }

    fn wall_clock(&self) -> i64 {
        // The last second that Decred's nodes can tell.
        let last = i64::MAX - 62_135_596_800;
        let seconds = self.setup.unix_time.saturating_add((self.now - self.started).as_secs());
        i64::try_from(seconds).map_or(last, |seconds| seconds.min(last))
    }

    /// Queues what waits in as few messages as the limits allow.
    fn announce_waiting(&mut self) {
        loop {
            let room = self.setup.max_queued_bytes.saturating_sub(self.queued_bytes());
            let most = match self.setup.overflow {
                Overflow::Close => self.setup.inv_batch,
                _ => (room.saturating_sub(INV_OVERHEAD) / VECTOR_LEN).min(self.setup.inv_batch),
            };
            let mut batch = Vec::new();
            while batch.len() < most && !self.waiting.is_empty() {
                let vector = self.waiting.remove(0);
                if !self.known.contains(&vector, self.now) {
                    self.known.insert(vector, self.now);
                    batch.push(vector);
                }
            }
            if !batch.is_empty() {
                let message = Message::Inv(batch.into());
                if self.make_room(self.encode(&message).len()).is_err() {
                    return;
                }
                self.push(&message, Follows::Announcements);
            }
            if self.waiting.is_empty() {
                return;
            }
            if most == 0 {
                return self.deadlines.set(Timer::Trickle, self.now + Duration::from_millis(100));
            }
        }
    }
}
