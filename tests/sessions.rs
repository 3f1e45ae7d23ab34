//! Replays recorded sessions between two reference nodes.
//!
//! For each side, a peer with the configuration of the node receives the bytes that the node
//! received, in one piece and in many. It must emit the messages that the node reported and send
//! the answers that the protocol determines.

#[allow(dead_code, reason = "shared with other tests, which use other parts of it")]
mod common;

use std::net::SocketAddr;

use bytes::Buf;
use excc_peer::wire::{
    Command, Decoder, EncodedMessage, Frame, HEADER_LEN, InputBuffer, MAX_PAYLOAD, Message, Version,
};
use excc_peer::{
    CloseReason, Config, Direction, Event, Instant, Network, PeerState, Stats, UnixTime,
};
use rand_core::Rng;
use serde_json::Value;

use common::{ANSWERS, DCR, EXCC, rng};

/// One side of a recorded session.
struct Side {
    network: Network,
    direction: Direction,
    /// The bytes that the node received and sent.
    received: Vec<u8>,
    sent: Vec<u8>,
    /// The log of the node.
    log: Vec<Value>,
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).expect("valid JSON")).collect()
}

/// The bytes of one direction, named from the connecting side.
fn bytes(session: &[Value], direction: &str) -> Vec<u8> {
    let chunks = session.iter().filter(|chunk| chunk["dir"] == direction);
    chunks.flat_map(|chunk| hex::decode(chunk["hex"].as_str().unwrap()).unwrap()).collect()
}

macro_rules! session {
    ($name:literal, $network:expr) => {{
        let session = lines(include_str!(concat!("vectors/session-", $name, ".jsonl")));
        let [out, back] = [bytes(&session, "out"), bytes(&session, "in")];
        [
            Side {
                network: $network,
                direction: Direction::Inbound,
                received: out.clone(),
                sent: back.clone(),
                log: lines(include_str!(concat!("vectors/session-", $name, ".events-a.jsonl"))),
            },
            Side {
                network: $network,
                direction: Direction::Outbound,
                received: back,
                sent: out,
                log: lines(include_str!(concat!("vectors/session-", $name, ".events-b.jsonl"))),
            },
        ]
    }};
}

fn sides() -> [Side; 4] {
    let [a, b] = session!("exccd", EXCC);
    let [c, d] = session!("dcrd", DCR);
    [a, b, c, d]
}

/// The messages in a stream of frames.
fn messages(network: Network, bytes: &[u8]) -> Vec<Message> {
    frames(network, bytes).into_iter().map(|frame| frame.message).collect()
}

fn frames(network: Network, bytes: &[u8]) -> Vec<Frame> {
    let mut buffer = InputBuffer::from(bytes);
    let mut decoder = Decoder::new(network, network.chain().advertised_version());
    let frames =
        std::iter::from_fn(|| decoder.decode(&mut buffer).expect("a valid stream")).collect();
    assert!(buffer.is_empty());
    frames
}

fn opening(network: Network, bytes: &[u8]) -> Version {
    match messages(network, bytes).swap_remove(0) {
        Message::Version(version) => *version,
        other => panic!("a session does not open with {other:?}"),
    }
}

/// The result of a replay.
#[derive(Debug, PartialEq)]
struct Replayed {
    events: Vec<Event>,
    sent: Vec<u8>,
    stats: Stats,
}

impl Side {
    /// The log entries of one kind.
    fn logged(&self, kind: &str) -> impl Iterator<Item = &Value> {
        self.log.iter().filter(move |entry| entry["ev"] == kind)
    }

    /// A peer with the fields of the node's `version`.
    fn peer(&self) -> PeerState {
        let ours = opening(self.network, &self.sent);
        let name = match self.direction {
            Direction::Inbound => "alice",
            Direction::Outbound => "bob",
        };
        let config = Config::builder(self.network)
            .user_agent(name, "1.0.0")
            .services(ours.services)
            .start_height(ours.start_height);
        // The recorded nodes send unsolicited answers.
        let config = ANSWERS
            .into_iter()
            .fold(config, |config, command| config.max_unsolicited(command, MAX_PAYLOAD))
            .build()
            .unwrap();
        let connected = self.logged("connected").next().unwrap();
        let remote: SocketAddr = connected["remote"].as_str().unwrap().parse().unwrap();
        let make = match self.direction {
            Direction::Inbound => PeerState::inbound,
            Direction::Outbound => PeerState::outbound,
        };
        make(config, remote, Instant::ZERO, UnixTime::from_secs(ours.timestamp as u64), &mut rng(1))
    }

    /// Feeds a peer the bytes that the node received, in pieces of these sizes, and ends the
    /// stream.
    fn replay(&self, mut sizes: impl FnMut() -> usize) -> Replayed {
        let mut peer = self.peer();
        let mut buffer = InputBuffer::new();
        let mut rest = &self.received[..];
        let (mut events, mut sent) = (Vec::new(), Vec::new());
        let now = Instant::ZERO;
        while !rest.is_empty() {
            let (piece, later) = rest.split_at(sizes().clamp(1, rest.len()));
            rest = later;
            buffer.extend_from_slice(piece);
            peer.handle_input(now, &mut buffer).unwrap();
            loop {
                events.extend(std::iter::from_fn(|| peer.poll_event()));
                if !peer.can_resume() {
                    break;
                }
                peer.handle_input(now, &mut buffer).unwrap();
            }
            let mut out = peer.transmit(now);
            sent.extend_from_slice(&out.copy_to_bytes(out.remaining()));
        }
        let stats = peer.stats();
        peer.handle_eof(now);
        events.extend(std::iter::from_fn(|| peer.poll_event()));
        Replayed { events, sent, stats }
    }

    fn replay_in_one_piece(&self) -> Replayed {
        self.replay(|| usize::MAX)
    }
}

#[test]
fn the_result_of_a_session_does_not_depend_on_its_pieces() {
    for side in sides() {
        let at_once = side.replay_in_one_piece();
        assert_eq!(side.replay(|| 1), at_once);
        for seed in 0..20 {
            let mut rng = rng(seed);
            assert_eq!(side.replay(|| rng.next_u32() as usize % 100), at_once);
        }
    }
}

#[test]
fn the_emitted_messages_are_the_reported_ones() {
    for side in sides() {
        let events = side.replay_in_one_piece().events;
        let emitted = events.iter().filter_map(|event| match event {
            Event::Message { message, .. } => Some(message.command().as_str()),
            _ => None,
        });
        assert!(emitted.eq(side.logged("msg").map(|entry| entry["cmd"].as_str().unwrap())));
    }
}

#[test]
fn the_decoded_frames_are_the_ones_that_the_node_read() {
    for side in sides() {
        let read: Vec<_> = side
            .logged("read")
            .filter(|entry| entry["err"].is_null())
            .map(|entry| (entry["cmd"].as_str().unwrap(), entry["n"].as_u64().unwrap()))
            .collect();
        let frames = frames(side.network, &side.received);
        let ours: Vec<_> = frames
            .iter()
            .map(|frame| (frame.message.command().as_str(), frame.len as u64))
            .collect();
        assert_eq!(ours, read);
    }
}

#[test]
fn a_session_begins_with_the_handshake_and_ends_with_the_stream() {
    for side in sides() {
        let events = side.replay_in_one_piece().events;
        let Event::VersionReceived(version) = &events[0] else { panic!("{:?}", events[0]) };
        let reported = side.logged("version").next().unwrap();
        assert_eq!(version.user_agent, reported["fields"]["user_agent"]);
        if side.network == EXCC {
            assert!(matches!(events[1..3], [Event::Established(_), Event::VerAckReceived]));
        } else {
            assert!(matches!(events[1..3], [Event::VerAckReceived, Event::Established(_)]));
        }
        let rest = &events[3..events.len() - 1];
        assert!(rest.iter().all(|event| matches!(event, Event::Message { .. })));
        assert_eq!(events.last(), Some(&Event::Closed(CloseReason::RemoteClosed)));
    }
}

/// Whether a peer sends the message without the application: the handshake and pongs.
fn is_determined(message: &Message) -> bool {
    matches!(message.command(), Command::Version | Command::VerAck | Command::Pong)
}

#[test]
fn the_answers_have_the_bytes_of_the_node() {
    for side in sides() {
        let highest = side.network.chain().advertised_version();
        let encoded = |message: &Message| {
            EncodedMessage::new(&side.network, highest, message).unwrap().to_bytes()
        };
        let nonce = opening(side.network, &side.sent).nonce;
        let ours = messages(side.network, &side.replay_in_one_piece().sent);
        assert!(ours.iter().all(is_determined));
        let ours: Vec<_> = ours
            .into_iter()
            .map(|message| match message {
                // The nonce is random.
                Message::Version(version) => Version { nonce, ..*version }.into(),
                other => other,
            })
            .map(|message| encoded(&message))
            .collect();
        let theirs: Vec<_> = messages(side.network, &side.sent)
            .into_iter()
            .filter(is_determined)
            .map(|message| encoded(&message))
            .collect();
        assert_eq!(ours, theirs);
        // The frames of the node itself are equal to the encoded ones.
        assert!(
            theirs
                .iter()
                .all(|frame| { side.sent.windows(frame.len()).any(|window| window == &frame[..]) })
        );
    }
}

#[test]
fn the_statistics_are_the_reported_ones() {
    for side in sides() {
        let reported = &side.logged("stats").last().unwrap()["stats"];
        let stats = side.replay_in_one_piece().stats;
        assert_eq!(reported["bytes_recv"], stats.bytes_received);
        assert_eq!(reported["services"], stats.services.unwrap().bits().to_string());
        assert_eq!(reported["user_agent"], stats.user_agent.unwrap());
        assert_eq!(reported["version"], stats.advertised_version.unwrap());
        assert_eq!(reported["negotiated"], stats.negotiated_version.unwrap());
        assert_eq!(reported["starting_height"], stats.start_height.unwrap());
        assert_eq!(reported["last_block"], stats.last_block.unwrap());
        assert_eq!(reported["time_offset"], stats.time_offset.unwrap());
        assert_eq!(reported["wants_headers"], stats.wants_headers);
        assert_eq!(reported["inbound"], stats.direction == Direction::Inbound);
    }
}

/// Every byte of the nodes is decoded, and encoding the messages returns the same bytes.
#[test]
fn the_frames_of_the_nodes_are_canonical() {
    for side in sides() {
        let highest = side.network.chain().advertised_version();
        let again: Vec<u8> = messages(side.network, &side.received)
            .iter()
            .flat_map(|message| {
                EncodedMessage::new(&side.network, highest, message).unwrap().to_bytes()
            })
            .collect();
        assert_eq!(again, side.received);
        assert!(again.len() > HEADER_LEN);
    }
}

/// Values serialized with the names and forms of the nodes' logs.
#[cfg(feature = "serde")]
mod as_data {
    use super::*;

    fn data(value: &impl serde::Serialize) -> Value {
        serde_json::to_value(value).expect("data")
    }

    fn events(side: &Side) -> Vec<Value> {
        side.replay_in_one_piece().events.iter().map(data).collect()
    }

    #[test]
    fn messages_have_the_fields_that_the_node_reported() {
        for side in sides() {
            let (events, reported) = (events(&side), side.logged("msg"));
            let emitted = events.iter().filter(|event| event["event"] == "message");
            for (emitted, reported) in emitted.zip(reported) {
                assert_eq!(emitted["command"], reported["cmd"]);
                assert_eq!(emitted["fields"], reported["fields"], "{}", emitted["command"]);
            }
            let reported = side.logged("version").next().unwrap();
            assert_eq!(events[0]["event"], "version");
            assert_eq!(events[0]["fields"], reported["fields"]);
        }
    }

    #[test]
    fn statistics_have_the_names_and_values_of_the_node() {
        // The caller has the ids and the sockets. The times have another origin.
        let not_in_the_peer = ["id", "connected", "last_recv", "last_send"];
        // The node sent pings, and the replay sends none.
        let not_replayed = ["addr", "bytes_sent", "last_ping_nonce", "last_ping_micros"];
        for side in sides() {
            let stats = data(&side.replay_in_one_piece().stats);
            let reported = side.logged("stats").last().unwrap()["stats"].as_object().unwrap();
            for (name, value) in reported {
                if not_in_the_peer.contains(&name.as_str()) {
                    continue;
                }
                assert!(stats.get(name).is_some(), "no {name}");
                if !not_replayed.contains(&name.as_str()) {
                    assert_eq!(stats[name], *value, "{name}");
                }
            }
            let version = &stats["commands"]["version"];
            assert_eq!(
                (&version["messages_recv"], &version["messages_sent"]),
                (&1.into(), &1.into())
            );
        }
    }

    #[test]
    fn events_have_their_fields() {
        let peer_events = |side: &Side, kind: &str| -> Vec<Value> {
            events(side).into_iter().filter(|event| event["event"] == kind).collect()
        };
        for side in sides() {
            let highest = side.network.chain().advertised_version();
            let established = peer_events(&side, "established");
            assert_eq!(established[0]["negotiated"], highest);
            assert_eq!(peer_events(&side, "verack"), [serde_json::json!({"event": "verack"})]);
            let closed = serde_json::json!({
                "event": "closed", "reason": "closed by the remote", "blame": "network",
            });
            assert_eq!(peer_events(&side, "closed"), [closed]);
        }
    }
}
