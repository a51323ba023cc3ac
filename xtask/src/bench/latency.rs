//! What a proxy adds to a call when nothing is saturated: open loop at a constant rate.

use super::calls::Calls;
use super::figures::Figures;
use super::lab::Lab;
use super::measures::{Measure, Quantile};
use super::options::Section;
use super::target::{Kind, Target};

type Failure = Box<dyn std::error::Error>;

const QUANTILES: [Quantile; 3] = [Quantile::P50, Quantile::P99, Quantile::P999];

pub(super) fn measure(lab: &Lab, figures: &mut Figures) -> Result<(), Failure> {
    let (_stand_in, address) = lab.stand_in(1)?;
    let kinds = lab.options.targets(Section::Latency);
    let targets: Vec<Target> =
        kinds.iter().map(|kind| Target::start(lab, *kind, address)).collect::<Result<_, _>>()?;
    // Fewer calls a second take longer to show their p99.9.
    let rates = [(100, lab.options.seconds(20, 3)), (1000, lab.options.seconds(10, 3))];
    for _ in 0..lab.options.rounds {
        for (rate, seconds) in rates {
            for target in &targets {
                let result = Calls::of(target, rate, seconds).start(lab)?.finish()?;
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
