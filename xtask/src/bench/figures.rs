//! The figures of a run: every round's value of every measure of every target.

use std::collections::BTreeMap;

use super::measures::Measure;
use super::target::Kind;

#[derive(Debug, Default)]
pub(super) struct Figures {
    values: BTreeMap<(Measure, Kind), Vec<f64>>,
    facts: Vec<String>,
}

impl Figures {
    pub(super) fn add(&mut self, measure: Measure, kind: Kind, value: f64) {
        self.values.entry((measure, kind)).or_default().push(value);
    }

    /// Keeps a sentence that belongs above the table.
    pub(super) fn add_fact(&mut self, fact: String) {
        self.facts.push(fact);
    }

    pub(super) fn facts(&self) -> &[String] {
        &self.facts
    }

    /// The measures there are, in the report's order.
    pub(super) fn measures(&self) -> Vec<Measure> {
        let mut measures: Vec<_> = self.values.keys().map(|(measure, _)| *measure).collect();
        measures.dedup();
        measures
    }

    /// The targets there are, in the report's order.
    pub(super) fn kinds(&self) -> Vec<Kind> {
        let mut kinds: Vec<_> = self.values.keys().map(|(_, kind)| *kind).collect();
        kinds.sort_unstable();
        kinds.dedup();
        kinds
    }

    /// The median over the rounds.
    pub(super) fn median(&self, measure: Measure, kind: Kind) -> Option<f64> {
        median(self.values.get(&(measure, kind))?)
    }
}

/// The middle value, or the mean of the two in the middle; `None` of nothing.
pub(super) fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    match sorted.len() {
        0 => None,
        n if n % 2 == 1 => Some(sorted[middle]),
        _ => Some(f64::midpoint(sorted[middle - 1], sorted[middle])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_whatever_the_order() {
        assert_eq!(median(&[]), None);
        assert_eq!(median(&[3.0]), Some(3.0));
        assert_eq!(median(&[9.0, 1.0, 4.0]), Some(4.0));
        assert_eq!(median(&[4.0, 1.0, 9.0, 2.0]), Some(3.0));
    }
}
