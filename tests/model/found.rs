//! Scripts under which the peer and its model once differed, each for another reason.

use std::collections::BTreeMap;
use std::time::Duration;

use excc_peer::wire::{CFilter, Command, FilterType, Message, Ping, Pong};
use excc_peer::{Direction, Hash};

use crate::lockstep::common::{EXCC, millis, secs};
use crate::lockstep::frames::BadFrame;
use crate::lockstep::messages::{BEFORE_STOP, ENOUGH, MessageSpec, Object};
use crate::lockstep::script::{Access, Delivery, Step, TRANSMIT_ALL};
use crate::lockstep::setup::{Limits, Setup};
use crate::{lockstep, receive, receive_version};

const POLL_ALL: Step = Step::PollEvents(usize::MAX);

fn setup() -> Setup {
    Setup::new(EXCC, 8, Direction::Inbound)
}

/// Runs a script after a handshake in which everything is sent and polled.
fn established(setup: &Setup, script: Vec<Step>) -> BTreeMap<String, usize> {
    let verack = receive(MessageSpec::Plain(Message::VerAck));
    let handshake = vec![receive_version(8), TRANSMIT_ALL, POLL_ALL, verack, POLL_ALL];
    lockstep::run(setup, &[handshake, script].concat())
}

fn batch(earlier: Duration) -> Step {
    Step::Transmit(usize::MAX, Access::BatchUntilNext(usize::MAX), earlier)
}

fn send(spec: MessageSpec) -> Step {
    Step::Send(spec)
}

fn ping(nonce: u64) -> MessageSpec {
    MessageSpec::Plain(Message::Ping(Ping { nonce }))
}

fn pong(nonce: u64) -> MessageSpec {
    MessageSpec::Plain(Message::Pong(Pong { nonce }))
}

/// A write took 10 s. The remote has its whole time from then on.
#[test]
fn a_pong_is_not_late_because_a_write_took_long() {
    let setup = Setup { pong_timeout: Some(secs(5)), ..setup() };
    let seen = established(
        &setup,
        vec![
            send(ping(1)),
            batch(Duration::ZERO),
            Step::Wait(secs(10)),
            Step::HandleTimeout,
            Step::Transmit(0, Access::Batch(0), secs(10)),
            Step::Wait(secs(4)),
            Step::HandleTimeout,
            receive(pong(1)),
            POLL_ALL,
        ],
    );
    assert_eq!(seen.get("event: round trip"), Some(&1));
}

/// The same for the answer to a request, with back-pressure during the write.
#[test]
fn an_answer_is_not_late_because_a_write_took_long() {
    let timeouts = vec![(Command::GetAddr, Some(secs(5)))];
    let setup = Setup { response_timeouts: timeouts, max_waiting_events: 1, ..setup() };
    let seen = established(
        &setup,
        vec![
            send(MessageSpec::Zeros(Command::GetAddr, 0)),
            batch(Duration::ZERO),
            receive(ping(1)),
            Step::Wait(secs(10)),
            Step::HandleTimeout,
            Step::Transmit(0, Access::Batch(0), secs(10)),
            POLL_ALL,
            Step::Wait(secs(4)),
            Step::HandleTimeout,
            receive(MessageSpec::Zeros(Command::Addr, ENOUGH)),
            POLL_ALL,
        ],
    );
    assert_eq!(seen.get("solicited: addr"), Some(&1));
}

/// Headers that are announced while a `getheaders` waits to be offered answer no other one.
#[test]
fn headers_answer_no_request_that_was_not_offered() {
    let timeouts = vec![(Command::GetHeaders, Some(secs(5)))];
    let setup = Setup { response_timeouts: timeouts, ..setup() };
    let seen = established(
        &setup,
        vec![
            send(MessageSpec::GetHeaders(vec![1], false)),
            TRANSMIT_ALL,
            send(MessageSpec::GetHeaders(vec![2], false)),
            receive(MessageSpec::Headers(2, 1, 7)),
            POLL_ALL,
            TRANSMIT_ALL,
            receive(MessageSpec::Headers(1, 1, 7)),
            receive(MessageSpec::Headers(2, 1, 7)),
            POLL_ALL,
            Step::SkipToDeadline(secs(6)),
            Step::SkipToDeadline(secs(6)),
        ],
    );
    assert_eq!(seen.get("solicited: headers"), Some(&2));
    assert_eq!(seen.get("closed: Stall"), None);
}

/// An `inv` may be the answer to either request, and the other one may have none.
#[test]
fn an_inv_is_in_time_for_a_getblocks_and_a_mempool() {
    let timeouts = vec![(Command::GetBlocks, Some(secs(2))), (Command::MemPool, Some(secs(3)))];
    let setup = Setup { response_timeouts: timeouts, ..setup() };
    for requests in [[Command::GetBlocks, Command::MemPool], [Command::MemPool, Command::GetBlocks]]
    {
        let mut script: Vec<_> =
            requests.map(|request| send(MessageSpec::Zeros(request, ENOUGH))).into();
        script.extend([
            TRANSMIT_ALL,
            receive(MessageSpec::Inventory(Command::Inv, vec![])),
            POLL_ALL,
        ]);
        script.extend([
            Step::Wait(secs(10)),
            Step::HandleTimeout,
            Step::Wait(secs(1)),
            Step::HandleTimeout,
        ]);
        script.extend([receive(MessageSpec::Inventory(Command::Inv, vec![])), POLL_ALL]);
        let seen = established(&setup, script);
        assert_eq!(seen.get("solicited: inv"), Some(&2));
    }
}

/// A frame may take two slices. Pongs go right behind those that were covered.
#[test]
fn slices_cover_as_many_frames_as_they_have_bytes_of() {
    let seen = established(
        &setup(),
        vec![
            send(MessageSpec::GetHeaders(vec![1], false)),
            send(MessageSpec::GetHeaders(vec![2], false)),
            Step::Transmit(0, Access::Vectored(2), Duration::ZERO),
            receive(ping(1)),
            TRANSMIT_ALL,
        ],
    );
    assert_eq!(seen.get("pong: overtakes"), Some(&1));
}

/// The version that the application refuses is not answered, whatever came behind it.
#[test]
fn a_refusal_is_silent_after_fatal_input_too() {
    let script = [
        receive_version(8),
        receive_version(8),
        Step::PollEvents(1),
        Step::RefuseVersion,
        TRANSMIT_ALL,
    ];
    let seen = lockstep::run(&setup(), &script);
    assert_eq!(seen.get("last try: refused"), Some(&1));
}

/// A remote that ends its stream after all has been sent leaves nothing to linger for.
#[test]
fn a_stream_that_ended_between_frames_does_not_linger() {
    let seen =
        established(&setup(), vec![send(ping(1)), Step::EndOfStream, TRANSMIT_ALL, POLL_ALL]);
    assert_eq!(seen.get("last try: all sent"), Some(&1));
}

/// A refused command takes the time as well.
#[test]
fn every_command_takes_the_time() {
    let setup = Setup { max_waiting_events: 1, ..setup() };
    let script = vec![
        receive(ping(1)),
        Step::Shutdown(secs(9)),
        Step::Wait(millis(7)),
        Step::PushAddrs(0, 0),
        Step::PushReject,
        Step::PushGetHeaders(vec![], 0),
    ];
    established(&setup, script);
}

/// A budget without an end is used up once.
#[test]
fn a_budget_for_ever_is_limited() {
    let limits = Limits { messages: Some((2, Duration::MAX)), bytes: None, closes: false };
    let setup = Setup { budgets: vec![(Command::Ping, limits)], ..setup() };
    let seen =
        established(&setup, vec![receive(ping(1)), receive(ping(2)), receive(ping(3)), POLL_ALL]);
    assert_eq!(seen.get("event: over budget"), Some(&1));
}

/// As many large answers are accepted as were requested, and not one more.
#[test]
fn allowances_are_used_up() {
    let limits = |command| Setup { max_unsolicited: vec![(command, 0)], ..setup() };
    let block = MessageSpec::Block(7);
    let inv = MessageSpec::Inventory(Command::Inv, vec![Object::Block]);
    let requested = [
        (MessageSpec::Inventory(Command::GetData, vec![Object::Block; 3]), block, 3),
        (MessageSpec::Zeros(Command::MemPool, 0), inv.clone(), 64),
        (MessageSpec::Zeros(Command::GetBlocks, ENOUGH), inv, 1),
        (MessageSpec::GetHeaders(vec![1], false), MessageSpec::Headers(1, 1, 1), 1),
        (
            MessageSpec::Zeros(Command::GetAddr, 0),
            MessageSpec::Plain(Message::Addr(Vec::new().into())),
            1,
        ),
    ];
    for (request, answer, count) in requested {
        let setup = limits(answer.command());
        let mut script = vec![send(request), TRANSMIT_ALL];
        for _ in 0..count {
            script.extend([receive(answer.clone()), POLL_ALL]);
        }
        let seen = established(&setup, script.clone());
        assert_eq!(seen.get(&format!("event: {}", answer.command())), Some(&count));
        script.extend([Step::ReceiveUnchecked(answer), POLL_ALL]);
        assert_eq!(established(&setup, script).get("closed: Unsolicited"), Some(&1));
    }
}

/// A node bans for a score of more than 100, which halves each minute.
#[test]
fn a_few_mempools_are_welcome_again_after_a_while() {
    let often = |times, gap| Step::SendRepeatedly(Command::MemPool, times, secs(gap));
    let seen =
        established(&setup(), vec![often(4, 1), often(4, 30), Step::Wait(secs(600)), often(4, 1)]);
    assert_eq!((seen.get("sent"), seen.get("not sent: unwelcome")), (Some(&8), Some(&4)));
}

/// A message sets the deadline to the time that it has already.
#[test]
fn a_deadline_that_is_set_anew_is_judged_anew() {
    let setup = Setup { idle_timeout: Some(millis(30)), ping_interval: None, ..setup() };
    let script = [
        Step::SkipToDeadline(Duration::ZERO),
        Step::Wait(millis(20)),
        receive_version(8),
        Step::Wait(millis(30)),
        Step::HandleTimeout,
    ];
    let seen = lockstep::run(&setup, &script);
    assert_eq!((seen.get("spared: idle"), seen.get("timer: idle")), (Some(&2), None));
}

/// The latest requests for headers are remembered, and forgotten with the one that is answered.
#[test]
fn headers_answer_one_of_the_latest_requests_and_pass_those_before() {
    let ask = |n| send(MessageSpec::GetHeaders(vec![n], false));
    let answer = |n| receive(MessageSpec::Headers(n, 1, 7));
    let run = |steps: Vec<Step>| {
        let seen = established(&setup(), [steps, vec![POLL_ALL]].concat());
        seen.get("solicited: headers").copied().unwrap_or_default()
    };
    let ask_nine = || (0..9).map(ask).chain([TRANSMIT_ALL]);
    assert_eq!(run(ask_nine().chain([answer(0)]).collect()), 0);
    assert_eq!(run(ask_nine().chain([answer(1)]).collect()), 1);
    assert_eq!(run(ask_nine().chain([answer(8), answer(7), answer(8)]).collect()), 1);
    assert_eq!(run(ask_nine().chain([answer(2), answer(8)]).collect()), 2);

    let stop = || MessageSpec::Headers(BEFORE_STOP, 1, 1);
    let ask_stop = |has_stop| send(MessageSpec::GetHeaders(vec![], has_stop));
    assert_eq!(run(vec![ask_stop(true), TRANSMIT_ALL, receive(stop())]), 1);
    assert_eq!(run(vec![ask_stop(false), TRANSMIT_ALL, receive(stop())]), 0);

    // The first request is passed by the answer to one that is in flight.
    let passed = vec![ask(1), TRANSMIT_ALL, ask(2), batch(Duration::ZERO), answer(2), answer(1)];
    assert_eq!(run(passed), 1);
}

/// A driver is lent about 256 KiB at once.
#[test]
fn frames_are_lent_until_they_have_enough_bytes() {
    let filter = |len| {
        let (block_hash, filter_type) = (Hash::ZERO, FilterType::REGULAR);
        let data = vec![7; len].into();
        send(MessageSpec::Plain(CFilter { block_hash, filter_type, data }.into()))
    };
    for len in [1_000, 87_000, 90_000, 131_000, 132_000, 262_000] {
        let shared = Step::Transmit(usize::MAX, Access::Batch(usize::MAX), Duration::ZERO);
        let script = [vec![filter(len); 5], vec![shared; 6]].concat();
        let seen = established(&setup(), [script, vec![POLL_ALL]].concat());
        assert_eq!(seen.get("event: sent"), Some(&5));
    }
}

/// A ping behind as many frames as are lent at once is answered before it counts as sent.
#[test]
fn every_lent_ping_may_be_answered_early() {
    let setup = Setup { pong_timeout: Some(secs(5)), ..setup() };
    for before in [0, 64, 126, 127, 128, 200] {
        let mut script = vec![send(MessageSpec::Zeros(Command::SendHeaders, 0)); before];
        script.extend([send(ping(1)), batch(Duration::ZERO), receive(pong(1)), TRANSMIT_ALL]);
        script.extend(vec![POLL_ALL; 2]);
        let seen = established(&setup, script);
        let is_lent = before < 128;
        assert_eq!(seen.contains_key("event: round trip"), is_lent, "{before} frames before");
    }
}

/// Runs a script after a handshake in which everything is sent and polled, and returns how often
/// an outcome was seen.
fn count(setup: &Setup, script: Vec<Step>, outcome: &str) -> usize {
    established(setup, script).get(outcome).copied().unwrap_or_default()
}

/// A process that was suspended reads its socket before it judges the remote
/// (`docs/protocol.md`, 10.3).
#[test]
fn a_remote_is_not_late_while_the_process_is_suspended() {
    let timeouts = vec![(Command::GetAddr, Some(secs(5)))];
    let setup = Setup {
        idle_timeout: Some(secs(9)),
        ping_interval: None,
        pong_timeout: Some(secs(5)),
        response_timeouts: timeouts,
        ..setup()
    };
    let suspend = |spec, order| Step::Suspend(secs(10), spec, order);
    let get_addr = || MessageSpec::Zeros(Command::GetAddr, 0);
    let addr = || MessageSpec::Zeros(Command::Addr, ENOUGH);
    for (request, answer, outcome) in [
        (ping(1), pong(1), "event: round trip"),
        (get_addr(), addr(), "solicited: addr"),
        (MessageSpec::Zeros(Command::SendHeaders, 0), ping(1), "event: ping"),
    ] {
        let script = |order| {
            vec![send(request.clone()), TRANSMIT_ALL, suspend(answer.clone(), order), POLL_ALL]
        };
        assert_eq!(count(&setup, script(Some(true)), outcome), 1);
        assert_eq!(count(&setup, script(Some(false)), outcome), 1);
        assert_eq!(count(&setup, script(None), outcome), 0);
    }
}

/// A write that was in progress while the process was suspended is not judged before its report.
#[test]
fn a_write_is_not_late_while_the_process_is_suspended() {
    let setup = Setup { write_timeout: Some(secs(1)), ..setup() };
    let script = |report| {
        let steps = [send(ping(1)), batch(Duration::ZERO), Step::Wait(secs(30))];
        let after = [report, Step::Wait(secs(30)), Step::HandleTimeout, POLL_ALL];
        [&steps[..], &[Step::HandleTimeout], &after].concat()
    };
    assert_eq!(count(&setup, script(TRANSMIT_ALL), "timer: write"), 0);
    assert_eq!(count(&setup, script(Step::Resume), "timer: write"), 1);
}

/// Bytes at the minimum rate extend every deadline of the remote (`docs/protocol.md`, 10.2).
#[test]
fn a_message_at_the_minimum_rate_is_never_late() {
    let data = vec![7; 4_000].into();
    let filter = CFilter { block_hash: Hash::ZERO, filter_type: FilterType::REGULAR, data };
    let slowly = |gap| {
        Step::ReceiveSlowly(MessageSpec::Plain(filter.clone().into()), 100, millis(gap), true)
    };
    for (read_rate, gap) in [(1_000, 100), (1_000, 90), (100, 1_000)] {
        let idle_timeout = Some(secs(2));
        let setup = Setup { read_rate, idle_timeout, ping_interval: None, ..setup() };
        let silence = [Step::Wait(secs(3)), Step::HandleTimeout];
        let grace = [Step::Wait(millis(60)), Step::HandleTimeout, POLL_ALL];
        let seen = established(&setup, [&[slowly(gap)], &silence[..], &grace].concat());
        assert_eq!(seen.get("event: cfilter"), Some(&1), "100 bytes every {gap} ms");
        assert_eq!(seen.get("closed: IdleTimeout"), Some(&1));
    }
}

/// Only the latest pings are tracked, and a pong answers the earlier ones as well
/// (`docs/protocol.md`, 6.2).
#[test]
fn a_pong_answers_earlier_pings() {
    let script = |nonce| vec![Step::SendPings(20), TRANSMIT_ALL, receive(pong(nonce)), POLL_ALL];
    assert_eq!(count(&setup(), script(10), "event: round trip"), 0);
    assert_eq!(count(&setup(), script(14), "event: round trip"), 1);
    let twice = [script(29), vec![receive(pong(14)), POLL_ALL]].concat();
    assert_eq!(count(&setup(), twice, "event: round trip"), 1);
    let lent = [send(ping(1)), send(ping(2)), batch(Duration::ZERO)];
    let early = [receive(pong(1)), receive(pong(2)), TRANSMIT_ALL, POLL_ALL];
    assert_eq!(count(&setup(), [&lent[..], &early].concat(), "event: round trip"), 2);
}

/// An answer restarts the time of the remaining vectors, and a repeated request does not
/// (`docs/protocol.md`, 7.2).
#[test]
fn an_answer_restarts_the_time_of_other_vectors() {
    let timeouts = vec![(Command::GetData, Some(secs(2)))];
    let setup = Setup { response_timeouts: timeouts, ..setup() };
    let request =
        || send(MessageSpec::Inventory(Command::GetData, vec![Object::Tx(0), Object::Tx(1)]));
    let script = |between: Vec<Step>| {
        let wait = [Step::Wait(millis(1_500)), Step::HandleTimeout];
        let grace = [Step::Wait(millis(60)), Step::HandleTimeout, POLL_ALL];
        [vec![request(), TRANSMIT_ALL], wait.to_vec(), between, wait.to_vec(), grace.to_vec()]
            .concat()
    };
    let stalled = |between| count(&setup, script(between), "closed: Stall of a vector");
    assert_eq!(stalled(vec![receive(MessageSpec::Tx(0))]), 0);
    assert_eq!(stalled(vec![request(), TRANSMIT_ALL]), 1);
}

/// Pongs overtake queued messages, but not frames that were lent (`docs/protocol.md`, 6.3).
#[test]
fn pongs_overtake_frames_that_were_not_lent() {
    let bulk = || send(MessageSpec::Tx(4_000));
    let script = |lend| {
        let one = Step::Transmit(10, Access::Batch(lend), Duration::ZERO);
        vec![bulk(), bulk(), bulk(), one, receive(ping(1)), TRANSMIT_ALL, POLL_ALL]
    };
    assert_eq!(count(&setup(), script(1), "pong: overtakes"), 1);
    assert_eq!(count(&setup(), script(3), "pong: overtakes"), 0);
}

/// Queued messages are sent once more after fatal input (`docs/protocol.md`, 12.2).
#[test]
fn queued_messages_are_sent_after_fatal_input() {
    let fatal = Step::ReceiveBadFrame(BadFrame::WrongChecksum, Delivery::AtOnce);
    let script =
        |after: Vec<Step>| [vec![send(ping(1)), send(ping(2)), fatal.clone()], after].concat();
    let sent = |after| count(&setup(), script(after), "event: sent");
    assert_eq!(sent(vec![TRANSMIT_ALL, POLL_ALL]), 2);
    assert_eq!(sent(vec![Step::Transmit(40, Access::Chunks(true), Duration::ZERO), POLL_ALL]), 2);
    assert_eq!(sent(vec![Step::SkipToDeadline(Duration::ZERO), TRANSMIT_ALL, POLL_ALL]), 0);
}
