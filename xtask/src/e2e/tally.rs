//! Counting what the drivers report, a line a check.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use crate::run::Outcome;

/// A driver that runs longer than this hangs.
const PATIENCE: Duration = Duration::from_secs(900);

/// How many checks held.
#[derive(Default)]
pub(super) struct Tally {
    pub(super) passed: u32,
    pub(super) failed: u32,
}

impl Tally {
    /// Runs a driver, shows its lines as they come and counts them.
    ///
    /// A driver that ends badly without having said why, hangs, or checks nothing has failed too.
    pub(super) fn watch(&mut self, driver: &str, command: &mut Command) -> Outcome {
        let (passed, failed) = (self.passed, self.failed);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot start {command:?}: {e}"))?;
        let output = child.stdout.take().ok_or("a driver without output")?;
        let (lines, received) = channel();
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if lines.send(line).is_err() {
                    break;
                }
            }
        });
        let deadline = Instant::now() + PATIENCE;
        loop {
            match received.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(line) => self.line(&line),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => {
                    child.kill()?;
                    self.check(driver, "ends", Err(format!("still running after {PATIENCE:?}")));
                    break;
                }
            }
        }
        let status = child.wait()?;
        drop(received);
        reader.join().map_err(|_| "the reader of a driver's output panicked")?;
        if !status.success() && self.failed == failed {
            self.check(driver, "ends well", Err(format!("{status} without a failed check")));
        }
        if (self.passed, self.failed) == (passed, failed) {
            self.check(driver, "checks something", Err("it reported no check".to_owned()));
        }
        Ok(())
    }

    fn line(&mut self, line: &str) {
        println!("{line}");
        if line.starts_with("ok  ") {
            self.passed += 1;
        } else if line.starts_with("FAIL  ") {
            self.failed += 1;
        }
    }

    /// Counts and shows a check of our own.
    pub(super) fn check(&mut self, group: &str, sentence: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.line(&format!("ok  {group}  {sentence}")),
            Err(why) => {
                self.line(&format!("FAIL  {group}  {sentence}"));
                for line in why.lines() {
                    println!("      {line}");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watched(script: &str) -> (u32, u32) {
        let mut tally = Tally::default();
        tally.watch("sh", Command::new("sh").args(["-c", script])).expect("sh runs");
        (tally.passed, tally.failed)
    }

    #[test]
    fn lines_are_counted_and_a_silent_or_broken_driver_has_failed() {
        assert_eq!(watched("echo 'ok  a  b'; echo '      c'; echo 'ok  a  d'"), (2, 0));
        assert_eq!(watched("echo 'ok  a  b'; echo 'FAIL  a  c'; exit 1"), (1, 1));
        assert_eq!(watched("echo 'ok  a  b'; exit 3"), (1, 1));
        assert_eq!(watched("true"), (0, 1));
    }
}
