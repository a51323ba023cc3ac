//! A program that runs beside us, its output in a file, and never outlives us.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

type Failure = Box<dyn std::error::Error>;

/// The program; dropping this kills it.
pub(super) struct Beside {
    name: &'static str,
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

impl Beside {
    /// Starts it; its output goes to `NAME.stdout.log` and `NAME.stderr.log` in the folder.
    pub(super) fn start(
        name: &'static str,
        command: &mut Command,
        folder: &Path,
    ) -> Result<Self, Failure> {
        let stdout = folder.join(format!("{name}.stdout.log"));
        let stderr = folder.join(format!("{name}.stderr.log"));
        let child = command
            .stdin(Stdio::null())
            .stdout(File::create(&stdout)?)
            .stderr(File::create(&stderr)?)
            .spawn()
            .map_err(|e| format!("cannot start {command:?}: {e}"))?;
        Ok(Self { name, child, stdout, stderr })
    }

    /// What it has printed so far.
    pub(super) fn printed(&self) -> String {
        std::fs::read_to_string(&self.stdout).unwrap_or_default()
    }

    /// Asks until the answer is there; fails when the program ends before or takes too long.
    pub(super) fn wait_for<T>(
        &mut self,
        within: Duration,
        mut answer: impl FnMut(&str) -> Option<T>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(answer) = answer(&self.printed()) {
                return Ok(answer);
            }
            if let Some(status) = self.child.try_wait()? {
                return Err(
                    format!("{} ended at once, {status}\n{}", self.name, self.said()).into()
                );
            }
            if Instant::now() > deadline {
                let said = self.said();
                return Err(format!("{} is not ready after {within:?}\n{said}", self.name).into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Asks it to stop (SIGTERM) and waits.
    pub(super) fn stop(&mut self, within: Duration) -> Result<ExitStatus, Failure> {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status()?;
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            if Instant::now() > deadline {
                return Err(format!("{} still runs {within:?} after SIGTERM", self.name).into());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The last lines of its output, for a person.
    fn said(&self) -> String {
        let errors = std::fs::read_to_string(&self.stderr).unwrap_or_default();
        let text = format!("{}{errors}", self.printed());
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        // Ended already is fine: then there is nobody to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
