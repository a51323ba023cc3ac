//! Webhook endpoints and the outbox.

use std::time::Duration;

use byok_domain::audit::{Action, ActorType};
use byok_domain::events::EventType;
use byok_domain::time::{DAY_MS, HOUR_MS};
use byok_domain::{
    CallRecord, DeliveryId, ErrorClass, KeyStatus, ProjectId, ProviderKeyId, Timestamp, WebhookId,
};
use byok_store::{
    AuditFilter, ConnectKey, DeliveryStatus, NewWebhook, StoreError, Verdict, Webhook,
    WebhookChange,
};
use byok_vault::SealedSecret;
use byok_webhooks::{
    About, Attempt, Claimed, Limits, Next, NoticeBox, Outbox, Outcome, Reason, Sealed, Wanted,
};

use crate::support::{ALL, Rig, at, by, call, key, on_each_database, openai, ref_id, seal};

on_each_database!(
    connecting_rejecting_and_revoking_a_key_is_told_once_each_with_masked_data,
    an_endpoint_gets_what_it_wants_while_it_is_enabled_and_of_its_project_alone,
    a_change_that_is_not_made_is_not_told,
    a_lease_is_one_workers_until_it_is_over,
    what_waits_for_one_endpoint_does_not_hide_what_waits_for_others,
    a_delivery_is_retried_by_the_schedule_and_then_given_up_until_it_is_sent_again,
    an_endpoint_that_is_gone_or_fails_for_five_days_is_disabled_and_that_is_on_record,
    a_success_in_between_keeps_an_endpoint,
    a_rotated_secret_signs_beside_the_new_one_for_a_day,
    a_project_has_twenty_endpoints_at_most,
    attempts_are_kept_for_thirty_days_and_then_everything_goes,
    a_removed_endpoint_and_a_removed_project_leave_nothing_on_its_way,
    a_test_goes_to_its_endpoint_alone_and_to_no_worker,
    a_rejected_key_is_a_notice_for_a_day,
    a_key_that_comes_and_goes_is_told_each_time_and_noticed_once_an_hour,
);

const LEASE_MS: i64 = 30_000;

/// An endpoint that wants `events`.
async fn endpoint(rig: &Rig, project: &ProjectId, id: &str, events: &[&str]) -> Webhook {
    let new = NewWebhook {
        id: WebhookId::new(id),
        url: format!("https://{id}.example.com/in"),
        events: events.iter().map(|text| (*text).to_owned()).collect(),
        description: String::new(),
        sealed: SealedSecret { bytes: b"first".to_vec() },
    };
    rig.store.create_webhook(project, new, &by(0)).await.unwrap()
}

async fn claim(rig: &Rig, now: Timestamp) -> Vec<Claimed> {
    let wanted = Wanted::new(now, now.plus_millis(LEASE_MS), Limits::default());
    rig.store.claim(wanted).await.unwrap()
}

fn attempt(at: Timestamp, outcome: Outcome) -> Attempt {
    Attempt { at, duration: Duration::from_millis(7), outcome, retry_after: None }
}

async fn settle(rig: &Rig, claimed: &Claimed, at: Timestamp, outcome: Outcome) -> Next {
    let attempt = attempt(at, outcome);
    let next = byok_webhooks::schedule::next(&attempt, claimed.tries, claimed.failing_since, 0);
    rig.store.settle(claimed, &attempt, next).await.unwrap();
    next
}

fn event_of(claimed: &Claimed) -> serde_json::Value {
    serde_json::from_slice(&claimed.body).unwrap()
}

fn kinds(claimed: &[Claimed]) -> Vec<String> {
    claimed.iter().map(|c| event_of(c)["event"].as_str().unwrap().to_owned()).collect()
}

async fn connecting_rejecting_and_revoking_a_key_is_told_once_each_with_masked_data() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    endpoint(&rig, &project, "wh_1", &["*"]).await;
    let id = rig.connect(&project, key("pk_1", "customer")).await.id;
    let rejected = |millis| CallRecord {
        key: Some(ProviderKeyId::new("pk_1")),
        error: Some(ErrorClass::KeyRejected),
        ..call(&project, "customer", millis)
    };
    rig.apply(&[rejected(10)]).await;
    rig.apply(&[rejected(11)]).await;
    let valid =
        Verdict { version: 1, status: KeyStatus::Valid, error: None, validated_at: Some(at(12)) };
    rig.store.set_key_status(&project, &id, valid, &by(12)).await.unwrap();
    let invalid = Verdict {
        version: 1,
        status: KeyStatus::Invalid,
        error: Some("no".into()),
        validated_at: Some(at(13)),
    };
    rig.store.set_key_status(&project, &id, invalid.clone(), &by(13)).await.unwrap();
    rig.store.set_key_status(&project, &id, invalid, &by(14)).await.unwrap();
    rig.store.connect_key(&project, key("pk_1", "customer"), seal, &by(15)).await.unwrap();
    rig.store.revoke_keys(&project, &openai(), &ref_id("customer"), None, &by(16)).await.unwrap();

    let mut claimed = Vec::new();
    // At most eight of one endpoint at a time.
    claimed.extend(claim(&rig, at(20)).await);
    claimed.sort_by_key(|c| event_of(c)["createdAt"].to_string());
    assert_eq!(
        kinds(&claimed),
        [
            "provider_key.connected",
            "byok.key_invalid",
            "byok.key_invalid",
            "provider_key.connected",
            "provider_key.revoked"
        ]
    );
    let told = event_of(&claimed[1]);
    assert_eq!(told["id"], claimed[1].event.as_str());
    assert_eq!(
        (told["projectId"].as_str(), told["createdAt"].as_str()),
        (Some("proj_1"), Some(at(10).to_string().as_str()))
    );
    assert_eq!(told["data"]["keyHint"], "…abcd");
    assert_eq!(told["data"]["reason"], "the provider rejected the key in a call");
    assert_eq!(event_of(&claimed[3])["data"]["updated"], true);
    for one in &claimed {
        assert!(!String::from_utf8_lossy(&one.body).contains("sealed"));
        assert!(one.body.len() < 20_000);
    }
}

async fn an_endpoint_gets_what_it_wants_while_it_is_enabled_and_of_its_project_alone() {
    let rig = Rig::new().await;
    let (one, two) = (rig.project(1).await, rig.project(2).await);
    endpoint(&rig, &one, "wh_all", &["*"]).await;
    endpoint(&rig, &one, "wh_family", &["credits.*", "provider_key.*"]).await;
    endpoint(&rig, &one, "wh_exact", &["provider_key.connected"]).await;
    endpoint(&rig, &one, "wh_other", &["byok.*", "provider_key.revoked"]).await;
    let off = endpoint(&rig, &one, "wh_off", &["*"]).await;
    let disabled = WebhookChange { enabled: Some(false), ..WebhookChange::default() };
    rig.store.update_webhook(&one, &off.id, disabled, &by(1)).await.unwrap();
    endpoint(&rig, &two, "wh_two", &["*"]).await;
    rig.connect(&one, key("pk_1", "customer")).await;
    let claimed = claim(&rig, at(20)).await;
    let mut whose: Vec<_> = claimed.iter().map(|c| c.endpoint.as_str()).collect();
    whose.sort_unstable();
    assert_eq!(whose, ["wh_all", "wh_exact", "wh_family"]);
    let ids: std::collections::BTreeSet<_> = claimed.iter().map(|c| c.event.as_str()).collect();
    assert_eq!(ids.len(), 1, "one event, the same id everywhere");
}

async fn a_change_that_is_not_made_is_not_told() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    endpoint(&rig, &project, "wh_1", &["*"]).await;
    rig.connect(&project, key("pk_1", "customer")).await;
    let taken = ConnectKey { label: "other".into(), ..key("pk_1", "customer") };
    let refused = rig.store.connect_key(&project, taken, seal, &by(1)).await;
    assert!(matches!(refused, Err(StoreError::Taken(_))));
    assert_eq!(rig.number("SELECT COUNT(*) FROM webhook_events").await, 1);
    // The outbox refuses: neither the change nor its event is there.
    rig.refuse_rows("webhook_deliveries").await;
    let customer = ref_id("customer");
    assert!(rig.store.revoke_keys(&project, &openai(), &customer, None, &by(2)).await.is_err());
    assert_eq!(rig.number("SELECT COUNT(*) FROM provider_keys").await, 1);
    assert_eq!(rig.number("SELECT COUNT(*) FROM webhook_events").await, 1);
}

async fn a_lease_is_one_workers_until_it_is_over() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    endpoint(&rig, &project, "wh_1", &["*"]).await;
    rig.connect(&project, key("pk_1", "customer")).await;
    let (a, b) = tokio::join!(claim(&rig, at(20)), claim(&rig, at(20)));
    assert_eq!(a.len() + b.len(), 1);
    let first = a.into_iter().chain(b).next().unwrap();
    assert_eq!(claim(&rig, at(20 + LEASE_MS - 1)).await, []);
    // It was sent, and the process died before that was recorded.
    let second = claim(&rig, at(20 + LEASE_MS)).await.remove(0);
    assert_eq!((&second.event, &second.body), (&first.event, &first.body));
    // The first comes back after all: its attempt is on record, and decides nothing.
    settle(&rig, &first, at(30_100), Outcome::Refused(500)).await;
    let rows = rig.store.webhook_deliveries(&project, &first.endpoint, ALL).await.unwrap();
    assert_eq!((rows.data[0].status, rows.data[0].attempts.len()), (DeliveryStatus::Pending, 1));
    settle(&rig, &second, at(30_200), Outcome::Delivered(200)).await;
    let rows = rig.store.webhook_deliveries(&project, &first.endpoint, ALL).await.unwrap();
    assert_eq!((rows.data[0].status, rows.data[0].attempts.len()), (DeliveryStatus::Delivered, 2));
    assert_eq!(rows.data[0].attempts[0].status, Some(500));
    assert_eq!(claim(&rig, at(DAY_MS)).await, []);
}

async fn what_waits_for_one_endpoint_does_not_hide_what_waits_for_others() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    endpoint(&rig, &project, "wh_flooded", &["provider_key.connected"]).await;
    endpoint(&rig, &project, "wh_last", &["provider_key.revoked"]).await;
    for n in 0..300 {
        rig.connect(&project, key(&format!("pk_{n}"), &format!("c{n}"))).await;
    }
    rig.store.revoke_keys(&project, &openai(), &ref_id("c7"), None, &by(10)).await.unwrap();
    let claimed = claim(&rig, at(20)).await;
    assert_eq!(claimed.len(), Limits::default().endpoint + 1);
    assert!(claimed.iter().any(|c| c.endpoint.as_str() == "wh_last"));
}

async fn a_delivery_is_retried_by_the_schedule_and_then_given_up_until_it_is_sent_again() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let webhook = endpoint(&rig, &project, "wh_1", &["*"]).await;
    rig.connect(&project, key("pk_1", "customer")).await;
    let mut now = at(100);
    for tries in 0..8 {
        let claimed = claim(&rig, now).await.remove(0);
        assert_eq!(claimed.tries, tries);
        match settle(&rig, &claimed, now, Outcome::Refused(503)).await {
            Next::Again(again) => {
                assert_eq!(claim(&rig, again.plus_millis(-1)).await, []);
                now = again;
            }
            next => assert_eq!((tries, next), (7, Next::GiveUp)),
        }
    }
    assert_eq!(claim(&rig, now.plus_millis(9 * DAY_MS)).await, []);
    let rows = rig.store.webhook_deliveries(&project, &webhook.id, ALL).await.unwrap();
    assert_eq!((rows.total, rows.data[0].attempts.len()), (1, 8));
    assert_eq!(rows.data[0].status, DeliveryStatus::Failed);

    let id = rows.data[0].id.clone();
    let again = rig.store.resend_delivery(&project, None, &id, now).await.unwrap();
    assert_eq!((again.status, again.next_attempt_at), (DeliveryStatus::Pending, Some(now)));
    let claimed = claim(&rig, now).await.remove(0);
    assert_eq!((claimed.tries, &claimed.event), (0, &rows.data[0].event_id));
    settle(&rig, &claimed, now, Outcome::Delivered(204)).await;
    let other = WebhookId::new("wh_2");
    for (webhook, delivery) in [(Some(&other), &id), (None, &DeliveryId::new("dlv_none"))] {
        let refused = rig.store.resend_delivery(&project, webhook, delivery, now).await;
        assert!(matches!(refused, Err(StoreError::NotFound("delivery"))));
    }
}

async fn an_endpoint_that_is_gone_or_fails_for_five_days_is_disabled_and_that_is_on_record() {
    for (outcome, days, reason) in
        [(Outcome::Refused(410), 0, Reason::Gone), (Outcome::TimedOut, 5, Reason::Failing)]
    {
        let rig = Rig::new().await;
        let project = rig.project(1).await;
        let webhook = endpoint(&rig, &project, "wh_1", &["*"]).await;
        rig.connect(&project, key("pk_1", "one")).await;
        rig.connect(&project, key("pk_2", "two")).await;
        let claimed = claim(&rig, at(100)).await;
        settle(&rig, &claimed[0], at(100), Outcome::Unreachable).await;
        let row = rig.store.webhooks(&project, ALL).await.unwrap().data.remove(0);
        assert_eq!((row.failing_since, row.disabled_at), (Some(at(100)), None));
        let late = at(100 + days * DAY_MS);
        let last = Claimed { failing_since: row.failing_since, ..claimed[1].clone() };
        assert_eq!(settle(&rig, &last, late, outcome).await, Next::Disable(reason));

        let row = rig.store.webhooks(&project, ALL).await.unwrap().data.remove(0);
        assert_eq!(row.disabled_reason.as_deref(), Some(reason.as_str()));
        assert_eq!(claim(&rig, late.plus_millis(DAY_MS)).await, [], "what waited is given up");
        let filter = AuditFilter { action: Some(Action::WebhookUpdated), ..AuditFilter::default() };
        let log = rig.store.audit_log(&project, &filter, ALL).await.unwrap();
        assert_eq!(log.total, 1);
        let entry = &log.data[0];
        assert_eq!((entry.actor_type, entry.target_id.as_str()), (ActorType::System, "wh_1"));
        assert_eq!(entry.metadata["reason"], reason.as_str());
        assert_eq!(rig.store.verify_audit(None).await.unwrap().first_bad, None);

        let delivery = rig.store.webhook_deliveries(&project, &webhook.id, ALL).await.unwrap();
        let id = &delivery.data[0].id;
        let refused = rig.store.resend_delivery(&project, None, id, late).await;
        assert!(matches!(refused, Err(StoreError::Disabled("webhook"))));
        let enabled = WebhookChange { enabled: Some(true), ..WebhookChange::default() };
        let row = rig.store.update_webhook(&project, &webhook.id, enabled, &by(0)).await.unwrap();
        assert_eq!((row.disabled_at, row.failing_since), (None, None));
    }
}

async fn a_success_in_between_keeps_an_endpoint() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    endpoint(&rig, &project, "wh_1", &["*"]).await;
    rig.connect(&project, key("pk_1", "one")).await;
    rig.connect(&project, key("pk_2", "two")).await;
    let claimed = claim(&rig, at(100)).await;
    // Both were leased while it failed; one succeeds while the other is on its way.
    let failing = |c: &Claimed| Claimed { failing_since: Some(at(-6 * DAY_MS)), ..c.clone() };
    settle(&rig, &failing(&claimed[0]), at(100), Outcome::Delivered(200)).await;
    let attempt =
        Attempt { outcome: Outcome::Delivered(200), ..attempt(at(101), Outcome::TimedOut) };
    let next = Next::Disable(Reason::Failing);
    rig.store.settle(&failing(&claimed[1]), &attempt, next).await.unwrap();
    let row = rig.store.webhooks(&project, ALL).await.unwrap().data.remove(0);
    assert_eq!(row.disabled_at, None);
}

async fn a_rotated_secret_signs_beside_the_new_one_for_a_day() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let webhook = endpoint(&rig, &project, "wh_1", &["*"]).await;
    let seal = |version: u32| SealedSecret { bytes: format!("version {version}").into_bytes() };
    let (_, until) =
        rig.store.rotate_webhook_secret(&project, &webhook.id, seal, &by(0)).await.unwrap();
    assert_eq!(until, at(24 * HOUR_MS));
    rig.connect(&project, key("pk_1", "one")).await;
    let new = Sealed { bytes: b"version 2".to_vec(), version: 2 };
    let old = Sealed { bytes: b"first".to_vec(), version: 1 };
    let claimed = claim(&rig, at(24 * HOUR_MS - 1)).await.remove(0);
    assert_eq!(claimed.secrets.current, new);
    assert_eq!(claimed.secrets.previous, Some(old));
    let claimed = claim(&rig, at(25 * HOUR_MS)).await.remove(0);
    assert_eq!((claimed.secrets.current, claimed.secrets.previous), (new, None));
}

async fn a_project_has_twenty_endpoints_at_most() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    for n in 0..20 {
        endpoint(&rig, &project, &format!("wh_{n}"), &["*"]).await;
    }
    let new = NewWebhook {
        id: WebhookId::new("wh_20"),
        url: "https://example.com/".into(),
        events: vec!["*".into()],
        description: String::new(),
        sealed: SealedSecret { bytes: Vec::new() },
    };
    let refused = rig.store.create_webhook(&project, new, &by(0)).await;
    assert!(matches!(refused, Err(StoreError::TooMany("webhooks"))));
}

async fn attempts_are_kept_for_thirty_days_and_then_everything_goes() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    endpoint(&rig, &project, "wh_1", &["*"]).await;
    for n in 0..3 {
        rig.connect(&project, key(&format!("pk_{n}"), &format!("c{n}"))).await;
    }
    let claimed = claim(&rig, at(100)).await;
    settle(&rig, &claimed[0], at(100), Outcome::Delivered(200)).await;
    settle(&rig, &claimed[1], at(5 * DAY_MS), Outcome::Delivered(200)).await;
    let counts = async || {
        let of = async |table: &str| rig.number(&format!("SELECT COUNT(*) FROM {table}")).await;
        [of("webhook_events").await, of("webhook_deliveries").await, of("webhook_attempts").await]
    };
    let prune = async |now: i64| rig.store.prune(at(now - 30 * DAY_MS), at(now)).await.unwrap();
    assert!(!prune(30 * DAY_MS).await);
    assert_eq!(counts().await, [3, 3, 2]);
    prune(30 * DAY_MS + 200).await;
    assert_eq!(counts().await, [1, 1, 1]);
    assert_eq!(rig.store.oldest_pending().await.unwrap(), None);
    prune(36 * DAY_MS).await;
    assert_eq!(counts().await, [0, 0, 0]);
}

async fn a_removed_endpoint_and_a_removed_project_leave_nothing_on_its_way() {
    let rig = Rig::new().await;
    let (one, two) = (rig.project(1).await, rig.project(2).await);
    for (project, id) in [(&one, "wh_1"), (&two, "wh_2")] {
        endpoint(&rig, project, id, &["*"]).await;
        rig.connect(project, key(id, "customer")).await;
    }
    assert_eq!(rig.store.oldest_pending().await.unwrap(), Some(at(0)));
    let leased = claim(&rig, at(10)).await;
    let one_of_them = leased.iter().find(|c| c.project == one).unwrap();
    settle(&rig, one_of_them, at(10), Outcome::Refused(500)).await;
    let foreign = rig.store.delete_webhook(&two, &WebhookId::new("wh_1"), &by(1)).await;
    assert!(matches!(foreign, Err(StoreError::NotFound("webhook"))));
    rig.store.delete_webhook(&one, &WebhookId::new("wh_1"), &by(1)).await.unwrap();
    assert_eq!(rig.number("SELECT COUNT(*) FROM webhook_attempts").await, 0);
    // What comes back from the way there changes nothing.
    settle(&rig, one_of_them, at(20), Outcome::Delivered(200)).await;
    rig.store.delete_project(&two, &by(2)).await.unwrap();
    for table in ["webhook_endpoints", "webhook_deliveries", "webhook_attempts"] {
        assert_eq!(rig.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
    }
    let of_two = "SELECT COUNT(*) FROM webhook_events WHERE project_id = 'proj_2'";
    assert_eq!(rig.number(of_two).await, 0);
}

async fn a_test_goes_to_its_endpoint_alone_and_to_no_worker() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let webhook = endpoint(&rig, &project, "wh_1", &["credits.*"]).await;
    endpoint(&rig, &project, "wh_2", &["*"]).await;
    let claimed_by_test = rig.store.test_webhook(&project, &webhook.id, at(5)).await.unwrap();
    assert_eq!(event_of(&claimed_by_test)["event"], EventType::WebhookTest.as_str());
    assert_eq!(claim(&rig, at(DAY_MS)).await, []);
    settle(&rig, &claimed_by_test, at(6), Outcome::Delivered(200)).await;
    let rows = rig.store.webhook_deliveries(&project, &webhook.id, ALL).await.unwrap();
    assert_eq!((rows.total, rows.data[0].status), (1, DeliveryStatus::Delivered));
    let two = rig.project(2).await;
    let refused = rig.store.test_webhook(&two, &webhook.id, at(5)).await;
    assert!(matches!(refused, Err(StoreError::NotFound("webhook"))));
}

async fn a_key_that_comes_and_goes_is_told_each_time_and_noticed_once_an_hour() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    endpoint(&rig, &project, "wh_1", &["byok.key_invalid"]).await;
    for (id, customer) in [("pk_1", "customer"), ("pk_2", "other")] {
        rig.connect(&project, key(id, customer)).await;
    }
    let turn = async |id: &str, customer: &str, millis: i64, error| {
        let key = Some(ProviderKeyId::new(id));
        rig.apply(&[CallRecord { key, error, ..call(&project, customer, millis) }]).await;
    };
    for (minute, told, noticed) in [(0, 1, 1), (20, 2, 1), (59, 3, 1), (60, 4, 2), (119, 5, 2)] {
        turn("pk_1", "customer", minute * 60_000 + 10, Some(ErrorClass::KeyRejected)).await;
        turn("pk_1", "customer", minute * 60_000 + 20, None).await;
        assert_eq!(rig.number("SELECT COUNT(*) FROM webhook_deliveries").await, told, "{minute}");
        let notices = "SELECT COUNT(*) FROM webhook_events WHERE notice_due_at IS NOT NULL";
        assert_eq!(rig.number(notices).await, noticed, "{minute}");
    }
    turn("pk_2", "other", 119 * 60_000, Some(ErrorClass::KeyRejected)).await;
    let notices = rig.store.claim_notices(at(120 * 60_000), at(121 * 60_000), 10).await.unwrap();
    assert_eq!(notices.len(), 3, "another customer is told");
}

async fn a_rejected_key_is_a_notice_for_a_day() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.connect(&project, key("pk_1", "customer")).await;
    rig.apply(&[CallRecord {
        key: Some(ProviderKeyId::new("pk_1")),
        error: Some(ErrorClass::KeyRejected),
        ..call(&project, "customer", 10)
    }])
    .await;
    let lease =
        async |now: i64| rig.store.claim_notices(at(now), at(now + 1000), 10).await.unwrap();
    let notice = lease(20).await.remove(0);
    assert_eq!(notice.ref_id, ref_id("customer"));
    assert_eq!(notice.project_name, "project 1");
    let about = About::KeyInvalid { provider: "openai".into(), key_hint: "…abcd".into() };
    assert_eq!(notice.about, about);
    assert_eq!(lease(900).await, [], "it is leased");
    rig.store.settle_notice(&notice, Some(at(2000))).await.unwrap();
    assert_eq!(lease(1999).await, []);
    let again = lease(2000).await.remove(0);
    assert_eq!(again.tries, 1);
    rig.store.settle_notice(&notice, None).await.unwrap();
    assert_eq!(lease(4000).await.len(), 1, "a lease that is over settles nothing");
    assert_eq!(lease(10 + DAY_MS).await, [], "it is no news any more");
}
