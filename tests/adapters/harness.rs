//! A peer over either driver, and a remote that the test controls.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
#[cfg(feature = "tokio")]
use std::sync::OnceLock;
use std::sync::{Arc, mpsc};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use excc_peer::adapter::threads::Stream;
use excc_peer::adapter::{self, Events, Handle};
use excc_peer::wire::{Decoder, EncodedMessage, InputBuffer, InvVect, List, Message, Version};
use excc_peer::{
    CloseReason, Config, ConfigBuilder, Direction, Event, Hash, Network, SendErrorKind, SendId,
};

use crate::common::rng;

pub(crate) const NETWORK: Network = Network::EXCC_REGNET;

/// Maximum time of any wait in a test.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) type Peer = (Handle, Events);

/// Driver of a peer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Driver {
    Std,
    #[cfg(feature = "tokio")]
    Tokio,
}

impl Driver {
    pub(crate) fn is_std(self) -> bool {
        matches!(self, Self::Std)
    }

    pub(crate) fn inbound(self, config: ConfigBuilder, transport: impl Transport) -> Peer {
        transport.start(self, Direction::Inbound, build(config)).unwrap()
    }

    pub(crate) fn outbound(self, config: ConfigBuilder, transport: impl Transport) -> Peer {
        transport.start(self, Direction::Outbound, build(config)).unwrap()
    }

    pub(crate) fn connect(self, addresses: &[SocketAddr], timeout: Duration) -> io::Result<Peer> {
        match self {
            Self::Std => {
                adapter::threads::connect(build(config()), addresses, timeout, &mut rng(2))
            }
            #[cfg(feature = "tokio")]
            Self::Tokio => runtime().block_on(async {
                adapter::tasks::connect(build(config()), addresses, timeout, &mut rng(2)).await
            }),
        }
    }

    pub(crate) fn accept(self, listener: &TcpListener) -> io::Result<Peer> {
        match self {
            Self::Std => adapter::threads::accept(build(config()), listener, &mut rng(1)),
            #[cfg(feature = "tokio")]
            Self::Tokio => runtime().block_on(async {
                let listener = listener.try_clone()?;
                listener.set_nonblocking(true)?;
                let listener = tokio::net::TcpListener::from_std(listener)?;
                let mut rng = rng(1);
                let accepted = adapter::tasks::accept(build(config()), &listener, &mut rng);
                tokio::time::timeout(PATIENCE, accepted).await.expect("a connection in time")
            }),
        }
    }
}

fn build(config: ConfigBuilder) -> Arc<Config> {
    Arc::new(config.build().unwrap())
}

/// A stream that either driver can use.
pub(crate) trait Transport {
    fn start(self, driver: Driver, direction: Direction, config: Arc<Config>) -> io::Result<Peer>;
}

pub(crate) const REMOTE: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 1);

pub(crate) fn start_std(
    direction: Direction,
    config: Arc<Config>,
    stream: impl Stream,
) -> io::Result<Peer> {
    match direction {
        Direction::Inbound => adapter::threads::inbound(config, stream, REMOTE, &mut rng(1)),
        Direction::Outbound => adapter::threads::outbound(config, stream, REMOTE, &mut rng(2)),
    }
}

#[cfg(feature = "tokio")]
pub(crate) fn start_tokio(
    direction: Direction,
    config: Arc<Config>,
    stream: impl tokio::io::AsyncRead + tokio::io::AsyncWrite + Send + 'static,
) -> io::Result<Peer> {
    match direction {
        Direction::Inbound => adapter::tasks::inbound(config, stream, REMOTE, &mut rng(1)),
        Direction::Outbound => adapter::tasks::outbound(config, stream, REMOTE, &mut rng(2)),
    }
}

#[cfg(feature = "tokio")]
pub(crate) fn runtime() -> &'static tokio::runtime::Runtime {
    static RUNTIME: OnceLock<tokio::runtime::Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| {
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
    })
}

macro_rules! socket_transport {
    ($std:ty, $tokio:ty) => {
        impl Transport for $std {
            fn start(
                self,
                driver: Driver,
                direction: Direction,
                config: Arc<Config>,
            ) -> io::Result<Peer> {
                match driver {
                    Driver::Std => start_std(direction, config, self),
                    #[cfg(feature = "tokio")]
                    Driver::Tokio => {
                        let _context = runtime().enter();
                        self.set_nonblocking(true)?;
                        start_tokio(direction, config, <$tokio>::from_std(self)?)
                    }
                }
            }
        }
    };
}

socket_transport!(TcpStream, tokio::net::TcpStream);
#[cfg(unix)]
socket_transport!(std::os::unix::net::UnixStream, tokio::net::UnixStream);

pub(crate) fn config() -> ConfigBuilder {
    Config::builder(NETWORK)
}

/// Returns both ends of a loopback connection: the remote's and the peer's.
pub(crate) fn sockets() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let near = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    let (far, _) = listener.accept().unwrap();
    for socket in [&near, &far] {
        socket.set_nodelay(true).unwrap();
    }
    near.set_read_timeout(Some(PATIENCE)).unwrap();
    near.set_write_timeout(Some(PATIENCE)).unwrap();
    (near, far)
}

pub(crate) fn encode(message: impl Into<Message>) -> Vec<u8> {
    EncodedMessage::new(&NETWORK, 8, &message.into()).unwrap().to_bytes().to_vec()
}

/// Returns the `version` of the remote.
pub(crate) fn version() -> Version {
    Version { protocol_version: 8, nonce: 99, ..Version::default() }
}

/// Returns the handshake of the remote.
pub(crate) fn opening() -> Vec<u8> {
    [encode(version()), encode(Message::VerAck)].concat()
}

/// Returns a message of 1.8 MB.
pub(crate) fn blob() -> Message {
    Message::GetData(List::from(vec![InvVect::tx(Hash::ZERO); 50_000]))
}

/// Queues copies of a message until the queue is full.
pub(crate) fn fill_queue(handle: &Handle, message: &Message) -> Vec<SendId> {
    let frame = EncodedMessage::new(&NETWORK, 8, message).unwrap();
    let mut ids = Vec::new();
    loop {
        match handle.send_encoded(frame.clone()) {
            Ok(id) => ids.push(id),
            Err(error) => {
                let is_expected = match &error.kind {
                    SendErrorKind::QueueFull { .. } => true,
                    // The peer may have a short write timeout.
                    SendErrorKind::Closed(reason) => *reason == CloseReason::WriteStall,
                    _ => false,
                };
                assert!(is_expected, "{error}");
                return ids;
            }
        }
    }
}

/// Decodes a stream that ends with a complete message.
pub(crate) fn messages(bytes: &[u8]) -> Vec<Message> {
    let mut buffer = InputBuffer::from(bytes);
    let mut decoder = Decoder::new(NETWORK, 8);
    let messages: Vec<_> = std::iter::from_fn(|| decoder.decode(&mut buffer).expect("frames"))
        .map(|frame| frame.message)
        .collect();
    assert!(buffer.is_empty(), "a part of a frame remains");
    messages
}

/// Reads until the peer ends the stream.
#[track_caller]
pub(crate) fn read_to_end(stream: &mut impl Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("the end of the stream in time");
    bytes
}

/// Sends the handshake of the remote, and waits until the peer is established.
#[track_caller]
pub(crate) fn establish(remote: &mut impl Write, events: &mut Events) {
    remote.write_all(&opening()).unwrap();
    until_established(events);
}

#[track_caller]
pub(crate) fn next(events: &mut Events) -> Event {
    events.recv_timeout(PATIENCE).expect("an event in time")
}

#[track_caller]
pub(crate) fn until<T>(events: &mut Events, mut wanted: impl FnMut(Event) -> Option<T>) -> T {
    loop {
        if let Some(found) = wanted(next(events)) {
            return found;
        }
    }
}

#[track_caller]
pub(crate) fn until_established(events: &mut Events) {
    until(events, |event| matches!(event, Event::Established(_)).then_some(()));
    // Closing with unread input would reset the connection.
    until(events, |event| matches!(event, Event::VerAckReceived).then_some(()));
}

#[track_caller]
pub(crate) fn until_round_trip(events: &mut Events) {
    until(events, |event| matches!(event, Event::RoundTrip { .. }).then_some(()));
}

#[track_caller]
pub(crate) fn until_message(events: &mut Events) -> Message {
    until(events, |event| match event {
        Event::Message { message, .. } => Some(message),
        _ => None,
    })
}

#[track_caller]
pub(crate) fn until_closed(events: &mut Events) -> CloseReason {
    let reason = until(events, |event| match event {
        Event::Closed(reason) => Some(reason),
        _ => None,
    });
    assert_eq!(events.recv_blocking(), None, "no event after the last one");
    reason
}

#[track_caller]
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < end, "{what}");
        thread::sleep(Duration::from_millis(1));
    }
}

/// Calls [`Handle::wait_closed`] with a timeout.
#[track_caller]
pub(crate) fn wait_closed(handle: &Handle) -> CloseReason {
    let (handle, (tell, told)) = (handle.clone(), mpsc::channel());
    thread::spawn(move || tell.send(handle.wait_closed()));
    told.recv_timeout(PATIENCE).expect("the end in time")
}

/// The reason of the end, and the receipts of all messages.
pub(crate) struct Outcome {
    pub(crate) reason: CloseReason,
    pub(crate) sent: Vec<SendId>,
    pub(crate) not_sent: Vec<SendId>,
}

/// Waits for the end. Asserts that each queued message is reported once.
#[track_caller]
pub(crate) fn outcome((handle, events): &mut Peer, queued: &[SendId]) -> Outcome {
    let (mut sent, mut not_sent) = (Vec::new(), Vec::new());
    let reason = until(events, |event| {
        match event {
            Event::Sent(id) => sent.push(id),
            Event::NotSent(id) => not_sent.push(id),
            Event::Closed(reason) => return Some(reason),
            _ => {}
        }
        None
    });
    assert_eq!(events.recv_blocking(), None, "no event after the last one");
    assert_eq!(wait_closed(handle), reason);
    let mut reports = BTreeMap::new();
    for id in sent.iter().chain(&not_sent) {
        *reports.entry(*id).or_default() += 1;
    }
    assert_eq!(reports, queued.iter().map(|&id| (id, 1)).collect(), "each is reported once");
    assert!(sent.iter().chain(&not_sent).is_sorted(), "reported in the order of sending");
    Outcome { reason, sent, not_sent }
}

/// Runs a future on this thread, without a runtime and with a timeout.
#[track_caller]
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    let mut future = std::pin::pin!(future);
    let waker = Waker::from(Arc::new(Unpark(thread::current())));
    let mut context = Context::from_waker(&waker);
    let end = Instant::now() + PATIENCE;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        let remaining = end.saturating_duration_since(Instant::now());
        assert!(!remaining.is_zero(), "ready in time");
        thread::park_timeout(remaining);
    }
}

/// Polls a future once.
pub(crate) fn poll_once<F: Future + Unpin>(future: &mut F) -> Poll<F::Output> {
    std::pin::Pin::new(future).poll(&mut Context::from_waker(Waker::noop()))
}
