//! Any payload of any message, decoded where it lies and out of a frame.
//!
//! The first byte chooses the command, the second the protocol version, the third the
//! chain and what becomes of trailing bytes; the payload follows.

use bytes::Bytes;
use excc_peer::Network;
use excc_peer::wire::{
    Block, Command, CommandField, DecodeError, InputBuffer, Message, TrailingBytes, Tx,
};

use crate::sound::Terms;
use crate::walk::show;

/// Decodes what `data` describes.
///
/// # Panics
///
/// If anything is found.
pub(crate) fn run(data: &[u8]) {
    let Some((&[command, version, flags], payload)) = data.split_first_chunk() else { return };
    // By name, so that an input keeps its meaning when the table of messages changes.
    let mut commands = Command::ALL.to_vec();
    commands.sort_by_key(|command| command.as_str());
    let command = commands[usize::from(command) % commands.len()];
    let network = if flags & 1 == 0 { Network::EXCC_MAINNET } else { Network::DCR_MAINNET };
    let chain = network.chain();
    let terms = Terms {
        network,
        // One beyond the newest, too.
        version: u32::from(version) % (chain.newest_version() + 2),
        trailing: match flags >> 1 & 3 {
            0 => TrailingBytes::Ignore,
            1 => TrailingBytes::Reject,
            _ => TrailingBytes::of(chain),
        },
    };
    // Whether it decodes does not matter here.
    _ = decode(&terms, command, &Bytes::copy_from_slice(payload));
}

/// Decodes the payload of a message of that name.
///
/// # Panics
///
/// If anything is found.
pub(crate) fn decode(
    terms: &Terms,
    command: Command,
    payload: &Bytes,
) -> Result<Message, DecodeError> {
    let decoded = Message::decode(command, payload, terms.protocol(), terms.trailing);
    match &decoded {
        Ok(message) => {
            assert_eq!(message.command(), command);
            terms.check(message, payload);
        }
        Err(error) => show(error),
    }

    let framed = out_of_frame(terms, command, payload);
    if payload.len() <= command.max_payload(terms.protocol()) {
        let kind = |error: DecodeError| error.kind().clone();
        assert_eq!(framed.map_err(kind), decoded.clone().map_err(kind));
    } else {
        let name = framed.map(|_| ()).map_err(|error| error.kind().name());
        assert!(matches!(name, Err("PayloadTooLarge" | "UnknownCmd")), "{name:?}");
    }
    taken_as_such(terms, command, payload, &decoded);
    decoded
}

/// Decodes the payload in a frame whose header is right.
fn out_of_frame(terms: &Terms, command: Command, payload: &[u8]) -> Result<Message, DecodeError> {
    let checksum = terms.network.chain().hash_function().checksum(&[payload]);
    let mut buffer = InputBuffer::new();
    buffer.extend_from_slice(&terms.network.magic().to_le_bytes());
    buffer.extend_from_slice(CommandField::from(command).as_bytes());
    buffer.extend_from_slice(&(payload.len() as u32).to_le_bytes());
    buffer.extend_from_slice(&checksum);
    buffer.extend_from_slice(payload);
    let decoded = terms.decoder().decode(&mut buffer);
    decoded.map(|frame| frame.expect("the frame is whole").message)
}

/// Transactions and blocks can be had without a message around them, if nothing follows.
fn taken_as_such(
    terms: &Terms,
    command: Command,
    payload: &Bytes,
    decoded: &Result<Message, DecodeError>,
) {
    let taken = match command {
        Command::Tx => Tx::from_bytes(terms.network.chain(), payload).map(Message::Tx),
        Command::Block => Block::from_bytes(terms.protocol(), payload).map(Message::Block),
        _ => return,
    };
    match (decoded, taken) {
        (Ok(message), Ok(taken)) => assert_eq!(message, &taken),
        (Ok(_), Err(error)) => {
            let name = error.kind().name();
            assert!(matches!(name, "TrailingBytes" | "PayloadTooLarge"), "{error}");
        }
        (Err(error), taken) => assert_eq!(taken.as_ref(), Err(error)),
    }
}
