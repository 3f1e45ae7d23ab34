//! Reads lines and writes reports.

use std::io::{self, BufRead, Write};

use crate::inspect::{self, Defaults};
use crate::text;

/// Form of the output.
#[derive(Clone, Copy)]
pub(crate) enum Form {
    /// One JSON object a line.
    Json,
    /// A line of text, and indented JSON under that of a frame.
    Text,
}

/// Reports the frames of every line, until the input ends.
pub(crate) fn run(
    mut input: impl BufRead,
    mut output: impl Write,
    defaults: Defaults,
    form: Form,
) -> io::Result<()> {
    // Bytes, because a line that is not UTF-8 must not end the program.
    let mut line = Vec::new();
    for number in 1.. {
        line.clear();
        if input.read_until(b'\n', &mut line)? == 0 {
            break;
        }
        for report in inspect::line(number, &line, defaults) {
            match form {
                Form::Json => {
                    serde_json::to_writer(&mut output, &report)?;
                    output.write_all(b"\n")?;
                }
                Form::Text => text::write(&mut output, &report)?,
            }
        }
        // The next line may come much later.
        output.flush()?;
    }
    Ok(())
}
