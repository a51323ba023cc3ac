//! Who is measured: each between the same load and the same stand-in.

use std::fs;
use std::net::SocketAddr;
use std::process::Command;
use std::time::Duration;

use serde_json::json;

use crate::programs::find;
use crate::run::root;

use super::http;
use super::lab::Lab;
use super::process::Running;

type Failure = Box<dyn std::error::Error>;

const STARTS_WITHIN: Duration = Duration::from_secs(20);

/// A kind of target, in the order of the report's columns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    /// No proxy at all.
    Straight,
    /// nginx as a bare reverse proxy.
    Nginx,
    /// hyper as a bare reverse proxy.
    Hyper,
    /// The server, records safe from a killed process.
    ByokOs,
    /// The server, records synced to disk before an answer ends.
    ByokDisk,
    /// npm's `@portkey-ai/gateway`.
    Portkey,
}

impl Kind {
    pub(super) const ALL: [(&str, Self); 6] = [
        ("straight", Self::Straight),
        ("nginx", Self::Nginx),
        ("hyper", Self::Hyper),
        ("byok-os", Self::ByokOs),
        ("byok-disk", Self::ByokDisk),
        ("portkey", Self::Portkey),
    ];

    /// Whether it is the server.
    pub(super) fn is_ours(self) -> bool {
        matches!(self, Self::ByokOs | Self::ByokDisk)
    }

    pub(super) fn name(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("", |(name, _)| name)
    }
}

/// A running target.
pub(super) struct Target {
    pub(super) kind: Kind,
    pub(super) address: SocketAddr,
    /// `name: value`, on every call.
    pub(super) headers: Vec<String>,
    /// `None` for the stand-in itself.
    pub(super) process: Option<Running>,
    pub(super) streams_path: &'static str,
}

impl Target {
    /// Starts it before the stand-in and sees one call answered.
    pub(super) fn start(lab: &Lab, kind: Kind, stand_in: SocketAddr) -> Result<Self, Failure> {
        let target = match kind {
            Kind::Straight => Self {
                kind,
                address: stand_in,
                headers: Vec::new(),
                process: None,
                streams_path: "/v1/chat/completions",
            },
            Kind::Nginx => nginx(lab, stand_in)?,
            Kind::Hyper => bare_proxy(lab, stand_in)?,
            Kind::ByokOs => byok(lab, kind, "os", stand_in)?,
            Kind::ByokDisk => byok(lab, kind, "disk", stand_in)?,
            Kind::Portkey => portkey(lab, stand_in)?,
        };
        for _ in 0..20 {
            target.call()?;
        }
        Ok(target)
    }

    fn call(&self) -> Result<(), Failure> {
        let body = json!({"model": "gpt-4o-mini",
            "messages": [{"role": "user", "content": "Say hello."}]});
        let answer = http::post(self.address, "/v1/chat/completions", &self.headers, &body);
        let answer = http::json(&format!("a call through {}", self.kind.name()), answer)?;
        if answer["usage"]["total_tokens"] == 18 {
            Ok(())
        } else {
            Err(format!("not the stand-in's answer through {}: {answer}", self.kind.name()).into())
        }
    }

    /// Lets it finish what its last turn left to do; seconds.
    pub(super) fn settle(&self) -> Result<f64, Failure> {
        self.process.as_ref().map_or(Ok(0.0), |process| process.settle(Duration::from_secs(120)))
    }

    /// Calls the server has metered; `None` for what does not meter.
    pub(super) fn metered(&self) -> Result<Option<u64>, Failure> {
        if !self.kind.is_ours() {
            return Ok(None);
        }
        let usage = http::json("/usage", http::get(self.address, "/usage", &self.headers))?;
        Ok(usage["totals"]["requests"].as_u64())
    }
}

fn nginx(lab: &Lab, stand_in: SocketAddr) -> Result<Target, Failure> {
    let address = lab.free_address()?;
    let folder = lab.folder("nginx")?;
    let cores = std::thread::available_parallelism()?.to_string();
    let values = [
        ("{cores}", cores),
        ("{files}", "16384".to_owned()),
        ("{standin}", stand_in.to_string()),
        ("{port}", address.port().to_string()),
    ];
    let mut config = fs::read_to_string(root().join("xtask/bench/nginx.conf"))?;
    for (name, value) in values {
        config = config.replace(name, &value);
    }
    fs::write(folder.join("nginx.conf"), config)?;
    let program = find("nginx").ok_or("nginx is not installed")?;
    let mut process = Running::start("nginx", &folder, &program, |command| {
        command.arg("-p").arg(&folder).args(["-c", "nginx.conf", "-e", "stderr"]);
    })?;
    process.wait_ready(address, "/v1/models", &[], STARTS_WITHIN)?;
    Ok(Target {
        kind: Kind::Nginx,
        address,
        headers: Vec::new(),
        process: Some(process),
        streams_path: "/streams/v1/chat/completions",
    })
}

fn bare_proxy(lab: &Lab, stand_in: SocketAddr) -> Result<Target, Failure> {
    let address = lab.free_address()?;
    let folder = lab.folder("hyper")?;
    let program = lab.tools.ours("byok-bare-proxy");
    let mut process = Running::start("byok-bare-proxy", &folder, &program, |command| {
        command.args(["--port", &address.port().to_string()]);
        command.args(["--upstream", &stand_in.to_string()]);
    })?;
    process.wait_ready(address, "/v1/models", &[], STARTS_WITHIN)?;
    Ok(Target {
        kind: Kind::Hyper,
        address,
        headers: Vec::new(),
        process: Some(process),
        streams_path: "/v1/chat/completions",
    })
}

fn portkey(lab: &Lab, stand_in: SocketAddr) -> Result<Target, Failure> {
    let address = lab.free_address()?;
    let folder = lab.folder("portkey")?;
    let program = find("node").ok_or("node is not installed")?;
    let mut process = Running::start("portkey", &folder, &program, |command| {
        command.arg(&lab.tools.portkey).arg("--headless");
        command.arg(format!("--port={}", address.port())).env("NODE_ENV", "production");
    })?;
    process.wait_ready(address, "/", &[], STARTS_WITHIN)?;
    let headers = vec![
        "authorization: Bearer sk-bench".to_owned(),
        "x-portkey-provider: openai".to_owned(),
        format!("x-portkey-custom-host: http://{stand_in}/v1"),
    ];
    let streams_path = "/v1/chat/completions";
    Ok(Target { kind: Kind::Portkey, address, headers, process: Some(process), streams_path })
}

/// The keys of the one customer; the stand-in takes any.
const KEYS: [(&str, &str); 3] = [
    ("openai", "sk-bench-0123456789"),
    ("anthropic", "sk-ant-bench-0123456789"),
    ("google", "AIzaBench0123456789"),
];

/// The server as an operator would run it, with a project, and a customer's keys in its vault.
fn byok(lab: &Lab, kind: Kind, durability: &str, stand_in: SocketAddr) -> Result<Target, Failure> {
    const ADMIN_TOKEN: &str = "bench-admin-token-bench-admin-token-bench";
    let address = lab.free_address()?;
    let folder = lab.folder(kind.name())?;
    let program = &lab.tools.server;
    let settings = [
        ("BYO_LISTEN", address.to_string()),
        ("BYO_DATA_DIR", folder.join("data").display().to_string()),
        ("BYO_DURABILITY", durability.to_owned()),
        ("BYO_ADMIN_TOKEN", ADMIN_TOKEN.to_owned()),
        ("BYO_METRICS_LISTEN", "off".to_owned()),
        ("BYO_OPENAI_BASE_URL", format!("http://{stand_in}/v1")),
        ("BYO_ANTHROPIC_BASE_URL", format!("http://{stand_in}")),
        ("BYO_GOOGLE_BASE_URL", format!("http://{stand_in}")),
        (
            "ENCRYPTION_KEY",
            "8f14e45fceea167a5a36dedd4bea2543b6d767d2f8ed5d21a44b0e5886680cb9".to_owned(),
        ),
    ];
    let configure = |command: &mut Command| {
        clean_environment(command);
        command.envs(settings.clone());
    };
    let mut migrate = Command::new(program);
    configure(migrate.arg("migrate").current_dir(&folder));
    let migrated =
        migrate.output().map_err(|e| format!("cannot start {}: {e}", program.display()))?;
    if !migrated.status.success() {
        let said = String::from_utf8_lossy(&migrated.stderr).into_owned();
        return Err(format!("byok-server migrate: {}\n{said}", migrated.status).into());
    }
    let mut process = Running::start(kind.name(), &folder, program, |command| {
        configure(command.arg("serve"));
    })?;
    process.wait_ready(address, "/readyz", &[], STARTS_WITHIN)?;

    let admin = [format!("authorization: Bearer {ADMIN_TOKEN}")];
    let project = http::post(address, "/projects", &admin, &json!({"name": "bench"}));
    let project = http::json("POST /projects", project)?;
    let secret = project["secretKey"].as_str().ok_or("the project has no secretKey")?;
    let mut headers = vec![format!("authorization: Bearer {secret}")];
    for (provider, key) in KEYS {
        let key = json!({"provider": provider, "refId": "bench", "providerKey": key});
        let connected = http::post(address, "/keys/connect", &headers, &key);
        let connected = http::json("POST /keys/connect", connected)?;
        if connected["status"] != "valid" {
            return Err(format!("the stand-in's key was not found valid: {connected}").into());
        }
    }
    headers.push("x-byo-ref-id: bench".to_owned());
    let streams_path = "/v1/chat/completions";
    Ok(Target { kind, address, headers, process: Some(process), streams_path })
}

/// Takes away what the caller's own shell may configure a server with.
pub(super) fn clean_environment(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("BYO_") || text.starts_with("ENCRYPTION_KEY") {
            command.env_remove(&name);
        }
    }
}
