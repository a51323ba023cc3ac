//! What a proxy adds to a call when nothing is saturated: open loop at a constant rate.

use std::process::Command;

use serde_json::Value;

use super::figures::Figures;
use super::lab::Lab;
use super::measures::{Measure, Quantile};
use super::target::{Kind, Target};

type Failure = Box<dyn std::error::Error>;

const TARGETS: [Kind; 4] = [Kind::Straight, Kind::Nginx, Kind::ByokOs, Kind::ByokDisk];

const QUANTILES: [Quantile; 3] = [Quantile::P50, Quantile::P99, Quantile::P999];

pub(super) fn measure(lab: &Lab, figures: &mut Figures) -> Result<(), Failure> {
    let (_stand_in, address) = lab.stand_in(1)?;
    let kinds = lab.options.targets(&TARGETS);
    let targets: Vec<Target> =
        kinds.iter().map(|kind| Target::start(lab, *kind, address)).collect::<Result<_, _>>()?;
    // Fewer calls a second take longer to show their p99.9.
    let rates = [(100, lab.options.seconds(20, 3)), (1000, lab.options.seconds(10, 3))];
    for _ in 0..lab.options.rounds {
        for (rate, seconds) in rates {
            for target in &targets {
                let result = calls(lab, target, rate, seconds)?;
                target.settle()?;
                println!("{:10} {rate:4} calls/s: {}", target.kind.name(), result["latency"]);
                for quantile in QUANTILES {
                    let micros = result["latency"][quantile.field()].as_f64();
                    let micros = micros.ok_or("byok-load gave no latency")?;
                    figures.add(Measure::Latency { rate, quantile }, target.kind, micros);
                }
            }
        }
    }
    for (rate, _) in rates {
        for quantile in QUANTILES {
            let of = |kind| figures.median(Measure::Latency { rate, quantile }, kind);
            let Some(straight) = of(Kind::Straight) else { continue };
            let others: Vec<_> = kinds.iter().filter(|kind| **kind != Kind::Straight).collect();
            let added: Vec<_> =
                others.iter().filter_map(|kind| Some((**kind, of(**kind)? - straight))).collect();
            for (kind, micros) in added {
                figures.add(Measure::Added { rate, quantile }, kind, micros);
            }
        }
    }
    Ok(())
}

fn calls(lab: &Lab, target: &Target, rate: u32, seconds: u32) -> Result<Value, Failure> {
    let output = Command::new(lab.tools.ours("byok-load"))
        .args(["calls", "--address", &target.address.to_string(), "--rate", &rate.to_string()])
        .args(["--seconds", &seconds.to_string()])
        .args(target.headers.iter().flat_map(|header| ["--header", header]))
        .output()?;
    let result: Value = serde_json::from_slice(&output.stdout)
        .map_err(|_| format!("byok-load: {}", String::from_utf8_lossy(&output.stderr)))?;
    if result["failed"] != 0 {
        return Err(format!("calls failed through {}: {result}", target.kind.name()).into());
    }
    Ok(result)
}
