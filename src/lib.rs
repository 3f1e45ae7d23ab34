//! A peer for the Exchangecoin peer-to-peer network, and for Decred, whose protocol it
//! descends from: a state machine without IO.
//!
//! A [`PeerState`] takes the bytes that came, commands and the time; it gives bytes to be
//! written, events, and the next deadline. It opens no socket, reads no clock, starts no
//! thread and draws randomness once, when it is made. So it runs on any runtime, in a
//! simulation of thousands of peers on one thread, or under a fuzzer, and does the same
//! thing each time.
//!
//! # A run loop
//!
//! Everything a runtime has to do, here over a blocking socket with a timeout:
//!
//! ```no_run
//! use std::io::{self, Read, Write};
//! use std::net::TcpStream;
//! use std::time::{Duration, SystemTime, UNIX_EPOCH};
//!
//! use bytes::{Buf, BytesMut};
//! use excc_peer::{Config, Event, Instant, Network, PeerState};
//! use rand_core::UnwrapErr;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let mut socket = TcpStream::connect("127.0.0.1:9666")?;
//! let epoch = std::time::Instant::now();
//! let now = || Instant::ZERO + epoch.elapsed();
//!
//! let config = Config::builder(Network::EXCC_MAINNET).user_agent("watcher", "1.0").build()?;
//! let unix_time = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
//! let mut rng = UnwrapErr(getrandom::SysRng);
//! let mut peer =
//!     PeerState::outbound(config, socket.peer_addr()?, now(), unix_time, &mut rng);
//! let mut buffer = BytesMut::new();
//! let mut chunk = [0; 16 * 1024];
//!
//! loop {
//!     // What happened. Commands may be given right here.
//!     while let Some(event) = peer.poll_event() {
//!         match event {
//!             Event::Established(terms) => println!("speaking version {}", terms.version),
//!             Event::Message(message) => println!("{message:?}"),
//!             Event::Closed(reason) => return Ok(println!("{reason}")),
//!             _ => {}
//!         }
//!     }
//!     // What is to be written. Partial writes are fine: advance by what was taken.
//!     let mut out = peer.transmit(now());
//!     while out.has_remaining() {
//!         let written = socket.write(out.chunk())?;
//!         out.advance(written);
//!     }
//!     // Receipts may have become events, and room for input that was held back.
//!     if peer.can_resume() {
//!         let _ = peer.handle_input(now(), &mut buffer);
//!         continue;
//!     }
//!     // Wait for bytes or for the deadline, whichever comes first.
//!     let wait = peer.poll_timeout().map(|at| (at - now()).max(Duration::from_millis(1)));
//!     socket.set_read_timeout(wait)?;
//!     match socket.read(&mut chunk) {
//!         Ok(0) => peer.handle_eof(now()),
//!         Ok(read) => {
//!             buffer.extend_from_slice(&chunk[..read]);
//!             // An error is also the event `Closed`, after all that came before it.
//!             let _ = peer.handle_input(now(), &mut buffer);
//!         }
//!         Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
//!         Err(_) => peer.handle_connection_lost(now()),
//!     }
//!     peer.handle_timeout(now());
//! }
//! # }
//! ```
//!
//! The [adapters](adapter) are such loops, made for use: full duplex, over threads or as a task
//! of tokio, with a handle and a stream of events. The page [`writing_adapters`] is for those who
//! write one of their own.
//!
//! # What the remote can do
//!
//! Nothing but be told apart. Every input is bounded: memory grows with bytes received and
//! never with lengths claimed, and what waits for the application or for the socket is
//! limited by the [configuration](ConfigBuilder). Every error of the remote's is a
//! [`CloseReason`], given once as the last [`Event`]; no input and no order of calls makes
//! the crate panic, and there is no `unsafe` in it.
//!
//! # From Go
//!
//! The page [`from_go`] has the counterpart of each item of the reference nodes' packages.
//!
//! # Features
//!
//! | feature | default | what it adds |
//! |---|---|---|
//! | `std` | yes | [`adapter::std`], and vectored writes from [`Transmit`] |
//! | `tokio` | no | [`adapter::tokio`] |
//! | `serde` | no | `serde::Serialize` for messages, [`Event`]s and [`Stats`] |
//! | `sim` | no | [`sim`]: a deterministic network of peers under virtual time |
//! | `tracing` | no | what peers do, as events of `tracing` under the target `excc_peer` |
//!
//! What is serialised has the names and forms of the reference nodes' logs: hashes and other
//! runs of bytes are hexadecimal in the order of the wire, numbers of 64 bits in messages are
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
    AddressHiding, Announced, CloseReason, CommandStats, Config, ConfigBuilder, ConfigError,
    Direction, Established, Event, Outgoing, Overflow, PeerState, PushedAddrs, Relay, SendError,
    SendErrorKind, SendId, SentNonces, Stats, Timer, Traffic, Transmit,
};
pub use time::Instant;
