//! What webhooks are told of calls as they are taken in.

use byok_domain::call::{CircuitChange, QuotaWarning};
use byok_domain::circuit::Cause;
use byok_domain::routing::{FallbackReason, RoutingChange};
use byok_domain::{CallRecord, Credits, KeySource, ProjectId, ProviderKeyId, WebhookId};
use byok_store::{Grant, NewWebhook};
use byok_vault::SealedSecret;
use byok_webhooks::{Limits, Outbox, Wanted};
use serde_json::{Value, json};

use crate::support::{Rig, at, by, call, key, ref_id};

/// Everything that endpoints are to be told and were not, by its text.
async fn told(rig: &Rig) -> Vec<Value> {
    let now = at(3_600_000);
    let wanted = Wanted::new(now, now.plus_millis(30_000), Limits::default());
    let claimed = rig.store.claim(wanted).await.unwrap();
    let bodies = claimed.iter().map(|one| serde_json::from_slice::<Value>(&one.body).unwrap());
    let mut told: Vec<_> = bodies.map(|body| json!([body["event"], body["data"]])).collect();
    told.sort_by_key(ToString::to_string);
    told
}

async fn watched() -> (Rig, ProjectId) {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let new = NewWebhook {
        id: WebhookId::new("wh_1"),
        url: "https://hooks.example.com/in".into(),
        events: vec!["byok.*".into(), "credits.*".into()],
        description: String::new(),
        sealed: SealedSecret { bytes: b"first".to_vec() },
    };
    rig.store.create_webhook(&project, new, &by(0)).await.unwrap();
    (rig, project)
}

#[tokio::test]
async fn a_fallback_is_told_once_for_each_customer_and_reason() {
    let (rig, project) = watched().await;
    let fallen = |customer: &str, millis, reason| {
        let mut record =
            CallRecord { source: KeySource::Credits, ..call(&project, customer, millis) };
        record.aftermath.fallback = Some(reason);
        record
    };
    let first = fallen("one", 1, FallbackReason::KeyRejected);
    let told_of = first.id.to_string();
    rig.apply(&[
        first,
        fallen("one", 2, FallbackReason::KeyRejected),
        fallen("two", 3, FallbackReason::ProviderDown),
    ])
    .await;
    rig.apply(&[fallen("one", 4, FallbackReason::KeyRejected), call(&project, "one", 5)]).await;
    let told = told(&rig).await;
    let told: Vec<_> =
        told.iter().map(|one| (&one[0], &one[1]["refId"], &one[1]["reason"])).collect();
    assert_eq!(
        told,
        [
            (&json!("byok.fallback"), &json!("one"), &json!("key_rejected")),
            (&json!("byok.fallback"), &json!("two"), &json!("provider_down")),
        ]
    );
    assert_eq!(rig.number("SELECT COUNT(*) FROM webhook_events").await, 2);
    let sql = format!("SELECT COUNT(*) FROM webhook_events WHERE body LIKE '%{told_of}%'");
    assert_eq!(rig.number(&sql).await, 1);
}

#[tokio::test]
async fn keys_that_work_again_or_come_close_to_their_quota_are_told_of_while_they_are_there() {
    let (rig, project) = watched().await;
    rig.connect(&project, key("pk_1", "customer")).await;
    let with = |id: &str, millis| CallRecord {
        key: Some(ProviderKeyId::new(id)),
        ..call(&project, "customer", millis)
    };
    let recovered = |id: &str, millis| {
        let mut record = with(id, millis);
        let open = byok_domain::call::OpenUntil { until: at(9), cause: Cause::ProviderDown };
        let key = || ProviderKeyId::new(id);
        record.aftermath.circuits = vec![
            CircuitChange { key: key(), open: Some(open) },
            CircuitChange { key: key(), open: None },
        ];
        record
    };
    let warned = |id: &str, millis| {
        let mut record = with(id, millis);
        let kind = "tokens".into();
        record.aftermath.quota =
            Some(QuotaWarning { kind, limit: 100, remaining: 9, resets_at: None });
        record
    };
    rig.apply(&[recovered("pk_1", 1), warned("pk_1", 2), warned("pk_1", 3)]).await;
    rig.apply(&[warned("pk_1", 4), recovered("pk_gone", 5), warned("pk_gone", 6)]).await;
    let mut found_out_too = recovered("pk_1", 7);
    found_out_too.aftermath.circuits.remove(0);
    rig.apply(&[found_out_too]).await;
    let key = json!({
        "keyId": "pk_1", "provider": "openai", "refId": "customer", "label": "", "keyHint": "…abcd",
    });
    let mut quota = key.clone();
    quota["limit"] = json!("tokens");
    quota["allowed"] = json!(100);
    quota["remaining"] = json!(9);
    assert_eq!(
        told(&rig).await,
        [json!(["byok.quota_warning", quota]), json!(["byok.recovered", key])]
    );
}

#[tokio::test]
async fn credits_that_run_low_and_run_out_are_told_of_when_they_do() {
    let (rig, project) = watched().await;
    let low = RoutingChange { credits_low: Some(Credits::new(50)), ..RoutingChange::default() };
    rig.store.update_routing(&project, low, &by(0)).await.unwrap();
    let grant = Grant { amount: Credits::new(100), reason: None, idempotency_key: "one".into() };
    rig.store.grant_credits(&project, &ref_id("customer"), &grant, &by(0)).await.unwrap();
    let paid = |millis, cost| {
        let mut record =
            CallRecord { source: KeySource::Credits, ..call(&project, "customer", millis) };
        record.aftermath.credits = Some(Credits::new(cost));
        record
    };
    for (millis, cost, events) in [
        (1, 50, vec![]),
        (2, 10, vec![json!(["credits.low", {"refId": "customer", "available": 40}])]),
        (3, 10, vec![]),
        (4, 99, vec![json!(["credits.exhausted", {"refId": "customer"}])]),
        (5, 1, vec![]),
    ] {
        rig.apply(&[paid(millis, cost)]).await;
        assert_eq!(told(&rig).await, events, "{millis}");
    }
}
