//! `GET /stats`: the last 24 hours beside the 24 before.

use byok_domain::money::decimal_usd;
use byok_store::{Stats, Window};
use serde::Serialize;
use serde_json::value::RawValue;

use super::sums::cost;
use crate::answer::{self, Answer, exact};
use crate::dispatch::{Ask, Scope};
use crate::error::ApiError;
use crate::usage_tail::PATIENCE;

#[derive(Serialize)]
struct Shown {
    #[serde(rename = "requests24h")]
    requests: u64,
    #[serde(rename = "succeeded24h")]
    succeeded: u64,
    #[serde(rename = "failed24h")]
    failed: u64,
    #[serde(rename = "totalTokens24h")]
    total_tokens: u64,
    #[serde(rename = "costUsd24h")]
    cost_usd: Option<Box<RawValue>>,
    #[serde(rename = "activeRefIds24h")]
    active_ref_ids: u64,
    #[serde(rename = "deltaPct")]
    delta_pct: Delta,
}

/// The change against the day before in percent, to a hundredth.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Delta {
    requests: Option<Box<RawValue>>,
    total_tokens: Option<Box<RawValue>>,
    cost_usd: Option<Box<RawValue>>,
}

pub(crate) async fn stats(scope: Scope, ask: Ask) -> Answer {
    ask.query(&[])?;
    ask.state.usage.caught_up(PATIENCE).await;
    // The millisecond that is running belongs to the answer.
    let stats = ask.state.store.stats(scope.id(), ask.at.plus_millis(1)).await?;
    answer::json(&shown(&stats)?)
}

fn shown(stats: &Stats) -> Result<Shown, ApiError> {
    let (now, before) = (&stats.current, &stats.previous);
    let of =
        |read: fn(&Window) -> Option<i128>| change(read(before), read(now)).map(exact).transpose();
    Ok(Shown {
        requests: now.sums.requests,
        succeeded: now.sums.succeeded,
        failed: now.sums.failed,
        total_tokens: now.sums.total_tokens,
        cost_usd: cost(&now.sums).map(|pico| exact(decimal_usd(pico))).transpose()?,
        active_ref_ids: now.active_ref_ids,
        delta_pct: Delta {
            requests: of(|window| Some(window.sums.requests.into()))?,
            total_tokens: of(|window| Some(window.sums.total_tokens.into()))?,
            cost_usd: of(|window| cost(&window.sums))?,
        },
    })
}

/// The change from `before` to `now` in percent, as a decimal; `None` from nothing to something,
/// and where one of them is unknown.
fn change(before: Option<i128>, now: Option<i128>) -> Option<String> {
    let (before, now) = (before?, now?);
    if before == 0 {
        return (now == 0).then(|| "0".to_owned());
    }
    let hundredths = now.checked_sub(before)?.checked_mul(10_000)?.checked_div(before)?;
    // A hundredth of a percent is 10¹⁰ of the units that money is written from.
    Some(decimal_usd(hundredths.checked_mul(10_000_000_000)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_in_percent_and_unknown_where_there_was_nothing() {
        for (before, now, percent) in [
            (Some(100), Some(150), Some("50")),
            (Some(3), Some(1), Some("-66.66")),
            (Some(8), Some(9), Some("12.5")),
            (Some(5), Some(5), Some("0")),
            (Some(5), Some(0), Some("-100")),
            (Some(0), Some(0), Some("0")),
            (Some(0), Some(1), None),
            (None, Some(1), None),
            (Some(1), None, None),
        ] {
            assert_eq!(change(before, now).as_deref(), percent, "{before:?} {now:?}");
        }
    }
}
