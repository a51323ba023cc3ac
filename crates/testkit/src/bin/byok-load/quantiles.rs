//! Exact quantiles: the samples of a short run fit in memory.

use serde_json::{Value, json};

/// Durations in nanoseconds.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    nanos: Vec<u32>,
}

impl Samples {
    /// Adds one, at most the four seconds that 32 bits of nanoseconds hold.
    pub(crate) fn add(&mut self, nanos: u64) {
        self.nanos.push(u32::try_from(nanos).unwrap_or(u32::MAX));
    }

    pub(crate) fn extend(&mut self, other: Self) {
        self.nanos.extend(other.nanos);
    }

    /// Count, p50, p99, p99.9 and maximum in microseconds; `null` without samples.
    pub(crate) fn summary(mut self) -> Value {
        self.nanos.sort_unstable();
        let at = |per_mille: usize| {
            // Nearest rank: the smallest sample that so many of a thousand do not exceed.
            let rank = (self.nanos.len() * per_mille).div_ceil(1000).max(1);
            self.nanos.get(rank - 1).map(|nanos| f64::from(*nanos) / 1000.0)
        };
        json!({
            "count": self.nanos.len(), "p50_us": at(500), "p99_us": at(990), "p999_us": at(999),
            "max_us": at(1000),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_nearest_ranks() {
        let mut samples = Samples::default();
        for micros in (1..=1000).rev() {
            samples.add(micros * 1000);
        }
        let summary = samples.summary();
        assert_eq!(summary["p50_us"], 500.0);
        assert_eq!(summary["p99_us"], 990.0);
        assert_eq!(summary["p999_us"], 999.0);
        assert_eq!(summary["max_us"], 1000.0);
        assert_eq!(Samples::default().summary()["p50_us"], Value::Null);
    }
}
