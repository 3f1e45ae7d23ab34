//! A deterministic network of [`PeerState`]s under virtual time, for those who simulate
//! thousands of peers on one thread, test against odd connections, or fuzz.
//!
//! A [`Simulation`] has a clock and connections. Each connection has two peers, one at each
//! end, and a [`Pipe`] each way, with the latency, bandwidth, buffers and [`Faults`] that
//! are wanted. The simulation does for every peer what a run loop would; what is left to do
//! is what an application does: take events, and give commands in answer.
//!
//! ```
//! use std::time::Duration;
//! use excc_peer::sim::{Pipe, Simulation};
//! use excc_peer::wire::Message;
//! use excc_peer::{Config, Event, Instant, Network};
//!
//! let mut sim = Simulation::new(1, 1_700_000_000);
//! let config = || Config::builder(Network::EXCC_MAINNET).build();
//! let line = Pipe::new().latency(Duration::from_millis(150)).bandwidth(10_000);
//! let (caller, listener) = sim.connect(config()?, config()?, line);
//!
//! let end = Instant::from_secs(10);
//! let mut addresses_asked_for_at = None;
//! while let Some((peer, event)) = sim.next_event(end) {
//!     match event {
//!         Event::Established(_) if peer == caller => {
//!             let now = sim.now();
//!             sim[caller].send(now, Message::GetAddr).expect("the handshake is done");
//!         }
//!         Event::Message { message: Message::GetAddr, .. } => {
//!             assert_eq!(peer, listener);
//!             addresses_asked_for_at = Some(sim.now());
//!         }
//!         Event::Closed(reason) => panic!("{reason}"),
//!         _ => {}
//!     }
//! }
//! // Two versions and the request have been on their way.
//! assert!(addresses_asked_for_at > Some(Instant::from_millis(450)));
//! assert_eq!(sim.now(), end);
//! # Ok::<(), excc_peer::ConfigError>(())
//! ```
//!
//! # Nodes
//!
//! The simulation knows peers, which are ends of connections. A node that has many
//! connections is the application's to model: keep a map from [`PeerId`]s to nodes. Peers of
//! one node share its [`Config`], in an `Arc` or as clones; two nodes need one each, because
//! a peer whose configuration came from the same [`build`](crate::ConfigBuilder::build)
//! takes the other for itself and closes.
//!
//! # Determinism
//!
//! All randomness, that of the peers included, comes from the seed of the simulation. The
//! same seed, the same calls in the same order and the same version of this crate give the
//! same run, on every machine. Time passes by events only: nothing sleeps and no clock is
//! read.
//!
//! # Cost
//!
//! A step costs the logarithm of the number of connections; a peer that has nothing to do
//! costs nothing but its memory.

mod flow;
mod peer_id;
mod pipe;
mod random;
mod schedule;
mod side;
mod simulation;

pub use peer_id::PeerId;
pub use pipe::{Faults, Link, Pipe};
pub use simulation::Simulation;
