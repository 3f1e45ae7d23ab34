//! A peer for the Exchangecoin peer-to-peer network, and for Decred, from whose protocol it
//! descends: a state machine without IO.
//!
//! A [`PeerState`] takes received bytes, commands and the time. It returns bytes to be sent,
//! events, and the next deadline. It opens no socket, reads no clock and starts no thread. It draws
//! random numbers once, when it is made. So it runs on any runtime, in a simulation of thousands
//! of peers on one thread, or under a fuzzer, and always behaves the same.
//!
//! # A run loop
//!
//! Everything that a runtime has to do, here over a blocking socket with timeouts:
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
//!             Event::Established(terms) => println!("speaking version {}", terms.version),
//!             Event::Message { message, .. } => println!("{message:?}"),
//!             Event::Closed(reason) => {
//!                 println!("{reason}");
//!                 break 'open;
//!             }
//!             _ => {}
//!         }
//!     }
//!     // Bytes to be sent, once, so that the loop goes on reading. A partial write is fine. The
//!     // time is that before the write: round trips count from there.
//!     let mut is_lost = false;
//!     if peer.wants_write() {
//!         let mut out = peer.transmit(now());
//!         match socket.write(out.chunk()) {
//!             Ok(written) => out.advance(written),
//!             Err(error) => is_lost = !is_late(&error),
//!         }
//!     }
//!     // Received bytes. Waits for them until the next deadline if there is nothing to send.
//!     if peer.can_resume() {
//!         let _ = peer.handle_input(now(), &mut buffer);
//!     } else if peer.wants_read() {
//!         let until = peer.poll_timeout().filter(|_| !peer.wants_write());
//!         let wait = until.map_or(Duration::ZERO, |at| at - now());
//!         socket.set_read_timeout(Some(wait.max(Duration::from_millis(1))))?;
//!         match buffer.read_from(&mut socket) {
//!             Ok(0) => peer.handle_eof(now()),
//!             // The event `Closed` reports an error, too.
//!             Ok(_) => _ = peer.handle_input(now(), &mut buffer),
//!             Err(error) => is_lost |= !is_late(&error),
//!         }
//!     }
//!     if is_lost {
//!         peer.handle_connection_lost(now());
//!     }
//!     // The time, after the read: what has arrived is not late.
//!     peer.handle_timeout(now());
//! }
//!
//! // A socket that is closed with unread input resets the connection.
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
//! The [adapters](adapter) are such loops for real use: full duplex, with threads or as a task of
//! tokio, with a handle and a stream of events. The page [`writing_adapters`] has all the rules,
//! for authors of other adapters.
//!
//! # Guarantees
//!
//! A remote can only get itself disconnected, and the reason is reported. No input and no order of
//! calls causes a panic, and there is no `unsafe` code. Memory grows with received bytes, never
//! with claimed lengths. Everything that waits for the application or for the socket is limited by
//! the [configuration](ConfigBuilder). Every error of the remote is a [`CloseReason`], reported
//! once by the last [`Event`].
//!
//! Deadlines are fair. The remote's time stands still while the application holds it back, and
//! received bytes extend it: a remote that sends at least 10,240 bytes a second by default is not
//! closed for being slow. [`writing_adapters`](writing_adapters#deadlines) states the rules.
//!
//! # Coming from Go
//!
//! The page [`from_go`] lists the counterpart of each item of the reference nodes' packages.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `std` | yes | [`adapter::threads`], reads into an [`InputBuffer`](wire::InputBuffer), and vectored writes from [`Transmit`] |
//! | `tokio` | no | [`adapter::tasks`] |
//! | `serde` | no | `serde::Serialize` for messages, [`Event`]s and [`Stats`] |
//! | `sim` | no | [`sim`]: a deterministic network of peers under virtual time |
//! | `tracing` | no | `tracing` events of all peers, with the target `excc_peer` |
//!
//! Serialised values have the names and forms of the reference nodes' logs: hashes and other
//! byte strings are hexadecimal in the order of the wire, and 64-bit numbers in messages are
//! decimal strings.
//!
//! Without features the crate needs `alloc` and atomics, and no operating system.

#![no_std]

extern crate alloc;
#[cfg(any(feature = "std", test))]
extern crate std;

#[cfg(feature = "std")]
pub mod adapter;
mod blake256;
#[cfg(doc)]
pub mod from_go;
mod hash;
mod network;
mod peer;
#[cfg(feature = "sim")]
pub mod sim;
mod time;
pub mod wire;
#[cfg(doc)]
pub mod writing_adapters;

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

/// Everything here may be moved between threads and shared by them.
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
