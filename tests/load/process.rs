//! Threads, descriptors and memory of the process on Linux. Elsewhere these are zero and are not
//! checked.

use std::env;
use std::fs;
use std::process::Command;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Environment variable of a process that runs a single test.
const ALONE: &str = "EXCC_LOAD_ALONE";

/// Runs a test in a new process, one at a time, so that it can check the resources of the process.
pub(crate) fn alone(name: &str, test: fn()) {
    static ONE: Mutex<()> = Mutex::new(());
    if env::var_os(ALONE).is_some() {
        return test();
    }
    let _one = ONE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new(env::current_exe().expect("this program"));
    command.args([name, "--exact", "--nocapture", "--test-threads=1"]).env(ALONE, "1");
    let output = command.output().expect("a child process");
    print!("{}", String::from_utf8_lossy(&output.stdout));
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name}: {}", output.status);
}

/// Resources of the process.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Process {
    pub(crate) threads: usize,
    pub(crate) descriptors: usize,
    /// Resident bytes.
    pub(crate) memory: usize,
}

impl Process {
    pub(crate) fn now() -> Self {
        let count = |path| fs::read_dir(path).map_or(0, Iterator::count);
        Self {
            threads: count("/proc/self/task"),
            descriptors: count("/proc/self/fd"),
            memory: status("VmRSS:"),
        }
    }
}

/// Returns the peak of the resident bytes, stacks included.
pub(crate) fn peak_memory() -> usize {
    status("VmHWM:")
}

/// Returns a value of the status file, in bytes.
fn status(name: &str) -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let kib = line.split_whitespace().next().and_then(|number| number.parse().ok());
    kib.unwrap_or(0) * 1024
}

/// Panics if fewer descriptors are allowed.
pub(crate) fn check_descriptors(needed: usize) {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    let limit = line.and_then(|line| line.split_whitespace().next()?.parse().ok());
    let limit: usize = limit.unwrap_or(usize::MAX);
    assert!(
        needed <= limit,
        "{needed} descriptors are needed and {limit} allowed: run `ulimit -n {needed}` first"
    );
}

/// Waits until the number falls to `before`, for a limited time. Returns the excess. A thread or
/// task counts until the system has removed it.
pub(crate) fn remaining(before: usize, now: impl Fn() -> usize) -> usize {
    let end = Instant::now() + Duration::from_secs(5);
    loop {
        let excess = now().saturating_sub(before);
        if excess == 0 || Instant::now() > end {
            return excess;
        }
        thread::sleep(Duration::from_millis(5));
    }
}
