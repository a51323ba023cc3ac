//! A Redis for the tests, from the installed program: on a Unix socket, and without a disk.

use std::env;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::throwaway::Throwaway;

/// The variable that tells tests where they may count.
pub(crate) const VARIABLE: &str = "BYOK_TEST_REDIS";

/// Its socket in its folder.
const SOCKET: &str = "redis.sock";

const SCRIPT: &str = r#"
cd "$1" || exit 1
"$2" --port 0 --unixsocket "$1/redis.sock" --save '' --appendonly no --dir "$1" \
  </dev/null >server.log 2>&1 &
server=$!
cat >/dev/null
kill -TERM $server
wait $server
cd /
rm -rf "$1"
"#;

/// A running server; gone when dropped.
pub(crate) struct Redis(Throwaway);

impl Redis {
    /// Starts one, or says what is missing.
    pub(crate) fn start() -> Result<Self, String> {
        let program = program().ok_or("there is no redis-server in the PATH")?;
        let folder = Throwaway::folder("redis")?;
        Throwaway::start(folder, None, SCRIPT, &program, is_ready).map(Self)
    }

    /// Where tests may count.
    pub(crate) fn url(&self) -> String {
        format!("unix://{}", self.0.path().join(SOCKET).display())
    }
}

fn program() -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|folder| folder.join("redis-server")).find(|path| path.is_file())
}

fn is_ready(folder: &Path) -> bool {
    let ask = || -> std::io::Result<[u8; 5]> {
        let mut stream = UnixStream::connect(folder.join(SOCKET))?;
        stream.set_read_timeout(Some(Duration::from_secs(1)))?;
        stream.write_all(b"PING\r\n")?;
        let mut answer = [0; 5];
        stream.read_exact(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| &answer == b"+PONG")
}
