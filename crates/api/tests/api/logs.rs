//! `GET /logs`, `GET /logs/{id}`.

use byok_domain::call::Attempt;
use byok_domain::routing::FallbackReason;
use byok_domain::{Aftermath, CallRecord, Credits, ErrorClass, KeySource, ProviderKeyId};
use serde_json::{Value, json};

use crate::rig::Rig;

fn ids(page: &Value) -> Vec<String> {
    let rows = page["data"].as_array().expect("rows").iter();
    rows.map(|row| row["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn a_row_tells_everything_of_a_call_but_what_was_said() {
    let rig = Rig::start().await;
    let unit_prices = r#"{"input":2,"output":8.25,"cacheRead":0.000000000001}"#;
    let call = CallRecord { unit_prices: Some(unit_prices.into()), ..rig.call("customer_1") };
    rig.record(&call);
    let page = rig.as_a("GET", "/logs", None).await.ok();
    let row = json!({
        "id": call.id.to_string(), "projectId": rig.a.id, "refId": "customer_1",
        "provider": "openai", "model": "gpt-4.1", "operation": "chat/completions", "keyId": null,
        "source": "byok", "statusCode": 200, "success": true, "errorClass": null,
        "streamed": false, "inputTokens": 125, "outputTokens": 50, "totalTokens": 175,
        "cacheReadTokens": 20, "cacheWriteTokens": 5, "reasoningTokens": 10,
        "usageEstimated": false, "customerReported": false, "costUsd": 0.000706,
        "creditsCharged": 0, "latencyMs": 12, "firstByteMs": 7, "fallbackReason": null,
        "createdAt": "2027-01-15T08:00:00.000Z",
    });
    assert_eq!(
        page,
        json!({ "data": [row], "total": 1, "limit": 50, "offset": 0, "nextCursor": null })
    );
    let mut detail = row;
    detail["unitPrices"] = json!({ "input": 2, "output": 8.25, "cacheRead": 0.000000000001 });
    detail["attempts"] = json!([]);
    let path = format!("/logs/{}", call.id);
    let reply = rig.as_a("GET", &path, None).await;
    assert!(reply.text.contains("\"cacheRead\":0.000000000001"), "{}", reply.text);
    assert_eq!(reply.ok(), detail);
    let upper = format!("/projects/{}/logs/{}", rig.a.id, call.id.to_string().to_uppercase());
    assert_eq!(rig.as_a("GET", &upper, None).await.ok(), detail);
}

#[tokio::test]
async fn a_call_that_fell_back_tells_what_it_was_charged_why_and_what_was_tried_before() {
    let rig = Rig::start().await;
    rig.as_a("POST", "/customers/customer_1/credits", Some(json!({ "amount": 50 }))).await.ok();
    let attempt = Attempt {
        key: Some(ProviderKeyId::new("pk_1")),
        source: KeySource::Byok,
        class: ErrorClass::KeyRejected,
        status: 401,
    };
    let aftermath = Aftermath {
        credits: Some(Credits::new(8)),
        fallback: Some(FallbackReason::KeyRejected),
        attempts: vec![attempt],
        ..Aftermath::default()
    };
    let call = CallRecord { source: KeySource::Credits, aftermath, ..rig.call("customer_1") };
    rig.record(&call);
    let row = rig.as_a("GET", &format!("/logs/{}", call.id), None).await.ok();
    assert_eq!(
        (&row["creditsCharged"], &row["fallbackReason"]),
        (&json!(8), &json!("key_rejected"))
    );
    assert_eq!(
        row["attempts"],
        json!([{
            "keyId": "pk_1", "source": "byok", "errorClass": "key_rejected", "statusCode": 401,
        }])
    );
    let usage = rig.as_a("GET", "/usage?source=credits", None).await.ok();
    assert_eq!(usage["totals"]["creditsCharged"], 8);
    let left = rig.as_a("GET", "/customers/customer_1/credits", None).await.ok();
    assert_eq!(left["balance"], 42);
}

#[tokio::test]
async fn what_is_unknown_of_a_call_is_null() {
    let rig = Rig::start().await;
    let call = CallRecord { model: None, ..rig.failed("customer_1") };
    rig.record(&call);
    let row = rig.as_a("GET", &format!("/logs/{}", call.id), None).await.ok();
    for name in
        ["unitPrices", "model", "inputTokens", "outputTokens", "totalTokens", "cacheReadTokens"]
    {
        assert_eq!(row[name], Value::Null, "{name}");
    }
    assert_eq!((&row["costUsd"], &row["firstByteMs"]), (&Value::Null, &Value::Null));
    assert_eq!((&row["success"], &row["errorClass"]), (&json!(false), &json!("key_rejected")));
}

#[tokio::test]
async fn pages_join_without_gap_or_repetition_while_calls_come_in() {
    let rig = Rig::start().await;
    let mut made = Vec::new();
    for n in 0..25 {
        let call = rig.call(if n % 2 == 0 { "even" } else { "odd" });
        rig.record(&call);
        rig.clock.advance_millis(1);
        made.insert(0, call.id.to_string());
    }
    let mut seen = Vec::new();
    let mut path = "/logs?limit=10".to_owned();
    loop {
        let page = rig.as_a("GET", &path, None).await.ok();
        seen.extend(ids(&page));
        let Some(cursor) = page["nextCursor"].as_str() else { break };
        path = format!("/logs?limit=10&cursor={cursor}");
        rig.record(&rig.call("even"));
        rig.clock.advance_millis(1);
    }
    assert_eq!(seen, made);
    let by_offset = rig.as_a("GET", "/logs?refId=odd&limit=5&offset=10", None).await.ok();
    assert_eq!((&by_offset["total"], ids(&by_offset).len()), (&json!(12), 2));
}

#[tokio::test]
async fn a_cursor_is_good_for_its_question_only() {
    let rig = Rig::start().await;
    for owner in ["c1", "c1", "c1"] {
        rig.record(&rig.call(owner));
        rig.clock.advance_millis(1);
    }
    let page = rig.as_a("GET", "/logs?limit=1&refId=c1", None).await.ok();
    let cursor = page["nextCursor"].as_str().expect("a next page").to_owned();
    rig.as_a("GET", &format!("/logs?limit=2&refId=c1&cursor={cursor}"), None).await.ok();
    let forged = cursor.replace(&cursor[60..], "0000");
    for query in [
        format!("limit=1&cursor={cursor}"),
        format!("limit=1&refId=c2&cursor={cursor}"),
        format!("limit=1&refId=c1&success=true&cursor={cursor}"),
        format!("refId=c1&cursor={forged}"),
        "refId=c1&cursor=x".to_owned(),
        format!("refId=c1&offset=1&cursor={cursor}"),
    ] {
        let refused = rig.as_a("GET", &format!("/logs?{query}"), None).await;
        refused.refused(400, "invalid_parameter");
    }
    let path = format!("/logs?limit=1&refId=c1&cursor={cursor}");
    let refused = rig.send("GET", &path, Some(&rig.b.secret), None).await;
    refused.refused(400, "invalid_parameter");
}

#[tokio::test]
async fn filters_narrow_the_log() {
    let rig = Rig::start().await;
    rig.record(&rig.call("c1"));
    rig.record(&rig.failed("c2"));
    rig.record(&CallRecord { model: Some("gpt-5".into()), ..rig.call("c2") });
    for (query, total) in [
        ("", 3),
        ("?success=true", 2),
        ("?success=false", 1),
        ("?refId=c2", 2),
        ("?refId=c2&success=false", 1),
        ("?model=gpt-5", 1),
        ("?provider=openai", 3),
        ("?provider=anthropic", 0),
        ("?source=credits", 0),
        ("?since=2027-01-15T08:00:00.001Z", 0),
        ("?until=2027-01-15T08:00:00.001Z", 3),
        ("?refId=%27%20OR%201%3D1%20--", 0),
    ] {
        let page = rig.as_a("GET", &format!("/logs{query}"), None).await.ok();
        assert_eq!((&page["total"], ids(&page).len()), (&json!(total), total), "{query}");
    }
    for query in ["?success=1", "?limit=0", "?limit=501", "?offset=-1", "?model=", "?page=2"] {
        let refused = rig.as_a("GET", &format!("/logs{query}"), None).await;
        refused.refused(400, "invalid_parameter");
    }
}

#[tokio::test]
async fn an_id_that_is_none_is_as_absent_as_one_that_nobody_made() {
    let rig = Rig::start().await;
    for id in ["x", "01890000-0000-7000-8000-000000000000", "..%2f..", "%00", "%F0%9F%98%80"] {
        rig.as_a("GET", &format!("/logs/{id}"), None).await.refused(404, "not_found");
    }
}
