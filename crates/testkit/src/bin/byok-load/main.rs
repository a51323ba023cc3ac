//! What wrk does not measure: calls at a constant rate, and the delay of events in many streams.
//!
//! Results are lines of JSON on standard output.
#![expect(clippy::print_stdout, reason = "the results go there")]

mod calls;
mod quantiles;
mod streams;
mod target;

use clap::{Parser, Subcommand};

/// Load for benchmarks against servers on this machine.
#[derive(Debug, Parser)]
struct Flags {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Debug, Subcommand)]
enum Mode {
    /// Calls at a constant rate, whether or not earlier ones were answered: their latency.
    Calls(calls::Flags),
    /// Concurrent event streams from `byok-standin`: the delay of each event.
    Streams(streams::Flags),
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    match Flags::parse().mode {
        Mode::Calls(flags) => println!("{}", calls::run(&flags)?),
        Mode::Streams(flags) => streams::run(&flags)?,
    }
    Ok(())
}
