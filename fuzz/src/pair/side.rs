//! Messages and vectors that one side of a connection sent and received.

use std::collections::{HashSet, VecDeque};

use excc_peer::wire::{EncodedMessage, InvVect, Message};
use excc_peer::{CloseReason, Network, PeerState, SendId};

use super::script;

/// One side, as its application sees it.
pub(super) struct Side {
    pub(super) setup: script::Side,
    /// Messages that were queued and have no receipt yet.
    queued: VecDeque<(SendId, Message)>,
    /// Messages that left, and did not arrive.
    pub(super) on_the_way: VecDeque<Message>,
    /// Vectors that were queued and did not arrive, some of them more than once.
    waiting: Vec<InvVect>,
    /// Vectors that the remote has, as far as the peer knows.
    shared: HashSet<InvVect>,
    /// Nonces of the pings that came, in the order in which they are answered.
    owed_pongs: VecDeque<u64>,
    pub(super) told: Told,
    /// Whether this side did anything to end the connection.
    pub(super) has_given_up: bool,
    /// Whether a message came under another name than it was sent.
    pub(super) is_bent: bool,
}

/// The events that come once.
#[derive(Default)]
pub(super) struct Told {
    pub(super) version: bool,
    pub(super) verack: bool,
    /// The version that was negotiated.
    pub(super) established: Option<u32>,
    pub(super) closed: Option<CloseReason>,
}

impl Side {
    pub(super) fn new(setup: script::Side) -> Self {
        Self {
            setup,
            queued: VecDeque::new(),
            on_the_way: VecDeque::new(),
            waiting: Vec::new(),
            shared: HashSet::new(),
            owed_pongs: VecDeque::new(),
            told: Told::default(),
            has_given_up: false,
            is_bent: false,
        }
    }

    pub(super) fn count_queued(&mut self, id: SendId, message: Message) {
        assert!(self.queued.back().is_none_or(|(last, _)| *last < id));
        self.queued.push_back((id, message));
    }

    pub(super) fn count_waiting(&mut self, vector: InvVect) {
        self.waiting.push(vector);
    }

    pub(super) fn count_shared(&mut self, vector: InvVect) {
        self.shared.insert(vector);
    }

    /// A message left.
    pub(super) fn on_sent(&mut self, id: SendId) {
        let (first, message) = self.queued.pop_front().expect("something was queued");
        assert_eq!(first, id, "sent out of order");
        self.on_the_way.push_back(message);
    }

    /// A message did not leave.
    pub(super) fn on_not_sent(&mut self, id: SendId) {
        let (first, _) = self.queued.pop_front().expect("something was queued");
        assert_eq!(first, id, "told out of order");
    }

    pub(super) fn on_closed(&mut self, reason: CloseReason) {
        assert!(self.queued.is_empty(), "messages are neither sent nor not sent");
        self.told.closed = Some(reason);
    }

    /// A message was received by this side.
    pub(super) fn on_received(&mut self, message: &Message) {
        match message {
            Message::Ping(ping) => self.owed_pongs.push_back(ping.nonce),
            Message::Inv(vectors) => self.shared.extend(vectors.iter().copied()),
            _ => {}
        }
    }

    /// A message of this side's arrived. It must be the next one of the application's, or
    /// be the peer's own. Where bits flip, a name may be another valid one by accident,
    /// because no checksum is over it; what is named is the same then.
    pub(super) fn on_arrived(&mut self, message: &Message, network: &Network, flips: bool) {
        if self.is_bent {
            return;
        }
        if self.on_the_way.front() == Some(message) {
            self.on_the_way.pop_front();
            if let Message::Inv(vectors) = message {
                self.shared.extend(vectors.iter().copied());
            }
            return;
        }
        let is_own = match message {
            Message::Ping(_) => true,
            Message::Pong(pong) => self.take_owed_pong(pong.nonce),
            Message::Inv(vectors) => vectors.iter().all(|vector| self.take_waiting(vector)),
            _ => false,
        };
        if !is_own {
            assert!(flips, "{message:?} instead of {:?}", self.on_the_way.front());
            self.assert_renamed(message, network);
            self.is_bent = true;
        }
    }

    /// Pongs arrive in the order of the pings. A peer may drop the oldest.
    fn take_owed_pong(&mut self, nonce: u64) -> bool {
        let Some(place) = self.owed_pongs.iter().position(|owed| *owed == nonce) else {
            return false;
        };
        self.owed_pongs.drain(..=place);
        true
    }

    fn take_waiting(&mut self, vector: &InvVect) -> bool {
        let place = self.waiting.iter().position(|waiting| waiting == vector);
        if let Some(place) = place {
            self.waiting.swap_remove(place);
            self.shared.insert(*vector);
        }
        place.is_some()
    }

    fn assert_renamed(&self, message: &Message, network: &Network) {
        let version = self.told.established.expect("only then messages are sent");
        let payload = |message: &Message| {
            let frame = EncodedMessage::new(network, version, message).expect("it was encoded");
            frame.to_bytes().slice(24..)
        };
        let arrived = payload(message);
        // A ping or a pong of the peer's own, or one of the many without a payload.
        let is_short = matches!(arrived.len(), 0 | 8);
        let is_next = self.on_the_way.front().is_some_and(|next| payload(next) == arrived);
        assert!(is_short || is_next, "{message:?} was never sent");
    }

    /// Everything for the other side was sent.
    pub(super) fn assert_drained(&self, peer: &PeerState) {
        let stats = peer.stats();
        let waiting = (stats.queued_bytes, stats.queued_frames, stats.waiting_announcements);
        assert_eq!(waiting, (0, 0, 0));
        assert!(self.queued.is_empty() && self.on_the_way.is_empty());
        assert!(self.owed_pongs.is_empty() || self.is_bent, "the latest ping is not answered");
        self.assert_announced();
    }

    /// Every announcement was sent to the other side.
    pub(super) fn assert_announced(&self) {
        // Those that still wait here were known, or left only once.
        assert!(self.waiting.iter().all(|vector| self.shared.contains(vector)), "kept silent");
    }
}
