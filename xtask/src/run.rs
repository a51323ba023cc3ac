//! Running other programs, and saying what failed.

use std::path::{Path, PathBuf};
use std::process::Command;

/// What a chore answers with.
pub(crate) type Outcome = Result<(), Box<dyn std::error::Error>>;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the root").to_owned()
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir() -> PathBuf {
    let named = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    root().join(named.unwrap_or_else(|| "target".into()))
}

/// Runs a program in the root, its output shown; fails unless it succeeds.
pub(crate) fn run(program: &str, args: &[&str]) -> Outcome {
    run_command(Command::new(program).args(args).current_dir(root()))
}

/// Runs a prepared command, its output shown; fails unless it succeeds.
pub(crate) fn run_command(command: &mut Command) -> Outcome {
    println!("$ {command:?}");
    let status = command.status().map_err(|e| format!("cannot start {command:?}: {e}"))?;
    if status.success() { Ok(()) } else { Err(format!("{command:?}: {status}").into()) }
}
