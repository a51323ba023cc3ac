//! Filters are values, whatever they spell.

use byok_domain::{CallRecord, ProviderId};
use byok_store::{CallFilter, CallRange, KeyFilter, UsageFilter};

use crate::support::{ALL, Rig, call, key, on_each_database, openai, ref_id};

on_each_database!(a_filter_finds_the_text_it_holds_and_no_other,);

const RANGE: CallRange = CallRange { limit: 100, offset: 0, before: None };

/// Texts that mean something to a database, or look like others.
const TEXTS: &[&str] = &[
    "%",
    "_",
    "customer%",
    "custome_",
    "' OR '1'='1",
    "' OR 1=1 --",
    "'; DROP TABLE calls; --",
    "\" OR \"\"=\"",
    "a' UNION SELECT sealed FROM provider_keys --",
    "$1",
    "?1",
    ":a",
    "@a",
    "\\",
    "\\'",
    "%' ESCAPE '\\",
    "x'00'",
    "NULL",
    "0",
    "CUSTOMER",
    "customer\u{200b}",
    "сustomer",
    "e\u{301}",
    "é",
    "İ",
    "ß",
    "😀",
    "\u{202e}remotsuc",
    "\u{feff}customer",
    "*",
    "[a-z]*",
    "customer\u{0338}",
];

async fn a_filter_finds_the_text_it_holds_and_no_other() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.connect(&project, key("pk_plain", "customer")).await;
    rig.apply(&[call(&project, "customer", 1)]).await;
    let odd: Vec<_> = TEXTS
        .iter()
        .map(|text| CallRecord {
            provider: ProviderId::new(*text),
            model: Some((*text).into()),
            ..call(&project, text, 2)
        })
        .collect();

    for (with, expected) in [(false, 0), (true, 1)] {
        if with {
            rig.apply(&odd).await;
            for (n, text) in TEXTS.iter().enumerate() {
                rig.connect(&project, key(&format!("pk_{n}"), text)).await;
            }
        }
        for text in TEXTS {
            let by_ref_id = UsageFilter { ref_id: Some(ref_id(text)), ..UsageFilter::default() };
            let by_provider =
                UsageFilter { provider: Some(ProviderId::new(*text)), ..UsageFilter::default() };
            let by_model =
                UsageFilter { model: Some((*text).to_owned()), ..UsageFilter::default() };
            for usage in [by_ref_id, by_provider, by_model] {
                let found = rig.store.usage(&project, &usage).await.unwrap();
                assert_eq!(found.totals.requests, expected, "{usage:?}");
                let filter = CallFilter { usage, success: None };
                let page = rig.store.calls(&project, &filter, RANGE).await.unwrap();
                assert_eq!((page.total, page.data.len() as u64), (expected, expected));
                let mut export = rig.store.export_calls(&project, &filter);
                let rows = export.next_page().await.unwrap().map_or(0, |rows| rows.len());
                assert_eq!(rows as u64, expected);
            }
            let filter = KeyFilter { ref_id: Some(ref_id(text)), ..KeyFilter::default() };
            let keys = rig.store.provider_keys(&project, &filter, ALL).await.unwrap();
            assert_eq!((keys.total, keys.data.len() as u64), (expected, expected), "{text}");
            let sealed = rig.store.sealed_keys(&project, &openai(), &ref_id(text)).await.unwrap();
            assert_eq!(sealed.len() as u64, expected);
        }
    }
    let all = rig.store.usage(&project, &UsageFilter::default()).await.unwrap();
    assert_eq!(all.totals.requests, 1 + TEXTS.len() as u64);
    let texts: std::collections::BTreeSet<_> =
        all.by_ref_id.iter().map(|row| row.ref_id.as_str()).collect();
    assert!(TEXTS.iter().all(|text| texts.contains(text)));
}
