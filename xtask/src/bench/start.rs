//! From nothing to ready, and what an idle server weighs.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use super::figures::Figures;
use super::lab::Lab;
use super::measures::Measure;
use super::process::Running;
use super::target::{Kind, clean_environment};

type Failure = Box<dyn std::error::Error>;

/// What `quickstart` runs with unless told otherwise.
const KIND: Kind = Kind::ByokDisk;

pub(super) fn measure(lab: &Lab, figures: &mut Figures) -> Result<(), Failure> {
    let program = &lab.tools.server;
    figures.add(Measure::BinarySize, KIND, fs::metadata(program)?.len() as f64);
    let stripped = lab.folder("stripped")?.join("byok-server");
    if Command::new("strip").arg("-o").arg(&stripped).arg(program).status()?.success() {
        figures.add(Measure::StrippedSize, KIND, fs::metadata(&stripped)?.len() as f64);
    }
    for _ in 0..lab.options.rounds {
        let folder = lab.folder("quickstart")?;
        let address = lab.free_address()?;
        let (process, took) = quickstart(program, &folder, address)?;
        figures.add(Measure::FirstStart, KIND, took);
        drop(process);
        let (process, took) = quickstart(program, &folder, address)?;
        figures.add(Measure::LaterStart, KIND, took);
        std::thread::sleep(Duration::from_secs(1));
        figures.add(Measure::IdleMemory, KIND, process.resident_bytes() as f64);
    }
    Ok(())
}

/// Starts it; milliseconds until it said that it is ready.
fn quickstart(
    program: &Path,
    folder: &Path,
    address: SocketAddr,
) -> Result<(Running, f64), Failure> {
    let start = Instant::now();
    let mut process = Running::start("quickstart", folder, program, |command| {
        clean_environment(command);
        command.arg("quickstart").arg("--data-dir").arg(folder.join("data"));
        command.env("BYO_LISTEN", address.to_string()).env("BYO_METRICS_LISTEN", "off");
    })?;
    process.wait_ready(address, "/readyz", &[], Duration::from_secs(20))?;
    Ok((process, start.elapsed().as_secs_f64() * 1000.0))
}
