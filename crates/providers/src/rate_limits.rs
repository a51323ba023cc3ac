//! What a provider's answer says of the limits of its key.

use byok_domain::Timestamp;
use http::{HeaderMap, HeaderValue};

/// The most kinds of limits that are kept of one answer.
const MOST: usize = 12;
/// The longest name of a kind, in bytes.
const KIND_CAP: usize = 40;
/// No limit lasts longer, in milliseconds: a reset beyond it is nonsense.
const FARTHEST: f64 = 366.0 * 24.0 * 3600.0 * 1000.0;

/// One limit of a key, as the provider last told it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateLimit {
    /// What is limited, in the provider's own words: `requests`, `tokens`, `input-tokens`, ….
    pub kind: Box<str>,
    /// How much there is in a full window.
    pub limit: u64,
    /// How much of it is left.
    pub remaining: u64,
    /// When the window begins anew, if it was told.
    pub reset_at: Option<Timestamp>,
}

/// The limits that the headers of an answer, received at `now`, tell.
///
/// Reads the names that the providers use: `x-ratelimit-{limit,remaining,reset}[-kind]` (OpenAI,
/// Azure, Mistral and most compatible hosts), `anthropic-ratelimit-{kind}-{limit,remaining,reset}` and
/// the same under `anthropic-priority-` and `anthropic-fast-`, `x-tokenlimit-{limit,remaining}`
/// (Together). Google, Bedrock and Cohere tell none. A limit without its remainder, or of nothing, is left out.
pub fn rate_limits(headers: &HeaderMap, now: Timestamp) -> Vec<RateLimit> {
    let mut parts: Vec<Parts<'_>> = Vec::new();
    for (name, value) in headers {
        let Some((kind, field)) = named(name.as_str()) else { continue };
        let known = parts.iter().position(|part| part.kind == kind);
        let at = known.unwrap_or_else(|| {
            parts.push(Parts { kind, limit: None, remaining: None, reset: None });
            parts.len() - 1
        });
        let part = &mut parts[at];
        match field {
            Field::Limit => part.limit = count(value),
            Field::Remaining => part.remaining = count(value),
            Field::Reset => part.reset = value.to_str().ok().and_then(|text| reset(text, now)),
        }
        if parts.len() > MOST {
            break;
        }
    }
    parts.into_iter().filter_map(Parts::whole).collect()
}

struct Parts<'a> {
    kind: &'a str,
    limit: Option<u64>,
    remaining: Option<u64>,
    reset: Option<Timestamp>,
}

impl Parts<'_> {
    fn whole(self) -> Option<RateLimit> {
        let limit = self.limit.filter(|limit| *limit > 0)?;
        let (kind, remaining) = (self.kind.into(), self.remaining?);
        Some(RateLimit { kind, limit, remaining, reset_at: self.reset })
    }
}

enum Field {
    Limit,
    Remaining,
    Reset,
}

impl Field {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "limit" => Some(Self::Limit),
            "remaining" => Some(Self::Remaining),
            "reset" => Some(Self::Reset),
            _ => None,
        }
    }
}

/// What a header is about, by its name.
fn named(name: &str) -> Option<(&str, Field)> {
    let (kind, field) = if let Some(rest) = name.strip_prefix("x-ratelimit-") {
        let (field, kind) = rest.split_once('-').unwrap_or((rest, "requests"));
        (kind, Field::parse(field)?)
    } else if let Some(rest) = name.strip_prefix("anthropic-") {
        let (kind, field) = rest.rsplit_once('-')?;
        let of_tier = kind.starts_with("priority-") || kind.starts_with("fast-");
        let kind = if of_tier { kind } else { kind.strip_prefix("ratelimit-")? };
        (kind, Field::parse(field)?)
    } else {
        ("tokens", Field::parse(name.strip_prefix("x-tokenlimit-")?)?)
    };
    (!kind.is_empty() && kind.len() <= KIND_CAP).then_some((kind, field))
}

fn count(value: &HeaderValue) -> Option<u64> {
    value.to_str().ok()?.trim().parse().ok()
}

/// A time of reset: RFC 3339, seconds from now, or a duration as Go writes it (`6m0s`, `1m30.5s`).
fn reset(text: &str, now: Timestamp) -> Option<Timestamp> {
    let text = text.trim();
    if let Some(at) = Timestamp::parse(text) {
        return Some(at);
    }
    let millis = text.parse::<f64>().ok().map(|seconds| seconds * 1000.0).or_else(|| go(text))?;
    #[expect(clippy::cast_possible_truncation, reason = "checked to be in range")]
    (0.0..=FARTHEST).contains(&millis).then(|| now.plus_millis(millis as i64))
}

/// A duration as Go writes it, in milliseconds.
fn go(text: &str) -> Option<f64> {
    let mut rest = text;
    let mut millis = 0.0;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        millis += number
            * match &rest[..letters] {
                "h" => 3_600_000.0,
                "m" => 60_000.0,
                "s" => 1000.0,
                "ms" => 1.0,
                "us" | "µs" => 0.001,
                "ns" => 0.000_001,
                _ => return None,
            };
        rest = &rest[letters..];
    }
    (!text.is_empty()).then_some(millis)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    const NOW: i64 = 1_795_000_000_000;

    fn read(headers: &[(&'static str, &str)]) -> Vec<(String, u64, u64, Option<i64>)> {
        let headers = headers.iter().map(|(name, value)| {
            (HeaderName::from_static(name), HeaderValue::from_str(value).expect("a value"))
        });
        let limits = rate_limits(&headers.collect(), Timestamp::from_millis(NOW));
        let mut told: Vec<_> = limits
            .into_iter()
            .map(|l| {
                let reset = l.reset_at.map(|at| at.as_millis() - NOW);
                (l.kind.into_string(), l.limit, l.remaining, reset)
            })
            .collect();
        told.sort();
        told
    }

    #[test]
    fn every_providers_names_and_times_are_read() {
        let told = read(&[
            ("x-ratelimit-limit-requests", "10000"),
            ("x-ratelimit-remaining-requests", "9999"),
            ("x-ratelimit-reset-requests", "1m30.5s"),
            ("x-ratelimit-limit-tokens", "200000"),
            ("x-ratelimit-remaining-tokens", "0"),
            ("x-ratelimit-reset-tokens", "100ms"),
            ("content-type", "application/json"),
        ]);
        assert_eq!(
            told,
            [
                ("requests".to_owned(), 10000, 9999, Some(90_500)),
                ("tokens".to_owned(), 200_000, 0, Some(100)),
            ]
        );
        let told = read(&[
            ("anthropic-ratelimit-input-tokens-limit", "50000"),
            ("anthropic-ratelimit-input-tokens-remaining", "49000"),
            ("anthropic-ratelimit-input-tokens-reset", "2026-11-18T11:06:41Z"),
        ]);
        assert_eq!((told[0].0.as_str(), told[0].1, told[0].2), ("input-tokens", 50000, 49000));
        assert!(told[0].3.is_some());
        let told = read(&[
            ("anthropic-priority-input-tokens-limit", "10000"),
            ("anthropic-priority-input-tokens-remaining", "9618"),
            ("anthropic-fast-output-tokens-limit", "20"),
            ("anthropic-fast-output-tokens-remaining", "10"),
            ("anthropic-organization-id", "1"),
            ("anthropic-ratelimit-limit", "1"),
        ]);
        assert_eq!(
            told,
            [
                ("fast-output-tokens".to_owned(), 20, 10, None),
                ("priority-input-tokens".to_owned(), 10_000, 9618, None),
            ]
        );
        // Azure writes plain seconds.
        let told = read(&[
            ("x-ratelimit-limit-tokens", "120000"),
            ("x-ratelimit-remaining-tokens", "11999"),
            ("x-ratelimit-reset-tokens", "10"),
        ]);
        assert_eq!(told, [("tokens".to_owned(), 120_000, 11_999, Some(10_000))]);
        let told = read(&[
            ("x-ratelimit-limit-req-minute", "60"),
            ("x-ratelimit-remaining-req-minute", "59"),
            ("x-ratelimit-tokens-query-cost", "12"),
        ]);
        assert_eq!(told, [("req-minute".to_owned(), 60, 59, None)]);
        let told = read(&[
            ("x-ratelimit-limit", "5"),
            ("x-ratelimit-remaining", "4"),
            ("x-ratelimit-reset", "10"),
            ("x-tokenlimit-limit", "7"),
            ("x-tokenlimit-remaining", "6"),
        ]);
        assert_eq!(
            told,
            [("requests".to_owned(), 5, 4, Some(10_000)), ("tokens".to_owned(), 7, 6, None)]
        );
    }

    #[test]
    fn nonsense_is_left_out() {
        for headers in [
            &[("x-ratelimit-limit-requests", "10")][..],
            &[("x-ratelimit-limit-requests", "0"), ("x-ratelimit-remaining-requests", "0")],
            &[("x-ratelimit-limit-requests", "-1"), ("x-ratelimit-remaining-requests", "1")],
            &[("x-ratelimit-limit-requests", "many"), ("x-ratelimit-remaining-requests", "1")],
            &[("anthropic-ratelimit--limit", "1"), ("anthropic-ratelimit--remaining", "1")],
        ] {
            assert!(read(headers).is_empty(), "{headers:?}");
        }
        for reset in ["", "soon", "1x", "s", "1e300", "-5", "NaN"] {
            let told = read(&[
                ("x-ratelimit-limit-requests", "10"),
                ("x-ratelimit-remaining-requests", "1"),
                ("x-ratelimit-reset-requests", reset),
            ]);
            assert_eq!(told, [("requests".to_owned(), 10, 1, None)], "{reset}");
        }
    }

    #[test]
    fn a_flood_of_kinds_is_cut() {
        let mut headers = HeaderMap::new();
        for kind in 0..1000 {
            for field in ["limit", "remaining"] {
                let name = format!("x-ratelimit-{field}-k{kind}");
                let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
                headers.insert(name, HeaderValue::from_static("1"));
            }
        }
        assert!(rate_limits(&headers, Timestamp::from_millis(NOW)).len() <= MOST + 1);
    }
}
