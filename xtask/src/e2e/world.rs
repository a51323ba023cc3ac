//! The world the drivers run in: the provider, the witness before it, and the server.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::child::Beside;
use super::clients::Clients;
use super::quickstart::Printed;

type Failure = Box<dyn std::error::Error>;

/// Words in every prompt and answer: content that must stay nowhere.
pub(super) const CONTENT: [&str; 2] = ["prompt-canary-b7e2", "completion-canary-4f1d"];

const PATIENCE: Duration = Duration::from_secs(30);

/// All of it, running.
pub(super) struct World {
    environment: BTreeMap<&'static str, String>,
    scratch: PathBuf,
    provider_keys: [String; 3],
    session_token: String,
    printed: Printed,
    // Dropped in this order: the server first, then what it calls.
    server: Beside,
    _witness: Beside,
    _provider: Beside,
}

/// What stays when all have stopped: where to look for secrets, and for which.
pub(super) struct Left {
    /// Everything the servers wrote, and what callers were shown.
    pub(super) scratch: PathBuf,
    /// Keys that only the provider may ever see in full, and a session token.
    pub(super) provider_keys: Vec<String>,
    /// Our own tokens.
    pub(super) tokens: Vec<String>,
    /// How the server ended when it was asked to.
    pub(super) server: Result<(), String>,
}

impl World {
    /// Starts the three, the server by `quickstart` as a newcomer would.
    pub(super) fn start(clients: &Clients, binary: &Path, scratch: &Path) -> Result<Self, Failure> {
        let keys = [provider_key("one")?, provider_key("two")?, provider_key("bad")?];
        let session_token = format!("FwoGZXIv/{}+==", random_hex()?);

        let mut provider = Beside::start(
            "provider",
            clients
                .node("node_modules/@copilotkit/aimock/dist/cli.js")
                .args(["--port", "0", "--log-level", "info", "--journal-max", "0"])
                .arg("--fixtures")
                .arg(clients.folder().join("fixtures"))
                .arg("--validate-on-load")
                .env("AIMOCK_API_KEYS", format!("{},{}", keys[0], keys[1])),
            scratch,
        )?;
        let provider_url = provider.wait_for(PATIENCE, address)?;
        let mut witness = Beside::start(
            "witness",
            clients.node("drivers/witness.mjs").arg(&provider_url),
            scratch,
        )?;
        let witness_url = witness.wait_for(PATIENCE, address)?;

        let listen = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let mut command = Command::new(binary);
        without_settings(&mut command)
            .args(["quickstart", "--data-dir"])
            .arg(scratch.join("data"))
            .env("BYO_LISTEN", listen.to_string())
            .env("BYO_METRICS_LISTEN", "off")
            .env("BYO_LOG", "trace")
            .env("BYO_OPENAI_BASE_URL", format!("{witness_url}/v1"))
            .env("BYO_ANTHROPIC_BASE_URL", &witness_url)
            .env("BYO_GOOGLE_BASE_URL", &witness_url)
            .env("BYO_BEDROCK_BASE_URL", &witness_url)
            .env("BYO_COHERE_BASE_URL", &witness_url)
            .env("BYO_MISTRAL_BASE_URL", &witness_url)
            .env("BYO_ALLOW_PRIVATE_UPSTREAMS", "127.0.0.0/8");
        let mut server = Beside::start("server", &mut command, scratch)?;
        let printed = server.wait_for(PATIENCE, Printed::read)?;
        server.wait_for(PATIENCE, |_| ready(listen.port()).then_some(()))?;

        let environment = BTreeMap::from([
            ("E2E_SERVER", format!("http://{listen}")),
            ("E2E_WITNESS", witness_url),
            ("E2E_PROVIDER", provider_url),
            ("E2E_PROJECT", printed.project.clone()),
            ("E2E_ADMIN_TOKEN", printed.admin_token.clone()),
            ("E2E_SECRET_KEY", printed.secret_key.clone()),
            ("E2E_PUBLISHABLE_KEY", printed.publishable_key.clone()),
            ("E2E_PROVIDER_KEY", keys[0].clone()),
            ("E2E_SECOND_KEY", keys[1].clone()),
            ("E2E_WRONG_KEY", keys[2].clone()),
            ("E2E_SESSION_TOKEN", session_token.clone()),
            ("E2E_PROMPT_CANARY", CONTENT[0].to_owned()),
            ("E2E_BINARY", binary.display().to_string()),
            ("E2E_SCRATCH", scratch.display().to_string()),
        ]);
        Ok(Self {
            environment,
            scratch: scratch.to_owned(),
            provider_keys: keys,
            session_token,
            printed,
            server,
            _witness: witness,
            _provider: provider,
        })
    }

    /// What the drivers are told.
    pub(super) fn environment(&self) -> &BTreeMap<&'static str, String> {
        &self.environment
    }

    /// Stops the server as an operator would, then the rest.
    pub(super) fn stop(mut self) -> Left {
        let server = match self.server.stop(PATIENCE) {
            Ok(status) if status.success() => Ok(()),
            Ok(status) => Err(format!("it ended with {status}")),
            Err(error) => Err(error.to_string()),
        };
        let printed = &self.printed;
        Left {
            scratch: self.scratch.clone(),
            provider_keys: [&self.provider_keys[..], &[self.session_token.clone()]].concat(),
            tokens: vec![
                printed.admin_token.clone(),
                printed.secret_key.clone(),
                printed.publishable_key.clone(),
            ],
            server,
        }
    }
}

/// A key as a provider would issue it, new in each run.
fn provider_key(name: &str) -> Result<String, Failure> {
    Ok(format!("sk-proj-{name}{}", random_hex()?))
}

fn random_hex() -> Result<String, Failure> {
    let mut random = [0_u8; 20];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut random)?;
    Ok(random.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Takes every setting of ours out of a command's environment.
fn without_settings(command: &mut Command) -> &mut Command {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("BYO_") || text.starts_with("ENCRYPTION_KEY") {
            command.env_remove(&name);
        }
    }
    command
}

/// The address in `… listening on http://127.0.0.1:PORT`.
fn address(printed: &str) -> Option<String> {
    let (_, rest) = printed.split_once("listening on ")?;
    let (address, _) = rest.split_once('\n')?;
    Some(address.trim().to_owned())
}

fn ready(port: u16) -> bool {
    let ask = || -> std::io::Result<bool> {
        let mut wire = TcpStream::connect(("127.0.0.1", port))?;
        wire.set_read_timeout(Some(Duration::from_secs(2)))?;
        wire.write_all(b"GET /readyz HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut head = [0_u8; 12];
        wire.read_exact(&mut head)?;
        Ok(&head[9..] == b"200")
    };
    ask().unwrap_or(false)
}
