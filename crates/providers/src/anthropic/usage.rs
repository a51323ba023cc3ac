//! Usage as Anthropic writes it: in documents, and by parts in streams.

use byok_domain::Usage;
use serde::Deserialize;

use crate::wire_usage::{Count, service_tier};

/// A usage object, or what the events of a stream have told of one so far.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Report {
    #[serde(flatten)]
    tokens: Tokens,
    output_tokens_details: Option<Thinking>,
    server_tool_use: Option<ServerTools>,
    service_tier: Option<String>,
    speed: Option<String>,
    inference_geo: Option<String>,
    iterations: Option<Vec<Sampling>>,
}

/// One of the samplings behind an answer.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Sampling {
    #[serde(flatten)]
    tokens: Tokens,
    model: Option<String>,
}

/// Tokens of one sampling, or of all that make up an answer. Input that a cache had to do with is
/// not inside `input_tokens`.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Tokens {
    input_tokens: Count,
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
    cache_creation: Option<Lifetimes>,
    output_tokens: Count,
}

/// What was written to caches, by how long they live.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Lifetimes {
    ephemeral_5m_input_tokens: Count,
    ephemeral_1h_input_tokens: Count,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct Thinking {
    thinking_tokens: Count,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(default)]
struct ServerTools {
    web_search_requests: Count,
}

impl Report {
    /// Reads a usage object; `None` when it is none.
    pub(crate) fn read(object: &[u8]) -> Option<Self> {
        serde_json::from_slice(object).ok()
    }

    /// Takes what a later event says: counts are running totals, and what it leaves out stays.
    pub(crate) fn update(&mut self, later: Self) {
        self.tokens.update(later.tokens);
        take(&mut self.output_tokens_details, later.output_tokens_details);
        take(&mut self.server_tool_use, later.server_tool_use);
        take(&mut self.service_tier, later.service_tier);
        take(&mut self.speed, later.speed);
        take(&mut self.inference_geo, later.inference_geo);
        take(&mut self.iterations, later.iterations);
    }

    /// The usage in disjoint buckets; `None` when it says nothing or nonsense.
    ///
    /// Where the samplings behind an answer are listed, their sum counts: the totals leave out
    /// those that compacted the context. One by another model than the answer's has another price,
    /// so that the whole has none.
    pub(crate) fn usage(&self, answered: Option<&str>) -> Option<Usage> {
        let mut usage = Usage::default();
        match self.iterations.as_deref() {
            None | Some([]) => self.tokens.add_to(&mut usage)?,
            Some(samplings) => {
                for sampling in samplings {
                    sampling.tokens.add_to(&mut usage)?;
                    let model = sampling.model.as_deref();
                    usage.unmeasured |= model.is_some() && model != answered;
                }
            }
        }
        let thinking = self.output_tokens_details.unwrap_or_default().thinking_tokens;
        usage.reasoning = thinking.or_zero().min(usage.output);
        let searches = self.server_tool_use.unwrap_or_default().web_search_requests;
        usage.web_searches = searches.or_zero();
        usage.tier = self.service_tier.as_deref().map(service_tier).unwrap_or_default();
        usage.fast = self.speed.as_deref() == Some("fast");
        usage.us_only = self.inference_geo.as_deref() == Some("us");
        Some(usage)
    }
}

impl Tokens {
    fn update(&mut self, later: Self) {
        for (count, later) in [
            (&mut self.input_tokens, later.input_tokens),
            (&mut self.cache_read_input_tokens, later.cache_read_input_tokens),
            (&mut self.cache_creation_input_tokens, later.cache_creation_input_tokens),
            (&mut self.output_tokens, later.output_tokens),
        ] {
            if later != Count::Absent {
                *count = later;
            }
        }
        take(&mut self.cache_creation, later.cache_creation);
    }

    fn add_to(&self, usage: &mut Usage) -> Option<()> {
        let counts = [
            self.input_tokens,
            self.output_tokens,
            self.cache_read_input_tokens,
            self.cache_creation_input_tokens,
        ];
        let told = [self.input_tokens, self.output_tokens];
        if counts.contains(&Count::Nonsense) || told == [Count::Absent; 2] {
            return None;
        }
        let (five_minutes, hour) = self.written();
        for (bucket, count) in [
            (&mut usage.input, self.input_tokens.or_zero()),
            (&mut usage.cache_read, self.cache_read_input_tokens.or_zero()),
            (&mut usage.cache_write, five_minutes),
            (&mut usage.cache_write_1h, hour),
            (&mut usage.output, self.output_tokens.or_zero()),
        ] {
            *bucket = bucket.saturating_add(count);
        }
        Some(())
    }

    /// What was written to caches that live five minutes, and an hour. A stream tells the parts
    /// with its first event only; a total that has grown since is parted in their ratio.
    fn written(&self) -> (u64, u64) {
        let parts = self.cache_creation.unwrap_or_default();
        let five_minutes = parts.ephemeral_5m_input_tokens.or_zero();
        let hour = parts.ephemeral_1h_input_tokens.or_zero();
        let Count::Of(total) = self.cache_creation_input_tokens else {
            return (five_minutes, hour);
        };
        let sum = u128::from(five_minutes) + u128::from(hour);
        if sum == 0 {
            return (total, 0);
        }
        let hour = u128::from(total) * u128::from(hour) / sum;
        let hour = u64::try_from(hour).unwrap_or(total).min(total);
        (total - hour, hour)
    }
}

fn take<T>(old: &mut Option<T>, later: Option<T>) {
    if later.is_some() {
        *old = later;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use byok_domain::usage::ServiceTier;
    use serde_json::{Value, json};

    fn usage(wire: &Value) -> Option<Usage> {
        Report::read(wire.to_string().as_bytes())?.usage(Some("claude-opus-5"))
    }

    #[test]
    fn buckets_are_disjoint_and_thinking_is_inside_the_output() {
        let wire = json!({"input_tokens": 10, "cache_creation_input_tokens": 200,
            "cache_read_input_tokens": 300,
            "cache_creation": {"ephemeral_5m_input_tokens": 150, "ephemeral_1h_input_tokens": 50},
            "output_tokens": 42, "output_tokens_details": {"thinking_tokens": 30},
            "server_tool_use": {"web_search_requests": 2, "web_fetch_requests": 9},
            "service_tier": "priority", "speed": "standard", "inference_geo": "global"});
        let expected = Usage {
            input: 10,
            cache_read: 300,
            cache_write: 150,
            cache_write_1h: 50,
            output: 42,
            reasoning: 30,
            web_searches: 2,
            tier: ServiceTier::Priority,
            ..Usage::default()
        };
        assert_eq!(usage(&wire), Some(expected));
        assert_eq!((expected.input_total(), expected.total()), (510, 552));
    }

    #[test]
    fn what_was_served_counts_not_what_else_there_is() {
        for (served, tier, fast, us_only) in [
            (json!({"service_tier": "batch"}), ServiceTier::Batch, false, false),
            (json!({"speed": "fast", "inference_geo": "us"}), ServiceTier::Standard, true, true),
            (
                json!({"speed": "standard", "inference_geo": "global"}),
                ServiceTier::Standard,
                false,
                false,
            ),
            (
                json!({"service_tier": "new", "speed": "slow", "inference_geo": "eu"}),
                ServiceTier::Standard,
                false,
                false,
            ),
            (json!({"service_tier": null, "speed": null}), ServiceTier::Standard, false, false),
        ] {
            let mut wire = json!({"input_tokens": 1, "output_tokens": 1});
            wire.as_object_mut()
                .expect("an object")
                .extend(served.as_object().expect("an object").clone());
            let usage = usage(&wire).expect("usage");
            assert_eq!((usage.tier, usage.fast, usage.us_only), (tier, fast, us_only), "{wire}");
        }
    }

    #[test]
    fn cache_writes_go_into_the_bucket_of_their_lifetime() {
        let parts = |short: u64, long: u64| json!({"ephemeral_5m_input_tokens": short, "ephemeral_1h_input_tokens": long});
        for (total, parts, written) in [
            (json!(200), parts(150, 50), (150, 50)),
            (json!(200), json!(null), (200, 0)),
            (json!(200), parts(0, 0), (200, 0)),
            (json!(null), parts(150, 50), (150, 50)),
            (json!(400), parts(150, 50), (300, 100)),
            (json!(3), parts(1, 1), (2, 1)),
            (json!(100), parts(900, 100), (90, 10)),
            (json!(0), parts(150, 50), (0, 0)),
            (json!(1_000_000_000_000_u64), parts(1, 999_999_999_999), (1, 999_999_999_999)),
        ] {
            let wire = json!({"input_tokens": 1, "output_tokens": 1,
                "cache_creation_input_tokens": total, "cache_creation": parts});
            let usage = usage(&wire).expect("usage");
            assert_eq!((usage.cache_write, usage.cache_write_1h), written, "{wire}");
        }
    }

    #[test]
    fn samplings_that_the_totals_leave_out_are_counted() {
        let wire = json!({"input_tokens": 100, "output_tokens": 10, "iterations": [
            {"type": "compaction", "input_tokens": 5000, "output_tokens": 300,
                "cache_read_input_tokens": 7, "cache_creation_input_tokens": 8,
                "cache_creation": {"ephemeral_1h_input_tokens": 8}},
            {"type": "message", "input_tokens": 100, "output_tokens": 10,
                "cache_read_input_tokens": 0, "cache_creation_input_tokens": 0}]});
        let counted = usage(&wire).expect("usage");
        assert_eq!((counted.input, counted.output), (5100, 310));
        assert_eq!((counted.cache_read, counted.cache_write, counted.cache_write_1h), (7, 0, 8));
        assert!(!counted.unmeasured);
        for (model, unmeasured) in [
            (json!(null), false),
            (json!("claude-opus-5"), false),
            (json!("claude-haiku-5-5"), true),
        ] {
            let wire = json!({"input_tokens": 1, "output_tokens": 1, "iterations": [
                {"input_tokens": 1, "output_tokens": 1},
                {"input_tokens": 9, "output_tokens": 9, "model": model}]});
            let usage = usage(&wire).expect("usage");
            assert_eq!((usage.input, usage.unmeasured), (10, unmeasured), "{model}");
        }
        let none = json!({"input_tokens": 100, "output_tokens": 10, "iterations": []});
        assert_eq!(usage(&none).map(|u| (u.input, u.output)), Some((100, 10)));
    }

    #[test]
    fn nonsense_is_unknown_and_never_a_charge() {
        for wire in [
            json!({}),
            json!(null),
            json!("12"),
            json!([]),
            json!({"input_tokens": -1, "output_tokens": 1}),
            json!({"input_tokens": 1, "output_tokens": 1e18}),
            json!({"input_tokens": "8", "output_tokens": 1}),
            json!({"input_tokens": 8, "output_tokens": 1.5}),
            json!({"input_tokens": 8, "output_tokens": 1, "cache_read_input_tokens": -300}),
            json!({"input_tokens": 8, "output_tokens": 1, "cache_creation_input_tokens": []}),
            json!({"cache_read_input_tokens": 3}),
            json!({"input_tokens": 8, "output_tokens": 1, "iterations": [{"input_tokens": -8}]}),
            json!({"input_tokens": 8, "output_tokens": 1, "iterations": 7}),
        ] {
            assert_eq!(usage(&wire), None, "{wire}");
        }
        for (wire, zero) in [
            (json!({"input_tokens": 0, "output_tokens": 0}), true),
            (
                json!({"input_tokens": 0, "output_tokens": 5,
                "output_tokens_details": {"thinking_tokens": 900}}),
                false,
            ),
        ] {
            let usage = usage(&wire).expect("usage");
            assert_eq!(usage.total() == 0, zero);
            assert!(usage.reasoning <= usage.output);
        }
    }
}
