//! Many event streams at once: how late their events come, what one stream keeps in memory, what
//! all of them take of the processor.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::figures::Figures;
use super::lab::Lab;
use super::measures::{Measure, Quantile};
use super::options::Section;
use super::process::Running;
use super::target::Target;

type Failure = Box<dyn std::error::Error>;

pub(super) const EVENTS_PER_SECOND: u32 = 20;

pub(super) fn measure(lab: &Lab, figures: &mut Figures) -> Result<(), Failure> {
    let (_stand_in, address) = lab.stand_in(EVENTS_PER_SECOND)?;
    let rounds = if lab.options.quick { 1 } else { lab.options.rounds.min(3) };
    for streams in &lab.options.streams {
        for _ in 0..rounds {
            for kind in lab.options.targets(Section::Streams) {
                // A fresh process each time: memory freed by earlier streams would hide what
                // these take.
                let target = Target::start(lab, kind, address)?;
                run(lab, &target, *streams, figures)?;
            }
        }
    }
    Ok(())
}

/// Opens them and reads them to their end.
pub(super) fn open(lab: &Lab, target: &Target, streams: u32, seconds: u32) -> Result<(), Failure> {
    let mut load = Load::start(lab, target, streams, seconds)?;
    load.wait_for("steady")?;
    load.wait_for("over")?;
    whole(target, streams, &load.wait_for("done")?)
}

fn whole(target: &Target, streams: u32, result: &Value) -> Result<(), Failure> {
    if result["complete"] != streams || result["events"] != result["expected_events"] {
        return Err(format!("streams broke through {}: {result}", target.kind.name()).into());
    }
    Ok(())
}

fn run(lab: &Lab, target: &Target, streams: u32, figures: &mut Figures) -> Result<(), Failure> {
    let process = target.process.as_ref();
    let resident_before = process.map_or(0, Running::resident_bytes);
    let seconds = lab.options.seconds(8, 3);
    let mut load = Load::start(lab, target, streams, seconds)?;
    load.wait_for("steady")?;
    let cpu_before = process.map_or(0.0, Running::cpu_seconds);
    let resident_at_start = process.map_or(0, Running::resident_bytes);
    load.wait_for("over")?;
    let cpu = process.map_or(0.0, Running::cpu_seconds) - cpu_before;
    let resident = process.map_or(0, Running::resident_bytes).max(resident_at_start);
    let result = load.wait_for("done")?;
    println!("{:10} {streams} streams: {result}", target.kind.name());
    whole(target, streams, &result)?;
    for quantile in [Quantile::P50, Quantile::P99] {
        let micros = result["delay"][quantile.field()].as_f64();
        let micros = micros.ok_or("byok-load gave no delay")?;
        figures.add(Measure::EventDelay { streams, quantile }, target.kind, micros);
    }
    let late = result["lateness"]["p99_us"].as_f64().ok_or("byok-load gave no lateness")?;
    figures.add(Measure::Lateness { streams }, target.kind, late);
    if process.is_some() {
        let each = (resident as f64 - resident_before as f64) / f64::from(streams);
        figures.add(Measure::StreamMemory { streams }, target.kind, each);
        figures.add(Measure::StreamCpu { streams }, target.kind, cpu / f64::from(seconds));
    }
    Ok(())
}

/// The load tool, which says when each of its phases begins.
struct Load {
    child: Child,
    lines: std::io::Lines<BufReader<std::process::ChildStdout>>,
}

impl Load {
    fn start(lab: &Lab, target: &Target, streams: u32, seconds: u32) -> Result<Self, Failure> {
        // Opening a thousand a second loads no target much.
        let ramp = streams.div_ceil(1000);
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "TERM", "sh", "-c"])
            .arg(r#"ulimit -n "$(ulimit -H -n)"; exec "$0" "$@""#)
            .arg(lab.tools.ours("byok-load"))
            .args(["streams", "--address", &target.address.to_string()])
            .args(["--path", target.streams_path, "--streams", &streams.to_string()])
            .args(["--rate", &EVENTS_PER_SECOND.to_string(), "--ramp", &ramp.to_string()])
            .args(["--seconds", &seconds.to_string()])
            .args(target.headers.iter().flat_map(|header| ["--header", header]));
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("byok-load has no output")?;
        Ok(Self { child, lines: BufReader::new(stdout).lines() })
    }

    fn wait_for(&mut self, phase: &str) -> Result<Value, Failure> {
        let line = self.lines.next().ok_or("byok-load ended early")??;
        let line: Value = serde_json::from_str(&line)?;
        if line["phase"] == phase { Ok(line) } else { Err(format!("not {phase}: {line}").into()) }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
