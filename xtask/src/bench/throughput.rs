//! As many small calls as go through: closed loop, 16 and 64 connections.

use std::process::Command;

use serde_json::Value;

use crate::programs::find;
use crate::run::root;

use super::figures::Figures;
use super::lab::Lab;
use super::measures::{Measure, Quantile};
use super::options::Section;
use super::target::{Kind, Target};

type Failure = Box<dyn std::error::Error>;

const CONNECTIONS: [u32; 2] = [16, 64];

pub(super) fn measure(lab: &Lab, figures: &mut Figures) -> Result<(), Failure> {
    let (_stand_in, address) = lab.stand_in(1)?;
    let kinds = lab.options.targets(Section::Throughput);
    let targets: Vec<Target> =
        kinds.iter().map(|kind| Target::start(lab, *kind, address)).collect::<Result<_, _>>()?;
    let mut completed = vec![0; targets.len()];
    // Round 0 warms up: connections, caches, just-in-time compilers. It is not counted.
    for round in 0..=lab.options.rounds {
        for connections in CONNECTIONS {
            for (target, completed) in targets.iter().zip(&mut completed) {
                if round > 2 && target.kind == Kind::Portkey {
                    continue;
                }
                let seconds = match (round, target.kind) {
                    (0, _) => 1,
                    (_, Kind::Portkey) => 2,
                    _ => lab.options.seconds(5, 2),
                };
                let result = wrk(target, connections, seconds)?;
                let backlog = target.settle()?;
                *completed += result.requests;
                if round == 0 {
                    continue;
                }
                let rate = result.per_second;
                println!(
                    "{:10} {connections:3} connections: {rate:9.0} calls/s",
                    target.kind.name()
                );
                figures.add(Measure::Throughput { connections }, target.kind, rate);
                for (quantile, micros) in [(Quantile::P50, result.p50), (Quantile::P99, result.p99)]
                {
                    let measure = Measure::LoadedLatency { connections, quantile };
                    figures.add(measure, target.kind, micros);
                }
                if target.kind.is_ours() {
                    figures.add(Measure::Backlog { connections }, target.kind, backlog);
                }
            }
        }
    }
    for (target, completed) in targets.iter().zip(completed) {
        check_metering(target, completed)?;
    }
    Ok(())
}

/// A figure for calls that were not metered would be worth nothing.
fn check_metering(target: &Target, completed: u64) -> Result<(), Failure> {
    let Some(metered) = target.metered()? else { return Ok(()) };
    println!("{:10} answered {completed} calls under load, metered {metered}", target.kind.name());
    if metered < completed {
        return Err(format!("{} answered calls that it did not meter", target.kind.name()).into());
    }
    Ok(())
}

struct Run {
    requests: u64,
    per_second: f64,
    p50: f64,
    p99: f64,
}

fn wrk(target: &Target, connections: u32, seconds: u32) -> Result<Run, Failure> {
    let threads = std::thread::available_parallelism()?.get().min(connections as usize);
    let program = find("wrk").ok_or("wrk is not installed")?;
    let output = Command::new(program)
        .args(["--threads", &threads.to_string(), "--connections", &connections.to_string()])
        .args(["--duration", &format!("{seconds}s"), "--timeout", "10s", "--script"])
        .arg(root().join("xtask/bench/call.lua"))
        .arg(format!("http://{}/v1/chat/completions", target.address))
        .env("BENCH_HEADERS", target.headers.join("\n"))
        .output()?;
    let text = String::from_utf8_lossy(&output.stdout);
    let result = text.lines().find_map(|line| line.strip_prefix("RESULT "));
    let result: Value = serde_json::from_str(result.ok_or_else(|| format!("wrk said: {text}"))?)?;
    let number = |name: &str| result[name].as_f64().ok_or(format!("wrk gave no {name}"));
    if number("not_200")? + number("broken")? > 0.0 {
        return Err(format!("calls failed through {}: {result}", target.kind.name()).into());
    }
    Ok(Run {
        requests: result["requests"].as_u64().unwrap_or_default(),
        per_second: number("requests")? * 1e6 / number("micros")?,
        p50: number("p50_us")?,
        p99: number("p99_us")?,
    })
}
