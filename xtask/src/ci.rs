//! What CI runs, in the order in which a mistake shows fastest.

use std::process::Command;

use crate::postgres::{self, Postgres};
use crate::redis::{self, Redis};
use crate::run::{Outcome, root, run, run_command};
use crate::{client, deny, e2e, layers, prices};

/// Everything: this is what decides whether `main` is green.
pub(crate) fn ci() -> Outcome {
    run("cargo", &["fmt", "--all", "--check"])?;
    layers::run(&[])?;
    deny::run(&[])?;
    prices::run(&["--check".to_owned()])?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--locked", "--", "-D", "warnings"])?;
    client::run(&[])?;
    let servers = Servers::start();
    if let [missing, ..] = &*servers.missing {
        return Err(format!("{}: {}", missing.name, missing.why).into());
    }
    test_on(&servers, &[])?;
    e2e::run(&[])
}

/// Unit, table, property and server tests; those on PostgreSQL and Redis where they are installed.
pub(crate) fn test(args: &[String]) -> Outcome {
    test_on(&Servers::start(), args)
}

/// What tests need that is not ours.
struct Servers {
    postgres: Option<Postgres>,
    redis: Option<Redis>,
    missing: Vec<Missing>,
}

/// A server that could not be started.
struct Missing {
    name: &'static str,
    /// What is in the name of every test that needs it.
    word: &'static str,
    why: String,
}

impl Servers {
    fn start() -> Self {
        let mut missing = Vec::new();
        let mut lacks = |name, word, why| missing.push(Missing { name, word, why });
        let postgres = Postgres::start().map_err(|why| lacks("PostgreSQL", "postgres", why)).ok();
        let redis = Redis::start().map_err(|why| lacks("Redis", "redis", why)).ok();
        Self { postgres, redis, missing }
    }
}

/// All tests. Those on a server are ignored unless asked for, as `cargo test` knows no server.
fn test_on(servers: &Servers, args: &[String]) -> Outcome {
    let chosen = args.iter().any(|arg| arg == "--");
    let test = |asked: &[&str]| {
        let mut command = Command::new("cargo");
        command.args(["test", "--workspace", "--locked"]).args(args).current_dir(root());
        if !chosen {
            command.arg("--").args(asked);
        }
        command.envs(servers.postgres.as_ref().map(|server| (postgres::VARIABLE, server.url())));
        command.envs(servers.redis.as_ref().map(|server| (redis::VARIABLE, server.url())));
        run_command(&mut command)
    };
    if servers.missing.is_empty() {
        return test(&["--include-ignored"]);
    }
    test(&[])?;
    if !chosen {
        let words = servers.missing.iter().flat_map(|missing| ["--skip", missing.word]);
        test(&["--ignored"].into_iter().chain(words).collect::<Vec<_>>())?;
    }
    for Missing { name, why, .. } in &servers.missing {
        println!("skipped, and counted as ignored: the tests on {name}, since {why}");
    }
    Ok(())
}
