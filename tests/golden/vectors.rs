//! The lines of the vector files, as `tests/vectors/README.md` describes them.

use std::fs;
use std::ops::Range;

use excc_peer::wire::{Command, HEADER_LEN};
use excc_peer::{Hash, Network};
use serde_json::Value;

/// The range of the command in a frame header.
const COMMAND: Range<usize> = 4..16;

/// One line: a stream of bytes, and the result of a Go node.
pub(crate) struct Line(Value);

/// The expected result for the bytes of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected<'a> {
    /// A message is decoded.
    Accepted,
    /// Decoding fails with the error of this name.
    Refused(&'a str),
}

/// The lines of a file in `tests/vectors`.
pub(crate) fn load(file: &str) -> Vec<Line> {
    let path = format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let lines = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    lines.lines().map(|line| Line(serde_json::from_str(line).expect("a line is JSON"))).collect()
}

impl Line {
    pub(crate) fn id(&self) -> &str {
        self.text("id").expect("every line has an id")
    }

    /// The kind of the line; empty for a frame.
    pub(crate) fn kind(&self) -> &str {
        self.text("kind").unwrap_or_default()
    }

    pub(crate) fn network(&self) -> Network {
        let magic = self.number("magic").expect("every line has a magic");
        Network::ALL
            .into_iter()
            .find(|network| u64::from(network.magic()) == magic)
            .expect("the magic is that of a public network")
    }

    pub(crate) fn version(&self) -> u32 {
        let version = self.number("pver").expect("every line has a protocol version");
        version.try_into().expect("a protocol version has 32 bits")
    }

    /// The command, if the line has one.
    pub(crate) fn command(&self) -> Option<Command> {
        command(self.text("command")?.as_bytes())
    }

    /// The bytes of all parts; empty if the payload is only described.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        match self.0["frame_parts"].as_array() {
            Some(parts) => parts
                .iter()
                .flat_map(|part| {
                    let times = part["n"].as_u64().expect("a part has a count");
                    unhex(&part["h"]).repeat(times as usize)
                })
                .collect(),
            None => self.get("frame").map(unhex).unwrap_or_default(),
        }
    }

    pub(crate) fn expected(&self) -> Expected<'_> {
        match (self.text("expect"), self.text("error")) {
            (Some("ok"), None) => Expected::Accepted,
            (Some("error"), Some("io.EOF" | "io.ErrUnexpectedEOF")) => {
                Expected::Refused("Truncated")
            }
            (Some("error"), Some(error)) => Expected::Refused(without_err(error)),
            other => panic!("{}: {other:?} is no expectation", self.id()),
        }
    }

    /// The origin of the bytes.
    pub(crate) fn build(&self) -> &str {
        self.text("build").unwrap_or_default()
    }

    /// The error of encoding the message at this version.
    pub(crate) fn encode_error(&self) -> Option<&str> {
        self.build().strip_prefix("WriteMessage fails: ").map(without_err)
    }

    /// The hash or hashes under `key`.
    pub(crate) fn hashes(&self, key: &str) -> Option<Vec<Hash>> {
        let hash = |value| Hash::from_bytes(unhex(value).try_into().expect("a hash has 32 bytes"));
        self.get(key).map(|value| match value.as_array() {
            Some(hashes) => hashes.iter().map(hash).collect(),
            None => vec![hash(value)],
        })
    }

    pub(crate) fn hex(&self, key: &str) -> Option<Vec<u8>> {
        self.get(key).map(unhex)
    }

    pub(crate) fn number(&self, key: &str) -> Option<u64> {
        self.get(key)?.as_u64()
    }

    pub(crate) fn flag(&self, key: &str) -> Option<bool> {
        self.get(key)?.as_bool()
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Value> {
        self.0.get(key)
    }

    fn text(&self, key: &str) -> Option<&str> {
        self.get(key)?.as_str()
    }
}

/// The command in the header of a frame, if the header is complete and the command is known.
pub(crate) fn command_of(frame: &[u8]) -> Option<Command> {
    let field = &frame.get(..HEADER_LEN)?[COMMAND];
    let padding = field.iter().rev().take_while(|&&byte| byte == 0).count();
    command(&field[..field.len() - padding])
}

fn command(name: &[u8]) -> Option<Command> {
    Command::ALL.iter().copied().find(|command| command.as_str().as_bytes() == name)
}

fn unhex(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().expect("bytes are a text")).expect("bytes are hexadecimal")
}

fn without_err(kind: &str) -> &str {
    kind.strip_prefix("Err").expect("the nodes' error kinds begin with Err")
}
