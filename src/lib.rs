//! A peer for the Exchangecoin peer-to-peer network and for Decred, from whose protocol it
//! descends: a state machine without IO.
//!
//! A [`PeerState`] takes received bytes, commands and the time. It returns bytes to send, events
//! and the next deadline. It opens no socket, reads no clock and starts no thread. It draws random
//! numbers once, in its constructor. So it runs on any runtime, in a simulation of thousands of
//! peers, or under a fuzzer. It behaves the same everywhere.
//!
//! # A run loop
//!
//! All tasks of a runtime, here over a blocking socket with timeouts:
//!
//! ```
//! use std::io::{self, Read, Write};
//! use std::net::{Shutdown, TcpStream};
//! use std::time::Duration;
//!
//! use bytes::Buf;
//! use excc_peer::wire::InputBuffer;
//! use excc_peer::{Config, Event, Instant, Network, PeerState, UnixTime};
//! use rand_core::UnwrapErr;
//!
//! # #[cfg(not(feature = "std"))]
//! # fn main() {}
//! # #[cfg(feature = "std")]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
//! # let address = listener.local_addr()?;
//! # let node = std::thread::spawn(move || {
//! #     let config = Config::builder(Network::EXCC_MAINNET).build().unwrap();
//! #     let mut rng = UnwrapErr(getrandom::SysRng);
//! #     let (peer, events) = excc_peer::adapter::threads::accept(config, &listener, &mut rng).unwrap();
//! #     for event in events {
//! #         if let Event::VerAckReceived = event {
//! #             peer.shutdown(Duration::from_secs(5));
//! #         }
//! #     }
//! # });
//! let mut socket = TcpStream::connect(address)?;
//! socket.set_nodelay(true)?;
//! socket.set_write_timeout(Some(Duration::from_millis(10)))?;
//! let epoch = std::time::Instant::now();
//! let now = || Instant::ZERO + epoch.elapsed();
//! let is_late = |error: &io::Error| {
//!     matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
//! };
//!
//! let config = Config::builder(Network::EXCC_MAINNET).user_agent("watcher", "1.0").build()?;
//! let mut rng = UnwrapErr(getrandom::SysRng);
//! let mut peer = PeerState::outbound(config, socket.peer_addr()?, now(), UnixTime::now(), &mut rng);
//! let mut buffer = InputBuffer::new();
//!
//! 'open: loop {
//!     // Events. Commands may be given right here.
//!     while let Some(event) = peer.poll_event() {
//!         match event {
//!             Event::Established(terms) => println!("speaking version {}", terms.protocol_version),
//!             Event::Message { message, .. } => println!("{message:?}"),
//!             Event::Closed(reason) => {
//!                 println!("{reason}");
//!                 break 'open;
//!             }
//!             _ => {}
//!         }
//!     }
//!     // One write in each round, so that the loop continues to read. A partial write is fine.
//!     // The clock is read before the write: round trips count from then.
//!     let mut is_lost = false;
//!     if peer.wants_write() {
//!         let mut out = peer.transmit(now());
//!         match socket.write(out.chunk()) {
//!             Ok(written) => out.advance(written),
//!             Err(error) => is_lost = !is_late(&error),
//!         }
//!     }
//!     // One read. Waits for bytes until the next deadline if no bytes are to be sent.
//!     if peer.can_resume() {
//!         let _ = peer.handle_input(now(), &mut buffer);
//!     } else if peer.wants_read() {
//!         let until = peer.poll_timeout().filter(|_| !peer.wants_write());
//!         let wait = until.map_or(Duration::ZERO, |at| at - now());
//!         socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
//!         match buffer.read_from(&mut socket) {
//!             Ok(0) => peer.handle_eof(now()),
//!             // `Event::Closed` reports an error as well.
//!             Ok(_) => _ = peer.handle_input(now(), &mut buffer),
//!             Err(error) => is_lost |= !is_late(&error),
//!         }
//!     }
//!     if is_lost {
//!         peer.handle_connection_lost(now());
//!     }
//!     // Deadlines, after the read: bytes that have arrived are not late.
//!     peer.handle_timeout(now());
//! }
//!
//! // A socket that is closed with unread input resets the connection on many systems.
//! if let Some(until) = peer.linger_until() {
//!     socket.shutdown(Shutdown::Write)?;
//!     socket.set_read_timeout(Some(Duration::from_millis(10)))?;
//!     while now() < until {
//!         match socket.read(&mut [0; 4096]) {
//!             Ok(0) => break,
//!             Err(error) if !is_late(&error) => break,
//!             _ => {}
//!         }
//!     }
//! }
//! # node.join().expect("no panic");
//! # Ok(())
//! # }
//! ```
//!
//! The [adapters](adapter) are full-duplex loops for real use, with threads or as a task of tokio.
//! They have a handle and a stream of events. [`writing_adapters`] has all the rules, for authors of
//! other adapters.
//!
//! # Capabilities
//!
//! - Eight networks of both chains: Exchangecoin up to protocol version 9, while the live network
//!   speaks 8, and Decred up to 12.
//! - The handshake in both directions: version negotiation, [self-connections](SentNonces),
//!   [user agent](ConfigBuilder::user_agent), [address hiding](AddressHiding), and a
//!   [veto](PeerState::refuse_version) on the remote's `version`.
//! - Pings with [round trips](Event::RoundTrip), and deadlines for the handshake, `verack`,
//!   idleness, pongs, answers and writes.
//! - Requests that are tracked until they are answered, `getdata` by vector. Each message event
//!   shows whether the message was [solicited](Event::Message::solicited).
//! - A bounded queue with a [receipt](Event::Sent) for each message. The end comes
//!   [at once](PeerState::close) or [after the queue](PeerState::shutdown).
//! - [One encoding](wire::EncodedMessage) for any number of peers.
//! - Messages that the negotiated version lacks, or for which nodes ban the sender, are
//!   [returned](SendErrorKind).
//! - [Announcements](PeerState::announce) in batches or at once, never to a peer that knows the
//!   object.
//! - Helpers that send [addresses](PeerState::push_addrs),
//!   [block locators](PeerState::push_getheaders) and [rejects](PeerState::push_reject), and skip
//!   repetitions.
//! - An event for every message: all 30 of Exchangecoin and all 40 of Decred, with blocks,
//!   transactions, committed filters, mixing and `addrv2`. They are views of the received bytes.
//! - Owned [transactions](wire::Transaction) and [blocks](wire::BlockParts), to build new ones.
//!   Every rule of the wire is checked before they are sent.
//! - Limits of size and [budgets](Budget) by command, and a
//!   [base for ban scores](ConfigBuilder::budget).
//! - [Statistics](Stats), by command too.
//!
//! # Guarantees
//!
//! A remote can only get itself disconnected, and the reason is reported. No input and no order of
//! calls causes a panic, and there is no `unsafe` code. Memory grows with received bytes, never
//! with claimed lengths. [`limits`] lists the bounds of everything that waits for the application or
//! for the socket. Every error of the remote is a [`CloseReason`], reported once by the last
//! [`Event`].
//!
//! The first error closes the peer. Messages that were accepted before it are delivered. Every
//! queued message is reported as sent or not sent, and the queue may be sent
//! [once more](writing_adapters#the-end).
//!
//! Deadlines are fair. The remote's clock stands still while the application does not take its
//! events, and received bytes extend deadlines. A remote that sends at least 10,240 bytes a second,
//! the default, is not closed for being slow. [`writing_adapters`](writing_adapters#deadlines)
//! states the rules.
//!
//! The same seed, inputs and commands give the same bytes and events.
//!
//! # Pages
//!
//! | page | content |
//! |---|---|
//! | [`writing_adapters`] | the contract of a driver, for other runtimes |
//! | [`from_go`] | the counterpart of each item of the reference nodes' packages |
//! | [`protocol`] | each rule of the protocol, with its source and reason |
//! | [`limits`] | bounds of memory, work and time, and their settings |
//! | [`benchmarks`] | throughput and memory |
//! | [`comparison`] | other peers, and what is out of scope |
//!
//! # Features
//!
//! | feature | default | adds |
//! |---|---|---|
//! | `std` | yes | [`adapter::threads`], reads into an [`InputBuffer`](wire::InputBuffer), and vectored writes from [`Transmit`] |
//! | `tokio` | no | [`adapter::tasks`] |
//! | `serde` | no | `serde::Serialize` for messages, [`Event`]s and [`Stats`] |
//! | `sim` | no | [`sim`]: a deterministic network of peers under virtual time |
//! | `tracing` | no | `tracing` events of all peers, with the target `excc_peer` |
//!
//! Serialised values have the names and forms of the reference nodes' logs. Hashes and other byte
//! strings are hexadecimal in the order of the wire. 64-bit numbers in messages are decimal strings.
//!
//! Without features the crate needs `alloc` and atomics, and no operating system.

#![no_std]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(feature = "std")]
pub mod adapter;
mod blake256;
mod hash;
mod network;
mod peer;
#[cfg(feature = "sim")]
pub mod sim;
mod time;
pub mod wire;

/// Throughput and memory, in relation to the checksum and to the `bitcoin` crate.
#[cfg(doc)]
#[doc = include_str!("../docs/benchmarks.md")]
pub mod benchmarks {}
/// This crate, the Go packages, `bitcoin` and nakamoto.
#[cfg(doc)]
#[doc = include_str!("../docs/comparison.md")]
pub mod comparison {}
#[cfg(doc)]
pub mod from_go;
/// Bounds of memory, work and time.
#[cfg(doc)]
#[doc = include_str!("../docs/limits.md")]
pub mod limits {}
/// Each rule of the protocol, with its source and reason.
#[cfg(doc)]
#[doc = include_str!("../docs/protocol.md")]
pub mod protocol {}
#[cfg(doc)]
pub mod writing_adapters;

/// Compiles and runs the example of the README.
#[cfg(all(doctest, feature = "std"))]
#[doc = include_str!("../README.md")]
mod readme {}

pub use blake256::Blake256;
pub use hash::{Hash, HashFunction, ParseHashError};
pub use network::{Chain, Network, UnknownNetwork};
pub use peer::{
    AddressHiding, Announced, Blame, Budget, CloseReason, CommandStats, Config, ConfigBuilder,
    ConfigError, Direction, Established, Event, FrameBatch, Overflow, PeerState, PushedAddrs,
    Relay, SendError, SendErrorKind, SendId, SentNonce, SentNonces, Stats, Timer, Traffic,
    Transmit,
};
pub use time::{Instant, UnixTime};

/// Asserts that threads can move and share all public types.
const _: () = {
    const fn assert_send_sync<T: Send + Sync>() {}

    assert_send_sync::<AddressHiding>();
    assert_send_sync::<Announced>();
    assert_send_sync::<Blake256>();
    assert_send_sync::<Blame>();
    assert_send_sync::<Budget>();
    assert_send_sync::<Chain>();
    assert_send_sync::<CloseReason>();
    assert_send_sync::<CommandStats>();
    assert_send_sync::<Config>();
    assert_send_sync::<ConfigBuilder>();
    assert_send_sync::<ConfigError>();
    assert_send_sync::<Direction>();
    assert_send_sync::<Established>();
    assert_send_sync::<Event>();
    assert_send_sync::<Hash>();
    assert_send_sync::<HashFunction>();
    assert_send_sync::<Instant>();
    assert_send_sync::<Network>();
    assert_send_sync::<FrameBatch>();
    assert_send_sync::<Overflow>();
    assert_send_sync::<ParseHashError>();
    assert_send_sync::<PeerState>();
    assert_send_sync::<PushedAddrs>();
    assert_send_sync::<Relay>();
    assert_send_sync::<SendError<wire::Message>>();
    assert_send_sync::<SendErrorKind>();
    assert_send_sync::<SendId>();
    assert_send_sync::<SentNonce>();
    assert_send_sync::<SentNonces>();
    assert_send_sync::<Stats>();
    assert_send_sync::<Timer>();
    assert_send_sync::<Traffic>();
    assert_send_sync::<Transmit<'_>>();
    assert_send_sync::<UnixTime>();
    assert_send_sync::<UnknownNetwork>();
    #[cfg(feature = "sim")]
    assert_send_sync::<sim::Simulation>();
};
