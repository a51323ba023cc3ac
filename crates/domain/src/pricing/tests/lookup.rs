//! Which row a model gets: whose table, by which of its names.

use crate::pricing::{PriceBook, PriceTable, Prices};
use crate::{Timestamp, Usage};

/// When nothing is off-peak: a Monday, 09:00.
const AT: Timestamp = Timestamp::from_millis(1_795_424_400_000);

fn table(json: &str) -> PriceTable {
    PriceTable::parse(json).expect("good prices")
}

/// The price of input, which tells the rows of these tests apart.
fn input(prices: &Prices) -> String {
    let (_, price) = prices.rates().next().expect("a price");
    price
}

#[test]
fn the_projects_row_goes_before_the_operators_before_the_built_in_one() {
    let operator = table(
        r#"{"openai": {"gpt-4o": {"input": 201}, "op": {"input": 202}, "shared": {"input": 203},
                       "ft:gpt-4o-2024-08-06:acme::1": {"input": 204},
                       "nothing": {"input": 0, "zeroPriced": true}},
            "newhost": {"m": {"input": 205}}}"#,
    );
    let project = table(
        r#"{"openai": {"gpt-4.1": {"input": 101}, "shared": {"input": 102},
                       "gpt-4.1-mini-2025-04-14": {"input": 103},
                       "gpt-5.4": {"input": 0, "zeroPriced": true},
                       "my-model-latest": {"input": 104}}}"#,
    );
    let book = PriceBook::new(operator);
    for (provider, model, with_project, without) in [
        // The exact name, in each table.
        ("openai", "gpt-4o-mini", Some("0.15"), Some("0.15")),
        ("openai", "op", Some("202"), Some("202")),
        ("openai", "shared", Some("102"), Some("203")),
        ("openai", "gpt-4.1", Some("101"), Some("2")),
        ("newhost", "m", Some("205"), Some("205")),
        // An alias in a table goes before the exact name in the next one.
        ("openai", "gpt-4o-2024-08-06", Some("201"), Some("201")),
        ("openai", "gpt-4.1-2025-04-14", Some("101"), Some("2")),
        ("openai", "gpt-4o-2031-01-01", Some("201"), Some("201")),
        // A dated row is not the undated model's.
        ("openai", "gpt-4.1-mini", Some("0.4"), Some("0.4")),
        ("openai", "gpt-4.1-mini-2025-04-14", Some("103"), Some("0.4")),
        ("openai", "gpt-4.1-mini-2032-02-02", Some("0.4"), Some("0.4")),
        ("openai", "my-model", None, None),
        ("openai", "my-model-latest", Some("104"), None),
        // Aliases of the built-in rows.
        ("openai", "o1-pro-2031-01-01", Some("150"), Some("150")),
        ("anthropic", "claude-opus-4-7-20310416", Some("5"), Some("5")),
        ("anthropic", "claude-opus-4-7@20310416", Some("5"), Some("5")),
        ("google", "models/gemini-2.5-pro", Some("1.25"), Some("1.25")),
        ("google", "models/gemini-2.5-pro-latest", Some("1.25"), Some("1.25")),
        // Fine-tunes: an exact row or none.
        ("openai", "ft:gpt-4o-2024-08-06", Some("3.75"), Some("3.75")),
        ("openai", "ft:gpt-4o-2024-08-06:acme::1", Some("204"), Some("204")),
        ("openai", "ft:gpt-4o-2024-08-06:acme::2", None, None),
        ("openai", "ft:gpt-4o:acme::2-2024-08-06", None, None),
        ("openai", "ft:gpt-4o-latest", None, None),
        // Zeros that mean "not known" are an answer: none.
        ("openai", "gpt-5.4", None, Some("2.5")),
        ("openai", "nothing", None, None),
        ("openai", "omni-moderation-latest", None, None),
        // Names are exact otherwise.
        ("openai", "GPT-4o", None, None),
        ("openai", "gpt-4o ", None, None),
        ("openai", "", None, None),
        ("openai", "claude-opus-4-7", None, None),
        ("OpenAI", "gpt-4o", None, None),
        ("gemini", "gemini-2.5-pro", None, None),
        ("", "", None, None),
    ] {
        let found = book.find(Some(&project), provider, model, AT).map(input);
        assert_eq!(found.as_deref(), with_project, "{provider} {model}, with the project's table");
        let found = book.find(None, provider, model, AT).map(input);
        assert_eq!(found.as_deref(), without, "{provider} {model}, without it");
    }
}

#[test]
fn a_row_is_the_whole_truth_about_its_model() {
    let project = table(r#"{"openai": {"gpt-5.4": {"input": 2, "output": 4}}}"#);
    let book = PriceBook::new(PriceTable::default());
    let usage = Usage { input: 300_000, cache_read: 10, output: 1, ..Usage::default() };
    let cost =
        |project| book.find(project, "openai", "gpt-5.4", AT).and_then(|row| row.cost(&usage));
    assert_eq!(cost(Some(&project)).expect("priced").to_string(), "0.600024");
    assert_eq!(cost(None).expect("priced").to_string(), "1.5000275");
}

#[test]
fn the_built_in_table_has_the_published_prices() {
    let book = PriceBook::new(PriceTable::default());
    for (provider, model, expected) in [
        ("openai", "gpt-5.4", "0.000706"),
        ("azure-openai", "gpt-5.4", "0.000706"),
        ("anthropic", "claude-opus-4-7", "0.001212"),
        ("google", "gemini-2.5-pro", "0.000453"),
        ("bedrock", "anthropic.claude-opus-4-7", "0.001212"),
        ("deepseek", "deepseek-chat", "0.000028672"),
    ] {
        let usage = Usage { input: 36, cache_read: 64, output: 40, ..Usage::default() };
        let row = book.find(None, provider, model, AT).expect(model);
        assert_eq!(row.cost(&usage).expect(model).to_string(), expected, "{provider} {model}");
    }
    assert_eq!(PriceTable::builtin().rows().count(), 2_482);
    let gpt = book.find(None, "openai", "gpt-5.4", AT).expect("listed");
    assert_eq!((gpt.mode(), gpt.max_output()), (Some("chat"), Some(128_000)));
}

#[test]
fn every_provider_finds_its_models_by_the_names_it_calls_them() {
    let book = PriceBook::new(PriceTable::default());
    for (provider, model, listed) in [
        ("bedrock", "anthropic.claude-opus-4-7", "bedrock anthropic.claude-opus-4-7"),
        ("bedrock", "ca.anthropic.claude-opus-4-7", "bedrock anthropic.claude-opus-4-7"),
        ("bedrock", "eu.anthropic.claude-opus-4-7", "bedrock eu.anthropic.claude-opus-4-7"),
        ("bedrock", "anthropic.claude-opus-4-7-v1:0", "bedrock anthropic.claude-opus-4-7"),
        (
            "bedrock",
            "us.anthropic.claude-opus-4-7-20260416-v1:0",
            "bedrock us.anthropic.claude-opus-4-7",
        ),
        (
            "bedrock",
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/us.anthropic.claude-opus-4-7",
            "bedrock us.anthropic.claude-opus-4-7",
        ),
        (
            "bedrock",
            "arn:aws:bedrock:us-east-1::foundation-model/amazon.nova-micro-v1:0",
            "bedrock amazon.nova-micro-v1:0",
        ),
        (
            "bedrock",
            "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/a1b2",
            "",
        ),
        ("bedrock", "anthropic.claude-haiku-4-5", "bedrock_mantle anthropic.claude-haiku-4-5"),
        ("bedrock", "us.xai.grok-4.3", "bedrock_mantle xai.grok-4.3"),
        ("azure-openai", "gpt-5.4", "azure-openai gpt-5.4"),
        ("azure-openai", "gpt-35-turbo-16k", "azure-openai gpt-35-turbo-16k"),
        ("azure-openai", "claude-opus-4-7", "azure_ai claude-opus-4-7"),
        ("azure-openai", "gpt-4o-audio-preview-2099-01-01", ""),
        ("azure-openai", "gpt-4o-search-preview", "openai gpt-4o-search-preview"),
        ("azure-openai", "gpt-4o-search-preview-2099-01-01", "openai gpt-4o-search-preview"),
        ("openai", "Codestral-2501", ""),
        ("openrouter", "openai/o1-pro", "openrouter openai/o1-pro"),
        ("openrouter", "openai/o1-pro-2099-01-01", "openrouter openai/o1-pro"),
        ("openrouter", "anthropic/claude-opus-4-7-20260416", "anthropic claude-opus-4-7-20260416"),
        ("openrouter", "x-ai/grok-code-fast-1", "xai grok-code-fast-1"),
        ("openrouter", "nobody/grok-3", ""),
        ("openrouter", "openai/gpt-5.4:free", ""),
        ("anthropic", "claude-sonnet-4-5-latest", "anthropic claude-sonnet-4-5"),
        ("mistral", "mistral-large-2099-01-01", ""),
        ("cohere", "command-r-plus", ""),
        ("groq", "whisper-large-v3", "groq whisper-large-v3"),
    ] {
        let found = book.locate(None, provider, &[model]);
        let found = found.map(|found| format!("{} {}", found.provider, found.model));
        assert_eq!(found.unwrap_or_default(), listed, "{provider} {model}");
    }
}

#[test]
fn an_override_is_for_the_provider_it_names() {
    let operator = table(r#"{"openai": {"gpt-5.4": {"input": 9}, "only-here": {"input": 8}}}"#);
    let project = table(r#"{"azure_ai": {"claude-opus-4-7": {"input": 7}}}"#);
    let book = PriceBook::new(operator);
    let price = |model| book.find(Some(&project), "azure-openai", model, AT).map(input);
    assert_eq!(price("gpt-5.4").as_deref(), Some("2.5"));
    assert_eq!(price("only-here"), None);
    assert_eq!(price("claude-opus-4-7").as_deref(), Some("5"));
}

#[test]
fn every_exact_name_goes_before_any_alias() {
    let operator = table(r#"{"openai": {"m": {"input": 1}, "asked-2026-01-01": {"input": 2}}}"#);
    let book = PriceBook::new(operator);
    let price = |names: &[&str]| book.find_any(None, "openai", names, AT).map(input);
    assert_eq!(price(&["m-2026-01-01", "asked-2026-01-01"]).as_deref(), Some("2"));
    assert_eq!(price(&["m-2026-01-01", "asked"]).as_deref(), Some("1"));
}

#[test]
fn hostile_names_find_nothing_and_take_no_time() {
    let book = PriceBook::new(PriceTable::default());
    let long = ["-", ".", "/", "us.", "arn:/", "-v1:0", "é", "\u{0}", "gpt-4o", "models/"];
    let long = long.iter().map(|unit| unit.repeat(4_096 / unit.len()));
    let short = ["", " ", "\n", "/", "//", "-", "@", ":", "../gpt-4o", "gpt-4o\0", "💥", "%2e%2e"];
    let began = std::time::Instant::now();
    for name in long.chain(short.map(str::to_owned)) {
        for provider in book.builtin().providers().chain(["", "none"]) {
            assert!(book.locate(None, provider, &[&name, &name]).is_none(), "{provider} {name}");
        }
    }
    assert!(began.elapsed().as_secs() < 2);
}

#[test]
fn a_projects_price_for_the_asked_name_goes_before_the_built_in_one_for_the_answered_name() {
    let book = PriceBook::new(PriceTable::default());
    let project = table(r#"{"openai": {"my-deployment": {"input": 7}}}"#);
    let names = ["gpt-4.1-2025-04-14", "my-deployment"];
    let price = |project| book.find_any(project, "openai", &names, AT).map(input);
    assert_eq!(price(Some(&project)).as_deref(), Some("7"));
    assert_eq!(price(None).as_deref(), Some("2"));
    assert_eq!(book.find_any(Some(&project), "openai", &[], AT).map(input), None);
}

#[test]
fn a_call_is_charged_by_the_hour_that_it_came_in_at() {
    let book = PriceBook::new(PriceTable::default());
    let project = table(
        r#"{"deepseek": {"deepseek-v4-pro": {"input": 7, "offPeak": {"input": 5,
            "windowsUTC": [{"hours_utc": "08:00-09:30"}]}}}}"#,
    );
    for (provider, model, project, at, expected) in [
        ("deepseek", "deepseek-v4-pro", None, "2026-11-23T09:00:00Z", "1.32"),
        ("deepseek", "deepseek-v4-pro", None, "2026-11-23T10:00:00Z", "0.66"),
        ("deepseek", "deepseek-v4-pro", None, "2026-11-22T09:00:00Z", "0.66"),
        ("deepseek", "deepseek-chat", None, "2026-11-22T09:00:00Z", "0.28"),
        ("openrouter", "tencent/hy3", None, "2026-11-23T15:59:59Z", "0.132"),
        ("openrouter", "tencent/hy3", None, "2026-11-23T16:00:00Z", "0.0825"),
        ("deepseek", "deepseek-v4-pro", Some(&project), "2026-11-23T09:00:00Z", "5"),
        ("deepseek", "deepseek-v4-pro", Some(&project), "2026-11-23T10:00:00Z", "7"),
    ] {
        let moment = Timestamp::parse(at).expect(at);
        let found = book.find(project, provider, model, moment).map(input);
        assert_eq!(found.as_deref(), Some(expected), "{provider} {model} {at}");
    }
    let off_peak = book.builtin().rows().filter(|(_, _, row)| row.off_peak().is_some());
    assert_eq!(off_peak.count(), 8);
}
