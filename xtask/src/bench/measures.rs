//! What is measured, and how it is written down.

use super::credits::{OWN_RATE, RATE};

/// One row of the report; the order is the report's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Measure {
    /// Calls a second with so many connections.
    Throughput { connections: u32 },
    /// Latency of those calls, in microseconds.
    LoadedLatency { connections: u32, quantile: Quantile },
    /// Seconds that work for a turn's calls went on after it.
    Backlog { connections: u32 },
    /// Latency at a constant rate, in microseconds.
    Latency { rate: u32, quantile: Quantile },
    /// The same, less what a call straight to the stand-in takes.
    Added { rate: u32, quantile: Quantile },
    /// Delay of an event, in microseconds.
    EventDelay { streams: u32, quantile: Quantile },
    /// How late the stand-in itself sent its events, p99 in microseconds: above a few milliseconds
    /// the machine was full, and the delays say so rather than what a target costs.
    Lateness { streams: u32 },
    /// Resident memory a stream, in bytes.
    StreamMemory { streams: u32 },
    /// Processor seconds a second.
    StreamCpu { streams: u32 },
    /// Latency of calls on own keys beside others, in microseconds.
    OwnLatency { beside: Beside, quantile: Quantile },
    /// The same beside calls on credits, divided by that beside `over`.
    Slowed { over: Beside, quantile: Quantile },
    /// Calls on credits that were answered in a second.
    CreditCalls,
    /// Their latency, in microseconds.
    CreditLatency { quantile: Quantile },
    /// Seconds that work for them went on after them.
    CreditBacklog,
    /// Milliseconds from start to ready, with nothing there yet.
    FirstStart,
    /// Milliseconds from start to ready, with what an earlier start made.
    LaterStart,
    /// Resident memory of an idle server, in bytes.
    IdleMemory,
    /// Bytes of the binary.
    BinarySize,
    /// The same without its symbols.
    StrippedSize,
}

/// What calls on own keys are measured beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Beside {
    Nothing,
    OwnKeys,
    Credits,
}

impl Beside {
    pub(super) const ALL: [Self; 3] = [Self::Nothing, Self::OwnKeys, Self::Credits];

    pub(super) fn name(self) -> String {
        match self {
            Self::Nothing => "alone".to_owned(),
            Self::OwnKeys => format!("beside {RATE}/s more"),
            Self::Credits => format!("beside {RATE}/s on credits"),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Quantile {
    P50,
    P99,
    P999,
}

impl Quantile {
    /// Its name in the load tools' results, in microseconds.
    pub(super) fn field(self) -> &'static str {
        match self {
            Self::P50 => "p50_us",
            Self::P99 => "p99_us",
            Self::P999 => "p999_us",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::P50 => "p50",
            Self::P99 => "p99",
            Self::P999 => "p99.9",
        }
    }
}

impl Measure {
    /// The row's name, with its unit.
    pub(super) fn name(self) -> String {
        match self {
            Self::Throughput { connections } => format!("calls/s, {connections} connections"),
            Self::LoadedLatency { connections, quantile } => {
                format!("{} at {connections} connections, µs", quantile.name())
            }
            Self::Backlog { connections } => {
                format!("busy after a turn of {connections} connections, s")
            }
            Self::Latency { rate, quantile } => {
                format!("{} at {rate} calls/s, µs", quantile.name())
            }
            Self::Added { rate, quantile } => {
                format!("added {} at {rate} calls/s, µs", quantile.name())
            }
            Self::EventDelay { streams, quantile } => {
                format!("{streams} streams, delay {} an event, µs", quantile.name())
            }
            Self::Lateness { streams } => {
                format!("{streams} streams, stand-in late p99, µs")
            }
            Self::StreamMemory { streams } => format!("{streams} streams, memory each, KB"),
            Self::StreamCpu { streams } => format!("{streams} streams, CPU s/s"),
            Self::OwnLatency { beside, quantile } => {
                let (quantile, beside) = (quantile.name(), beside.name());
                format!("own keys at {OWN_RATE} calls/s {beside}, {quantile}, µs")
            }
            Self::Slowed { over, quantile } => {
                let (quantile, over) = (quantile.name(), over.name());
                format!("own keys beside credits, {quantile} over that {over}")
            }
            Self::CreditCalls => format!("credits at {RATE} calls/s, answered a second"),
            Self::CreditLatency { quantile } => {
                format!("credits at {RATE} calls/s, {}, µs", quantile.name())
            }
            Self::CreditBacklog => "busy after a turn on credits, s".to_owned(),
            Self::FirstStart => "first start to ready, ms".to_owned(),
            Self::LaterStart => "later start to ready, ms".to_owned(),
            Self::IdleMemory => "resident when idle, MB".to_owned(),
            Self::BinarySize => "binary, MB".to_owned(),
            Self::StrippedSize => "binary without symbols, MB".to_owned(),
        }
    }

    /// The value in the row's unit.
    pub(super) fn format(self, value: f64) -> String {
        match self {
            Self::StreamMemory { .. } => format!("{:.1}", value / 1e3),
            Self::IdleMemory | Self::BinarySize | Self::StrippedSize => {
                format!("{:.1}", value / 1e6)
            }
            Self::StreamCpu { .. } => format!("{value:.2}"),
            Self::Slowed { .. } => format!("{value:.2}"),
            Self::FirstStart | Self::LaterStart | Self::Backlog { .. } | Self::CreditBacklog => {
                format!("{value:.1}")
            }
            _ => grouped(value),
        }
    }

    /// Whether a ratio to nginx says something.
    pub(super) fn compares(self) -> bool {
        !matches!(self, Self::Backlog { .. } | Self::Lateness { .. })
    }
}

/// Rounded, thousands apart: `12,345`.
fn grouped(value: f64) -> String {
    let digits = format!("{:.0}", value.abs());
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    if value <= -0.5 { format!("-{text}") } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (value, text) in
            [(0.4, "0"), (999.6, "1,000"), (1234567.0, "1,234,567"), (-12.0, "-12")]
        {
            assert_eq!(grouped(value), text);
        }
        assert_eq!(Measure::StreamMemory { streams: 1 }.format(38_400.0), "38.4");
    }
}
