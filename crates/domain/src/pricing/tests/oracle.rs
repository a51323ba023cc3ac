//! Costs against a second reading of the rules, in fractions of unbounded integers.
//!
//! It looks prices up by name in the JSON text, adds modality deltas instead of splitting the
//! tokens into parts, and knows nothing of units, steps or overflow.

use std::collections::BTreeMap;

use num_rational::BigRational;
use proptest::collection::btree_map;
use proptest::prelude::*;
use proptest::sample::select;

use super::exact::{number, pico, whole};
use crate::Usage;
use crate::pricing::PriceTable;
use crate::usage::ServiceTier;

type Row = BTreeMap<String, String>;

struct Oracle<'a> {
    row: &'a Row,
    usage: Usage,
}

impl Oracle<'_> {
    fn price(&self, base: &str) -> Option<BigRational> {
        let usage = &self.usage;
        let total: u128 = [
            usage.input,
            usage.cache_read,
            usage.cache_write,
            usage.cache_write_1h,
            usage.cache_write_12h,
        ]
        .into_iter()
        .map(u128::from)
        .sum();
        let tier = match usage.tier {
            ServiceTier::Standard => "",
            other => &format!("{other:?}"),
        };
        let above =
            [200, 32].into_iter().filter(|k| total > k * 1_000).map(|k| format!("Above{k}k"));
        above
            .chain([String::new()])
            .flat_map(|above| [format!("{base}{above}{tier}"), format!("{base}{above}")])
            .find_map(|name| self.row.get(&name))
            .map(|text| number(text) / number("1000000"))
    }

    fn cost(&self) -> Option<String> {
        let zero = number("0");
        let usage = &self.usage;
        let base_in = self.price("input");
        let base_out = self.price("output").or_else(|| self.price("imageOutput"));
        let need = |count: u64, price: Option<BigRational>| {
            if count == 0 { Some(zero.clone()) } else { price.map(|price| price * whole(count)) }
        };
        let or_in = |name: &str| self.price(name).or_else(|| base_in.clone());
        let derived = self.price("cacheWrite").map(|price| price * number("1.6"));
        let hour = self.price("cacheWrite1h").or(derived).or_else(|| base_in.clone());
        let half_day = self.price("cacheWrite12h").or_else(|| hour.clone());

        let audio_in = usage.audio_input.min(usage.input);
        let image_in = usage.image_input.min(usage.input - audio_in);
        let audio_out = usage.audio_output.min(usage.output);
        let image_out = usage.image_output.min(usage.output - audio_out);
        let reasoning = usage.reasoning.min(usage.output - audio_out - image_out);

        // A modality without a base price stands alone; with one, it adds the difference.
        let delta = |count: u64, name: &str, base: &Option<BigRational>| {
            let price = self.price(name)?;
            Some((price - base.clone()?) * whole(count))
        };
        let split_in = [(audio_in, "audioInput"), (image_in, "imageInput")];
        let split_out =
            [(audio_out, "audioOutput"), (image_out, "imageOutput"), (reasoning, "reasoning")];
        let side = |count: u64, base: &Option<BigRational>, parts: &[(u64, &str)]| {
            if base.is_some() {
                let deltas: BigRational =
                    parts.iter().filter_map(|(part, name)| delta(*part, name, base)).sum();
                return need(count, base.clone()).map(|cost| cost + deltas);
            }
            let named: u64 = parts.iter().map(|(part, _)| part).sum();
            let whole_parts: Option<Vec<BigRational>> =
                parts.iter().map(|(part, name)| need(*part, self.price(name))).collect();
            (named == count).then_some(())?;
            Some(whole_parts?.into_iter().sum())
        };
        let searches = self
            .price("webSearchPer1k")
            .map(|price| price * number("1000"))
            .map(|price| price * whole(usage.web_searches));
        let cost = side(usage.input, &base_in, &split_in)?
            + side(usage.output, &base_out, &split_out)?
            + need(usage.cache_read, or_in("cacheRead"))?
            + need(usage.cache_write, or_in("cacheWrite"))?
            + need(usage.cache_write_1h, hour)?
            + need(usage.cache_write_12h, half_day)?
            + if usage.web_searches == 0 { zero.clone() } else { searches? };
        Some(pico(&cost))
    }
}

const BASES: [&str; 12] = [
    "input",
    "output",
    "cacheRead",
    "cacheWrite",
    "cacheWrite1h",
    "cacheWrite12h",
    "reasoning",
    "audioInput",
    "audioOutput",
    "imageInput",
    "imageOutput",
    "webSearchPer1k",
];

fn field() -> impl Strategy<Value = String> {
    let suffix = select(vec!["", "", "", "Above32k", "Above200k"]);
    let tier = select(vec!["", "", "Batch", "Flex", "Priority", "Ultrafast"]);
    (select(BASES.to_vec()), suffix, tier)
        .prop_map(|(base, above, tier)| format!("{base}{above}{tier}"))
}

fn price() -> impl Strategy<Value = String> {
    prop_oneof![
        (0_u32..200, 0_u32..100).prop_map(|(whole, cents)| format!("{whole}.{cents:02}")),
        (0_u32..1_000_000, 0_u64..1_000_000_000_000)
            .prop_map(|(whole, fraction)| format!("{whole}.{fraction:012}")),
    ]
}

/// Mostly a row that can price tokens, since one that cannot tells little.
fn row() -> impl Strategy<Value = Row> {
    (btree_map(field(), price(), 0..16), prop::option::weighted(0.9, (price(), price()))).prop_map(
        |(mut row, both)| {
            if let Some((input, output)) = both {
                row.insert("input".to_owned(), input);
                row.insert("output".to_owned(), output);
            }
            row
        },
    )
}

fn count() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => Just(0),
        6 => 0_u64..1_000,
        4 => 0_u64..400_000,
        2 => prop::sample::select(vec![32_000, 32_001, 200_000, 200_001]),
        1 => any::<u64>(),
    ]
}

prop_compose! {
    fn usage()(counts in prop::array::uniform11(count()), searches in prop_oneof![4 => Just(0), 1 => 0_u64..9],
               tier in 0_usize..5) -> Usage {
        let [input, cache_read, cache_write, cache_write_1h, cache_write_12h, output, reasoning,
             audio_input, audio_output, image_input, image_output] = counts;
        let tiers = [ServiceTier::Standard, ServiceTier::Batch, ServiceTier::Flex,
                     ServiceTier::Priority, ServiceTier::Ultrafast];
        Usage { input, cache_read, cache_write, cache_write_1h, cache_write_12h, output, reasoning,
                audio_input, audio_output, image_input, image_output, web_searches: searches,
                tier: tiers[tier], ..Usage::default() }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_cost_is_the_oracles_to_the_picodollar(row in row(), usage in usage()) {
        prop_assume!(row.keys().any(|name| name.starts_with("input") || name.starts_with("output")));
        let fields: Vec<_> = row.iter().map(|(name, price)| format!("\"{name}\":{price}")).collect();
        let json = format!("{{\"any\":{{\"m\":{{{}}}}}}}", fields.join(","));
        let table = PriceTable::parse(&json).expect("good prices");
        let prices = table.get("any", "m").expect("just written");

        let expected = Oracle { row: &row, usage }.cost();
        let writable = expected.filter(|pico| pico.parse::<i64>().is_ok());
        let cost = prices.cost(&usage).map(|cost| cost.as_pico().to_string());
        prop_assert_eq!(cost, writable);
    }

    #[test]
    fn a_table_survives_being_written_and_read(row in row()) {
        prop_assume!(!row.is_empty());
        let fields: Vec<_> = row.iter().map(|(name, price)| format!("\"{name}\":{price}")).collect();
        let json = format!("{{\"any\":{{\"m\":{{{}}}}}}}", fields.join(","));
        let table = PriceTable::parse(&json).expect("good prices");
        let text = serde_json::to_string(&table).expect("plain data");
        prop_assert_eq!(&PriceTable::parse(&text).expect("what we wrote"), &table);
        for (name, price) in table.get("any", "m").expect("just written").rates() {
            prop_assert_eq!(number(&price), number(&row[&name.to_string()]));
        }
    }
}
