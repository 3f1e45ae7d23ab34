//! The applications at both ends, and their records.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use excc_peer::adapter::{Events, Handle};
use excc_peer::wire::{EncodedMessage, InvVect, List, Message};
use excc_peer::{Announced, CloseReason, Event, Relay, SendErrorKind, SendId};
use rand_chacha::ChaCha8Rng;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::{Kind, World, below};

/// Time that a slow reader takes for each event.
const THINK_TIME: Duration = Duration::from_millis(10);

/// Number of requests for the largest transaction by a slow reader, for more than may be queued.
const SLOW_REQUESTS: usize = 32;

/// Approximate number of vectors that a remote requests from the hub.
const REQUESTS: usize = 16;

/// One vector of this number is announced at once.
const IMMEDIATE: usize = 50;

/// Number of vectors after which the relaying task yields.
const RELAYED_AT_ONCE: usize = 8;

/// A set of vectors, by number.
#[derive(Default, Clone)]
pub(crate) struct Numbers {
    words: Vec<u64>,
    len: usize,
}

impl Numbers {
    /// Returns whether the number is new.
    pub(crate) fn insert(&mut self, number: usize) -> bool {
        let is_new = !self.contains(number);
        if is_new {
            let word = number / 64;
            self.words.resize(self.words.len().max(word + 1), 0);
            self.words[word] |= 1 << (number % 64);
            self.len += 1;
        }
        is_new
    }

    pub(crate) fn contains(&self, number: usize) -> bool {
        self.words.get(number / 64).is_some_and(|word| word & 1 << (number % 64) != 0)
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

/// The record of one connection.
#[derive(Default)]
pub(crate) struct Book {
    pub(crate) is_established: bool,
    pub(crate) closed: Option<CloseReason>,
    /// Queued messages and reported messages, in order.
    pub(crate) queued: Vec<SendId>,
    pub(crate) reported: Vec<SendId>,
    pub(crate) not_sent: u64,
    /// Number of messages that could not be queued.
    pub(crate) refused: u64,
    pub(crate) pings: Vec<u64>,
    pub(crate) round_trips: Vec<u64>,
    /// Numbers of requested vectors and of answered vectors.
    pub(crate) requested: usize,
    pub(crate) answered: usize,
    /// Vectors that the hub announced, or that the remote received.
    pub(crate) announced: Numbers,
}

/// One end of a connection, with its record.
pub(crate) struct Peer {
    pub(crate) handle: Handle,
    book: Mutex<Book>,
}

impl fmt::Debug for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.handle.fmt(f)
    }
}

impl Peer {
    pub(crate) fn new(handle: Handle) -> Self {
        Self { handle, book: Mutex::default() }
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        self.book.lock().expect("no panic")
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.handle.close_reason().is_some()
    }

    fn send(&self, message: impl Into<Message>) {
        let mut book = self.book();
        let result = self.handle.send(message);
        book.on_queued(result.map_err(|error| error.kind));
    }

    fn send_encoded(&self, frame: EncodedMessage) {
        let mut book = self.book();
        let result = self.handle.send_encoded(frame);
        book.on_queued(result.map_err(|error| error.kind));
    }

    fn ping(&self) {
        let mut book = self.book();
        match self.handle.ping() {
            // The earlier ping was not sent yet.
            Ok(nonce) if book.pings.last() == Some(&nonce) => {}
            Ok(nonce) => book.pings.push(nonce),
            Err(SendErrorKind::Closed(_) | SendErrorKind::ShuttingDown) => {}
            Err(error) => panic!("no ping: {error}"),
        }
    }

    fn announce(&self, number: usize, vector: InvVect) {
        let is_immediate = number.is_multiple_of(IMMEDIATE);
        let relay = if is_immediate { Relay::Immediate } else { Relay::Trickle };
        let mut book = self.book();
        match self.handle.announce(vector, relay) {
            Announced::Batched => _ = book.announced.insert(number),
            Announced::Queued(id) => {
                book.announced.insert(number);
                book.queued.push(id);
            }
            Announced::Full => book.refused += 1,
            Announced::Known => {}
            announced => assert!(self.is_closed(), "announcement {announced} to {self:?}"),
        }
    }

    fn record(&self, event: &Event) {
        let mut book = self.book();
        assert_eq!(book.closed, None, "{event:?} after the end");
        match event {
            Event::Established(_) => book.is_established = true,
            Event::RoundTrip { nonce, .. } => book.round_trips.push(*nonce),
            Event::Sent(id) => book.reported.push(*id),
            Event::NotSent(id) => {
                book.reported.push(*id);
                book.not_sent += 1;
            }
            Event::Message { message: Message::Tx(_), .. } => book.answered += 1,
            Event::Message { message: Message::NotFound(vectors), .. } => {
                book.answered += vectors.len()
            }
            Event::Closed(reason) => book.closed = Some(reason.clone()),
            _ => {}
        }
    }

    fn request(&self, wanted: Vec<InvVect>) {
        if !wanted.is_empty() {
            self.book().requested += wanted.len();
            self.send(Message::GetData(wanted.into()));
        }
    }

    /// Answers a `getdata`.
    fn answer(&self, world: &World, wanted: &List<InvVect>, has: impl Fn(usize) -> bool) {
        let mut missing = Vec::new();
        for vector in wanted.iter() {
            let number = world.number(vector);
            match world.txs.get(&number).filter(|_| has(number)) {
                Some(frame) => self.send_encoded(frame.clone()),
                None => missing.push(*vector),
            }
        }
        if !missing.is_empty() {
            self.send(Message::NotFound(missing.into()));
        }
    }
}

impl Book {
    fn on_queued(&mut self, result: Result<SendId, SendErrorKind>) {
        use SendErrorKind::{Closed, QueueFull, ShuttingDown};
        match result {
            Ok(id) => self.queued.push(id),
            Err(QueueFull { .. } | Closed(_) | ShuttingDown) => self.refused += 1,
            Err(error) => panic!("not queued: {error}"),
        }
    }
}

/// The node that is connected to every remote.
pub(crate) struct Hub {
    world: Arc<World>,
    pub(crate) peers: Vec<Peer>,
    /// Vectors that were received, and vectors that were relayed to all others.
    received: Mutex<Numbers>,
    relayed: Mutex<Numbers>,
    /// Transactions of the hub.
    txs: Mutex<Numbers>,
}

impl Hub {
    pub(crate) fn new(world: Arc<World>, peers: Vec<Peer>) -> Self {
        let mut txs = Numbers::default();
        txs.insert(world.popular());
        Self {
            world,
            peers,
            received: Mutex::default(),
            relayed: Mutex::default(),
            txs: Mutex::new(txs),
        }
    }

    pub(crate) fn received(&self) -> MutexGuard<'_, Numbers> {
        self.received.lock().expect("no panic")
    }

    pub(crate) fn relayed(&self) -> MutexGuard<'_, Numbers> {
        self.relayed.lock().expect("no panic")
    }

    fn txs(&self) -> MutexGuard<'_, Numbers> {
        self.txs.lock().expect("no panic")
    }
}

/// A vector that is new to the hub, and the remote that announced it.
pub(crate) struct News {
    number: usize,
    from: usize,
}

/// Announces new vectors to all other remotes. A single task serves all connections, because many
/// tasks would wait long for their turns.
pub(crate) async fn relay(hub: Arc<Hub>, mut news: UnboundedReceiver<News>) {
    while let Some(News { number, from }) = news.recv().await {
        for (at, peer) in hub.peers.iter().enumerate() {
            if at != from {
                peer.announce(number, hub.world.vectors[number]);
            }
        }
        hub.relayed().insert(number);
        if hub.relayed().len().is_multiple_of(RELAYED_AT_ONCE) {
            yield_now().await;
        }
    }
}

/// The hub's end of a connection.
pub(crate) async fn serve(
    hub: Arc<Hub>,
    at: usize,
    mut events: Events,
    news: UnboundedSender<News>,
) {
    let (peer, world) = (&hub.peers[at], &hub.world);
    while let Some(event) = events.recv().await {
        peer.record(&event);
        match event {
            Event::Established(_) => peer.ping(),
            Event::Message { message: Message::Inv(vectors), .. } => {
                let mut wanted = Vec::new();
                for vector in vectors.iter() {
                    let number = world.number(vector);
                    if !hub.received().insert(number) {
                        continue;
                    }
                    news.send(News { number, from: at })
                        .expect("the relaying task runs until the end");
                    // Half of these do not exist.
                    if number % 4 < 2 {
                        wanted.push(*vector);
                    }
                }
                peer.request(wanted);
                peer.ping();
            }
            Event::Message { message: Message::GetData(wanted), .. } => {
                peer.answer(world, &wanted, |number| hub.txs().contains(number));
            }
            Event::Message { message: Message::Tx(tx), .. } => {
                hub.txs().insert(world.number(&InvVect::tx(tx.tx_hash())));
            }
            _ => {}
        }
    }
}

/// A remote's end of a connection.
pub(crate) async fn live(
    world: Arc<World>,
    remotes: Arc<[Peer]>,
    at: usize,
    mut events: Events,
    mut rng: ChaCha8Rng,
    mut has_ended: watch::Receiver<bool>,
) {
    let (peer, kind) = (&remotes[at], world.kinds[at]);
    let request_too_much = || {
        let popular = world.vectors[world.popular()];
        (0..SLOW_REQUESTS).for_each(|_| peer.request(vec![popular]));
    };
    let mut taken = 0;
    while let Some(event) = events.recv().await {
        taken += 1;
        match kind {
            Kind::Slow => sleep(THINK_TIME).await,
            Kind::Stuck(after) if taken > after => {
                if taken == after + 1 {
                    request_too_much();
                }
                // A dropped sender means the end as well.
                let _ = has_ended.wait_for(|ended| *ended).await;
            }
            _ => {}
        }
        peer.record(&event);
        match event {
            Event::Established(_) => {
                peer.ping();
                if kind == Kind::Slow {
                    request_too_much();
                }
            }
            Event::Message { message: Message::Inv(vectors), .. } => {
                let mut wanted = Vec::new();
                for vector in vectors.iter() {
                    let number = world.number(vector);
                    assert!(peer.book().announced.insert(number), "{vector} was announced twice");
                    if (below(&mut rng, world.vectors.len() as u32) as usize) < REQUESTS {
                        wanted.push(*vector);
                    }
                }
                peer.request(wanted);
                peer.ping();
            }
            Event::Message { message: Message::GetData(wanted), .. } => {
                peer.answer(&world, &wanted, |number| world.has(at, number));
            }
            _ => {}
        }
    }
}
