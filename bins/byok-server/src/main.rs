//! The BYOK server: configuration, wiring, signals, command line.

mod admin;
mod certificate;
mod changes;
mod cli;
mod config;
mod deliveries;
mod installation;
mod logging;
mod prices;
mod probe;
mod process;
mod quickstart;
mod resealing;
mod rotation;
mod serve;

use std::error::Error;
use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Runtime;

use crate::cli::{AuditCommand, Cli, Command, KeyringCommand, ProjectsCommand};
use crate::config::{Config, ConfigError, Sources, process_environment};

/// A call makes some forty small allocations, which this allocator does in half the time.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// `EX_CONFIG` of sysexits.h: the configuration is wrong.
const EXIT_CONFIG: u8 = 78;

/// Why a command ended without having done its work.
enum Failure {
    /// The configuration is wrong, or does not fit the stored data.
    Config(Vec<String>),
    /// It was done, and the finding is bad.
    Finding,
    /// Something else failed.
    Other(Box<dyn Error + Send + Sync>),
}

type Outcome = Result<(), Failure>;

impl<E: Into<Box<dyn Error + Send + Sync>>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self::Other(error.into())
    }
}

impl Failure {
    fn config(errors: &[ConfigError]) -> Self {
        Self::Config(errors.iter().map(ToString::to_string).collect())
    }
}

fn main() -> ExitCode {
    process::keep_memory_private();
    let cli = Cli::parse();
    match run(&cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Config(lines)) => {
            for line in lines {
                say(format_args!("byok-server: {line}"));
            }
            ExitCode::from(EXIT_CONFIG)
        }
        Err(Failure::Finding) => ExitCode::FAILURE,
        Err(Failure::Other(error)) => {
            say(format_args!("byok-server: {}", with_sources(&*error)));
            ExitCode::FAILURE
        }
    }
}

/// An error and what caused it, as far as each cause says more than the one before.
fn with_sources(error: &(dyn Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(source) = next {
        let said = source.to_string();
        if !text.ends_with(&said) {
            text = format!("{text}: {said}");
        }
        next = source.source();
    }
    text
}

/// Writes a line to standard error, which may be closed.
fn say(line: std::fmt::Arguments<'_>) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Writes a line of a command's result to standard output.
fn print(line: std::fmt::Arguments<'_>) -> Outcome {
    Ok(writeln!(std::io::stdout(), "{line}")?)
}

fn run(cli: &Cli) -> Outcome {
    let sources = Sources {
        flags: cli.flags(),
        environment: process_environment(),
        file: cli.settings.config.clone(),
    };
    let control = control_runtime()?;
    match &cli.command {
        Command::Quickstart { .. } => quickstart::run(&control, &sources),
        Command::Serve { .. } => {
            let (config, keyring) = with_keyring(&sources)?;
            serve::run(&control, config, keyring, serve::quietly)
        }
        Command::Migrate => {
            let (config, _) = Config::load(&sources).map_err(|e| Failure::config(&e))?;
            control.block_on(admin::migrate(&config))
        }
        Command::Keyring(command) => {
            let (config, keyring) = with_keyring(&sources)?;
            control.block_on(async {
                match command {
                    KeyringCommand::Status => rotation::status(&config, &keyring).await,
                    KeyringCommand::Rotate => rotation::rotate(&config, keyring).await,
                }
            })
        }
        Command::Audit(AuditCommand::Verify) => {
            let (config, keyring) = with_keyring(&sources)?;
            control.block_on(admin::verify_audit(&config, keyring))
        }
        Command::Projects(command) => {
            let (config, keyring) = with_keyring(&sources)?;
            control.block_on(async {
                match command {
                    ProjectsCommand::Create { name, environment } => {
                        admin::create_project(&config, keyring, name, *environment).await
                    }
                    ProjectsCommand::List => admin::list_projects(&config, keyring).await,
                }
            })
        }
        Command::Prices { provider, model } => {
            let (config, _) = Config::load(&sources).map_err(|e| Failure::config(&e))?;
            prices::run(config.prices, provider.as_deref(), model.as_deref())
        }
        Command::Doctor => {
            let (config, keyring) = with_keyring(&sources)?;
            control.block_on(probe::doctor(&config, keyring))
        }
    }
}

fn with_keyring(sources: &Sources) -> Result<(Config, byok_vault::Keyring), Failure> {
    Config::load_with_keyring(sources).map_err(|errors| Failure::config(&errors))
}

/// The runtime of everything that is not a call: queries, writers, commands. Its threads, and the
/// database's that they start, give way to the threads that serve calls.
fn control_runtime() -> std::io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name("byok-control")
        .on_thread_start(process::give_way)
        .enable_all()
        .build()
}
