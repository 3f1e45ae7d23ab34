//! Payloads that no encoder made. The fuzz target has their invariants: decoding does not panic,
//! and a decoded message is encoded as the same bytes.

use bytes::Bytes;
use excc_peer::wire::{Command, TrailingBytes};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

use crate::damage::damage;
use crate::sound::Terms;
use crate::{NETWORKS, for_messages, message, payload, strategies};

fn trailing() -> impl Strategy<Value = TrailingBytes> {
    select(vec![TrailingBytes::Ignore, TrailingBytes::Reject])
}

fn terms() -> impl Strategy<Value = Terms> {
    (select(&NETWORKS[..]), 0..=13_u32, trailing()).prop_map(|(network, version, trailing)| {
        let version = version.min(network.chain().newest_version() + 1);
        Terms { network, version, trailing }
    })
}

/// Bytes that are often small counts, or the first byte of a large count.
fn byte() -> impl Strategy<Value = u8> {
    any::<[u8; 2]>().prop_map(|[choice, byte]| match choice {
        0..80 => 0,
        80..120 => 1,
        120..140 => 0xfd,
        140..160 => 0xff,
        _ => byte,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn random_payloads_satisfy_the_invariants(
        terms in terms(),
        command in select(Command::ALL),
        payload in prop_oneof![30 => vec(byte(), 0..300), 1 => vec(byte(), 4_050..4_150)],
    ) {
        // Both results are allowed.
        _ = message::decode(&terms, command, &payload.into());
    }
}

#[test]
fn damaged_payloads_satisfy_the_invariants() {
    let strategy =
        |command, chain| (strategies::message(command, chain), vec(damage(), 1..4), trailing());
    for_messages(Command::ALL, 100, strategy, |network, (original, damage, trailing)| {
        let Some((version, payload)) = payload(network, &original) else { return };
        let mut payload = payload.to_vec();
        damage.iter().for_each(|damage| damage.apply(&mut payload));
        let terms = Terms { network, version, trailing };
        _ = message::decode(&terms, original.command(), &Bytes::from(payload));
    });
}

#[test]
fn payloads_of_another_message_satisfy_the_invariants() {
    let strategy =
        |command, chain| (strategies::message(command, chain), select(Command::ALL), trailing());
    for_messages(Command::ALL, 20, strategy, |network, (original, command, trailing)| {
        let Some((version, payload)) = payload(network, &original) else { return };
        let terms = Terms { network, version, trailing };
        // Some payloads decode, such as an `inv` as a `getdata`.
        if let Ok(decoded) = message::decode(&terms, command, &payload) {
            assert_eq!(decoded.command(), command);
            assert!(command != original.command() || decoded == original);
        }
    });
}
