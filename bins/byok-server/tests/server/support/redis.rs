//! A Redis of a test's own, which may be killed, stopped and started again.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::{SOON, soon};

/// The variable with the URL of a Redis that all tests may count in.
const SERVER: &str = "BYOK_TEST_REDIS";

/// The URL of a Redis that other tests count in, too.
pub(crate) fn shared_redis() -> String {
    std::env::var(SERVER).unwrap_or_else(|_| panic!("{SERVER} names no Redis"))
}

/// A running Redis; killed when dropped.
pub(crate) struct Redis {
    /// On a loopback address that nobody else listens on, so that its port is free again for it.
    address: Ipv4Addr,
    options: Vec<String>,
    folder: TempDir,
    child: Child,
}

impl Redis {
    /// An address on which one may listen, and whatever else its test needs.
    pub(crate) fn own_address() -> Ipv4Addr {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let [.., high, low] = std::process::id().to_be_bytes();
        Ipv4Addr::new(127, NEXT.fetch_add(1, Ordering::Relaxed), high, low)
    }

    /// One with nothing in it.
    pub(crate) fn start(options: &[&str]) -> Self {
        Self::start_at(Self::own_address(), options)
    }

    /// One with nothing in it, at an address of its own.
    pub(crate) fn start_at(address: Ipv4Addr, options: &[&str]) -> Self {
        let options: Vec<_> = options.iter().map(|option| (*option).to_owned()).collect();
        let folder = tempfile::tempdir().expect("a folder");
        let child = run(address, &options, &folder);
        Self { address, options, folder, child }
    }

    /// Where it listens, on its usual port.
    pub(crate) fn address(&self) -> Ipv4Addr {
        self.address
    }

    /// What a server of ours is given to reach it.
    pub(crate) fn url(&self) -> String {
        format!("redis://{}", self.address)
    }

    /// SIGKILL, and its end.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child");
        self.child.wait().expect("a child");
    }

    /// Starts it after it was killed, with nothing in it.
    pub(crate) fn start_again(&mut self) {
        self.child = run(self.address, &self.options, &self.folder);
    }

    /// Whether it does anything; its connections stand either way.
    pub(crate) fn hang(&self, hangs: bool) {
        let id = i32::try_from(self.child.id()).expect("process ids are small");
        let id = Pid::from_raw(id).expect("process ids are above zero");
        let signal = if hangs { Signal::STOP } else { Signal::CONT };
        kill_process(id, signal).expect("it runs");
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn run(address: Ipv4Addr, options: &[String], folder: &TempDir) -> Child {
    let mut child = Command::new("redis-server")
        .args(["--bind", &address.to_string(), "--port", "6379"])
        .args(["--save", "", "--appendonly", "no"])
        .args(options)
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .expect("redis-server is installed");
    let ready = soon(SOON, || {
        assert_eq!(child.try_wait().expect("a child"), None, "it ended");
        answers(SocketAddr::from((address, 6379)))
    });
    assert!(ready, "it does not answer");
    child
}

/// Whether it answers anything, be it that it wants a password.
fn answers(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<()> {
        let mut stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        stream.read_exact(&mut [0; 5])
    };
    ask().is_ok()
}
