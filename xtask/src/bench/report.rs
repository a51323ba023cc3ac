//! The page: on what machine, one table, how to read it.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::programs::find;
use crate::run::Outcome;

use super::figures::Figures;
use super::lab::Lab;
use super::target::Kind;

/// Everything in docs/benchmarks.md from this line on is written by the run; what stands before it
/// tells how figures are taken that no table holds.
const MARK: &str = "<!-- From here on written by `cargo xtask bench --write`. -->\n";

const PREFACE: &str = "\
## Beside others

Written by `cargo xtask bench`. Only ratios of one run mean something: load, stand-in for the
provider and target share one machine, and take turns on it. Medians over the rounds; in
parentheses the value over nginx's. `straight` is the load on the stand-in itself; nginx is a bare
reverse proxy with kept-alive connections, without buffers for streams. `byok-os` and `byok-disk`
do everything that a call in production does: authentication, routing, decryption, metering,
journal; they differ in `BYO_DURABILITY`. The server is the one to deploy, which `cargo xtask dist`
builds for what calls run through (`--bin-dir target/release` measures a plain release build). The
calls that a turn leaves to be written to the database are written before the next turn begins. Latency at a constant rate is measured in an open loop;
the delay of an event is from its sending by the stand-in to its arrival. Calls on credits are those
of 200 customers, each held for, settled, and found charged once at the end.
";

/// The whole page in Markdown.
pub(super) fn page(lab: &Lab, figures: &Figures) -> String {
    format!("{PREFACE}\n{}\n{}", facts(lab, figures), table(figures))
}

/// Writes the page into the document, after what a person wrote.
pub(super) fn write(document: &Path, page: &str) -> Outcome {
    let text = fs::read_to_string(document)?;
    let (kept, _) = text.split_once(MARK).ok_or("docs/benchmarks.md has lost its mark")?;
    Ok(fs::write(document, format!("{kept}{MARK}\n{page}"))?)
}

fn facts(lab: &Lab, figures: &Figures) -> String {
    let output = |program: &str, args: &[&str]| {
        let program = find(program)?;
        let output = Command::new(program).args(args).output().ok()?;
        let text = [output.stdout, output.stderr].concat();
        Some(String::from_utf8_lossy(&text).lines().next()?.trim().to_owned())
    };
    let cpu = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let cpu = cpu.map_or("unknown", |(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let length = if lab.options.quick { "short (orientation only)" } else { "full" };
    let mut facts = vec![
        format!("{cores} × {cpu}, {}", output("uname", &["-sr"]).unwrap_or_default()),
        format!(
            "run: {length}, {} rounds, load average before it {}",
            lab.options.rounds, lab.load_at_start
        ),
    ];
    facts.extend(output("git", &["log", "-1", "--format=commit %h of %cs"]));
    if lab.options.needs(Kind::Nginx) {
        facts.extend(output("nginx", &["-v"]));
    }
    if lab.options.needs(Kind::Portkey) {
        let folder = lab.tools.portkey.ancestors().nth(2);
        let package = folder.and_then(|f| fs::read_to_string(f.join("package.json")).ok());
        let package = package.unwrap_or_default();
        let package: serde_json::Value = serde_json::from_str(&package).unwrap_or_default();
        let version = package["version"].as_str().unwrap_or("of an unknown version");
        facts.push(format!("@portkey-ai/gateway {version}"));
    }
    facts.extend_from_slice(figures.facts());
    facts.iter().map(|fact| format!("- {fact}\n")).collect()
}

fn table(figures: &Figures) -> String {
    let kinds = figures.kinds();
    let mut rows = vec![vec![String::new()]];
    rows[0].extend(kinds.iter().map(|kind| kind.name().to_owned()));
    for measure in figures.measures() {
        let nginx = figures.median(measure, Kind::Nginx).filter(|_| measure.compares());
        let mut row = vec![measure.name()];
        for kind in &kinds {
            row.push(match (figures.median(measure, *kind), nginx) {
                (None, _) => String::new(),
                (Some(value), Some(nginx)) if nginx > 0.0 => {
                    format!("{} ({})", measure.format(value), ratio(value / nginx))
                }
                (Some(value), _) => measure.format(value),
            });
        }
        rows.push(row);
    }
    markdown(&rows)
}

fn ratio(ratio: f64) -> String {
    if ratio.abs() < 0.1 { format!("{ratio:.3}") } else { format!("{ratio:.2}") }
}

/// Columns as wide as their widest cell, so that the page reads in a terminal too.
fn markdown(rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        rows.iter().map(|row| row[column].chars().count()).max().unwrap_or_default().max(3)
    };
    let widths: Vec<usize> = (0..rows[0].len()).map(width).collect();
    let line = |row: &[String]| {
        let cells = row.iter().zip(&widths).enumerate().map(|(index, (cell, width))| {
            if index == 0 { format!(" {cell:<width$} |") } else { format!(" {cell:>width$} |") }
        });
        format!("|{}\n", cells.collect::<String>())
    };
    let rule = widths.iter().enumerate().map(|(index, width)| {
        let dashes = "-".repeat(width + 1);
        if index == 0 { format!(" {}|", dashes) } else { format!(" {}:|", "-".repeat(*width)) }
    });
    let rule = format!("|{}\n", rule.collect::<String>());
    let mut text = line(&rows[0]) + &rule;
    text.extend(rows[1..].iter().map(|row| line(row)));
    text
}

#[cfg(test)]
mod tests {
    use super::super::measures::Measure;
    use super::*;

    #[test]
    fn the_table_shows_medians_and_ratios_to_nginx() {
        let mut figures = Figures::default();
        let measure = Measure::Throughput { connections: 16 };
        for (kind, values) in
            [(Kind::Nginx, [900.0, 1000.0, 5000.0]), (Kind::ByokOs, [100.0, 800.0, 900.0])]
        {
            values.into_iter().for_each(|value| figures.add(measure, kind, value));
        }
        figures.add(Measure::IdleMemory, Kind::ByokOs, 12.34e6);
        let table = table(&figures);
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines[0], "|                         |        nginx |    byok-os |");
        assert_eq!(lines[2], "| calls/s, 16 connections | 1,000 (1.00) | 800 (0.80) |");
        assert_eq!(lines[3], "| resident when idle, MB  |              |       12.3 |");
        assert_eq!(lines[1].len(), lines[0].len());
    }
}
