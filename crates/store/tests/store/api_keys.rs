//! Tokens.

use byok_domain::ApiKeyId;
use byok_domain::audit::Action;
use byok_domain::credential::ApiKeyKind;
use byok_gateway::Directory;
use byok_store::{AuditFilter, NewApiKey, Page, StoreError};

use crate::support::{ALL, Rig, api_key, at, by, on_each_database, ref_id};

on_each_database!(
    a_token_is_found_by_its_digest_until_it_is_revoked,
    ids_and_digests_are_not_used_twice,
);

async fn a_token_is_found_by_its_digest_until_it_is_revoked() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let new = NewApiKey {
        kind: ApiKeyKind::Customer,
        ref_id: Some(ref_id("客户 7")),
        expires_at: Some(at(1_000)),
        ..api_key(5)
    };
    let made = rig.store.create_api_key(&project, new.clone(), &by(3)).await.unwrap();
    assert_eq!((made.created_at, made.revoked_at), (at(3), None));

    let found = Directory::api_key(&rig.store, &new.digest).await.unwrap().unwrap();
    assert_eq!((&found.id, &found.project), (&new.id, &project));
    assert_eq!((found.kind, found.ref_id), (ApiKeyKind::Customer, new.ref_id.clone()));
    assert_eq!(found.expires_at, Some(at(1_000)));

    let digest = rig.store.revoke_api_key(&project, &new.id, &by(4)).await.unwrap();
    assert_eq!(digest, new.digest);
    assert_eq!(rig.store.find_api_key(&new.digest).await.unwrap(), None);
    let again = rig.store.revoke_api_key(&project, &new.id, &by(5)).await;
    assert!(matches!(again, Err(StoreError::NotFound("token"))));

    let listed = rig.store.api_keys(&project, ALL).await.unwrap();
    assert_eq!(listed.total, 2);
    assert_eq!(listed.data[1].revoked_at, Some(at(4)));
    assert_eq!(listed.data[0].hint, api_key(1).hint);
    let one = rig.store.api_keys(&project, Page { limit: 1, offset: 1 }).await.unwrap();
    assert_eq!((one.data[0].id.clone(), one.total), (new.id, 2));

    let filter = AuditFilter { action: Some(Action::ApiKeyRevoked), ..AuditFilter::default() };
    let log = rig.store.audit_log(&project, &filter, ALL).await.unwrap();
    assert_eq!(log.total, 1);
    assert_eq!(log.data[0].metadata["refId"], "客户 7");
}

async fn ids_and_digests_are_not_used_twice() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let same_digest = NewApiKey { id: ApiKeyId::new("key_new"), ..api_key(1) };
    let same_id = NewApiKey { digest: api_key(9).digest, ..api_key(1) };
    for new in [same_digest, same_id] {
        let refused = rig.store.create_api_key(&project, new, &by(1)).await;
        assert!(matches!(refused, Err(StoreError::Taken("token"))), "{refused:?}");
    }
}
