//! What CI runs, in the order in which a mistake shows fastest.

use crate::run::{Outcome, run};
use crate::{deny, e2e, layers, prices};

/// Everything: this is what decides whether `main` is green.
pub(crate) fn ci() -> Outcome {
    run("cargo", &["fmt", "--all", "--check"])?;
    layers::run(&[])?;
    deny::run(&[])?;
    prices::run(&["--check".to_owned()])?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    test(&[])?;
    e2e::run(&[])
}

/// Unit, table, property and in-process server tests.
pub(crate) fn test(args: &[String]) -> Outcome {
    let mut command = vec!["test", "--workspace", "--locked"];
    command.extend(args.iter().map(String::as_str));
    run("cargo", &command)
}
