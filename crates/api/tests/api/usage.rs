//! `GET /usage`, `GET /stats`, `GET /usage/export`.

use byok_domain::{CallRecord, Timestamp};
use serde_json::{Value, json};

use crate::rig::Rig;

/// Sums, of the members that tests look at.
fn sums(requests: u64, failed: u64, tokens: u64, cost: &Value) -> Value {
    json!({ "requests": requests, "failed": failed, "totalTokens": tokens, "costUsd": cost })
}

fn picked(sums: &Value) -> Value {
    let mut picked = json!({});
    for name in ["requests", "failed", "totalTokens", "costUsd"] {
        picked[name] = sums[name].clone();
    }
    picked
}

#[tokio::test]
async fn a_call_is_counted_from_every_side_as_soon_as_it_is_recorded() {
    let rig = Rig::start().await;
    rig.record(&rig.call("customer_1"));
    let reply = rig.as_a("GET", "/usage", None).await;
    assert!(reply.text.contains("\"costUsd\":0.000706,"), "{}", reply.text);
    let usage = reply.ok();
    assert_eq!(usage["since"], "2026-12-16T09:00:00.000Z");
    assert_eq!(usage["until"], "2027-01-15T09:00:00.000Z");
    let totals = json!({
        "requests": 1, "succeeded": 1, "failed": 0, "inputTokens": 125, "outputTokens": 50,
        "totalTokens": 175, "cacheReadTokens": 20, "cacheWriteTokens": 5, "reasoningTokens": 10,
        "costUsd": 0.000706, "creditsCharged": 0, "unpricedRequests": 0, "unknownUsageRequests": 0,
    });
    assert_eq!(usage["totals"], totals);
    for (side, names) in [
        ("byProvider", json!({ "provider": "openai" })),
        ("byModel", json!({ "provider": "openai", "model": "gpt-4.1" })),
        ("byRefId", json!({ "refId": "customer_1" })),
        ("bySource", json!({ "source": "byok" })),
        ("daily", json!({ "date": "2027-01-15" })),
    ] {
        let mut expected = totals.clone();
        for (name, value) in names.as_object().expect("names") {
            expected[name] = value.clone();
        }
        assert_eq!(usage[side], json!([expected]), "{side}");
    }
    assert_eq!((&usage["unknownModels"], &usage["truncated"]), (&json!([]), &json!(false)));
}

#[tokio::test]
async fn unknown_prices_and_unknown_usage_are_null_and_said_so() {
    let rig = Rig::start().await;
    let own_model =
        CallRecord { model: Some("my-finetune".into()), cost: None, ..rig.call("unpriced") };
    rig.record(&own_model);
    rig.record(&CallRecord { usage: None, cost: None, ..rig.call("unmetered") });
    rig.record(&rig.failed("refused"));
    rig.record(&rig.call("priced"));
    let of = async |ref_id: &str| {
        let usage = rig.as_a("GET", &format!("/usage?refId={ref_id}"), None).await.ok();
        picked(&usage["totals"])
    };
    assert_eq!(of("unpriced").await, sums(1, 0, 175, &Value::Null));
    assert_eq!(of("unmetered").await, sums(1, 0, 0, &Value::Null));
    assert_eq!(of("priced").await, sums(1, 0, 175, &json!(0.000706)));
    assert_eq!(of("nobody").await, sums(0, 0, 0, &json!(0)));
    let usage = rig.as_a("GET", "/usage", None).await.ok();
    assert_eq!(picked(&usage["totals"]), sums(4, 1, 350, &json!(0.000706)));
    assert_eq!(
        usage["unknownModels"],
        json!([{ "provider": "openai", "model": "my-finetune", "requests": 1, "totalTokens": 175 }])
    );
}

#[tokio::test]
async fn filters_narrow_and_bad_ones_are_refused() {
    let rig = Rig::start().await;
    let day = |n: i64| Timestamp::from_millis(1_800_000_000_000 - n * 86_400_000);
    for (ref_id, days) in [("c1", 0), ("c1", 2), ("c2", 2), ("c2", 40)] {
        rig.record(&rig.call_at(ref_id, day(days)));
    }
    for (query, requests) in [
        ("", 3),
        ("?refId=c1", 2),
        ("?refId=c2", 1),
        ("?since=2026-01-01", 4),
        ("?since=2027-01-14T08:00:00Z", 1),
        ("?since=2027-01-13T09:00:00%2B01:00&until=2027-01-15T08:00:00.000Z", 2),
        ("?until=2027-01-13", 0),
        ("?until=2027-01-14", 2),
        ("?model=gpt-4.1&provider=openai&source=byok", 3),
        ("?model=GPT-4.1", 0),
        ("?source=credits", 0),
        ("?refId=c%25", 0),
        ("?refId=_1", 0),
    ] {
        let usage = rig.as_a("GET", &format!("/usage{query}"), None).await.ok();
        assert_eq!(usage["totals"]["requests"], requests, "{query}");
    }
    for query in
        ["?source=cash", "?since=x", "?refId=", "?limit=5", "?since=2027-01-02&until=2027-01-01"]
    {
        let refused = rig.as_a("GET", &format!("/usage{query}"), None).await;
        refused.refused(400, "invalid_parameter");
    }
}

#[tokio::test]
async fn the_last_day_is_compared_with_the_one_before() {
    let rig = Rig::start().await;
    let hours = |n: i64| Timestamp::from_millis(1_800_000_000_000 - n * 3_600_000);
    let none = rig.as_a("GET", "/stats", None).await.ok();
    assert_eq!(none["requests24h"], 0);
    assert_eq!(none["deltaPct"], json!({ "requests": 0, "totalTokens": 0, "costUsd": 0 }));
    for (ref_id, at) in [("c1", 1), ("c1", 2), ("c2", 23), ("c3", 25), ("c3", 47), ("c3", 49)] {
        rig.record(&rig.call_at(ref_id, hours(at)));
    }
    let reply = rig.as_a("GET", "/stats", None).await;
    assert!(reply.text.contains("\"costUsd24h\":0.002118,"), "{}", reply.text);
    assert_eq!(
        reply.ok(),
        json!({
            "requests24h": 3, "succeeded24h": 3, "failed24h": 0, "totalTokens24h": 525,
            "costUsd24h": 0.002118, "activeRefIds24h": 2,
            "deltaPct": { "requests": 50, "totalTokens": 50, "costUsd": 50 },
        })
    );
}

#[tokio::test]
async fn an_export_has_one_row_a_request_in_each_form() {
    let rig = Rig::start().await;
    // More than a page of the export, so that pages are joined.
    for n in 0..1_203 {
        rig.record(&rig.call(&format!("customer_{n}")));
        rig.clock.advance_millis(1);
    }
    rig.record(&rig.failed("refused"));
    let csv = rig.as_a("GET", "/usage/export", None).await;
    assert_eq!(csv.header("content-type"), Some("text/csv; charset=utf-8"));
    assert_eq!(csv.header("content-disposition"), Some("attachment; filename=\"usage.csv\""));
    let lines: Vec<&str> = csv.text.split("\r\n").collect();
    assert_eq!((lines.len(), lines[1205]), (1_206, ""));
    assert!(lines[0].starts_with("id,projectId,refId,"), "{}", lines[0]);
    assert!(lines[1].contains(",customer_0,openai,gpt-4.1,chat/completions,,byok,200,true,,"));
    assert!(lines[1].contains(",0.000706,0,12,7,,2027-01-15T08:00:00.000Z"), "{}", lines[1]);
    assert!(lines[1204].contains(",401,false,key_rejected,false,,,,,,,"), "{}", lines[1204]);

    let json = rig.as_a("GET", "/usage/export?format=json", None).await.ok();
    let rows = json.as_array().expect("rows");
    assert_eq!((rows.len(), &rows[1202]["refId"]), (1_204, &json!("customer_1202")));
    assert_eq!(rows[1203]["costUsd"], Value::Null);

    let ndjson = rig.as_a("GET", "/usage/export?format=ndjson&refId=customer_7", None).await;
    assert_eq!(ndjson.header("content-type"), Some("application/x-ndjson"));
    let row: Value = serde_json::from_str(ndjson.text.trim_end()).expect("one row");
    assert_eq!(row["refId"], "customer_7");

    let empty = rig.as_a("GET", "/usage/export?format=json&refId=nobody", None).await;
    assert_eq!(empty.text, "[]");
    rig.as_a("GET", "/usage/export?format=xml", None).await.refused(400, "invalid_parameter");
}
