//! Starting the real binary, on a folder of its own and a port that is free.

use std::collections::BTreeMap;
use std::fs::File;
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use byok_testkit::fake_provider::FakeProvider;

use super::{SOON, Scratch, Server, soon};

/// How a server is to be started.
#[derive(Clone)]
pub(crate) struct Launch {
    command: &'static str,
    settings: BTreeMap<String, String>,
    scratch: Arc<Scratch>,
}

impl Launch {
    /// `quickstart` in a new folder, in front of `provider`.
    pub(crate) fn quickstart(provider: &FakeProvider) -> Self {
        let scratch = Arc::new(Scratch::new());
        let data = scratch.data().display().to_string();
        let settings = [
            ("BYO_DATA_DIR", data.as_str()),
            ("BYO_LISTEN", "127.0.0.1:0"),
            ("BYO_METRICS_LISTEN", "off"),
            ("BYO_OPENAI_BASE_URL", &provider.base_url()),
            ("BYO_THREADS", "2"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self { command: "quickstart", settings: settings.into(), scratch }
    }

    /// The same with a setting more, or another value for one.
    pub(crate) fn with(mut self, variable: &str, value: impl Into<String>) -> Self {
        self.settings.insert(variable.to_owned(), value.into());
        self
    }

    /// The same without an encryption key.
    pub(crate) fn without_key(&self) -> Self {
        let mut launch = self.clone();
        launch.settings.remove("ENCRYPTION_KEY");
        launch
    }

    /// The same with another command.
    pub(crate) fn command(mut self, command: &'static str) -> Self {
        self.command = command;
        self
    }

    pub(super) fn is_quickstart(&self) -> bool {
        self.command == "quickstart"
    }

    pub(crate) fn scratch(&self) -> &Scratch {
        &self.scratch
    }

    /// The binary with these settings and no other variable.
    pub(crate) fn process(&self, arguments: &[&str]) -> Command {
        let mut process = Command::new(env!("CARGO_BIN_EXE_byok-server"));
        process.args(arguments).env_clear().envs(&self.settings).stdin(Stdio::null());
        process
    }

    /// Runs a command to its end.
    pub(crate) fn run(&self, arguments: &[&str]) -> Output {
        self.process(arguments).output().expect("the binary runs")
    }

    /// Runs what this launches although it should end by itself: panics if it serves instead.
    pub(crate) fn refused(&self) -> Output {
        let mut child = self
            .process(&[self.command])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        if !soon(SOON, || child.try_wait().expect("a child").is_some()) {
            child.kill().expect("a child");
            panic!("it serves");
        }
        child.wait_with_output().expect("a child")
    }

    /// Starts it, and returns once it serves.
    pub(crate) fn start(self) -> Server {
        let scratch = Arc::clone(&self.scratch);
        let file = |name: &str| {
            let log = File::options().append(true).create(true).open(scratch.path(name));
            log.expect("a file")
        };
        // Each start has logs of its own, so that an earlier one's are not taken for its.
        let run = scratch.files().iter().filter(|path| is_log(path)).count();
        let (out, err) = (format!("stdout-{run}.log"), format!("stderr-{run}.log"));
        let child = self
            .process(&[self.command])
            .stdout(file(&out))
            .stderr(file(&err))
            .spawn()
            .expect("the binary runs");
        Server::awaited(child, self, &out, err)
    }
}

fn is_log(path: &std::path::Path) -> bool {
    path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("stderr-"))
}

/// What `quickstart` prints once.
#[derive(Clone, Debug, Default)]
pub(crate) struct Keys {
    pub(crate) admin: String,
    pub(crate) project: String,
    pub(crate) secret: String,
    pub(crate) publishable: String,
}

impl Keys {
    /// From what was printed; `None` while it is not all there.
    pub(crate) fn printed(text: &str) -> Option<Self> {
        let word = |label: &str| {
            let line = text.lines().find_map(|line| line.trim().strip_prefix(label))?;
            Some(line.split_whitespace().next()?.to_owned())
        };
        Some(Self {
            admin: word("admin token ").unwrap_or_default(),
            project: word("project ")?,
            secret: word("secret key ")?,
            publishable: word("publishable key ")?,
        })
    }
}
