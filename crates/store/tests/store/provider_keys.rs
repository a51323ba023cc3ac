//! Listing, revoking and judging provider keys.

use byok_domain::audit::Action;
use byok_domain::{KeyStatus, ProviderId, ProviderKeyId};
use byok_store::{AuditFilter, ConnectKey, KeyFilter, Page, StoreError, Verdict};

use crate::support::{ALL, Rig, at, by, key, on_each_database, openai, ref_id, seal};

on_each_database!(
    lists_are_filtered_counted_and_cut,
    one_key_or_all_of_a_customer_for_a_provider_are_revoked,
    each_turn_to_invalid_is_told_once,
    a_verdict_on_a_replaced_key_says_nothing_of_the_new_one,
);

fn verdict(version: u32, status: KeyStatus) -> Verdict {
    let error = (status == KeyStatus::Invalid).then(|| "rejected".to_owned());
    Verdict { version, status, error, validated_at: Some(at(77)) }
}

async fn lists_are_filtered_counted_and_cut() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let groq = ProviderId::new("groq");
    for (n, (customer, provider, status)) in [
        ("a", openai(), KeyStatus::Valid),
        ("a", groq.clone(), KeyStatus::Invalid),
        ("b", openai(), KeyStatus::Invalid),
        ("c", openai(), KeyStatus::Unverified),
    ]
    .into_iter()
    .enumerate()
    {
        let new = ConnectKey { provider, status, ..key(&format!("pk_{n}"), customer) };
        rig.connect(&project, new).await;
    }
    let invalid = Some(KeyStatus::Invalid);
    for (filter, expected) in [
        (KeyFilter::default(), vec!["pk_0", "pk_1", "pk_2", "pk_3"]),
        (KeyFilter { ref_id: Some(ref_id("a")), ..KeyFilter::default() }, vec!["pk_0", "pk_1"]),
        (KeyFilter { provider: Some(groq.clone()), ..KeyFilter::default() }, vec!["pk_1"]),
        (KeyFilter { status: invalid, ..KeyFilter::default() }, vec!["pk_1", "pk_2"]),
        (
            KeyFilter { ref_id: Some(ref_id("b")), provider: Some(openai()), status: invalid },
            vec!["pk_2"],
        ),
        (KeyFilter { ref_id: Some(ref_id("b")), provider: Some(groq), status: None }, vec![]),
    ] {
        let keys = rig.store.provider_keys(&project, &filter, ALL).await.unwrap();
        let ids: Vec<_> = keys.data.iter().map(|key| key.id.as_str()).collect();
        assert_eq!((ids, keys.total), (expected.clone(), expected.len() as u64), "{filter:?}");
    }
    let page = Page { limit: 2, offset: 1 };
    let keys = rig.store.provider_keys(&project, &KeyFilter::default(), page).await.unwrap();
    let ids: Vec<_> = keys.data.iter().map(|key| key.id.as_str()).collect();
    assert_eq!((ids, keys.total), (vec!["pk_1", "pk_2"], 4));
}

async fn one_key_or_all_of_a_customer_for_a_provider_are_revoked() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    for label in ["a", "b", "c"] {
        let new = ConnectKey { label: label.into(), ..key(&format!("pk_{label}"), "customer") };
        rig.connect(&project, new).await;
    }
    rig.connect(&project, key("pk_other", "other")).await;
    let groq = ConnectKey { provider: ProviderId::new("groq"), ..key("pk_groq", "customer") };
    rig.connect(&project, groq).await;

    let customer = ref_id("customer");
    let revoke = async |only: Option<&str>| {
        let only = only.map(ProviderKeyId::new);
        let revoked =
            rig.store.revoke_keys(&project, &openai(), &customer, only.as_ref(), &by(1)).await;
        revoked.unwrap().iter().map(ToString::to_string).collect::<Vec<_>>()
    };
    // Somebody else's, and one for another provider.
    assert!(revoke(Some("pk_other")).await.is_empty());
    assert!(revoke(Some("pk_groq")).await.is_empty());
    assert_eq!(revoke(Some("pk_b")).await, ["pk_b"]);
    assert_eq!(revoke(None).await, ["pk_a", "pk_c"]);
    assert!(revoke(None).await.is_empty());
    assert_eq!(rig.store.provider_keys(&project, &Default::default(), ALL).await.unwrap().total, 2);
    let filter = AuditFilter { action: Some(Action::ProviderKeyRevoked), ..AuditFilter::default() };
    assert_eq!(rig.store.audit_log(&project, &filter, ALL).await.unwrap().total, 3);
}

async fn each_turn_to_invalid_is_told_once() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let id = rig.connect(&project, key("pk_1", "customer")).await.id;
    let filter =
        AuditFilter { action: Some(Action::ProviderKeyInvalidated), ..AuditFilter::default() };
    for (status, changed, told) in [
        (KeyStatus::Valid, false, 0),
        (KeyStatus::Invalid, true, 1),
        (KeyStatus::Invalid, false, 1),
        (KeyStatus::Unverified, true, 1),
        (KeyStatus::Invalid, true, 2),
        (KeyStatus::Valid, true, 2),
    ] {
        let got = rig.store.set_key_status(&project, &id, verdict(1, status), &by(1)).await;
        assert_eq!(got.unwrap(), changed, "{status:?}");
        let row = rig.store.provider_key(&project, &id).await.unwrap().unwrap();
        assert_eq!((row.status, row.last_validated_at), (status, Some(at(77))));
        assert_eq!(row.last_error.is_some(), status == KeyStatus::Invalid);
        let log = rig.store.audit_log(&project, &filter, ALL).await.unwrap();
        assert_eq!(log.total, told, "{status:?}");
    }
}

async fn a_verdict_on_a_replaced_key_says_nothing_of_the_new_one() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let id = rig.connect(&project, key("pk_1", "customer")).await.id;
    rig.store.connect_key(&project, key("pk_2", "customer"), seal, &by(5)).await.unwrap();
    let late = verdict(1, KeyStatus::Invalid);
    assert!(!rig.store.set_key_status(&project, &id, late, &by(6)).await.unwrap());
    let row = rig.store.provider_key(&project, &id).await.unwrap().unwrap();
    assert_eq!(row.status, KeyStatus::Valid);

    let nobody = ProviderKeyId::new("pk_none");
    let missing =
        rig.store.set_key_status(&project, &nobody, verdict(1, KeyStatus::Valid), &by(7)).await;
    assert!(matches!(missing, Err(StoreError::NotFound("key"))));
}
