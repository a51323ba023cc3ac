//! A PostgreSQL database of a test's own.

use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

use super::{Launch, Server};

/// The variable with the URL of a PostgreSQL server on which tests may make databases.
const SERVER: &str = "BYOK_TEST_POSTGRES";

/// A password that the test's server does not ask for, to be looked for where it must not be.
pub(crate) const PASSWORD: &str = "hunter2hunter2canary";

/// A database on the test's server; gone when dropped.
pub(crate) struct Postgres {
    server: String,
    name: String,
}

impl Postgres {
    /// One that holds nothing.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let server =
            std::env::var(SERVER).unwrap_or_else(|_| panic!("{SERVER} names no PostgreSQL server"));
        let name = format!("byok_server_{}_{number}", std::process::id());
        let database = Self { server, name };
        database.administer(&format!("CREATE DATABASE {} TEMPLATE template0", database.name));
        database
    }

    /// What a server of ours is given to reach it.
    pub(crate) fn url(&self) -> String {
        let url = self.of_database();
        let (user, rest) = url.split_once('@').expect("a user");
        format!("{user}:{PASSWORD}@{rest}")
    }

    /// `launch` with its data here.
    pub(crate) fn under(&self, launch: Launch) -> Launch {
        launch.with("BYO_DATABASE_URL", self.url())
    }

    /// Another instance beside `server`, with a data folder of its own.
    pub(crate) fn beside(&self, server: &Server, launch: Launch) -> Server {
        let key = server.launch.scratch().data().join("encryption.key");
        let launch = self.under(launch).with("ENCRYPTION_KEY_FILE", key.display().to_string());
        server.again(launch.command("serve"))
    }

    /// Lets nobody in any more, and throws out who is; or lets them in again.
    pub(crate) fn open_to_all(&self, open: bool) {
        self.administer(&format!("ALTER DATABASE {} ALLOW_CONNECTIONS {open}", self.name));
        if !open {
            self.administer(&format!(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'",
                self.name
            ));
        }
    }

    /// Runs a statement behind the server's back.
    pub(crate) fn execute(&self, sql: &str) {
        psql(&self.of_database(), sql);
    }

    fn of_database(&self) -> String {
        let (start, _) = self.server.rsplit_once('/').expect("a database");
        format!("{start}/{}", self.name)
    }

    fn administer(&self, sql: &str) {
        psql(&self.server, sql);
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.administer(&format!("DROP DATABASE {} WITH (FORCE)", self.name));
    }
}

fn psql(url: &str, sql: &str) {
    let mut command = Command::new("psql");
    command.args(["-qAtX", "-v", "ON_ERROR_STOP=1", "-c", sql, url]);
    let output = command.output().expect("psql comes with PostgreSQL");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() || std::thread::panicking(), "{sql}: {said}");
}
