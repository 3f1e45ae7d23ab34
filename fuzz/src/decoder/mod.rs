//! Scripts out of bytes.
//!
//! A byte of 0x80 or more opens a command, which is a setting or a step; the bytes below 0x80
//! that follow are its arguments. Missing arguments are 0 and surplus ones are ignored, so that
//! any bytes are a script, and a byte that changes, appears or disappears changes one or two
//! commands.

mod messages;
mod settings;
mod steps;

use std::fmt::Write;

use crate::lockstep::script::Step;
use crate::lockstep::setup::Setup;
use settings::IDENTITY;

/// The part of a peer's life that most steps of a script are about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Focus {
    /// Scripts begin where the connection does, and half of the steps belong to the handshake.
    Handshake,
    /// Scripts begin with a handshake.
    Established,
}

/// Decodes any bytes.
pub(crate) fn decode(data: &[u8], focus: Focus) -> (Setup, Vec<Step>) {
    // The usual values of the other settings depend on this one.
    let identity = commands(data).filter(|(number, _)| *number == FIRST_SETTING + IDENTITY).last();
    let mut setup = settings::usual(&mut identity.map_or(NO_ARGUMENTS, |(_, given)| given));
    let mut script = Vec::new();
    if focus == Focus::Established {
        let version = commands(data).filter(|(number, _)| *number == VERSION).last();
        let mut given = version.map_or(NO_ARGUMENTS, |(_, given)| given);
        script.extend(steps::handshake(steps::version_fields(&mut given)));
    }
    for (number, mut arguments) in commands(data) {
        match number.checked_sub(FIRST_SETTING) {
            Some(setting) => settings::apply(setting, &mut setup, &mut arguments),
            None => script.push(steps::step(number, focus, &mut arguments)),
        }
    }
    (setup, script)
}

/// The number of the command that sets the fields of the `version` with which a script begins.
const VERSION: u8 = 127;

/// The settings follow the steps in the numbers of the commands.
const FIRST_SETTING: u8 = 96;

/// The commands of an input: numbers below 128, with their arguments. Bytes before the first
/// command are ignored.
fn commands(data: &[u8]) -> impl Iterator<Item = (u8, Arguments<'_>)> {
    let is_argument = |byte: &u8| *byte < 0x80;
    let mut rest = data;
    std::iter::from_fn(move || {
        let start = rest.iter().position(|byte| !is_argument(byte))?;
        let (&opening, after) = rest[start..].split_first()?;
        let len = after.iter().position(|byte| !is_argument(byte)).unwrap_or(after.len());
        let (arguments, next) = after.split_at(len);
        rest = next;
        Some((opening - 0x80, Arguments(arguments)))
    })
}

/// The arguments of a command that were not read.
struct Arguments<'a>(&'a [u8]);

const NO_ARGUMENTS: Arguments<'_> = Arguments(&[]);

impl Arguments<'_> {
    fn next(&mut self) -> usize {
        match self.0.split_first() {
            Some((&first, rest)) => {
                self.0 = rest;
                first.into()
            }
            None => 0,
        }
    }

    fn has_more(&self) -> bool {
        !self.0.is_empty()
    }

    fn one_of<T: Clone>(&mut self, values: &[T]) -> T {
        values[self.next() % values.len()].clone()
    }
}

/// A setup and a script as they are written in Rust, but for durations.
pub(crate) fn story(data: &[u8], focus: Focus) -> String {
    let (setup, script) = decode(data, focus);
    let usual = Setup::new(setup.network, setup.version, setup.direction);
    let identity = format!("{}, {}, {:?}", setup.network, setup.version, setup.direction);
    let mut story = String::from("Setup {\n");
    let changed = fields(&setup).into_iter().zip(fields(&usual));
    for (field, _) in changed.filter(|(field, usual)| field != usual) {
        _ = writeln!(story, "    {field}");
    }
    _ = writeln!(story, "    ..Setup::new({identity})\n}}\n[");
    for step in script {
        _ = writeln!(story, "    Step::{step:?},");
    }
    story.push(']');
    story
}

/// The fields of a setup as text, each in one line.
fn fields(setup: &Setup) -> Vec<String> {
    let mut fields: Vec<String> = Vec::new();
    for line in format!("{setup:#?}").lines() {
        let is_start = line.starts_with("    ") && !line[4..].starts_with([' ', ']', '}', ')']);
        match fields.last_mut() {
            _ if is_start => fields.push(line.trim().into()),
            Some(field) if line.starts_with("    ") => field.push_str(line.trim()),
            _ => {}
        }
    }
    fields
}
