//! What the writer reports of its journal.

use metrics::{Counter, Gauge};

/// Reports differences, so that the figures of several journals in one process add up.
pub(super) struct Meters {
    appended_total: Counter,
    pending_bytes: Gauge,
    lag_records: Gauge,
    /// The last record that was counted.
    counted: u64,
    /// What this journal contributes to the gauges: bytes and records.
    pending: (u64, u64),
}

impl Meters {
    /// Counts the records after `seq`.
    pub(super) fn starting_at(seq: u64) -> Self {
        Self {
            appended_total: metrics::counter!("byok_journal_appended_total"),
            pending_bytes: metrics::gauge!("byok_journal_pending_bytes"),
            lag_records: metrics::gauge!("byok_writer_lag_records"),
            counted: seq,
            pending: (0, 0),
        }
    }

    /// Records through `appended` were written; `pending` bytes and records are not applied yet.
    pub(super) fn report(&mut self, appended: u64, pending: (u64, u64)) {
        self.appended_total.increment(appended.saturating_sub(self.counted));
        self.counted = appended;
        shift(&self.pending_bytes, self.pending.0, pending.0);
        shift(&self.lag_records, self.pending.1, pending.1);
        self.pending = pending;
    }
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floats")]
fn shift(gauge: &Gauge, from: u64, to: u64) {
    gauge.increment(to as f64 - from as f64);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn the_figures_of_two_journals_add_up() {
        let [count, bytes, records] = [(); 3].map(|()| Arc::new(AtomicU64::new(0)));
        let meters = |counted| Meters {
            appended_total: Counter::from_arc(Arc::clone(&count)),
            pending_bytes: Gauge::from_arc(Arc::clone(&bytes)),
            lag_records: Gauge::from_arc(Arc::clone(&records)),
            counted,
            pending: (0, 0),
        };
        let (mut one, mut other) = (meters(100), meters(0));
        one.report(110, (4000, 10));
        other.report(3, (1200, 3));
        one.report(112, (800, 2));
        let gauge = |bits: &AtomicU64| f64::from_bits(bits.load(Ordering::Relaxed));
        assert_eq!(count.load(Ordering::Relaxed), 15);
        assert_eq!((gauge(&bytes), gauge(&records)), (2000.0, 5.0));
        one.report(112, (0, 0));
        other.report(3, (0, 0));
        assert_eq!((gauge(&bytes), gauge(&records)), (0.0, 0.0));
    }
}
