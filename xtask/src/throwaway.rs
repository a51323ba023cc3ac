//! A server for the tests, from an installed program: in a folder of its own, and gone with that
//! folder however the tests end.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// How long it may take to make and start one.
const START: Duration = Duration::from_secs(60);

/// A running server; dropping it stops it and removes what it kept.
pub(crate) struct Throwaway {
    script: Child,
    /// The script waits for its end.
    held: Option<ChildStdin>,
    folder: TempDir,
}

impl Throwaway {
    /// A folder for it, and for nobody else.
    pub(crate) fn folder(name: &str) -> Result<TempDir, String> {
        let folder = tempfile::Builder::new().prefix(&format!("byok-{name}-")).tempdir();
        folder.map_err(|error| format!("no folder for it: {error}"))
    }

    /// Runs a `script` with `sh`, as another user if one is given, and waits until the server that
    /// it starts is ready. The script gets the folder and `argument`. It is to stop the server and
    /// remove the folder when its standard input ends: that happens also when whoever started it
    /// is killed.
    pub(crate) fn start(
        folder: TempDir,
        user: Option<&str>,
        script: &str,
        argument: &Path,
        is_ready: impl Fn(&Path) -> bool,
    ) -> Result<Self, String> {
        let mut command = match user {
            Some(user) => {
                let mut command = Command::new("runuser");
                command.args(["-u", user, "--", "sh"]);
                command
            }
            None => Command::new("sh"),
        };
        let mut script = command
            .args(["-c", script, "sh"])
            .args([folder.path(), argument])
            .stdin(Stdio::piped())
            // A Ctrl-C is for the tests: it then goes when they have gone.
            .process_group(0)
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        let held = script.stdin.take();
        let mut server = Self { script, held, folder };
        server.wait(is_ready)?;
        Ok(server)
    }

    /// Where it is.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    fn wait(&mut self, is_ready: impl Fn(&Path) -> bool) -> Result<(), String> {
        let began = Instant::now();
        while began.elapsed() < START {
            if let Ok(Some(status)) = self.script.try_wait() {
                return Err(format!("it did not start: {status}"));
            }
            if is_ready(self.folder.path()) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Err(format!("it did not start within {START:?}"))
    }
}

impl Drop for Throwaway {
    fn drop(&mut self) {
        drop(self.held.take());
        let _ = self.script.wait();
    }
}
