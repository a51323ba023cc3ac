//! Costs worked out apart from the code, one case a paragraph of `golden.txt`.
//!
//! The rows are frozen copies of published ones and some made up to have a single quirk, so that
//! a change of prices does not change what is tested.

use super::exact;
use crate::pricing::PriceTable;
use crate::usage::{HostRegion, ServiceTier};
use crate::{Timestamp, Usage};

pub(super) fn rows() -> PriceTable {
    PriceTable::parse(include_str!("golden.json")).expect("good rows")
}

#[test]
fn calls_cost_what_was_worked_out_by_hand() {
    let rows = rows();
    let cases: Vec<&str> = include_str!("golden.txt").split("\n\n").skip(1).collect();
    assert!(cases.len() >= 150, "{} cases", cases.len());
    for case in cases {
        let lines: Vec<&str> = case.trim().lines().map(str::trim).collect();
        let [title, call, sum] = lines[..] else { panic!("not a case: {case}") };
        let (formula, expected) = sum.split_once(" = ").expect("formula = cost");
        let (model, usage) = call.split_once(' ').unwrap_or((call, ""));

        let usd = exact::sum_of_products(formula) / exact::number("1000000");
        let pico = exact::number(expected) * exact::number("1000000000000");
        assert_eq!(exact::pico(&usd), pico.to_string(), "{title}: the case contradicts itself");

        let prices = rows.get("any", model).expect(model);
        let cost = prices.at(time_of(usage)).cost(&usage_of(usage)).expect(title);
        assert_eq!(cost.to_string(), expected, "{title}");
    }
}

/// When the call came in, where that matters.
fn time_of(text: &str) -> Timestamp {
    let told = text.split_whitespace().find_map(|pair| pair.strip_prefix("at="));
    told.map(|at| Timestamp::parse(at).expect(at)).unwrap_or_default()
}

fn usage_of(text: &str) -> Usage {
    let mut usage = Usage::default();
    for (name, value) in text.split_whitespace().map(|pair| pair.split_once('=').expect(pair)) {
        let count = || value.parse::<u64>().expect(value);
        match name {
            "at" => {}
            "input" => usage.input = count(),
            "cache_read" => usage.cache_read = count(),
            "cache_write" => usage.cache_write = count(),
            "cache_write_1h" => usage.cache_write_1h = count(),
            "cache_write_12h" => usage.cache_write_12h = count(),
            "output" => usage.output = count(),
            "reasoning" => usage.reasoning = count(),
            "audio_input" => usage.audio_input = count(),
            "audio_output" => usage.audio_output = count(),
            "image_input" => usage.image_input = count(),
            "image_output" => usage.image_output = count(),
            "video_input" => usage.video_input = count(),
            "video_output" => usage.video_output = count(),
            "maps_queries" => usage.maps_queries = count(),
            "annotated" => usage.annotated = count() > 0,
            "region" => {
                usage.region = match value {
                    "eu" => HostRegion::Eu,
                    "us" => HostRegion::Us,
                    _ => HostRegion::Other,
                }
            }
            "audio_millis" => usage.audio_millis = count(),
            "characters" => usage.characters = count(),
            "audio_cache_read" => usage.audio_cache_read = count(),
            "image_cache_read" => usage.image_cache_read = count(),
            "search_units" => usage.search_units = value.parse().expect(value),
            "pages" => usage.pages = value.parse().expect(value),
            "images_in" => usage.images_in = value.parse().expect(value),
            "images_out" => usage.images_out = value.parse().expect(value),
            "fast" => usage.fast = count() > 0,
            "us_only" => usage.us_only = count() > 0,
            "web_searches" => usage.web_searches = count(),
            "tier" => {
                let tier = format!("\"{}\"", value.to_lowercase());
                usage.tier = serde_json::from_str::<ServiceTier>(&tier).expect("a tier");
            }
            other => panic!("no such bucket: {other}"),
        }
    }
    usage
}
