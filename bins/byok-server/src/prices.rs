//! `prices`: what calls are charged, as far as the operator and the built-in table say.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};

use byok_domain::pricing::{Base, Field, Found, PriceBook, PriceSource, PriceTable, Prices, Tier};

use crate::Outcome;

/// The prices that have a column of their own in a list.
const COLUMNS: [Base; 4] = [Base::Input, Base::Output, Base::CacheRead, Base::CacheWrite];

/// `prices`.
pub(crate) fn run(operator: PriceTable, provider: Option<&str>, model: Option<&str>) -> Outcome {
    let text = tell(&PriceBook::new(operator), provider, model)?;
    match std::io::stdout().write_all(text.as_bytes()) {
        // Whoever reads it has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

fn tell(book: &PriceBook, provider: Option<&str>, model: Option<&str>) -> Result<String, String> {
    let known: BTreeSet<&str> =
        book.operator().providers().chain(book.builtin().providers()).collect();
    let wanted: BTreeSet<&str> = match provider {
        None => known,
        Some(name) if known.contains(name) => BTreeSet::from([name]),
        Some(name) => {
            let known: Vec<_> = known.into_iter().collect();
            return Err(format!(
                "there are no prices of {name:?}; there are of: {}",
                known.join(", ")
            ));
        }
    };
    match model {
        None => Ok(list(book, &wanted)),
        Some(model) => details(book, &wanted, model).ok_or_else(|| {
            let place = provider.map(|name| format!(" of {name}")).unwrap_or_default();
            format!(
                "there is no price for a model {model:?}{place}: its calls are logged with a cost \
                 of null. Give it a price in BYO_MODEL_PRICING or in a project's pricing, then \
                 POST /reprice."
            )
        }),
    }
}

/// A line a model.
fn list(book: &PriceBook, providers: &BTreeSet<&str>) -> String {
    let rows = book.operator().rows().chain(book.builtin().rows());
    let names: BTreeSet<(&str, &str)> = rows
        .map(|(provider, model, _)| (provider, model))
        .filter(|(provider, _)| providers.contains(provider))
        .collect();
    let found = |(provider, model)| Some((provider, model, book.locate(None, provider, &[model])?));
    let rows: Vec<(&str, &str, Found<'_>)> = names.into_iter().filter_map(found).collect();
    let wide = |cell: fn(&(&str, &str, Found<'_>)) -> usize, least: usize| {
        rows.iter().map(cell).max().unwrap_or_default().max(least)
    };
    let (first, second) = (wide(|row| row.0.len(), 8), wide(|row| row.1.chars().count(), 5));

    let mut text = String::from("USD per 1M tokens; see one model whole with --model.\n");
    let [input, output, read, write] = ["INPUT", "OUTPUT", "CACHEREAD", "CACHEWRITE"];
    let _ = writeln!(
        text,
        "{:first$}  {:second$}  {input:>12}  {output:>12}  {read:>12}  {write:>12}  {:9}  OTHER",
        "PROVIDER", "MODEL", "FROM"
    );
    for (provider, model, Found { source, prices, .. }) in &rows {
        let _ = write!(text, "{provider:first$}  {model:second$}");
        let plain = |base| Field { base, above_k: 0, tier: Tier::Standard };
        for base in COLUMNS {
            let price = prices.rates().find(|(field, _)| *field == plain(base));
            let price = price.map_or_else(|| "-".to_owned(), |(_, price)| price);
            let _ = write!(text, "  {price:>12}");
        }
        let _ = writeln!(text, "  {:9}  {}", from(*source), others(prices));
    }
    text
}

/// What has no column: by name where it is all there is, else how much more there is.
fn others(prices: &Prices) -> String {
    if prices.is_zero_priced() {
        return "not known".to_owned();
    }
    let has_column = |field: &Field| {
        field.above_k == 0 && field.tier == Tier::Standard && COLUMNS.contains(&field.base)
    };
    let rest: Vec<_> = prices.rates().filter(|(field, _)| !has_column(field)).collect();
    let mut parts: Vec<String> = match rest.as_slice() {
        few if few.len() <= 2 => {
            few.iter().map(|(field, price)| format!("{field} {price}")).collect()
        }
        many => vec![format!("{} more", many.len())],
    };
    if let Some((windows, rates)) = prices.off_peak() {
        let rates: Vec<_> = rates.map(|(field, price)| format!("{field} {price}")).collect();
        parts.push(format!("off-peak {} at {windows}", rates.join(" ")));
    }
    if parts.is_empty() { "-".to_owned() } else { parts.join(", ") }
}

/// Every price of a model, at each provider that has it.
fn details(book: &PriceBook, providers: &BTreeSet<&str>, model: &str) -> Option<String> {
    let mut text = String::new();
    for provider in providers {
        let Some(found) = book.locate(None, provider, &[model]) else { continue };
        if !text.is_empty() {
            text.push('\n');
        }
        let _ = write!(text, "{provider} {model}: {}", from(found.source));
        if (found.provider, found.model) != (*provider, model) {
            let _ = write!(text, " price of {} {}", found.provider, found.model);
        }
        if let Some(date) = found.prices.deprecated() {
            let _ = write!(text, ", retires on {date}");
        }
        text.push('\n');
        if found.prices.is_zero_priced() {
            text.push_str("  not known: calls are logged with a cost of null\n");
            continue;
        }
        for (field, price) in found.prices.rates() {
            let name = field.to_string();
            let _ = writeln!(text, "  {name:34} {price:>18}  per {}", field.base.per());
        }
        if let Some((windows, rates)) = found.prices.off_peak() {
            let _ = writeln!(text, "  off-peak, {windows}:");
            for (field, price) in rates {
                let name = field.to_string();
                let _ = writeln!(text, "    {name:32} {price:>18}  per {}", field.base.per());
            }
        }
    }
    (!text.is_empty()).then_some(text)
}

fn from(source: PriceSource) -> &'static str {
    match source {
        PriceSource::Project => "project",
        PriceSource::Operator => "operator",
        PriceSource::BuiltIn => "built-in",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn book() -> PriceBook {
        let operator = r#"{"openai": {"gpt-4o": {"input": 1, "output": 2.25, "perQuery": 3}},
                           "mine": {"m": {"perInputSecond": 0.0001}}}"#;
        PriceBook::new(PriceTable::parse(operator).expect("good prices"))
    }

    fn line<'a>(text: &'a str, start: &str) -> Vec<&'a str> {
        let line = text.lines().find(|line| line.starts_with(start)).expect(start);
        line.split_whitespace().collect()
    }

    #[test]
    fn a_list_has_a_line_a_model_with_the_price_that_is_charged() {
        let text = tell(&book(), Some("openai"), None).expect("known");
        let charged = ["1", "2.25", "-", "-", "operator", "perQuery", "3"];
        assert_eq!(line(&text, "openai    gpt-4o ")[2..], charged);
        assert_eq!(line(&text, "openai    gpt-4o-2024-08-06 ")[2..], charged);
        let plain = ["30", "60", "-", "-", "built-in", "-"];
        assert_eq!(line(&text, "openai    gpt-4 ")[2..6], plain[..4]);
        assert_eq!(line(&text, "openai    omni-moderation-latest ")[7..], ["not", "known"]);
        assert!(text.lines().skip(2).all(|line| line.starts_with("openai  ")), "{text}");

        let all = tell(&book(), None, None).expect("everything");
        let rows = PriceTable::builtin().rows().count();
        assert_eq!(all.lines().count(), 2 + rows + 1);
        assert_eq!(line(&all, "mine ")[6..], ["operator", "perInputSecond", "0.0001"]);
    }

    #[test]
    fn a_model_is_shown_whole_with_where_its_price_is_from() {
        let text = tell(&book(), Some("anthropic"), Some("claude-opus-4-7-latest")).expect("known");
        let mut lines = text.lines();
        let head = lines.next().expect("a head");
        assert!(
            head.starts_with(
                "anthropic claude-opus-4-7-latest: built-in price of anthropic claude-opus-4-7"
            ),
            "{head}"
        );
        assert_eq!(line(&text, "  cacheWrite1h "), ["cacheWrite1h", "10", "per", "1M", "tokens"]);
        assert_eq!(line(&text, "  webSearchPer1k"), ["webSearchPer1k", "10", "per", "1,000"]);

        let text = tell(&book(), None, Some("gpt-4o")).expect("known");
        assert!(text.contains("openai gpt-4o: operator\n"), "{text}");
        assert!(text.contains("\n\nopenai") || text.starts_with("openai"), "{text}");
        assert!(text.contains("azure-openai gpt-4o: built-in"), "{text}");
    }

    #[test]
    fn off_peak_prices_are_shown_with_their_hours() {
        const HOURS: &str =
            "Mon Tue Wed Thu Fri 00:00-01:00, 04:00-06:00, 10:00-00:00; Sat Sun 00:00-00:00 UTC";
        let list = tell(&book(), Some("deepseek"), None).expect("known");
        let row = list.lines().find(|line| line.contains(" deepseek-v4-pro ")).expect("a row");
        assert!(
            row.ends_with(&format!("off-peak input 0.66 output 1.98 cacheRead 0.022 at {HOURS}")),
            "{row}"
        );
        let text = tell(&book(), Some("deepseek"), Some("deepseek-v4-pro")).expect("known");
        assert!(text.contains(&format!("\n  off-peak, {HOURS}:\n    input ")), "{text}");
        assert_eq!(line(&text, "    output "), ["output", "1.98", "per", "1M", "tokens"]);
        assert_eq!(line(&text, "  output "), ["output", "3.96", "per", "1M", "tokens"]);
    }

    #[test]
    fn what_is_not_known_is_said_with_what_is() {
        let error = tell(&book(), Some("opnai"), None).expect_err("no such provider");
        assert!(error.contains("\"opnai\"") && error.contains("azure-openai, azure_ai"), "{error}");
        let error = tell(&book(), Some("openai"), Some("no\nsuch")).expect_err("no such model");
        assert!(error.contains("\"no\\nsuch\" of openai"), "{error}");
        let text = tell(&book(), Some("openai"), Some("omni-moderation-latest")).expect("a row");
        assert!(text.contains("not known"), "{text}");
    }
}
