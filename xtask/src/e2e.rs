//! `cargo xtask e2e`: the release server, driven by published clients against a published provider.
//!
//! Everything runs on free ports of the loopback and in one scratch folder, and ends with it. The
//! drivers under `xtask/e2e/drivers` print a line for each check; this counts them.

mod canary;
mod child;
mod clients;
mod matrix;
mod quickstart;
mod tally;
mod world;

use std::path::{Path, PathBuf};

use crate::run::{self, Outcome, root};
use clients::Clients;
use matrix::Matrix;
use tally::Tally;
use world::World;

const USAGE: &str = "\
Usage: cargo xtask e2e [--only DRIVER]... [--full] [--keep] [--write]

  --only DRIVER   run this driver only (its file's name without the ending); may be repeated
  --full          kill servers and send webhooks as often as a figure takes, not as a test does:
                  with `--only kill_credits`, `kill_loop` or `webhook_storm`
  --keep          keep the scratch folder, and say where it is
  --write         write which client made which call into docs/providers.md

BYOK_SERVER_BIN names a server to drive instead of building one.";

/// The drivers that share one server, then those that start their own.
const DRIVERS: [&str; 28] = [
    "byok_client.py",
    "openai_client.py",
    "openai_client.mjs",
    "anthropic_client.py",
    "anthropic_client.mjs",
    "google_client.py",
    "google_client.mjs",
    "bedrock_client.mjs",
    "azure_client.py",
    "cohere_client.py",
    "mistral_client.py",
    "ai_sdk.mjs",
    "webhooks.py",
    "webhooks.mjs",
    "rust_client.py",
    "raw_http.py",
    "operator_work.py",
    "faq_general.py",
    "faq_routing.py",
    "faq_security.py",
    "faq_usage.py",
    "faq_trouble.py",
    "faq_advanced.py",
    "bedrock_client.py",
    "graceful_stop.py",
    "kill_loop.py",
    "kill_credits.py",
    "webhook_storm.py",
];

/// Installs, builds, drives, searches for secrets, and sums up.
pub(crate) fn run(args: &[String]) -> Outcome {
    let options = Options::parse(args)?;
    let clients = Clients::install(&folder())?;
    let server = server()?;
    let scratch = tempfile::Builder::new().prefix("byok-e2e-").tempdir()?;
    let mut tally = Tally::default();

    let outcome = drive(&options, &clients, &server, scratch.path(), &mut tally);
    if options.keep {
        println!("kept {}", scratch.keep().display());
    }
    outcome?;
    println!("\n{} passed, {} failed", tally.passed, tally.failed);
    if tally.failed > 0 || tally.passed == 0 {
        return Err("the server does not do what its clients expect".into());
    }
    Ok(())
}

fn drive(
    options: &Options,
    clients: &Clients,
    server: &Path,
    scratch: &Path,
    tally: &mut Tally,
) -> Outcome {
    let world = World::start(clients, server, scratch)?;
    let mut matrix = Matrix::default();
    let drivers: Vec<&str> = DRIVERS.into_iter().filter(|driver| options.wants(driver)).collect();
    for driver in &drivers {
        let mut command = clients.driver(driver);
        command.envs(world.environment());
        if options.full {
            command.env("E2E_FULL", "1");
        }
        tally.watch(driver, &mut command)?;
        let environment = world.environment();
        matrix.note(driver, &environment["E2E_SERVER"], &environment["E2E_SECRET_KEY"])?;
    }
    println!("\n{}", matrix.table());
    if options.write {
        matrix.write(&root().join("docs/providers.md"))?;
    }
    let left = world.stop();
    tally.check("server", "after all that it stops when asked, exit code 0", left.server.clone());
    canary::search(&left, &drivers, tally)
}

fn folder() -> PathBuf {
    root().join("xtask/e2e")
}

/// The server to drive: the one that `BYOK_SERVER_BIN` names, or a release build.
fn server() -> Result<PathBuf, Box<dyn std::error::Error>> {
    if let Some(path) = std::env::var_os("BYOK_SERVER_BIN") {
        let path = PathBuf::from(path);
        return if path.is_file() {
            Ok(path.canonicalize()?)
        } else {
            Err(format!("BYOK_SERVER_BIN: there is no file {}", path.display()).into())
        };
    }
    run::run("cargo", &["build", "--release", "--package", "byok-server", "--locked"])?;
    Ok(run::target_dir().join("release/byok-server"))
}

/// What the command line asks for.
struct Options {
    only: Vec<String>,
    full: bool,
    keep: bool,
    write: bool,
}

impl Options {
    fn parse(args: &[String]) -> Result<Self, String> {
        let mut options = Self { only: Vec::new(), full: false, keep: false, write: false };
        let mut args = args.iter();
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--full" => options.full = true,
                "--keep" => options.keep = true,
                "--write" => options.write = true,
                "--only" => {
                    let name = args.next().filter(|name| {
                        DRIVERS.iter().any(|driver| driver.split('.').next() == Some(name))
                    });
                    let name = name.ok_or_else(|| format!("--only names no driver\n\n{USAGE}"))?;
                    options.only.push(name.clone());
                }
                _ => return Err(format!("unknown option {arg}\n\n{USAGE}")),
            }
        }
        Ok(options)
    }

    fn wants(&self, driver: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| driver.split('.').next() == Some(name))
    }
}
