//! `POST /reprice`.

use byok_domain::{CallRecord, ProjectId, RequestId, Timestamp, Usage};
use serde_json::{Value, json};

use crate::rig::{ADMIN, Rig};

/// A call of a model that nobody knew the price of.
fn unpriced(rig: &Rig, model: &str) -> CallRecord {
    CallRecord { model: Some(model.into()), cost: None, ..rig.call("customer_1") }
}

async fn set_price(rig: &Rig, row: Value) {
    let body = json!({ "overrides": { "openai": { "my-finetune": row } } });
    rig.as_a("PATCH", "/pricing", Some(body)).await.ok();
}

#[tokio::test]
async fn a_request_gets_its_price_once_its_model_has_one() {
    let rig = Rig::start().await;
    let call = unpriced(&rig, "my-finetune");
    let by_answer = CallRecord { answered: Some("my-finetune".into()), ..unpriced(&rig, "alias") };
    let priced = rig.call("customer_1");
    let others =
        CallRecord { project: ProjectId::new(rig.b.id.as_str()), ..unpriced(&rig, "my-finetune") };
    for record in [&call, &by_answer, &priced, &others, &unpriced(&rig, "secret")] {
        rig.record(record);
    }
    let none = rig.as_a("POST", "/reprice", Some(json!({}))).await.ok();
    assert_eq!((&none["examined"], &none["repriced"]), (&json!(3), &json!(0)));

    set_price(&rig, json!({ "input": 2, "output": 8, "cacheRead": 0.5, "cacheWrite": 3 })).await;
    // 100 in, 20 read, 5 written, 50 out: 200 + 10 + 15 + 400 millionths.
    let report = json!({
        "examined": 3, "repriced": 2, "costUsd": 0.00125, "dryRun": true,
        "stillUnpriced": [{ "provider": "openai", "model": "secret", "requests": 1 }],
    });
    let dry = rig.as_a("POST", "/reprice", Some(json!({ "dryRun": true }))).await.ok();
    assert_eq!(dry, report);
    let path = format!("/logs/{}", call.id);
    assert_eq!(rig.as_a("GET", &path, None).await.ok()["costUsd"], Value::Null);

    let scoped = format!("/projects/{}/reprice", rig.a.id);
    let done = rig.send("POST", &scoped, Some(ADMIN), Some(json!({}))).await.ok();
    assert_eq!((&done["repriced"], &done["dryRun"]), (&json!(2), &json!(false)));
    for id in [call.id, by_answer.id] {
        let row = rig.as_a("GET", &format!("/logs/{id}"), None).await.ok();
        assert_eq!(row["costUsd"], 0.000625);
        let prices = json!({ "input": 2, "output": 8, "cacheRead": 0.5, "cacheWrite": 3 });
        assert_eq!(row["unitPrices"], prices);
    }
    let kept = rig.as_a("GET", &format!("/logs/{}", priced.id), None).await.ok();
    assert_eq!((&kept["costUsd"], &kept["unitPrices"]), (&json!(0.000706), &Value::Null));
    let usage = rig.as_a("GET", "/usage", None).await.ok();
    assert_eq!(usage["totals"]["costUsd"], 0.001956);
    assert_eq!(usage["totals"]["unpricedRequests"], 1);

    let theirs = format!("/projects/{}/logs/{}", rig.b.id, others.id);
    let theirs = rig.send("GET", &theirs, Some(ADMIN), None).await.ok();
    assert_eq!(theirs["costUsd"], Value::Null);
    let report = rig.send("POST", "/reprice", Some(&rig.b.secret), Some(json!({}))).await.ok();
    assert_eq!((&report["examined"], &report["repriced"]), (&json!(1), &json!(0)));

    let log = rig.as_a("GET", "/audit-logs?action=pricing.updated", None).await.ok();
    assert_eq!(log["data"][0]["metadata"], json!({ "repriced": 2, "costUsd": "0.00125" }));
    assert_eq!(log["total"], 2);
}

#[tokio::test]
async fn buckets_that_no_column_shows_are_priced_exactly() {
    let rig = Rig::start().await;
    let usage = Usage { cache_write: 10, cache_write_1h: 100, search_units: 2, ..Usage::default() };
    let call = CallRecord { usage: Some(usage), ..unpriced(&rig, "my-finetune") };
    rig.record(&call);
    set_price(&rig, json!({ "input": 1, "cacheWrite": 2, "cacheWrite1h": 4, "perQuery": 0.002 }))
        .await;
    let done = rig.as_a("POST", "/reprice", Some(json!({}))).await;
    assert!(done.text.contains("\"costUsd\":0.00442,"), "{}", done.text);
}

#[tokio::test]
async fn a_request_is_priced_by_the_hour_that_it_came_in_at() {
    let rig = Rig::start().await;
    let calls = ["2026-01-05T15:59:59Z", "2026-01-05T16:00:00Z"].map(|at| {
        let at = Timestamp::parse(at).expect(at);
        let id = RequestId::from_parts(at, [at.as_millis().to_le_bytes()[1]; 10]);
        CallRecord { id, at, ..unpriced(&rig, "my-finetune") }
    });
    calls.iter().for_each(|call| rig.record(call));
    let off_peak =
        json!({ "input": 1, "output": 4, "windowsUTC": [{ "hours_utc": "16:00-00:00" }] });
    let row =
        json!({ "input": 2, "output": 8, "cacheRead": 0.5, "cacheWrite": 3, "offPeak": off_peak });
    set_price(&rig, row).await;
    let done = rig.as_a("POST", "/reprice", Some(json!({}))).await.ok();
    assert_eq!(done["repriced"], 2);
    for (call, cost, input) in [(&calls[0], 0.000625, 2), (&calls[1], 0.000325, 1)] {
        let row = rig.as_a("GET", &format!("/logs/{}", call.id), None).await.ok();
        assert_eq!((&row["costUsd"], &row["unitPrices"]["input"]), (&json!(cost), &json!(input)));
    }
    let shown = rig.as_a("GET", "/pricing", None).await.ok();
    assert_eq!(
        shown["overrides"]["openai"]["my-finetune"]["offPeak"],
        json!({ "input": 1, "output": 4, "windowsUTC": [{ "hours_utc": ["16:00-00:00"] }] })
    );
}

#[tokio::test]
async fn a_body_that_makes_no_sense_is_refused_by_field() {
    let rig = Rig::start().await;
    for (body, field) in [
        (json!({ "since": "yesterday" }), "since"),
        (json!({ "until": 1_700_000_000 }), "until"),
        (json!({ "dryRun": "yes" }), "dryRun"),
        (json!({ "dry_run": true }), "dry_run"),
        (json!({ "since": "2026-02-01", "until": "2026-01-01" }), "since"),
    ] {
        let refusal =
            rig.as_a("POST", "/reprice", Some(body)).await.refused(422, "validation_failed");
        assert_eq!(refusal["errors"][0]["field"], field);
    }
    let body = json!({ "since": "2026-01-01", "until": "2026-01-01T00:00:00+02:00" });
    rig.as_a("POST", "/reprice", Some(body)).await.refused(422, "validation_failed");
    let body = json!({ "since": "2026-01-01", "until": null, "dryRun": false });
    rig.as_a("POST", "/reprice", Some(body)).await.ok();
}
