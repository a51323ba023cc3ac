//! What was asked for on the command line.

use std::path::PathBuf;

use super::target::Kind;

pub(super) const USAGE: &str = "\
Usage: cargo xtask bench [--quick] [--only SECTION]... [--targets LIST] [--streams LIST]
                         [--rounds N] [--bin-dir DIR] [--write]

  --quick         two short rounds: an orientation, not figures to quote
  --only SECTION  throughput, latency, streams, credits, start or disk; may be repeated
  --targets LIST  of straight, nginx, byok-os, byok-disk, portkey, hyper; each section
                  has its own default
  --streams LIST  numbers of concurrent streams (500,2000)
  --rounds N      rounds of turns; figures are medians over them
  --bin-dir DIR   take our binaries from there instead of building them; without it the server
                  is the one that `cargo xtask dist` builds
  --write         write docs/benchmarks.md
";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Throughput,
    Latency,
    Streams,
    Credits,
    Start,
    Disk,
}

#[derive(Debug, Default)]
pub(super) struct Options {
    pub(super) quick: bool,
    pub(super) write: bool,
    pub(super) sections: Vec<Section>,
    pub(super) streams: Vec<u32>,
    pub(super) rounds: usize,
    pub(super) bin_dir: Option<PathBuf>,
    targets: Option<Vec<Kind>>,
}

impl Section {
    const ALL: [(&str, Self); 6] = [
        ("throughput", Self::Throughput),
        ("latency", Self::Latency),
        ("streams", Self::Streams),
        ("credits", Self::Credits),
        ("start", Self::Start),
        ("disk", Self::Disk),
    ];

    /// Whom it puts under load unless told otherwise.
    fn targets(self) -> &'static [Kind] {
        match self {
            Self::Throughput => {
                &[Kind::Straight, Kind::Nginx, Kind::ByokOs, Kind::ByokDisk, Kind::Portkey]
            }
            Self::Latency => &[Kind::Straight, Kind::Nginx, Kind::ByokOs, Kind::ByokDisk],
            Self::Streams => &[Kind::Straight, Kind::Nginx, Kind::ByokDisk],
            Self::Credits => &[Kind::ByokOs, Kind::ByokDisk],
            Self::Start | Self::Disk => &[],
        }
    }

    /// Whether it has anything to ask of `kind`.
    fn suits(self, kind: Kind) -> bool {
        match self {
            Self::Throughput | Self::Latency | Self::Streams => true,
            Self::Credits => kind.is_ours(),
            Self::Start | Self::Disk => false,
        }
    }
}

impl Options {
    pub(super) fn parse(args: &[String]) -> Result<Self, String> {
        let (mut quick, mut write) = (false, false);
        let (mut sections, mut streams, mut rounds) = (Vec::new(), vec![500, 2000], None);
        let (mut bin_dir, mut targets) = (None, None);
        let mut args = args.iter();
        while let Some(flag) = args.next() {
            let mut value = || args.next().ok_or(format!("{flag} wants a value\n\n{USAGE}"));
            match flag.as_str() {
                "--quick" => quick = true,
                "--write" => write = true,
                "--only" => sections.push(named(&Section::ALL, value()?)?),
                "--targets" => targets = Some(list(value()?, |name| named(&Kind::ALL, name))?),
                "--streams" => streams = list(value()?, number)?,
                "--rounds" => rounds = Some(number(value()?)?),
                "--bin-dir" => bin_dir = Some(PathBuf::from(value()?)),
                _ => return Err(format!("there is no flag `{flag}`\n\n{USAGE}")),
            }
        }
        if sections.is_empty() {
            sections = Section::ALL.map(|(_, section)| section).to_vec();
        }
        let rounds = rounds.unwrap_or(if quick { 2 } else { 5 }) as usize;
        Ok(Self { quick, write, sections, streams, rounds, bin_dir, targets })
    }

    /// The targets of a section: of those that were named, or else its own.
    pub(super) fn targets(&self, section: Section) -> Vec<Kind> {
        let named = self.targets.as_deref().unwrap_or(section.targets());
        named.iter().copied().filter(|kind| section.suits(*kind)).collect()
    }

    /// Whether any section of this run puts `kind` under load.
    pub(super) fn needs(&self, kind: Kind) -> bool {
        self.sections.iter().any(|section| self.targets(*section).contains(&kind))
    }

    /// `seconds` of a full run, fewer of a quick one.
    pub(super) fn seconds(&self, full: u32, quick: u32) -> u32 {
        if self.quick { quick } else { full }
    }
}

fn named<T: Copy>(table: &[(&str, T)], name: &str) -> Result<T, String> {
    let found = table.iter().find(|(known, _)| *known == name);
    found.map(|(_, value)| *value).ok_or_else(|| {
        let names: Vec<_> = table.iter().map(|(name, _)| *name).collect();
        format!("`{name}` is none of {}", names.join(", "))
    })
}

fn list<T>(text: &str, item: impl Fn(&str) -> Result<T, String>) -> Result<Vec<T>, String> {
    text.split(',').map(item).collect()
}

fn number(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(number) if number > 0 => Ok(number),
        _ => Err(format!("`{text}` is not a number above 0")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Options, String> {
        Options::parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn flags_are_read_and_mistakes_named() {
        let options =
            parse("--quick --only streams --only disk --streams 5,7").expect("good flags");
        assert_eq!(options.sections, [Section::Streams, Section::Disk]);
        assert_eq!((options.streams, options.rounds), (vec![5, 7], 2));
        for bad in ["--only lunch", "--targets straight,moon", "--streams 0", "--rounds", "--fast"]
        {
            assert!(parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn only_targets_of_a_load_are_needed() {
        let needs = |text| parse(text).expect("good flags").needs(Kind::Portkey);
        assert!(needs("") && needs("--targets portkey") && needs("--only throughput"));
        assert!(!needs("--targets nginx") && !needs("--only start") && !needs("--only disk"));
        assert!(!needs("--only credits --targets portkey,byok-os"));
    }
}
