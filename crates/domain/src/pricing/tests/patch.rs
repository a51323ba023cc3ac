//! What a table or a patch may say, and that every mistake in it is told at once.

use serde_json::{Value, json};

use crate::FieldError;
use crate::pricing::{PriceTable, Prices, PricingError};

fn patched(patches: &[Value]) -> PriceTable {
    patches.iter().fold(PriceTable::default(), |table, patch| {
        table.merge_patch(patch).unwrap_or_else(|errors| panic!("{patch}: {errors:?}"))
    })
}

#[test]
fn a_patch_is_merged_into_what_is_there() {
    let first = json!({"openai": {"a": {"input": 0.5, "output": 2.0}, "b": {"input": 1}}});
    for (patch, expected) in [
        (json!({}), first.clone()),
        (json!({"openai": {}}), first.clone()),
        (json!({"openai": {"a": {}}}), first.clone()),
        (
            json!({"openai": {"a": {"output": 3, "cacheRead": 0.05}}}),
            json!({"openai": {"a": {"input": 0.5, "output": 3, "cacheRead": 0.05}, "b": {"input": 1}}}),
        ),
        (
            json!({"openai": {"a": {"output": null, "audioInput": null, "mode": null}}}),
            json!({"openai": {"a": {"input": 0.5}, "b": {"input": 1}}}),
        ),
        (
            json!({"openai": {"a": null, "never-there": null}}),
            json!({"openai": {"b": {"input": 1}}}),
        ),
        (json!({"openai": {"a": null, "b": null}}), json!({})),
        (json!({"openai": null, "mistral": null}), json!({})),
        (
            json!({"openai": {"a": {"offPeak": {"input": 0.25, "windowsUTC": [
                {"hours_utc": "16:00-00:00", "weekdays": ["monday"]}]}}}}),
            json!({"openai": {"a": {"input": 0.5, "output": 2, "offPeak": {"input": 0.25,
                "windowsUTC": [{"hours_utc": ["16:00-00:00"], "weekdays": [1]}]}}, "b": {"input": 1}}}),
        ),
        (json!({"openai": {"b": {"offPeak": null}}}), first.clone()),
        (
            json!({"x-host_2": {"org/m:free": {"output": 1e-6}}}),
            json!({"openai": first["openai"], "x-host_2": {"org/m:free": {"output": 0.000_001}}}),
        ),
    ] {
        let table = patched(&[first.clone(), patch.clone()]);
        let expected = patched(&[expected]);
        assert_eq!(table, expected, "{patch}");
        assert_eq!(table.is_empty(), expected.to_json() == json!({}), "{patch}");
    }
}

#[test]
fn off_peak_prices_are_patched_as_the_row_they_are_in() {
    let row = |off_peak: Value| json!({"deepseek": {"m": {"input": 2, "output": 4, "offPeak": off_peak}}});
    let hours = json!([{"hours_utc": "16:00-00:00"}]);
    let first = row(json!({"input": 1, "output": 2, "windowsUTC": hours}));
    for (patch, expected) in [
        (json!({"input": 0.5}), json!({"input": 0.5, "output": 2, "windowsUTC": hours})),
        (json!({"output": null}), json!({"input": 1, "windowsUTC": hours})),
        (
            json!({"windowsUTC": [{"hours_utc": "01:00-02:00"}]}),
            json!({"input": 1, "output": 2, "windowsUTC": [{"hours_utc": "01:00-02:00"}]}),
        ),
        (json!(null), json!(null)),
    ] {
        let expected = match expected {
            Value::Null => json!({"deepseek": {"m": {"input": 2, "output": 4}}}),
            off_peak => row(off_peak),
        };
        let table = patched(&[first.clone(), row(patch.clone())]);
        assert_eq!(table, patched(&[expected]), "{patch}");
    }
    for (patch, path) in [
        (json!({"input": null, "output": null}), "deepseek.m.offPeak"),
        (json!({"windowsUTC": null}), "deepseek.m.offPeak"),
        (json!({"never": null}), "deepseek.m.offPeak.never"),
        (json!(7), "deepseek.m.offPeak"),
    ] {
        let errors =
            patched(std::slice::from_ref(&first)).merge_patch(&row(patch)).expect_err("a mistake");
        assert_eq!(errors.iter().map(|e| e.field.as_str()).collect::<Vec<_>>(), [path]);
    }
}

#[test]
fn an_override_may_hold_every_name_of_the_built_in_table() {
    for (provider, model, prices) in PriceTable::builtin().rows() {
        let row = serde_json::to_value(prices).expect("plain data");
        let table = patched(&[json!({provider: {model: row.clone()}})]);
        assert_eq!(table.get(provider, model), Some(prices), "{provider} {model}");
        assert_eq!(serde_json::from_value::<Prices>(row).expect("a row"), *prices);
    }
}

#[test]
fn every_mistake_is_told_by_its_path_and_nothing_is_changed() {
    let before = patched(&[json!({"openai": {"good": {"input": 1}}})]);
    let patch = json!({
        "openai": {
            "good": {"input": 2},
            "gpt-5.4": {
                "input": -1,
                "output": 1e7,
                "cacheRead": "0.25",
                "cacheWrite": 1e-15,
                "cache_write": 1,
                "prompt": 1,
                "audioInput": true,
                "audioOutput": [],
                "mode": "talk",
                "maxInput": 1.5,
                "deprecated": "soon",
                "zeroPriced": 1,
                "offPeak": {"input": -1, "outptu": 1, "mode": "chat", "windowsUTC": "at night"},
                "nonsense": null,
            },
            "never": {"input": 1, "offPeak": {"input": 1}},
            "always": {"input": 1, "offPeak": {"windowsUTC": [{"hours_utc": "16:00-00:00"}]}},
            "empty": {},
            "described": {"mode": "chat", "maxInput": 5},
            "number": 5,
            "": {"input": 1},
            " padded": {"input": 1},
            "bell\u{7}": {"input": 1},
        },
        "perhaps": 7,
        "Open AI": {"m": {"input": 1}},
        "_note": {"m": {"input": 1}},
    });
    let errors = before.merge_patch(&patch).expect_err("full of mistakes");
    let find = |field: &str| {
        let found: Vec<_> = errors.iter().filter(|error| error.field == field).collect();
        assert_eq!(found.len(), 1, "{field}: {errors:#?}");
        found[0].message.as_str()
    };
    let expected = [
        ("openai.gpt-5.4.input", "is negative; a price is 0 or more"),
        ("openai.gpt-5.4.output", "is over 1000000, which no price is; check the unit"),
        ("openai.gpt-5.4.cacheRead", "must be a number of USD, without quotes"),
        ("openai.gpt-5.4.cacheWrite", "is under the finest step, 12 decimals; check the unit"),
        ("openai.gpt-5.4.cache_write", "is not a price we know; did you mean cacheWrite?"),
        (
            "openai.gpt-5.4.prompt",
            "is not a price we know; see input, output, cacheRead, cacheWrite",
        ),
        ("openai.gpt-5.4.audioInput", "must be a number of USD, without quotes"),
        ("openai.gpt-5.4.audioOutput", "must be a number of USD, without quotes"),
        ("openai.gpt-5.4.maxInput", "must be a whole number of tokens"),
        ("openai.gpt-5.4.deprecated", "must be a date as \"2026-12-31\""),
        ("openai.gpt-5.4.zeroPriced", "must be true or false"),
        ("openai.gpt-5.4.offPeak.input", "is negative; a price is 0 or more"),
        ("openai.gpt-5.4.offPeak.outptu", "is not a price we know; did you mean output?"),
        (
            "openai.gpt-5.4.offPeak.mode",
            "is not a price we know; see input, output, and windowsUTC",
        ),
        ("openai.never.offPeak", "has no windowsUTC, the hours at which it holds"),
        (
            "openai.always.offPeak",
            "has no price; give those that differ at these hours, as input and output",
        ),
        (
            "openai.gpt-5.4.nonsense",
            "is not a price we know; see input, output, cacheRead, cacheWrite",
        ),
        (
            "openai.empty",
            "has no price; give at least input or output, or null to remove the model",
        ),
        (
            "openai.described",
            "has no price; give at least input or output, or null to remove the model",
        ),
        ("openai.number", "must be an object of prices, as in {\"input\": 2.5, \"output\": 15}"),
        ("perhaps", "must be an object of models, as in {\"gpt-5.4\": {\"input\": 2.5}}"),
    ];
    for (field, message) in expected {
        assert_eq!(find(field), message, "{field}");
    }
    assert!(find("openai.gpt-5.4.offPeak.windowsUTC").starts_with("must be a list as "));
    assert!(find("openai.gpt-5.4.mode").starts_with("must be one of audio_speech, "));
    for field in ["openai.", "openai. padded", "openai.bell…"] {
        assert!(find(field).starts_with("is not a model's name"), "{field}");
    }
    for field in ["Open AI", "_note"] {
        assert!(find(field).starts_with("is not a provider's name"), "{field}");
    }
    assert_eq!(errors.len(), expected.len() + 7);
    assert_eq!(before, patched(&[json!({"openai": {"good": {"input": 1}}})]));
}

#[test]
fn a_row_must_not_lose_its_last_price() {
    let before = patched(&[json!({"openai": {"m": {"input": 1, "mode": "chat"}}})]);
    let errors = before.merge_patch(&json!({"openai": {"m": {"input": null}}})).expect_err("bare");
    assert_eq!(errors[0].field, "openai.m");
}

#[test]
fn mistakes_are_told_up_to_a_hundred() {
    let models: serde_json::Map<String, Value> =
        (0..1_000).map(|n| (format!("m{n}"), json!({"input": -1}))).collect();
    let errors = PriceTable::default().merge_patch(&json!({"openai": models})).expect_err("bad");
    assert_eq!(errors.len(), 100);
    let long = json!({"openai": {"m": {"é".repeat(5_000): 1}}});
    let errors = PriceTable::default().merge_patch(&long).expect_err("bad");
    assert!(errors[0].field.len() < 200, "{}", errors[0].field.len());
}

#[test]
fn only_an_object_is_a_table() {
    for text in ["[]", "1", "\"x\"", "null", "true"] {
        let Err(PricingError::Fields(errors)) = PriceTable::parse(text) else {
            panic!("{text} was taken");
        };
        assert_eq!(errors.len(), 1, "{text}");
        let patch: Value = serde_json::from_str(text).expect("JSON");
        assert_eq!(PriceTable::default().merge_patch(&patch), Err(errors), "{text}");
    }
    for text in
        ["", "{", "{\"openai\": {\"m\": {\"input\": NaN}}}", "{\"a\": {\"m\": {\"input\": .5}}}"]
    {
        assert!(matches!(PriceTable::parse(text), Err(PricingError::Json(_))), "{text}");
    }
}

#[test]
fn a_table_may_be_wrapped_and_annotated_but_not_patch_or_repeat_itself() {
    let plain = PriceTable::parse(r#"{"openai": {"m": {"input": 1}}}"#).expect("plain");
    for text in [
        r#"{"overrides": {"openai": {"m": {"input": 1}}}}"#,
        r#"{"_note": "ours", "openai": {"m": {"input": 1.0}}}"#,
        r#"{"openai": {"m": {"input": 1e0}}}"#,
        r#" {"openai": {"m": {"\u0069nput": 10E-1}}} "#,
    ] {
        assert_eq!(PriceTable::parse(text).expect(text), plain, "{text}");
    }
    for (text, field) in [
        (r#"{"openai": null}"#, "openai"),
        (r#"{"openai": {"m": null}}"#, "openai.m"),
        (r#"{"openai": {"m": {"input": 1, "output": null}}}"#, "openai.m.output"),
        (r#"{"openai": {"m": {"input": 1, "input": 1}}}"#, "openai.m.input"),
        (r#"{"openai": {"m": {"input": 1, "\u0069nput": 2}}}"#, "openai.m.input"),
        (r#"{"openai": {"m": {"input": 1}, "m": {"input": 1}}}"#, "openai.m"),
        (r#"{"openai": {"m": {"input": 1}}, "openai": {"n": {"input": 1}}}"#, "openai"),
        (r#"{"openai": {"m": {"input": 1e400}}}"#, "openai.m.input"),
        (r#"{"openai": {"m": {"perQuery": 10000.000000000000001}}}"#, "openai.m.perQuery"),
        (r#"{"openai": {"m": {"multFast": 101}}}"#, "openai.m.multFast"),
        (r#"{"openai": {"m": {"webSearchPer1k": 1000001}}}"#, "openai.m.webSearchPer1k"),
    ] {
        let Err(PricingError::Fields(errors)) = PriceTable::parse(text) else {
            panic!("{text} was taken");
        };
        assert_eq!(errors.iter().map(|e| e.field.as_str()).collect::<Vec<_>>(), [field], "{text}");
    }
}

#[test]
fn numbers_keep_their_decimals() {
    let text = r#"{"openai":{"m":{"input":999999.123456789012,"output":0.000000000001,"perInputPixel":0.00000000203451}}}"#;
    let table: PriceTable = serde_json::from_str(text).expect("a table");
    assert_eq!(serde_json::to_string(&table).expect("plain data"), text);
    // What a client computed in floats means the decimal next to it.
    let table = patched(&[json!({"openai": {"m": {"input": 0.1 + 0.2}}})]);
    assert_eq!(table.to_json(), json!({"openai": {"m": {"input": 0.3}}}));
    let error = serde_json::from_str::<PriceTable>(r#"{"openai":{"m":{"input":-1}}}"#);
    assert!(error.expect_err("negative").to_string().contains("openai.m.input: is negative"));
}

#[test]
fn an_error_reads_as_a_sentence_and_serialises_for_the_api() {
    let error =
        FieldError { field: "openai.m.input".to_owned(), message: "is negative".to_owned() };
    assert_eq!(error.to_string(), "openai.m.input: is negative");
    let json = serde_json::to_value(&error).expect("plain data");
    assert_eq!(json, json!({"field": "openai.m.input", "message": "is negative"}));
}
