//! The built-in price table: rebuilt from a collection of list prices, and verified.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;

use byok_domain::pricing::{Base, Field, PriceTable, Prices, Tier};
use serde_json::{Map, Value, json};

use crate::run::{Outcome, root};

const KEPT: &str = "crates/domain/data/prices.json";

/// The collection's names of providers, and ours.
const PROVIDERS: [(&str, &str); 15] = [
    ("anthropic", "anthropic"),
    ("azure", "azure-openai"),
    ("azure_ai", "azure_ai"),
    ("bedrock", "bedrock"),
    ("bedrock_mantle", "bedrock_mantle"),
    ("cohere", "cohere"),
    ("deepseek", "deepseek"),
    ("fireworks", "fireworks"),
    ("gemini", "google"),
    ("groq", "groq"),
    ("mistral", "mistral"),
    ("openai", "openai"),
    ("openrouter", "openrouter"),
    ("together", "together"),
    ("xai", "xai"),
];

/// Whose higher prices begin at a threshold, not over it.
const INCLUSIVE: &str = "xai";

/// Prices that look wrong and are kept as they were published: provider, model, field.
const ODD: [(&str, &str, &str); 2] = [
    ("openrouter", "google/gemini-3.1-pro-preview", "cacheWriteAbove200k"),
    ("openrouter", "deepseek/deepseek-v4-pro-0813", "offPeak"),
];

/// The dearest token that is believed without a second look, USD per 1,000,000.
const DEAREST_TOKEN: f64 = 1_000.0;
/// The dearest embedding token that is believed.
const DEAREST_EMBEDDING: f64 = 2.0;

pub(crate) fn run(args: &[String]) -> Outcome {
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    match args[..] {
        ["--from", file] => {
            let source =
                fs::read_to_string(file).map_err(|e| format!("cannot read {file}: {e}"))?;
            let kept = build(&source)?;
            verify(&kept)?;
            fs::write(root().join(KEPT), kept)?;
            println!("wrote {KEPT}");
            Ok(())
        }
        ["--check"] => {
            let kept = fs::read_to_string(root().join(KEPT))?;
            println!("{KEPT}: {}", verify(&kept)?);
            Ok(())
        }
        _ => Err("say `--from FILE` or `--check`".into()),
    }
}

/// The kept file that belongs to a collection: our names, a model a line, always in one order.
fn build(source: &str) -> Result<String, Box<dyn std::error::Error>> {
    let mut source: Map<String, Value> = serde_json::from_str(source)?;
    let note = source.remove("_note").unwrap_or_default();
    for (provider, models) in &source {
        let (listed, rows) = (&note["counts"][provider], models.as_object().map(Map::len));
        if listed.as_u64() != rows.map(|rows| rows as u64) {
            return Err(format!("{provider} has {rows:?} rows, its note says {listed}").into());
        }
    }

    let mut renamed = Map::new();
    for (theirs, ours) in PROVIDERS {
        let mut models = source.remove(theirs).ok_or_else(|| format!("{theirs} is missing"))?;
        for row in models.as_object_mut().into_iter().flat_map(Map::values_mut) {
            let row = row.as_object_mut().ok_or("a row is no object")?;
            if theirs == INCLUSIVE && row.keys().any(|name| name.contains("Above")) {
                row.insert("aboveInclusive".to_owned(), true.into());
            }
        }
        renamed.insert(ours.to_owned(), models);
    }
    if let Some(unknown) = source.keys().next() {
        return Err(format!("{unknown} is a provider that PROVIDERS does not name").into());
    }

    let renamed = Value::Object(renamed);
    let table = PriceTable::parse(&renamed.to_string())?;
    if !same_numbers(&table.to_json(), &renamed) {
        return Err("a number is too fine or too large to be kept exactly".into());
    }
    Ok(render(&table, &header(&note, &table)))
}

/// Equal but for how numbers are written (`5` is `5.0`), and how hours of the week are.
fn same_numbers(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            let same =
                |name: &str, a: &Value, b: &Value| name == "windowsUTC" || same_numbers(a, b);
            a.len() == b.len()
                && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| same(name, a, b)))
        }
        (Value::Number(a), Value::Number(b)) => a.as_f64() == b.as_f64(),
        _ => a == b,
    }
}

fn header(note: &Value, table: &PriceTable) -> Value {
    json!({
        "about": "List prices, made by `cargo xtask prices --from FILE`; do not edit by hand.",
        "source": note["source"],
        "openrouterSource": note["openrouterSource"],
        "licence": "MIT, Copyright (c) 2023 Berri AI; see LICENSE-litellm",
        "generated": note["generated"],
        "unit": note["unit"],
        "suffixes": note["suffixes"],
        "names": note["names"],
        "zeroPriced": note["zeroPriced"],
        "aboveInclusive": "the Above<N>k prices hold from N*1000 prompt tokens on, not over it",
        "droppedAbsurd": note["droppedAbsurd"],
        "offPeak": "prices that replace the row's own in its windowsUTC; a window that does not end later than it begins ends on the next day, weekdays are 1 (Monday) to 7, none is every day",
        "counts": counts(table),
    })
}

fn counts(table: &PriceTable) -> BTreeMap<&str, u64> {
    let mut counts = BTreeMap::new();
    for (provider, _, _) in table.rows() {
        *counts.entry(provider).or_default() += 1;
    }
    counts
}

fn render(table: &PriceTable, header: &Value) -> String {
    let mut text = format!("{{\n\"_note\": {header:#}");
    let mut last = "";
    for (provider, model, row) in table.rows() {
        if provider == last {
            text.push_str(",\n");
        } else {
            let end = if last.is_empty() { "" } else { "\n}" };
            write!(text, "{end},\n\"{provider}\": {{\n").expect("a string takes it");
            last = provider;
        }
        let (model, row) = (Value::from(model), serde_json::to_string(row).expect("plain data"));
        write!(text, "{model}: {row}").expect("a string takes it");
    }
    text.push_str("\n}\n}\n");
    text
}

/// Says what the kept file holds, or everything that is wrong with it.
fn verify(kept: &str) -> Result<String, String> {
    let table = PriceTable::parse(kept).map_err(|error| error.to_string())?;
    let note: Value =
        serde_json::from_str::<Value>(kept).map_err(|e| e.to_string())?["_note"].take();

    let mut wrong = Vec::new();
    if render(&table, &note) != kept {
        wrong.push("the file is not as `cargo xtask prices --from` writes it".to_owned());
    }
    let counts = counts(&table);
    if json!(counts) != note["counts"] {
        wrong.push(format!("the rows are {counts:?}, the note says {}", note["counts"]));
    }
    for (_, ours) in PROVIDERS {
        if !counts.contains_key(ours) {
            wrong.push(format!("{ours} has no row"));
        }
    }
    for (provider, model, row) in table.rows() {
        let known = |what: &String| {
            ODD.iter().any(|(p, m, field)| {
                (*p, *m) == (provider, model) && what.split(' ').next() == Some(*field)
            })
        };
        let odd = oddities(row).into_iter().filter(|what| !known(what));
        wrong.extend(odd.map(|what| format!("{provider} {model}: {what}")));
    }
    if wrong.is_empty() {
        let listed: Vec<_> = counts.iter().map(|(name, rows)| format!("{name} {rows}")).collect();
        Ok(format!("{} rows ({})", table.rows().count(), listed.join(", ")))
    } else {
        Err(wrong.join("\n"))
    }
}

/// What cannot be right about a row.
fn oddities(row: &Prices) -> Vec<String> {
    let rates: BTreeMap<Field, f64> =
        row.rates().map(|(field, text)| (field, text.parse().expect("a decimal"))).collect();
    let mut wrong = Vec::new();
    let mut expect = |holds: bool, what: String| {
        if !holds {
            wrong.push(what);
        }
    };
    let all_zero = rates.values().all(|rate| *rate == 0.0);
    expect(row.mode().is_some(), "has no mode".to_owned());
    expect(row.is_zero_priced() == all_zero, "zeroPriced and the prices disagree".to_owned());
    for (field, rate) in row.off_peak().into_iter().flat_map(|(_, rates)| rates) {
        let list = rates.get(&field);
        let cheaper = list.is_some_and(|list| rate.parse::<f64>().is_ok_and(|rate| rate <= *list));
        expect(cheaper, format!("offPeak {field} is {rate}, over {list:?}"));
    }
    for (&field, &rate) in &rates {
        let at_most = |other: Option<&f64>| other.is_none_or(|other| rate <= *other);
        let at_least = |other: Option<&f64>| other.is_none_or(|other| rate >= *other);
        let below = Field { above_k: 0, ..field };
        expect(at_least(rates.get(&below)), format!("{field} is under {below}"));
        if field.tier == Tier::Batch {
            let list = Field { tier: Tier::Standard, ..field };
            expect(at_most(rates.get(&list)), format!("{field} is over {list}"));
        }
        if field.base == Base::CacheWrite1h {
            let short = Field { base: Base::CacheWrite, ..field };
            expect(at_least(rates.get(&short)), format!("{field} is under {short}"));
        }
        let dearest = match row.mode() {
            Some("embedding") if field.base == Base::Input => DEAREST_EMBEDDING,
            _ => DEAREST_TOKEN,
        };
        expect(rate <= dearest, format!("{field} is {rate}, over {dearest}"));
    }
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source() -> Value {
        let mut source = json!({"_note": {"source": "a test", "counts": {}}});
        for (theirs, _) in PROVIDERS {
            source[theirs] = json!({
                "b": {"mode": "chat", "output": 15, "input": 2.5, "offPeak": {"input": 1, "windowsUTC": [
                        {"weekdays": ["sunday", "saturday"], "hours_utc": "00:00-00:00"}]}},
                "a": {"mode": "chat", "input": 0.000000000001, "inputAbove200k": 1e-3},
            });
            source["_note"]["counts"][theirs] = 2.into();
        }
        source
    }

    #[test]
    fn a_collection_becomes_a_line_a_model_in_order_under_our_names() {
        let kept = build(&source().to_string()).expect("a good collection");
        assert_eq!(build(&source().to_string()).expect("the same"), kept);
        verify(&kept).expect("what is built is right");

        let lines: Vec<_> = kept.lines().collect();
        let at = lines.iter().position(|line| *line == "\"google\": {").expect("gemini is google");
        assert_eq!(
            lines[at + 1..at + 4],
            [
                r#""a": {"mode":"chat","input":0.000000000001,"inputAbove200k":0.001},"#,
                r#""b": {"mode":"chat","input":2.5,"output":15,"offPeak":{"input":1,"windowsUTC":[{"hours_utc":["00:00-00:00"],"weekdays":[6,7]}]}}"#,
                "},",
            ]
        );
        let xai = lines.iter().position(|line| *line == "\"xai\": {").expect("kept");
        assert!(lines[xai + 1].ends_with(r#""aboveInclusive":true},"#), "{}", lines[xai + 1]);
        assert!(!lines[xai + 2].contains("aboveInclusive"), "{}", lines[xai + 2]);
    }

    #[test]
    fn a_collection_with_a_mistake_is_refused() {
        let refused = |change: fn(&mut Value), why: &str| {
            let mut source = source();
            change(&mut source);
            let error = build(&source.to_string()).expect_err(why).to_string();
            assert!(error.contains(why), "{error}");
        };
        refused(|s| s["openai"]["a"]["inptu"] = 1.into(), "did you mean input");
        refused(|s| s["openai"]["a"]["input"] = (-1).into(), "is negative");
        refused(|s| s["openai"]["a"]["input"] = json!(1e-13), "finest step");
        refused(|s| s["openai"]["a"]["input"] = json!(0.1000000000001), "kept exactly");
        refused(|s| s["openai"]["c"] = json!({"input": 1}), "its note says");
        refused(|s| s["_note"]["counts"]["groq"] = 3.into(), "groq has");
        refused(
            |s| {
                s["newcomer"] = json!({});
                s["_note"]["counts"]["newcomer"] = 0.into();
            },
            "newcomer is a provider",
        );
    }

    #[test]
    fn a_kept_file_with_a_mistake_is_found_out() {
        let kept = build(&source().to_string()).expect("a good collection");
        for (from, to, why) in [
            ("\"input\":2.5", "\"input\":2.50", "not as"),
            ("\"input\":2.5", "\"input\":2.5e9", "check the unit"),
            ("\"input\":2.5", "\"input\":1001", "over 1000"),
            ("\"inputAbove200k\":0.001", "\"inputAbove200k\":0", "inputAbove200k is under input"),
            ("{\"input\":1,", "{\"input\":3,", "offPeak input is 3, over Some(2.5)"),
            ("{\"input\":1,", "{\"cacheRead\":1,", "offPeak cacheRead is 1, over None"),
            ("[6,7]", "[7,6]", "not as"),
            ("\"output\":15", "\"output\":15,\"outputBatch\":16", "outputBatch is over output"),
            (
                "\"output\":15",
                "\"cacheWrite\":2,\"cacheWrite1h\":1",
                "cacheWrite1h is under cacheWrite",
            ),
            ("\"mode\":\"chat\",\"input\":2.5", "\"input\":2.5", "has no mode"),
            ("\"input\":2.5,\"output\":15", "\"input\":0", "zeroPriced and the prices disagree"),
            ("\"b\": ", "\"a\": ", "given twice"),
            ("\"b\": ", "\"A\": ", "not as"),
            ("\"google\": {", "\"gogle\": {", "google has no row"),
            ("\"groq\": 2", "\"groq\": 3", "the note says"),
        ] {
            assert!(kept.contains(from), "{from}");
            let error = verify(&kept.replacen(from, to, 1)).expect_err(why);
            assert!(error.contains(why), "{why}: {error}");
        }
    }

    #[test]
    fn the_kept_table_is_right() {
        let kept = fs::read_to_string(root().join(KEPT)).expect("it is kept");
        verify(&kept).expect("nothing is odd");
    }
}
