//! Turns what an answer told into a priced record, and puts it into the journal.

mod on_credits;

use std::sync::Arc;
use std::time::Instant;

use byok_domain::pricing::{PriceBook, PriceSource, PriceTable, Priced};
use byok_domain::usage::HostRegion;
use byok_domain::{CallRecord, ErrorClass, Findings, PicoUsd, Usage};

use crate::journal::{JournalFull, Receipt};
use crate::lanes::Lanes;
use crate::tally::Tally;
pub use on_credits::OnCredits;

/// Prices calls and journals them.
pub struct Meter {
    journals: Arc<Lanes>,
    prices: PriceBook,
    tally: Tally,
}

/// What the meter needs to know of a call beside its record.
#[derive(Debug)]
pub struct CallContext {
    /// The project's own prices.
    pub overrides: Arc<PriceTable>,
    /// What the call will have used if the answer does not say, and whether its pages are annotated
    /// in any case.
    pub presumed: Option<Box<Usage>>,
    /// The region of the host it goes to, where that has a price.
    pub region: HostRegion,
    /// Length of the request's body in bytes, for an estimate if the answer breaks off.
    pub request_bytes: u64,
    /// When the request came in.
    pub started: Instant,
}

/// What a caller may be told of a finished call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// What it used, if known.
    pub usage: Option<Usage>,
    /// What it cost, if known.
    pub cost: Option<PicoUsd>,
}

/// A finished call: what to tell, and the proof that it is kept.
#[derive(Debug)]
pub struct Closed {
    /// What to tell.
    pub summary: Summary,
    /// Resolves when the record is durable.
    pub receipt: Result<Receipt, JournalFull>,
}

impl Meter {
    /// A meter that prices with `prices` and keeps its records in `journals`.
    pub fn new(journals: Arc<Lanes>, prices: PriceBook) -> Self {
        Self { journals, prices, tally: Tally::default() }
    }

    /// Whether another call may begin: with the journal full no call is served unmetered.
    pub fn has_room(&self) -> bool {
        self.journals.has_room()
    }

    /// Begins a call. From here on it leaves exactly one record, however it ends.
    pub fn open(self: &Arc<Self>, record: CallRecord, context: CallContext) -> OpenCall {
        self.tally.began();
        let record = Some(Box::new(record));
        OpenCall { meter: Arc::clone(self), record, context, credits: None }
    }

    /// What this meter prices with.
    pub fn prices(&self) -> &PriceBook {
        &self.prices
    }

    /// The cost of `usage` at the price of the model, by the name that the answer gives it or the
    /// one that it was asked for by.
    fn price(
        &self,
        record: &CallRecord,
        findings: &Findings,
        context: &CallContext,
        usage: &Usage,
    ) -> Option<Priced> {
        let Findings { cost: told, ref model, .. } = *findings;
        let (answered, asked) = (model.as_deref(), record.model.as_deref());
        let names = match (answered, asked) {
            (Some(answered), Some(asked)) => &[answered, asked][..],
            (Some(only), None) | (None, Some(only)) => &[only],
            (None, None) => &[],
        };
        let provider = record.provider.as_str();
        let found = self.prices.locate(Some(&context.overrides), provider, names);
        // What was agreed upon goes before what the provider says, that before a list.
        let agreed = found.is_some_and(|found| found.source != PriceSource::BuiltIn);
        match told {
            Some(cost) if !agreed => Some(Priced { cost, unit_prices: None }),
            _ => found?.prices.at(record.at).price(usage),
        }
    }
}

/// A call under way.
///
/// Dropping it records that the caller left: a client that disconnects is known only by its
/// answer being dropped, before or after the answer began.
pub struct OpenCall {
    meter: Arc<Meter>,
    record: Option<Box<CallRecord>>,
    context: CallContext,
    credits: Option<Box<OnCredits>>,
}

impl OpenCall {
    /// The record so far; `None` once closed.
    pub fn record_mut(&mut self) -> Option<&mut CallRecord> {
        self.record.as_deref_mut()
    }

    /// Notes that credits pay for what comes now.
    pub fn on_credits(&mut self, credits: OnCredits) {
        self.credits = Some(Box::new(credits));
    }

    /// Notes the region of the host that the call goes to now.
    pub fn goes_to(&mut self, region: HostRegion) {
        self.context.region = region;
    }

    /// Notes that the answer's first byte is there.
    pub fn first_byte(&mut self) {
        let elapsed = millis(self.context.started);
        if let Some(record) = self.record_mut() {
            record.first_byte_ms.get_or_insert(elapsed);
        }
    }

    /// Ends the call: prices it and journals it. `None` when it was closed before.
    pub fn close(&mut self, error: Option<ErrorClass>, findings: &Findings) -> Option<Closed> {
        let mut record = self.record.take()?;
        record.error = error.or(record.error);
        record.latency_ms = millis(self.context.started);
        self.fill_usage(&mut record, findings);
        if record.model.is_none() {
            record.model = findings.model.as_deref().map(Arc::from);
        }
        if let Some(credits) = self.credits.take() {
            credits.charge(&mut record);
        }
        tracing::debug!(
            id = %record.id, project = %record.project, provider = %record.provider,
            status = record.status, error = record.error.map(ErrorClass::as_str),
            latency_ms = record.latency_ms, "call"
        );
        self.meter.tally.ended(record.provider.as_str(), record.error);
        let summary = Summary { usage: record.usage, cost: record.cost };
        Some(Closed { summary, receipt: self.meter.journals.append(&record) })
    }

    fn fill_usage(&self, record: &mut CallRecord, findings: &Findings) {
        let answered = findings.model.as_deref();
        let price = |usage: &Usage, record: &mut CallRecord| {
            let priced = self.meter.price(record, findings, &self.context, usage);
            let (cost, unit_prices) = match priced {
                Some(Priced { cost, unit_prices }) => (Some(cost), unit_prices),
                None => (None, None),
            };
            (record.cost, record.unit_prices) = (cost, unit_prices);
        };
        if let Some(mut usage) = findings.usage {
            usage.annotated = self.context.presumed.as_ref().is_some_and(|told| told.annotated);
            usage.region = self.context.region;
            if findings.preliminary && findings.events > usage.output {
                usage.output = findings.events;
                record.usage_estimated = true;
            }
            price(&usage, record);
            record.usage = Some(usage);
        } else if let (Some(presumed), true) = (&self.context.presumed, record.succeeded()) {
            let presumed = Usage { region: self.context.region, ..**presumed };
            // Known from the request alone, and worth keeping only where it is what is billed.
            price(&presumed, record);
            record.usage = record.cost.map(|_| presumed);
        } else if broke_off(record.error) && (findings.events > 0 || self.credits.is_some()) {
            let usage = Usage {
                input: self.context.request_bytes / 4,
                output: findings.events,
                region: self.context.region,
                ..Usage::default()
            };
            price(&usage, record);
            record.usage = Some(usage);
            record.usage_estimated = true;
        }
        if record.usage.is_some() && record.cost.is_none() && record.model.as_deref() != answered {
            record.answered = answered.map(Arc::from);
        }
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if self.close(Some(ErrorClass::ClientClosed), &Findings::default()).is_some() {
            tracing::debug!("the caller left before its answer began");
        }
    }
}

fn broke_off(error: Option<ErrorClass>) -> bool {
    matches!(error, Some(ErrorClass::ClientClosed | ErrorClass::Truncated))
}

fn millis(since: Instant) -> u32 {
    u32::try_from(since.elapsed().as_millis()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
