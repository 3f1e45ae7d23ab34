//! A peer as a task of tokio, over any stream that is `AsyncRead` and `AsyncWrite`.
//!
//! ```no_run
//! use std::time::Duration;
//!
//! use excc_peer::adapter::tasks as adapter;
//! use excc_peer::{Config, Event, Network};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let config = Config::builder(Network::EXCC_MAINNET).build()?;
//! let mut rng = rand_core::UnwrapErr(getrandom::SysRng);
//! let timeout = Duration::from_secs(30);
//! let (peer, mut events) =
//!     adapter::connect(config, "127.0.0.1:9666", timeout, &mut rng).await?;
//! while let Some(event) = events.recv().await {
//!     match event {
//!         Event::Established(_) => _ = peer.ping(),
//!         Event::RoundTrip { time, .. } => {
//!             println!("{time:?}");
//!             peer.shutdown(Duration::from_secs(5));
//!         }
//!         _ => {}
//!     }
//! }
//! peer.closed().await;
//! # Ok(())
//! # }
//! ```
//!
//! The runtime needs the time driver, and for [`connect`] and [`accept`] the IO driver.
//! `enable_all` and `#[tokio::main]` enable both. Shutting a runtime down ends its peers.
//!
//! [`connect`] and [`accept`] call `set_nodelay(true)`. Call it as well on a TCP stream that you
//! pass to [`outbound`] or [`inbound`]. Otherwise round trips take
//! [44 ms longer](super#tcp-streams-of-your-own-need-set_nodelay).

mod connect;
mod connection;
mod driver;
mod linger;
mod start;
mod stream;

pub use connect::{accept, connect};
pub use start::{inbound, outbound};
