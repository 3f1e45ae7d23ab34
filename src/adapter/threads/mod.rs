//! A peer over a blocking stream, with threads.
//!
//! Two threads drive a peer: one reads, the other writes and keeps the time. Both sleep while
//! there is nothing to do.
//!
//! [`connect`] and [`accept`] call `set_nodelay(true)`. Call it as well on a TCP stream that you
//! pass to [`outbound`] or [`inbound`]. Otherwise round trips take
//! [44 ms longer](super#tcp-streams-of-your-own-need-set_nodelay).
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use excc_peer::adapter::threads as adapter;
//! use excc_peer::{Config, Event, Network};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::builder(Network::EXCC_MAINNET).build()?;
//! let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
//! let timeout = Duration::from_secs(30);
//! let (peer, events) = adapter::connect(config, "127.0.0.1:9666", timeout, &mut rng)?;
//! for event in events {
//!     match event {
//!         Event::Established(_) => _ = peer.ping(),
//!         Event::RoundTrip { time, .. } => {
//!             println!("{time:?}");
//!             peer.shutdown(Duration::from_secs(5));
//!         }
//!         _ => {}
//!     }
//! }
//! peer.wait_closed();
//! # Ok(())
//! # }
//! ```

mod connect;
mod driver;
mod linger;
mod pause;
mod reader;
mod start;
mod stream;
mod writer;

pub use connect::{accept, connect};
pub use start::{inbound, outbound};
pub use stream::Stream;
