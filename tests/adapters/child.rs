//! Tests that run in a process of their own.

use std::env;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::harness::{Driver, wait_for};

/// Environment variable that passes the argument to a child.
const VARIABLE: &str = "EXCC_ADAPTERS_CHILD";

/// Returns the argument of a child, or `None` in the parent.
pub(crate) fn argument() -> Option<String> {
    env::var(VARIABLE).ok()
}

/// A child process. It is killed when it is dropped.
pub(crate) struct Process(Child);

impl Process {
    /// Runs the test with the path `test` in a new process.
    pub(crate) fn start(test: &str, driver: Driver, argument: &str) -> Self {
        let driver = if driver.is_std() { "std" } else { "tokio" };
        let child = Command::new(env::current_exe().unwrap())
            .args([&format!("{test}::{driver}"), "--exact", "--nocapture"])
            .env(VARIABLE, argument)
            .stdout(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    #[cfg(unix)]
    pub(crate) fn signal(&self, name: &str) {
        let id = self.0.id().to_string();
        let status = Command::new("kill").args(["-s", name, &id]).status().unwrap();
        assert!(status.success());
    }

    #[track_caller]
    pub(crate) fn wait(&mut self) -> ExitStatus {
        wait_for("the child to end", || self.0.try_wait().unwrap().is_some());
        self.0.wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.0.kill().ok();
        self.0.wait().ok();
    }
}
