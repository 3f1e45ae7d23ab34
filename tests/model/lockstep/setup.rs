//! The configuration of the peer of a script.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::time::Duration;

use excc_peer::wire::{Command, MAX_PAYLOAD, Services, TrailingBytes};
use excc_peer::{
    AddressHiding, Budget, Config, Direction, Network, Overflow, SentNonce, SentNonces, UnixTime,
};

use super::common::{ANSWERS, DCR, UNIX_TIME, millis, remote, secs};

/// A nonce that another peer of the process sent.
pub(crate) const OTHER_NONCE: u64 = 0xabcd;

/// The configuration of a peer and what else it is made from, to be read by the model.
#[derive(Debug, Clone)]
pub(crate) struct Setup {
    pub(crate) network: Network,
    pub(crate) version: u32,
    pub(crate) direction: Direction,
    pub(crate) min_remote_version: u32,
    pub(crate) required_services: Services,
    pub(crate) max_before_verack: u8,
    pub(crate) services: Services,
    pub(crate) start_height: i32,
    pub(crate) relay: bool,
    pub(crate) hides_address: bool,
    pub(crate) trailing: TrailingBytes,
    /// Limits that are set; the last one for a command counts.
    pub(crate) max_payloads: Vec<(Command, usize)>,
    pub(crate) max_unsolicited: Vec<(Command, usize)>,
    pub(crate) budgets: Vec<(Command, Limits)>,
    /// Whether the remote's address is given in its IPv4-mapped form.
    pub(crate) is_mapped: bool,
    pub(crate) sent_nonces: Vec<u64>,
    pub(crate) allows_self_connections: bool,
    pub(crate) reviews: bool,
    pub(crate) handshake_timeout: Duration,
    pub(crate) verack_timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) read_rate: u32,
    pub(crate) ping_interval: Option<Duration>,
    pub(crate) pong_timeout: Option<Duration>,
    pub(crate) write_timeout: Option<Duration>,
    pub(crate) write_rate: u32,
    pub(crate) response_timeouts: Vec<(Command, Option<Duration>)>,
    pub(crate) max_requested: usize,
    pub(crate) duplicate_request_lifetime: Duration,
    pub(crate) send_unwelcome: bool,
    pub(crate) trickle: RangeInclusive<Duration>,
    pub(crate) inv_batch: usize,
    pub(crate) max_waiting_announcements: usize,
    pub(crate) known_capacity: usize,
    pub(crate) known_lifetime: Duration,
    pub(crate) max_queued_bytes: usize,
    pub(crate) overflow: Overflow,
    pub(crate) max_waiting_events: usize,
    pub(crate) max_waiting_event_bytes: usize,
    pub(crate) unix_time: UnixTime,
    pub(crate) seed: u64,
}

impl Setup {
    /// The settings of the live network's nodes, at that version.
    pub(crate) fn new(network: Network, version: u32, direction: Direction) -> Self {
        let chain = network.chain();
        Self {
            network,
            version,
            direction,
            min_remote_version: chain.min_remote_version().min(version),
            required_services: Services::empty(),
            max_before_verack: 2,
            services: Services::NODE_NETWORK,
            start_height: 1_234,
            relay: true,
            hides_address: false,
            trailing: TrailingBytes::of(chain),
            max_payloads: Vec::new(),
            // So that answers may come unasked.
            max_unsolicited: ANSWERS.map(|command| (command, MAX_PAYLOAD)).into(),
            budgets: Vec::new(),
            is_mapped: false,
            sent_nonces: vec![OTHER_NONCE],
            allows_self_connections: false,
            reviews: false,
            handshake_timeout: secs(30),
            verack_timeout: Some(secs(30)),
            idle_timeout: Some(secs(120)),
            read_rate: 10_240,
            ping_interval: Some(secs(107)),
            pong_timeout: None,
            write_timeout: Some(secs(20)),
            write_rate: 10_240,
            response_timeouts: vec![
                (Command::GetData, Some(secs(30))),
                (Command::GetInitState, Some(secs(30))),
            ],
            max_requested: 75_000,
            duplicate_request_lifetime: if network == DCR { secs(30) } else { secs(900) },
            send_unwelcome: false,
            trickle: millis(100)..=millis(500),
            inv_batch: 1_000,
            max_waiting_announcements: 50_000,
            known_capacity: 1_000,
            known_lifetime: secs(900),
            max_queued_bytes: 40 * 1024 * 1024,
            overflow: Overflow::Refuse,
            max_waiting_events: 128,
            max_waiting_event_bytes: 4 * 1024 * 1024,
            unix_time: UnixTime::from_secs(UNIX_TIME.as_secs()),
            seed: 1,
        }
    }

    /// How long the answer to a request may take.
    pub(crate) fn response_timeout(&self, request: Command) -> Option<Duration> {
        let of_it = self.response_timeouts.iter().rev().find(|(other, _)| *other == request);
        of_it.and_then(|&(_, timeout)| timeout)
    }

    /// The largest payload of a command that the application accepts, where that is less than
    /// the protocol allows.
    pub(crate) fn max_payload(&self, command: Command) -> Option<usize> {
        let reject = (command == Command::Reject).then_some(4_096);
        last_of(&self.max_payloads, command).or(reject)
    }

    /// The largest payload of a command that nobody requested.
    pub(crate) fn max_unsolicited(&self, command: Command) -> Option<usize> {
        let usual = match command {
            Command::Headers => Some(1 + 12 * (self.network.chain().header_len() + 1)),
            _ => ANSWERS.contains(&command).then_some(0),
        };
        last_of(&self.max_unsolicited, command).or(usual)
    }

    pub(crate) fn budget(&self, command: Command) -> Option<Limits> {
        last_of(&self.budgets, command)
    }

    /// The remote's address as it is given to the peer.
    pub(crate) fn remote(&self) -> SocketAddr {
        match remote() {
            SocketAddr::V4(v4) if self.is_mapped => {
                SocketAddr::new(v4.ip().to_ipv6_mapped().into(), v4.port())
            }
            usual => usual,
        }
    }

    pub(crate) fn user_agent(&self) -> &'static str {
        if self.network == DCR { "/dcrwire:1.0.0/test:1/" } else { "/exccwire:1.0.0/test:1/" }
    }

    /// The configuration, and the nonces of other peers of the process, which count for as long
    /// as these are in their handshakes.
    pub(crate) fn config(&self) -> (Config, Vec<SentNonce>) {
        let sent_nonces = SentNonces::new();
        let others = self.sent_nonces.iter().map(|&nonce| sent_nonces.insert(nonce)).collect();
        let hiding =
            if self.hides_address { AddressHiding::Always } else { AddressHiding::default() };
        let mut builder = Config::builder(self.network);
        for &(request, timeout) in &self.response_timeouts {
            builder = builder.response_timeout(request, timeout);
        }
        for &(command, bytes) in &self.max_payloads {
            builder = builder.max_payload(command, bytes);
        }
        for &(command, bytes) in &self.max_unsolicited {
            builder = builder.max_unsolicited(command, bytes);
        }
        for (command, limits) in &self.budgets {
            builder = builder.budget(*command, limits.budget());
        }
        let builder = builder
            .user_agent("test", "1")
            .services(self.services)
            .protocol_version(self.version)
            .min_remote_version(self.min_remote_version)
            .required_services(self.required_services)
            .max_before_verack(self.max_before_verack)
            .start_height(self.start_height)
            .relay(self.relay)
            .address_hiding(hiding)
            .trailing_bytes(self.trailing)
            .sent_nonces(sent_nonces)
            .allow_self_connections(self.allows_self_connections)
            .review_version(self.reviews)
            .handshake_timeout(self.handshake_timeout)
            .verack_timeout(self.verack_timeout)
            .idle_timeout(self.idle_timeout)
            .read_rate(self.read_rate)
            .ping_interval(self.ping_interval)
            .pong_timeout(self.pong_timeout)
            .write_timeout(self.write_timeout)
            .write_rate(self.write_rate)
            .max_requested(self.max_requested)
            .duplicate_request_lifetime(self.duplicate_request_lifetime)
            .send_unwelcome(self.send_unwelcome)
            .trickle_interval(self.trickle.clone())
            .inv_batch(self.inv_batch)
            .max_waiting_announcements(self.max_waiting_announcements)
            .known_inventory(self.known_capacity, self.known_lifetime)
            .max_queued_bytes(self.max_queued_bytes)
            .overflow(self.overflow)
            .max_waiting_events(self.max_waiting_events, self.max_waiting_event_bytes);
        (builder.build().expect("a valid configuration"), others)
    }
}

fn last_of<T: Copy>(settings: &[(Command, T)], command: Command) -> Option<T> {
    settings.iter().rev().find(|(other, _)| *other == command).map(|&(_, value)| value)
}

/// How much of a command the remote may send.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// A number, and the time in which as many more may come.
    pub(crate) messages: Option<(u64, Duration)>,
    pub(crate) bytes: Option<(u64, Duration)>,
    pub(crate) closes: bool,
}

impl Limits {
    fn budget(self) -> Budget {
        let budget = match (self.messages, self.bytes) {
            (Some((messages, time)), None) => Budget::messages(messages, time),
            (None, Some((bytes, time))) => Budget::bytes(bytes, time),
            (Some((messages, time)), Some((bytes, in_time))) => {
                Budget::messages(messages, time).and_bytes(bytes, in_time)
            }
            (None, None) => panic!("a budget without a limit"),
        };
        if self.closes { budget.close() } else { budget }
    }
}
