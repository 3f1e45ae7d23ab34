//! A progress bar.

use std::io::{self, IsTerminal};
use std::time::{Duration, Instant};

const WIDTH: usize = 40;

/// Time between two drawings.
const INTERVAL: Duration = Duration::from_millis(50);

/// A bar on standard error, if that is a terminal.
pub(crate) struct Progress {
    total: u32,
    started: Instant,
    drawn: Option<Instant>,
    is_terminal: bool,
}

impl Progress {
    pub(crate) fn new() -> Self {
        let is_terminal = io::stderr().is_terminal();
        Self { total: 0, started: Instant::now(), drawn: None, is_terminal }
    }

    pub(crate) fn set_total(&mut self, total: u32) {
        self.total = total;
    }

    pub(crate) fn draw(&mut self, done: u32) {
        let is_due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= INTERVAL);
        if self.is_terminal && is_due {
            self.drawn = Some(Instant::now());
            // Back to the start of the line, and clear the rest of it.
            eprint!("\r{}\x1b[K", line(done, self.total, self.started.elapsed()));
        }
    }

    pub(crate) fn clear(&self) {
        if self.drawn.is_some() {
            eprint!("\r\x1b[K");
        }
    }
}

fn line(done: u32, total: u32, elapsed: Duration) -> String {
    // A remote may have more headers than it reported.
    let total = total.max(done).max(1);
    let part = f64::from(done) / f64::from(total);
    let filled = (part * WIDTH as f64) as usize;
    let bar = "█".repeat(filled) + &"░".repeat(WIDTH - filled);
    let remaining = elapsed.as_secs_f64() * (1.0 - part) / part.max(f64::EPSILON);
    format!("{bar} {done}/{total} headers, {remaining:.0} s remaining")
}
