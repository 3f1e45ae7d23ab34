//! Limits of size and rate in both directions (`docs/protocol.md`, 7.5 and 11).

use std::collections::BTreeMap;
use std::time::Duration;

use excc_peer::wire::{Command, InvType, InvVect, Message};
use excc_peer::{Chain, CloseReason, Instant};

use super::requests::{answers, is_tracked};
use super::{Model, ModelEvent};
use crate::lockstep::setup::Setup;

/// The points that nodes give for a `mempool`, and the score above which they ban.
const MEMPOOL_POINTS: f64 = 33.0;

const MAX_SCORE: f64 = 100.0;

/// The `inv`s that may answer one `mempool`.
const MEMPOOL_ANSWERS: usize = 64;

/// A token bucket: `burst` tokens that take `time` to become available again.
pub(super) struct Bucket {
    burst: u128,
    time: u128,
    /// In parts of a token, of which there are as many as nanoseconds in `time`.
    level: u128,
    at: Instant,
}

impl Bucket {
    pub(super) fn new((burst, time): (u64, Duration), now: Instant) -> Self {
        // No clock shows more time than this.
        let (burst, time) = (burst.into(), time.as_nanos().min(u64::MAX.into()));
        Self { burst, time, level: burst * time, at: now }
    }

    pub(super) fn has(&mut self, tokens: u128, now: Instant) -> bool {
        let more = (now - self.at).as_nanos() * self.burst;
        self.level = (self.level + more).min(self.burst * self.time);
        self.at = now;
        self.level >= tokens * self.time
    }

    pub(super) fn take(&mut self, tokens: u128) {
        self.level -= tokens * self.time;
        // It is full again at the end of time.
        let most = (Instant::MAX - self.at).as_nanos() * self.burst;
        self.level = self.level.max((self.burst * self.time).saturating_sub(most));
    }
}

pub(super) fn buckets(setup: &Setup, now: Instant) -> BTreeMap<Command, [Option<Bucket>; 2]> {
    let bucket = |limit: Option<_>| limit.map(|limit| Bucket::new(limit, now));
    setup
        .budgets
        .iter()
        .map(|(command, budget)| (*command, [bucket(budget.messages), bucket(budget.bytes)]))
        .collect()
}

/// The score that nodes keep of a sender of `mempool`: it halves each minute, and falls evenly
/// within one.
#[derive(Default)]
pub(super) struct MemPoolScore {
    score: f64,
    at: Instant,
}

impl MemPoolScore {
    pub(super) fn after_one_more(&self, now: Instant) -> f64 {
        let minutes = (now - self.at).as_secs_f64() / 60.0;
        let halved = self.score * 0.5_f64.powf(minutes.floor());
        halved * (1.0 - minutes.fract() / 2.0) + MEMPOOL_POINTS
    }
}

impl Model {
    /// Judges a header by the size that it claims.
    pub(super) fn admit_size(&mut self, command: Command, len: usize) -> Result<(), CloseReason> {
        self.check_size(command, len)?;
        if self.setup.max_unsolicited(command).is_some_and(|limit| len > limit) {
            self.note("larger answer accepted");
            let allowed = self.allowances.get_mut(&kind_of(command));
            *allowed.expect("it was checked") -= 1;
        }
        Ok(())
    }

    pub(super) fn check_size(&self, command: Command, len: usize) -> Result<(), CloseReason> {
        if let Some(limit) = self.setup.max_payload(command).filter(|&limit| len > limit) {
            return Err(CloseReason::PayloadTooLarge { command, len, limit });
        }
        let allowed = self.allowances.get(&kind_of(command)).copied().unwrap_or(0);
        match self.setup.max_unsolicited(command) {
            Some(limit) if len > limit && allowed == 0 => {
                Err(CloseReason::Unsolicited { command, len, limit })
            }
            _ => Ok(()),
        }
    }

    /// Whether a payload of that size would close the peer now.
    pub(crate) fn refuses(&self, command: Command, len: usize) -> bool {
        self.check_size(command, len).is_err()
    }

    /// As many larger messages may come as were requested.
    pub(super) fn allow_answers(&mut self, message: &Message) {
        let mut allow = |command, count| {
            *self.allowances.entry(kind_of(command)).or_default() += count;
        };
        match message {
            Message::GetData(vectors) => {
                for vector in vectors.iter().filter(|vector| is_tracked(vector)) {
                    allow(Command::NotFound, 1);
                    allow(
                        match vector.kind() {
                            InvType::TX => Command::Tx,
                            InvType::BLOCK => Command::Block,
                            _ => Command::MixPairReq,
                        },
                        1,
                    );
                }
            }
            Message::MemPool => allow(Command::Inv, MEMPOOL_ANSWERS),
            other => {
                if let Some(&answer) = answers(other.command()).first() {
                    allow(answer, 1);
                }
            }
        }
    }

    /// Counts a received frame.
    pub(super) fn spend_budget(&mut self, command: Command, len: usize) -> Result<(), CloseReason> {
        let Some([messages, bytes]) = self.budgets.get_mut(&command) else { return Ok(()) };
        let spent = [(messages, 1), (bytes, len as u128)];
        let mut buckets: Vec<_> = spent
            .into_iter()
            .filter_map(|(bucket, tokens)| bucket.as_mut().map(|bucket| (bucket, tokens)))
            .collect();
        let mut has = true;
        for (bucket, tokens) in &mut buckets {
            has &= bucket.has(*tokens, self.now);
        }
        if has {
            buckets.into_iter().for_each(|(bucket, tokens)| bucket.take(tokens));
            return Ok(());
        }
        self.commands.entry(command).or_default().over_budget += 1;
        if self.setup.budget(command).is_some_and(|budget| budget.closes) {
            return Err(CloseReason::OverBudget { command });
        }
        self.emit(ModelEvent::OverBudget(command), 0);
        Ok(())
    }

    /// Whether the network's nodes accept a message at all.
    pub(super) fn is_welcome(&self, message: &Message) -> bool {
        let is_decred = self.setup.network.chain() == Chain::Decred;
        let has_mixes = is_decred && self.protocol().version >= 10;
        let is_served = |vector: &InvVect| {
            [InvType::TX, InvType::BLOCK].contains(&vector.kind())
                || (vector.kind() == InvType::MIX && has_mixes)
        };
        match message {
            Message::Inv(vectors) => !vectors.is_empty(),
            Message::Addr(addresses) => !addresses.is_empty(),
            Message::GetData(vectors) => !vectors.is_empty() && vectors.iter().all(is_served),
            Message::GetCFilter(_) | Message::GetCFHeaders(_) | Message::GetCFTypes => false,
            Message::GetMinings | Message::MiningState(_) => !is_decred,
            _ => true,
        }
    }

    /// Whether the network's nodes accept a message that they accept a few times only.
    pub(super) fn is_welcome_again(&self, message: &Message) -> bool {
        let is_decred = self.setup.network == crate::lockstep::common::DCR;
        match message {
            Message::MemPool => self.mempool_score.after_one_more(self.now) <= MAX_SCORE,
            Message::GetInitState(_) => !(is_decred && self.has_sent_init_state[0]),
            Message::InitState(_) => !(is_decred && self.has_sent_init_state[1]),
            _ => true,
        }
    }

    /// Counts a queued message against those few times.
    pub(super) fn count_once(&mut self, message: &Message) {
        match message {
            Message::MemPool => {
                let score = self.mempool_score.after_one_more(self.now);
                self.mempool_score = MemPoolScore { score, at: self.now };
            }
            Message::GetInitState(_) => self.has_sent_init_state[0] = true,
            Message::InitState(_) => self.has_sent_init_state[1] = true,
            _ => {}
        }
    }
}

/// One name for the commands that one request may be answered by.
fn kind_of(command: Command) -> Command {
    match command {
        Command::AddrV2 => Command::Addr,
        mix if mix.as_str().starts_with("mix") => Command::MixPairReq,
        other => other,
    }
}
