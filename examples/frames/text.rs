//! Reports as text.

use std::io::{self, Write};

use excc_peer::wire::Message;
use serde::Serialize;

use crate::inspect::{FrameReport, Hashes, Report};

/// Writes a line about the frame or the error, and the fields of a frame below it.
pub(crate) fn write(mut output: impl Write, report: &Report) -> io::Result<()> {
    match report {
        Report::Frame(report) => {
            let FrameReport { line, message, hashes, canonical, consumed, .. } = report;
            let canonical = if *canonical { "canonical" } else { "not canonical" };
            writeln!(output, "line {line}: {}, {consumed} bytes, {canonical}", message.command())?;
            serde_json::to_writer_pretty(&mut output, &Shown { hashes: hashes.as_ref(), message })?;
            output.write_all(b"\n")
        }
        Report::Error(report) => {
            writeln!(output, "line {}: error {}: {}", report.line, report.error, report.detail)
        }
    }
}

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    hashes: Option<&'a Hashes>,
    #[serde(flatten)]
    message: &'a Message,
}
