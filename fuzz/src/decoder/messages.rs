//! Messages of scripts.

use std::sync::OnceLock;

use excc_peer::Hash;
use excc_peer::wire::{
    CFilter, Command, FeeFilter, FilterType, InvType, InvVect, LocatorRequest, Message, Ping, Pong,
};

use super::Arguments;
use crate::lockstep::common::{hash, tx};
use crate::lockstep::messages::{
    BEFORE_STOP, ENOUGH, GENESIS, MessageSpec, Object, address, reject,
};

/// The commands by name, so that an input keeps its meaning when the table of messages changes.
fn commands() -> &'static [Command] {
    static SORTED: OnceLock<Vec<Command>> = OnceLock::new();
    SORTED.get_or_init(|| {
        let mut commands = Command::ALL.to_vec();
        commands.sort_by_key(|command| command.as_str());
        commands
    })
}

pub(super) fn command(arguments: &mut Arguments<'_>) -> Command {
    arguments.one_of(commands())
}

/// One object of few, so that scripts meet the same ones again.
pub(super) fn object(arguments: &mut Arguments<'_>) -> Object {
    let number = arguments.next();
    let missing = |kind| Object::Missing(InvVect::new(kind, hash(number as u32 / 16 % 4)));
    match number % 16 {
        0..=4 => missing(InvType::TX),
        5 | 6 => missing(InvType::BLOCK),
        7 => missing(InvType::MIX),
        8 => missing(InvType::ERROR),
        9..=12 => Object::Tx(number / 16 % 3),
        13 | 14 => Object::Block,
        _ => Object::Mix,
    }
}

/// The objects of the remaining arguments; without any, one.
fn objects(arguments: &mut Arguments<'_>) -> Vec<Object> {
    let mut objects = vec![object(arguments)];
    while arguments.has_more() && objects.len() < 6 {
        objects.push(object(arguments));
    }
    objects
}

fn many(arguments: &mut Arguments<'_>) -> Vec<Object> {
    (0..arguments.next() as u32).map(|number| Object::Missing(tx(number))).collect()
}

fn parent(arguments: &mut Arguments<'_>) -> u32 {
    arguments.one_of(&[1, 0, 2, GENESIS, BEFORE_STOP])
}

/// A message that either side may send at some time.
pub(super) fn message(arguments: &mut Arguments<'_>) -> MessageSpec {
    let number = arguments.next();
    let nonce = number as u64;
    let plain = MessageSpec::Plain;
    match number {
        0..=7 => plain(Ping { nonce }.into()),
        8..=15 => plain(Pong { nonce: nonce - 8 }.into()),
        16 => plain(Message::SendHeaders),
        17 => {
            let min_fee = arguments.next() as i64 - 3;
            plain(Message::FeeFilter(FeeFilter { min_fee }))
        }
        18 => plain(Message::AddrV2(vec![address(0)])),
        19 | 20 => {
            let len = arguments.one_of(&[1, 0, 5, 501]);
            let request = LocatorRequest::new(vec![hash(7); len]);
            let message = if number == 19 { Message::GetHeaders } else { Message::GetBlocks };
            plain(message(request))
        }
        21 => {
            let data = vec![7; arguments.one_of(&[0, 50, 4_100, 262_144])].into();
            let (block_hash, filter_type) = (Hash::ZERO, FilterType::REGULAR);
            plain(CFilter { block_hash, filter_type, data }.into())
        }
        22 => plain(reject(arguments.next()).into()),
        23 => plain(Message::VerAck),
        24..=26 => MessageSpec::Inventory(Command::Inv, objects(arguments)),
        27..=31 => MessageSpec::Inventory(Command::GetData, objects(arguments)),
        32..=34 => MessageSpec::Inventory(Command::NotFound, objects(arguments)),
        35 => MessageSpec::Inventory(Command::Inv, many(arguments)),
        36 => MessageSpec::Inventory(Command::GetData, many(arguments)),
        37 => MessageSpec::Inventory(Command::NotFound, many(arguments)),
        38..=43 => object(arguments).spec().unwrap_or(MessageSpec::Tx(0)),
        44..=46 => {
            let (number, is_known) = (arguments.next(), number != 46);
            let locator = if is_known { vec![number as u32 % 3] } else { vec![] };
            MessageSpec::GetHeaders(locator, number / 3 % 2 == 1)
        }
        47..=50 => {
            let parent = parent(arguments);
            MessageSpec::Headers(parent, (number - 46) % 3, arguments.next() as u32 % 20)
        }
        51 => MessageSpec::Headers(parent(arguments), 11 + arguments.next() % 4, 1),
        52 => MessageSpec::Block(arguments.next() as u32 % 9),
        53 => MessageSpec::Tx(arguments.next() * 4),
        _ => MessageSpec::Zeros(commands()[(number - 54) % commands().len()], ENOUGH),
    }
}
