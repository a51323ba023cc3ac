//! What calls tell of the keys they were made with.

use byok_domain::audit::{Action, ActorType};
use byok_domain::call::Attempt;
use byok_domain::{CallRecord, ErrorClass, KeySource, KeyStatus, ProjectId, ProviderKeyId};
use byok_store::{AuditFilter, ConnectKey, Verdict};

use crate::support::{ALL, Rig, at, by, call, key, on_each_database, openai, ref_id, seal};

on_each_database!(
    a_rejected_key_turns_invalid_and_a_success_turns_it_back,
    a_key_that_was_rejected_before_another_attempt_turns_invalid_too,
    a_success_proves_a_key_that_could_not_be_checked,
    other_failures_tell_nothing_of_the_key,
    of_several_calls_the_one_that_began_last_decides,
    a_call_says_nothing_of_a_key_that_was_replaced_or_checked_since,
    a_call_of_another_project_says_nothing,
    many_keys_in_one_batch_are_each_judged,
);

fn with(project: &ProjectId, id: &str, millis: i64, error: Option<ErrorClass>) -> CallRecord {
    CallRecord { key: Some(ProviderKeyId::new(id)), error, ..call(project, "customer", millis) }
}

const REJECTED: Option<ErrorClass> = Some(ErrorClass::KeyRejected);

async fn status(rig: &Rig, project: &ProjectId, id: &str) -> KeyStatus {
    let id = ProviderKeyId::new(id);
    rig.store.provider_key(project, &id).await.unwrap().unwrap().status
}

async fn a_rejected_key_turns_invalid_and_a_success_turns_it_back() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let id = rig.connect(&project, key("pk_1", "customer")).await.id;
    let whose = (project.clone(), openai(), ref_id("customer"));

    let applied = rig.apply(&[with(&project, "pk_1", 10, REJECTED)]).await;
    assert_eq!(applied.changed_keys, std::slice::from_ref(&whose));
    let row = rig.store.provider_key(&project, &id).await.unwrap().unwrap();
    assert_eq!((row.status, row.last_validated_at), (KeyStatus::Invalid, Some(at(10))));
    assert!(row.last_error.unwrap().contains("rejected"));

    // Again: nothing new.
    let applied = rig.apply(&[with(&project, "pk_1", 11, REJECTED)]).await;
    assert_eq!(applied.changed_keys, []);
    let applied = rig.apply(&[with(&project, "pk_1", 12, None)]).await;
    assert_eq!(applied.changed_keys, [whose]);
    let row = rig.store.provider_key(&project, &id).await.unwrap().unwrap();
    assert_eq!((row.status, row.last_error), (KeyStatus::Valid, None));

    let filter =
        AuditFilter { action: Some(Action::ProviderKeyInvalidated), ..AuditFilter::default() };
    let log = rig.store.audit_log(&project, &filter, ALL).await.unwrap();
    assert_eq!(log.total, 1);
    let entry = &log.data[0];
    assert_eq!((entry.actor_type, entry.target_id.as_str()), (ActorType::System, "pk_1"));
    assert_eq!(entry.created_at, at(10));
    assert_eq!(rig.store.verify_audit(None).await.unwrap().first_bad, None);
}

async fn a_key_that_was_rejected_before_another_attempt_turns_invalid_too() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.connect(&project, key("pk_1", "customer")).await;
    let attempt = |class| Attempt {
        key: Some(ProviderKeyId::new("pk_1")),
        source: KeySource::Byok,
        class,
        status: 401,
    };
    for (millis, class, told) in [
        (10, ErrorClass::ProviderDown, KeyStatus::Valid),
        (11, ErrorClass::QuotaExhausted, KeyStatus::Valid),
        (12, ErrorClass::KeyRejected, KeyStatus::Invalid),
    ] {
        let mut fallen_back = call(&project, "customer", millis);
        (fallen_back.key, fallen_back.source) = (None, KeySource::Credits);
        fallen_back.aftermath.attempts = vec![attempt(class)];
        rig.apply(&[fallen_back]).await;
        assert_eq!(status(&rig, &project, "pk_1").await, told, "{class:?}");
    }
}

async fn a_success_proves_a_key_that_could_not_be_checked() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let unverified =
        ConnectKey { status: KeyStatus::Unverified, validated_at: None, ..key("pk_1", "customer") };
    rig.connect(&project, unverified).await;
    assert_eq!(rig.apply(&[with(&project, "pk_1", 10, None)]).await.changed_keys.len(), 1);
    assert_eq!(status(&rig, &project, "pk_1").await, KeyStatus::Valid);
}

async fn other_failures_tell_nothing_of_the_key() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    for (id, status) in [("pk_1", KeyStatus::Valid), ("pk_2", KeyStatus::Invalid)] {
        let label = id.to_owned();
        rig.connect(&project, ConnectKey { label, status, ..key(id, "customer") }).await;
    }
    for error in [
        ErrorClass::QuotaExhausted,
        ErrorClass::RateLimited,
        ErrorClass::ProviderDown,
        ErrorClass::RequestRejected,
        ErrorClass::Truncated,
        ErrorClass::ClientClosed,
    ] {
        for id in ["pk_1", "pk_2"] {
            let applied = rig.apply(&[with(&project, id, 10, Some(error))]).await;
            assert_eq!(applied.changed_keys, [], "{error:?}");
        }
    }
    assert_eq!(status(&rig, &project, "pk_1").await, KeyStatus::Valid);
    assert_eq!(status(&rig, &project, "pk_2").await, KeyStatus::Invalid);
}

async fn of_several_calls_the_one_that_began_last_decides() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    for n in 1..=2 {
        let label = n.to_string();
        rig.connect(&project, ConnectKey { label, ..key(&format!("pk_{n}"), "customer") }).await;
    }
    rig.apply(&[
        with(&project, "pk_1", 30, REJECTED),
        with(&project, "pk_1", 10, None),
        with(&project, "pk_2", 30, None),
        with(&project, "pk_2", 10, REJECTED),
    ])
    .await;
    assert_eq!(status(&rig, &project, "pk_1").await, KeyStatus::Invalid);
    assert_eq!(status(&rig, &project, "pk_2").await, KeyStatus::Valid);
    // One that began before and ended after.
    assert_eq!(rig.apply(&[with(&project, "pk_1", 20, None)]).await.changed_keys, []);
    assert_eq!(status(&rig, &project, "pk_1").await, KeyStatus::Invalid);
}

async fn a_call_says_nothing_of_a_key_that_was_replaced_or_checked_since() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let id = rig.connect(&project, key("pk_1", "customer")).await.id;
    rig.store.connect_key(&project, key("pk_1", "customer"), seal, &by(100)).await.unwrap();
    assert_eq!(rig.apply(&[with(&project, "pk_1", 99, REJECTED)]).await.changed_keys, []);
    let checked =
        Verdict { version: 2, status: KeyStatus::Valid, error: None, validated_at: Some(at(200)) };
    rig.store.set_key_status(&project, &id, checked, &by(200)).await.unwrap();
    assert_eq!(rig.apply(&[with(&project, "pk_1", 150, REJECTED)]).await.changed_keys, []);
    assert_eq!(status(&rig, &project, "pk_1").await, KeyStatus::Valid);
    assert_eq!(rig.apply(&[with(&project, "pk_1", 201, REJECTED)]).await.changed_keys.len(), 1);
}

async fn a_call_of_another_project_says_nothing() {
    let rig = Rig::new().await;
    let (one, two) = (rig.project(1).await, rig.project(2).await);
    rig.connect(&one, key("pk_1", "customer")).await;
    assert_eq!(rig.apply(&[with(&two, "pk_1", 10, REJECTED)]).await.changed_keys, []);
    assert_eq!(status(&rig, &one, "pk_1").await, KeyStatus::Valid);
    let by_platform =
        CallRecord { source: KeySource::Credits, key: None, ..with(&one, "pk_1", 10, REJECTED) };
    assert_eq!(rig.apply(&[by_platform]).await.changed_keys, []);
}

async fn many_keys_in_one_batch_are_each_judged() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    for n in 0..250 {
        rig.connect(&project, key(&format!("pk_{n}"), &format!("c{n}"))).await;
    }
    let records: Vec<_> = (0..250)
        .map(|n| {
            let error = if n % 2 == 0 { REJECTED } else { None };
            with(&project, &format!("pk_{n}"), 10 + n, error)
        })
        .collect();
    let applied = rig.apply(&records).await;
    assert_eq!((applied.written, applied.changed_keys.len()), (250, 125));
    let invalid = "SELECT COUNT(*) FROM provider_keys WHERE status = 'invalid'";
    assert_eq!(rig.number(invalid).await, 125);
    assert_eq!(rig.store.verify_audit(None).await.unwrap().first_bad, None);
}
