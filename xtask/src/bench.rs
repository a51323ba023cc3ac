//! What the server costs, beside what others cost: always ratios from one run on one machine, the
//! targets taking turns, the same load tool and the same stand-in for a provider for all.

mod calls;
mod credits;
mod disk;
mod figures;
mod http;
mod lab;
mod latency;
mod measures;
mod options;
mod process;
mod report;
mod start;
mod streams;
mod target;
mod throughput;
mod tools;
mod training;

use crate::run::{Outcome, root};

use figures::Figures;
use lab::Lab;
use options::{Options, Section, USAGE};
pub(crate) use training::train;

pub(crate) fn run(args: &[String]) -> Outcome {
    if args.iter().any(|arg| arg == "--help" || arg == "-h") {
        println!("{USAGE}");
        return Ok(());
    }
    let options = Options::parse(args)?;
    let lab = Lab::open(options)?;
    let mut figures = Figures::default();
    for section in &lab.options.sections {
        println!("== {section:?}");
        match section {
            Section::Throughput => throughput::measure(&lab, &mut figures)?,
            Section::Latency => latency::measure(&lab, &mut figures)?,
            Section::Streams => streams::measure(&lab, &mut figures)?,
            Section::Credits => credits::measure(&lab, &mut figures)?,
            Section::Start => start::measure(&lab, &mut figures)?,
            Section::Disk => figures.add_fact(disk::measure(&lab)?),
        }
    }
    let page = report::page(&lab, &figures);
    println!("\n{page}");
    if lab.options.write {
        let path = root().join("docs/benchmarks.md");
        report::write(&path, &page)?;
        println!("wrote {}", path.display());
    }
    Ok(())
}
