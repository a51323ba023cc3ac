//! Where there is no cost, and the ends of the range.

use super::golden::rows;
use crate::usage::{HostRegion, ServiceTier};
use crate::{PicoUsd, Usage};

const ALL: u64 = u64::MAX;

#[test]
fn without_a_price_that_is_needed_the_cost_is_unknown() {
    let rows = rows();
    for (model, usage, what) in [
        ("text-embedding-3-small", Usage { input: 1, output: 1, ..Usage::default() }, "output"),
        ("whisper-1", Usage { input: 1, output: 1, ..Usage::default() }, "tokens"),
        ("tts-1", Usage { audio_millis: 1, ..Usage::default() }, "seconds"),
        ("tts-1", Usage { audio_millis: 1, characters: 1, ..Usage::default() }, "seconds beside"),
        ("whisper-1", Usage { characters: 1, ..Usage::default() }, "characters"),
        ("gpt-5.4", Usage { characters: 1, ..Usage::default() }, "characters of a chat"),
        ("gpt-5.4", Usage { input: 1, web_searches: 1, ..Usage::default() }, "searches"),
        ("unknown", Usage { input: 1, ..Usage::default() }, "any"),
        ("unknown", Usage::default(), "any, of nothing"),
        ("reranker", Usage::default(), "queries, uncounted"),
        ("reranker", Usage { input: 10, ..Usage::default() }, "queries, though tokens are told"),
        ("painter", Usage::default(), "images, uncounted"),
        ("painter", Usage { pages: 1, ..Usage::default() }, "pages of images"),
        ("gpt-5.4", Usage { images_out: 1, ..Usage::default() }, "images of a chat"),
        ("gpt-5.4", Usage { search_units: 1, ..Usage::default() }, "search units of a chat"),
        ("reranker", Usage { search_units: 1, web_searches: 1, ..Usage::default() }, "searches"),
        ("gpt-5.4", Usage { input: 1, maps_queries: 1, ..Usage::default() }, "maps"),
        ("gpt-5.4", Usage { input: 1, unmeasured: true, ..Usage::default() }, "the uncounted"),
        ("gpt-5.4", Usage { input: 1, region: HostRegion::Other, ..Usage::default() }, "a region"),
        ("ocr", Usage { pages: 1, annotated: true, ..Usage::default() }, "annotations"),
        ("clips-in", Usage { output: 9, ..Usage::default() }, "seconds of video"),
        ("clips-in", Usage { input: 9, output: 9, ..Usage::default() }, "seconds of video"),
        ("embed-clips", Usage::default(), "seconds of video, uncounted"),
        (
            "painter",
            Usage { images_out: 1, characters: 1, ..Usage::default() },
            "characters beside",
        ),
    ] {
        assert_eq!(rows.get("any", model).expect(model).cost(&usage), None, "{model}: {what}");
    }
}

#[test]
fn a_price_that_is_not_needed_may_be_missing() {
    let rows = rows();
    let cost = |model: &str, usage: &Usage| rows.get("any", model).expect(model).cost(usage);
    assert_eq!(cost("text-embedding-3-small", &Usage::default()), Some(PicoUsd::ZERO));
    assert_eq!(cost("whisper-1", &Usage::default()), Some(PicoUsd::ZERO));
    let only_images = Usage { output: 9, image_output: 9, ..Usage::default() };
    assert_eq!(cost("gpt-image-1", &only_images), Some(PicoUsd::from_pico(360_000_000)));
}

#[test]
fn absurd_counts_are_unknown_and_never_wrap() {
    let rows = rows();
    let cost = |model: &str, usage: &Usage| rows.get("any", model).expect(model).cost(usage);
    let everything = Usage {
        input: ALL,
        cache_read: ALL,
        cache_write: ALL,
        cache_write_1h: ALL,
        cache_write_12h: ALL,
        output: ALL,
        reasoning: ALL,
        audio_input: ALL,
        audio_output: ALL,
        image_input: ALL,
        image_output: ALL,
        video_input: ALL,
        video_output: ALL,
        audio_millis: ALL,
        characters: ALL,
        web_searches: ALL,
        maps_queries: ALL,
        audio_cache_read: ALL,
        image_cache_read: ALL,
        search_units: u32::MAX,
        pages: u32::MAX,
        images_in: u32::MAX,
        images_out: u32::MAX,
        fast: true,
        us_only: true,
        annotated: true,
        tier: ServiceTier::Priority,
        region: HostRegion::Eu,
        unmeasured: false,
    };
    for (_, model, prices) in rows.rows() {
        assert_eq!(prices.cost(&everything), None, "{model}");
    }
    assert_eq!(
        cost("free", &Usage { input: ALL, output: ALL, ..Usage::default() }),
        Some(PicoUsd::ZERO)
    );

    // 2.5 millionths of a dollar a token: i64::MAX picodollars are 3,689,348,814,741 tokens.
    let over = Usage { input: 3_689_348_814_742, ..Usage::default() };
    let under = Usage { input: 3_689_348_814_741, ..Usage::default() };
    assert_eq!(cost("command", &over), None);
    assert_eq!(cost("command", &under), Some(PicoUsd::from_pico(9_223_372_036_852_500_000)));
    assert_eq!(cost("command", &Usage { web_searches: ALL, ..under }), None);
}
