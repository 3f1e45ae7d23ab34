//! A deterministic network of [`PeerState`](crate::PeerState)s under virtual time.
//!
//! It serves to simulate thousands of peers on one thread, to test against faulty connections,
//! and to fuzz.
//!
//! A [`Simulation`] has a clock and connections. Each connection has a peer at each end, and a
//! [`Pipe`] in each direction. A pipe has a latency, a bandwidth, a capacity and [`Faults`]. The
//! simulation runs the loop of every peer. The caller acts as the applications: it takes events
//! and gives commands.
//!
//! ```
//! use std::time::Duration;
//! use excc_peer::sim::{Pipe, Simulation};
//! use excc_peer::wire::Message;
//! use excc_peer::{Config, Event, Instant, Network, UnixTime};
//!
//! let mut sim = Simulation::new(1, UnixTime::from_secs(1_700_000_000));
//! let config = || Config::builder(Network::EXCC_MAINNET).build();
//! let line = Pipe::new().latency(Duration::from_millis(150)).bandwidth(10_000);
//! let (caller, listener) = sim.connect(config()?, config()?, line);
//!
//! let end = Instant::from_secs(10);
//! let mut request_received_at = None;
//! while let Some((peer, event)) = sim.next_event(end) {
//!     match event {
//!         Event::Established(_) if peer == caller => {
//!             let now = sim.now();
//!             sim[caller].send(now, Message::GetAddr).expect("an established peer");
//!         }
//!         Event::Message { message: Message::GetAddr, .. } => {
//!             assert_eq!(peer, listener);
//!             request_received_at = Some(sim.now());
//!         }
//!         Event::Closed(reason) => panic!("{reason}"),
//!         _ => {}
//!     }
//! }
//! // The latency of two versions and of the request.
//! assert!(request_received_at > Some(Instant::from_millis(450)));
//! assert_eq!(sim.now(), end);
//! # Ok::<(), excc_peer::ConfigError>(())
//! ```
//!
//! # Nodes
//!
//! The simulation has peers, which are ends of connections. To model a node with many
//! connections, keep a map from [`PeerId`]s to nodes. Peers of one node share its
//! [`Config`](crate::Config), in an `Arc` or as clones. Build a configuration for each node: two
//! peers whose configurations come from the same [`build`](crate::ConfigBuilder::build) detect a
//! connection to themselves and close.
//!
//! # Determinism
//!
//! The seed of the simulation determines all randomness, including that of the peers. The same
//! seed, the same calls in the same order and the same version of this crate give the same run
//! on every machine. Only events advance the clock. The simulation neither sleeps nor reads a
//! clock.
//!
//! # Cost
//!
//! The time of a step grows with the logarithm of the number of connections. An idle peer costs
//! only its memory.

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
