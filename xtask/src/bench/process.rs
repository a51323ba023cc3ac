//! A program that runs in the background: ended whatever happens here, and weighed meanwhile.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::http;

type Failure = Box<dyn std::error::Error>;

/// Clock ticks a second in `/proc`, which Linux fixes for user space.
const TICKS: f64 = 100.0;

/// A child process, with those it starts itself.
pub(super) struct Running {
    child: Child,
    name: String,
    log: PathBuf,
}

impl Running {
    /// Starts a program with its output in `folder`/`name`.log and as many files as may be open.
    /// It gets SIGTERM when this process dies, however that happens.
    pub(super) fn start(
        name: &str,
        folder: &Path,
        program: &Path,
        prepare: impl FnOnce(&mut Command),
    ) -> Result<Self, Failure> {
        let log = folder.join(format!("{name}.log"));
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "TERM", "sh", "-c"])
            .arg(r#"ulimit -n "$(ulimit -H -n)"; exec "$0" "$@""#)
            .arg(program)
            .current_dir(folder)
            .stdin(Stdio::null())
            .stdout(File::create(&log)?)
            .stderr(File::options().append(true).open(&log)?);
        prepare(&mut command);
        let child = command.spawn().map_err(|e| format!("cannot start {name}: {e}"))?;
        Ok(Self { child, name: name.to_owned(), log })
    }

    /// Waits until `address` answers GET `path` with status 200.
    pub(super) fn wait_ready(
        &mut self,
        address: SocketAddr,
        path: &str,
        headers: &[String],
        within: Duration,
    ) -> Result<(), Failure> {
        let deadline = Instant::now() + within;
        loop {
            if http::get(address, path, headers).is_ok_and(|answer| answer.status == 200) {
                return Ok(());
            }
            let gone = self.child.try_wait()?;
            if gone.is_some() || Instant::now() > deadline {
                let log = fs::read_to_string(&self.log).unwrap_or_default();
                let tail: Vec<_> = log.lines().rev().take(20).collect();
                let tail: Vec<_> = tail.into_iter().rev().collect();
                let what =
                    gone.map_or("is not ready".to_owned(), |status| format!("ended: {status}"));
                return Err(format!("{} {what}\n{}", self.name, tail.join("\n")).into());
            }
            std::thread::sleep(Duration::from_micros(500));
        }
    }

    /// Resident memory in bytes, its children's included; pages they share count for each.
    pub(super) fn resident_bytes(&self) -> u64 {
        let kilobytes = |pid: &u32| {
            let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
            let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap_or_default();
            line.split_whitespace().nth(1).and_then(|n| n.parse::<u64>().ok()).unwrap_or_default()
        };
        self.tree().iter().map(kilobytes).sum::<u64>() * 1024
    }

    /// Processor time used so far in seconds, its children's included.
    pub(super) fn cpu_seconds(&self) -> f64 {
        let ticks = |pid: &u32| {
            let stat = stat_fields(*pid).unwrap_or_default();
            // After the name: state is field 0, utime and stime are 11 and 12.
            let field = |n: usize| stat.get(n).and_then(|t| t.parse::<f64>().ok()).unwrap_or(0.0);
            field(11) + field(12)
        };
        self.tree().iter().map(ticks).sum::<f64>() / TICKS
    }

    /// Waits until it has used less than a twentieth of a core for a while, so that what it still
    /// does for its own last turn is not counted against the next; the seconds it took.
    pub(super) fn settle(&self, within: Duration) -> Result<f64, Failure> {
        const LOOK: Duration = Duration::from_millis(300);
        let start = Instant::now();
        loop {
            let before = self.cpu_seconds();
            let waited = start.elapsed();
            std::thread::sleep(LOOK);
            if self.cpu_seconds() - before <= LOOK.as_secs_f64() / 20.0 {
                return Ok(waited.as_secs_f64());
            }
            if waited > within {
                return Err(format!("{} is still busy after {waited:?}", self.name).into());
            }
        }
    }

    fn tree(&self) -> Vec<u32> {
        let mut tree = vec![self.child.id()];
        let pids = fs::read_dir("/proc").into_iter().flatten().flatten();
        let pids: Vec<u32> =
            pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
        let parent = |pid: u32| stat_fields(pid)?.get(1)?.parse::<u32>().ok();
        // One generation is enough: nginx has workers, and they have no children.
        tree.extend(pids.into_iter().filter(|pid| parent(*pid) == Some(self.child.id())));
        tree
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if matches!(self.child.try_wait(), Ok(Some(_))) {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        eprintln!("{} does not end when asked; killing it", self.name);
        for pid in self.tree() {
            let _ = Command::new("kill").args(["-KILL", &pid.to_string()]).status();
        }
        let _ = self.child.wait();
    }
}

/// The fields of `/proc/PID/stat` after the name, which may itself hold spaces.
fn stat_fields(pid: u32) -> Option<Vec<String>> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    Some(rest.split_whitespace().map(str::to_owned).collect())
}
