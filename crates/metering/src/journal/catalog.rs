//! Which segment holds which records.

use std::collections::VecDeque;

use super::id::JournalId;

/// One segment, as far as its records are still of interest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) number: u64,
    pub(crate) run: JournalId,
    pub(crate) first_seq: u64,
    /// The last record, once no more are added.
    pub(crate) last_seq: Option<u64>,
}

/// The segments that hold records not applied yet, in order; the last is the active one.
#[derive(Debug, Default)]
pub(crate) struct Catalog {
    entries: VecDeque<Entry>,
}

impl Catalog {
    /// The oldest record there is or will be.
    pub(crate) fn first_seq(&self) -> u64 {
        self.entries.front().map_or(1, |entry| entry.first_seq)
    }

    /// The segment that holds `seq`, or will.
    pub(crate) fn find(&self, seq: u64) -> Option<Entry> {
        let holds = |entry: &&Entry| {
            entry.first_seq <= seq && entry.last_seq.is_none_or(|last| seq <= last)
        };
        self.entries.iter().find(holds).copied()
    }

    /// Adds a recovered segment.
    pub(crate) fn push_sealed(&mut self, entry: Entry) {
        self.entries.push_back(entry);
    }

    /// Makes `entry` the active segment; what earlier ones hold from its first record on is void.
    /// Returns the numbers of segments that hold nothing else.
    pub(crate) fn begin(&mut self, entry: Entry) -> Vec<u64> {
        let void = self.entries.partition_point(|old| old.first_seq < entry.first_seq);
        let void = self.entries.drain(void..).map(|old| old.number).collect();
        if let Some(previous) = self.entries.back_mut() {
            let last = entry.first_seq - 1;
            previous.last_seq = Some(previous.last_seq.map_or(last, |old| old.min(last)));
        }
        self.entries.push_back(entry);
        void
    }

    /// Forgets the segments whose records all are applied, `seq` being the last that is; returns
    /// their numbers.
    ///
    /// A segment is kept until a record of the next one is applied, and so durable: until then a
    /// power loss may take the next one's header, and this one tells where the sequence stands.
    pub(crate) fn release(&mut self, seq: u64) -> Vec<u64> {
        let started = self.entries.partition_point(|entry| entry.first_seq <= seq);
        self.entries.drain(..started.saturating_sub(1)).map(|entry| entry.number).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(number: u64, first_seq: u64) -> Entry {
        Entry { number, run: JournalId::from_random(1), first_seq, last_seq: None }
    }

    #[test]
    fn records_are_found_in_the_segment_that_was_written_last() {
        let mut catalog = Catalog::default();
        assert!(catalog.begin(entry(1, 1)).is_empty());
        assert!(catalog.begin(entry(2, 11)).is_empty());
        assert!(catalog.begin(entry(3, 21)).is_empty());
        assert_eq!(catalog.begin(entry(4, 6)), [2, 3], "a failed sync voids what came after it");
        for (seq, number) in [(1, 1), (5, 1), (6, 4), (999, 4)] {
            assert_eq!(catalog.find(seq).expect("held").number, number, "{seq}");
        }
        assert_eq!(catalog.find(0), None);
    }

    #[test]
    fn a_segment_is_released_once_the_next_one_has_an_applied_record() {
        let mut catalog = Catalog::default();
        for (number, first) in [(1, 1), (2, 11), (3, 21)] {
            catalog.begin(entry(number, first));
        }
        assert!(catalog.release(0).is_empty());
        assert!(catalog.release(10).is_empty(), "the second one may not be durable yet");
        assert_eq!(catalog.release(11), [1]);
        assert_eq!(catalog.release(21), [2]);
        assert!(catalog.release(u64::MAX).is_empty(), "the active segment stays");
        assert_eq!(catalog.first_seq(), 21);
    }
}
