//! What CI runs, in the order in which a mistake shows fastest.

use std::process::Command;

use crate::postgres::{self, Postgres};
use crate::run::{Outcome, root, run, run_command};
use crate::{deny, e2e, layers, prices};

/// Everything: this is what decides whether `main` is green.
pub(crate) fn ci() -> Outcome {
    run("cargo", &["fmt", "--all", "--check"])?;
    layers::run(&[])?;
    deny::run(&[])?;
    prices::run(&["--check".to_owned()])?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    let server = Postgres::start().map_err(|why| format!("PostgreSQL: {why}"))?;
    test_on(&server, &[])?;
    e2e::run(&[])
}

/// Unit, table, property and server tests; those on PostgreSQL where it is installed.
pub(crate) fn test(args: &[String]) -> Outcome {
    match Postgres::start() {
        Ok(server) => test_on(&server, args),
        Err(why) => {
            run_command(&mut cargo_test(args))?;
            println!("skipped, and counted as ignored: the tests on PostgreSQL, since {why}");
            Ok(())
        }
    }
}

/// All tests. Those on PostgreSQL are ignored unless asked for, as `cargo test` knows no server.
fn test_on(server: &Postgres, args: &[String]) -> Outcome {
    let mut command = cargo_test(args);
    if !args.iter().any(|arg| arg == "--") {
        command.args(["--", "--include-ignored"]);
    }
    run_command(command.env(postgres::VARIABLE, server.url()))
}

fn cargo_test(args: &[String]) -> Command {
    let mut command = Command::new("cargo");
    command.args(["test", "--workspace", "--locked"]).args(args).current_dir(root());
    command
}
