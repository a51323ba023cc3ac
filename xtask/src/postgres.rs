//! A PostgreSQL server for the tests, from the installed binaries: on a Unix socket.

use std::env;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::throwaway::Throwaway;

/// The variable that tells tests where they may make databases.
pub(crate) const VARIABLE: &str = "BYOK_TEST_POSTGRES";

/// Makes and runs the server. Letters are ordered as in English, which a schema must not depend on.
const SCRIPT: &str = r#"
cd "$1" || exit 1
PATH="$2:$PATH"
make() { initdb -D data -U byok -A trust -E UTF8 --no-sync "$@" >initdb.log 2>&1; }
make --locale=C.UTF-8 --locale-provider=icu --icu-locale=en-US ||
  { rm -rf data; make --locale=C; } || { cat initdb.log >&2; exit 1; }
postgres -D data -k "$1" -c listen_addresses= -c max_connections=300 -c fsync=off \
  -c synchronous_commit=off -c full_page_writes=off -c wal_level=minimal -c max_wal_senders=0 \
  </dev/null >server.log 2>&1 &
server=$!
cat >/dev/null
kill -QUIT $server
wait $server
cd /
rm -rf "$1"
"#;

/// A running server; gone when dropped.
pub(crate) struct Postgres(Throwaway);

impl Postgres {
    /// Starts one, or says what is missing.
    pub(crate) fn start() -> Result<Self, String> {
        let binaries = binaries().ok_or("there is no initdb in /usr/lib/postgresql or the PATH")?;
        // Its owner alone may enter; whoever runs the tests as root may anyway.
        let folder = Throwaway::folder("postgres")?;
        let user = as_somebody_else(folder.path())?;
        let is_ready = |folder: &Path| {
            let mut ready = Command::new(binaries.join("pg_isready"));
            ready.arg("-q").arg("-h").arg(folder);
            ready.status().is_ok_and(|status| status.success())
        };
        Throwaway::start(folder, user.as_deref(), SCRIPT, &binaries, is_ready).map(Self)
    }

    /// Where tests may make databases.
    pub(crate) fn url(&self) -> String {
        let folder = self.0.path().display().to_string();
        format!("postgres://byok@{}/postgres", folder.replace('/', "%2F"))
    }
}

/// The folder with the newest installed server.
fn binaries() -> Option<PathBuf> {
    let version = |path: &Path| path.file_name()?.to_str()?.parse::<u32>().ok();
    let installed = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut versions: Vec<_> =
        installed.map(|entry| entry.path()).filter(|path| version(path).is_some()).collect();
    versions.sort_by_key(|path| version(path));
    let debian = versions.into_iter().rev().map(|path| path.join("bin"));
    let searched = env::var_os("PATH").map(|paths| env::split_paths(&paths).collect::<Vec<_>>());
    debian.chain(searched.into_iter().flatten()).find(|folder| folder.join("initdb").is_file())
}

/// PostgreSQL refuses to run as root: the user it then runs as, to whom the folder now belongs.
fn as_somebody_else(folder: &Path) -> Result<Option<String>, String> {
    let is_root = fs::metadata("/proc/self").is_ok_and(|own| {
        use std::os::unix::fs::MetadataExt;
        own.uid() == 0
    });
    if !is_root {
        return Ok(None);
    }
    let known = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let user = ["postgres", "nobody"]
        .into_iter()
        .find(|user| known.lines().any(|line| line.split(':').next() == Some(user)))
        .ok_or("PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody`")?;
    let owned = Command::new("chown").arg(user).arg(folder).status();
    if !owned.is_ok_and(|status| status.success()) {
        return Err(format!("{} cannot be given to {user}", folder.display()));
    }
    let mode = fs::Permissions::from_mode(0o700);
    fs::set_permissions(folder, mode).map_err(|error| error.to_string())?;
    Ok(Some(user.to_owned()))
}
