//! Every chore of this repository, one command each; CI calls the same ones.

mod bench;
mod ci;
mod client;
mod deny;
mod dist;
mod e2e;
mod layers;
mod postgres;
mod prices;
mod programs;
mod redis;
mod run;
mod throwaway;

use std::process::ExitCode;

const USAGE: &str = "\
Usage: cargo xtask <command>

  ci        everything CI runs: fmt, layers, deny, prices --check, clippy, client, test, e2e
  test      unit, table, property and in-process server tests
  e2e       the release server, driven by published clients
  dist      the server to deploy: a release build, optimised for what calls run through
  bench     throughput, latency, streams, beside nginx and Portkey
  prices    --from FILE  rebuild the built-in price table; --check  verify it
  layers    check that crates depend only on what the architecture allows
  deny      check licences, banned crates and sources of all dependencies (deny.toml)
  client    check that the Rust client builds as a package, with few crates and with native-tls
";

fn main() -> ExitCode {
    let mut args = std::env::args().skip(1);
    let command = args.next().unwrap_or_default();
    let rest: Vec<String> = args.collect();
    let result = match command.as_str() {
        "ci" => ci::ci(),
        "test" => ci::test(&rest),
        "e2e" => e2e::run(&rest),
        "dist" => dist::run(&rest),
        "bench" => bench::run(&rest),
        "prices" => prices::run(&rest),
        "layers" => layers::run(&rest),
        "deny" => deny::run(&rest),
        "client" => client::run(&rest),
        "" | "help" | "--help" | "-h" => {
            println!("{USAGE}");
            return ExitCode::SUCCESS;
        }
        other => Err(format!("there is no command `{other}`\n\n{USAGE}").into()),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask {command}: {error}");
            ExitCode::FAILURE
        }
    }
}
