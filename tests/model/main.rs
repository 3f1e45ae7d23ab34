//! A peer and a plain model of it under any behaviour of a remote, an application and a clock.

mod found;
mod lockstep;
mod strategies;

use std::collections::BTreeMap;

use excc_peer::wire::{Message, Ping, Protocol};
use excc_peer::{Direction, Network, Relay};
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::TestRunner;

use lockstep::common::{DCR, EXCC, block, millis, tx};
use lockstep::messages::{MessageSpec, Object, one_of_each};
use lockstep::script::{Delivery, Step, TRANSMIT_ALL, VersionFields};
use lockstep::setup::Setup;
use strategies::{script, setup};

/// A number that fits into a few seconds, unless the environment sets another one.
fn cases() -> ProptestConfig {
    let set = std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok());
    ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(set.unwrap_or(500)) }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_peer_agrees_with_its_model_under_random_scripts(setup in setup(), script in script()) {
        lockstep::run(&setup, &script);
    }
}

/// The `version` of a remote.
fn receive_version(number: i32) -> Step {
    let fields = VersionFields {
        number: Some(number),
        nonce: Some(0x5eed),
        timestamp: 1_700_000_010,
        start_height: 7,
        relay: true,
    };
    Step::ReceiveVersion(fields, Delivery::AtOnce)
}

fn receive(spec: MessageSpec) -> Step {
    Step::Receive(spec, Delivery::AtOnce)
}

/// A handshake and then every message both ways, as far as the version in force has it;
/// at last one that it does not have.
fn conversation(network: Network, version: u32, remote: i32) -> Vec<Step> {
    let chain = network.chain();
    let protocol = Protocol::new(chain, version.min(remote.cast_unsigned()));
    let take = [TRANSMIT_ALL, Step::PollEvents(usize::MAX)];
    let mut script = vec![receive_version(remote)];
    script.extend(take.clone());
    script.push(receive(MessageSpec::Plain(Message::VerAck)));
    script.extend(take.clone());

    let is_opening = |spec: &MessageSpec| {
        matches!(spec.message(chain), Some(Message::Version(_) | Message::VerAck))
    };
    let (defined, undefined): (Vec<_>, Vec<_>) = one_of_each()
        .into_iter()
        .filter(|spec| !is_opening(spec))
        .partition(|spec| spec.command().is_defined(protocol));
    for spec in defined {
        script.extend([Step::Send(spec.clone()), receive(spec)]);
        script.extend(take.clone());
    }
    script.extend(undefined.iter().cloned().map(Step::Send));
    script.extend([
        Step::Announce(Object::Missing(tx(1)), Relay::Trickle),
        Step::Announce(Object::Missing(tx(2)), Relay::Trickle),
        Step::Announce(Object::Missing(block(2)), Relay::Immediate),
        Step::SkipToDeadline(millis(1)),
        Step::Ping,
    ]);
    script.extend(take.clone());
    script.push(Step::ReceivePong(0, Delivery::InPieces(5)));
    script.extend(take.clone());
    script.extend((0..3).map(|_| Step::SkipToDeadline(millis(0))));
    script.extend(take);
    script.push(
        undefined.first().map_or(Step::EndOfStream, |spec| Step::ReceiveUnchecked(spec.clone())),
    );
    script
}

#[test]
fn a_peer_agrees_with_its_model_for_every_pair_of_versions() {
    let mut seen = BTreeMap::new();
    for network in [EXCC, DCR] {
        let newest = network.chain().newest_version();
        let remotes: Vec<i32> = [i32::MIN, -1]
            .into_iter()
            .chain(0..=newest.cast_signed() + 2)
            .chain([i32::MAX])
            .collect();
        for (own, &remote) in (1..=newest).flat_map(|own| remotes.iter().map(move |r| (own, r))) {
            for direction in [Direction::Inbound, Direction::Outbound] {
                let usual = Setup::new(network, own, direction);
                for min_remote_version in [usual.min_remote_version, 0] {
                    let setup = Setup { min_remote_version, ..usual.clone() };
                    for (what, count) in lockstep::run(&setup, &conversation(network, own, remote))
                    {
                        *seen.entry(what).or_insert(0) += count;
                    }
                }
            }
        }
    }
    for spec in one_of_each() {
        let command = spec.command();
        assert!(seen.contains_key(&format!("event: {command}")), "{command} never came");
    }
}

#[test]
fn the_version_limits_the_messages_before_a_verack() {
    for network in [EXCC, DCR] {
        for version in 1..=network.chain().newest_version() {
            for direction in [Direction::Inbound, Direction::Outbound] {
                for early in 0..=3 {
                    let ping = |nonce| receive(MessageSpec::Plain(Message::Ping(Ping { nonce })));
                    let mut script = vec![receive_version(version.cast_signed())];
                    script.extend((0..early).map(ping));
                    script.push(receive(MessageSpec::Plain(Message::VerAck)));
                    script.push(ping(9));
                    lockstep::run(&Setup::new(network, version, direction), &script);
                }
            }
        }
    }
}

#[test]
fn random_scripts_reach_every_outcome() {
    const CASES: usize = 1_500;
    let mut runner = TestRunner::deterministic();
    let strategy = (setup(), script());
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for _ in 0..CASES {
        let (setup, script) = strategy.new_tree(&mut runner).expect("a script").current();
        for (what, count) in lockstep::run(&setup, &script) {
            *seen.entry(what).or_default() += count;
        }
    }
    let missing: Vec<_> = REACHED.iter().filter(|what| !seen.contains_key(**what)).collect();
    assert!(missing.is_empty(), "{missing:?} never happened");
    for network in [EXCC, DCR] {
        let established = seen[&format!("event: {network} established")];
        assert!(established > CASES / 5, "{established} of {CASES} for {network}");
    }
}

/// Everything that scripts must reach: every end of a peer, every answer to the application, every
/// timer, and what purpose from each.
const REACHED: &[&str] = &[
    "announced: again",
    "announced: sent",
    "announced: batched",
    "announced: known",
    "announced: unwanted",
    "announced: queue full",
    "announced: not ready",
    "closed: Local",
    "closed: VersionRefused",
    "closed: RemoteClosed",
    "closed: ConnectionLost",
    "closed: NotVersion",
    "closed: NotVerAck",
    "closed: DuplicateVersion",
    "closed: DuplicateVerAck",
    "closed: SelfConnection",
    "closed: ProtocolVersionTooOld",
    "closed: MissingServices",
    "closed: HandshakeTimeout",
    "closed: VerAckTimeout",
    "closed: IdleTimeout",
    "closed: PongTimeout",
    "closed: Stall",
    "closed: Stall of a vector",
    "closed: WriteStall",
    "closed: OutputOverflow",
    "closed: Cut",
    "closed: OverBudget",
    "closed: PayloadTooLarge",
    "closed: Unsolicited",
    "closed: Decode, MalformedCmd",
    "closed: Decode, MsgInvalidForPVer",
    "closed: Decode, PayloadChecksum",
    "closed: Decode, PayloadTooLarge",
    "closed: Decode, Truncated",
    "closed: Decode, UnknownCmd",
    "closed: Decode, WrongNetwork",
    "early answer: command",
    "early answer: ping",
    "back-pressure",
    "larger answer accepted",
    "last try: abandoned",
    "last try: all sent",
    "last try: begins",
    "last try: closed",
    "last try: connection lost",
    "last try: not used",
    "last try: refused",
    "not sent: closed",
    "not sent: not encoded",
    "not sent: not ready",
    "not sent: handshake",
    "not sent: queue full",
    "not sent: shutting down",
    "not sent: too many requested",
    "not sent: unwelcome",
    "ping: later ones go on",
    "ping: older ones answered",
    "ping: oldest forgotten",
    "pong: oldest dropped",
    "pong: overtakes",
    "pushed: 1,000 addresses",
    "pushed: addresses",
    "pushed: no addresses",
    "pushed: nothing again",
    "pushed: request",
    "sent",
    "solicited: block",
    "solicited: headers",
    "solicited: inv",
    "solicited: notfound",
    "solicited: tx",
    "spared: handshake",
    "spared: idle",
    "spared: pong",
    "spared: stall",
    "spared: verack",
    "spared: write",
    "shut down: again",
    "shut down: all left",
    "shut down: announces",
    "shut down: at once, Local",
    "shut down: begins",
    "shut down: no room to announce",
    "shut down: nothing to send",
    "shut down: too late",
    "shut down: ConnectionLost",
    "shut down: Local",
    "shut down: RemoteClosed",
    "shut down: VersionRefused",
    "shut down: WriteStall",
    "timer: handshake",
    "timer: idle",
    "timer: ping",
    "timer: pong",
    "timer: shutdown",
    "timer: stall",
    "timer: trickle",
    "timer: verack",
    "timer: write",
    "event: another nonce",
    "event: over budget",
    "event: round trip",
    "event: sent",
    "event: not sent",
    "transmit: earlier clock",
];
