//! Keys that wait to be sealed anew.

use byok_gateway::StoredKey;
use byok_store::Database;
use byok_vault::SealedSecret;
use sea_orm::ConnectionTrait;

use crate::support::{Rig, by, key, on_each_database, seal};

on_each_database!(
    those_that_hold_a_session_token_in_the_clear_are_listed_by_the_migration,
    a_resealed_key_is_another_version_and_waits_no_more,
    a_key_that_was_replaced_meanwhile_stays_as_it_is,
);

const OLD: &str = r#"{"accessKeyId":"AKIA","sessionToken":"token"}"#;

/// One version on, in its place.
fn anew(mut stored: StoredKey) -> StoredKey {
    stored.config.take_secret("sessionToken").expect("a token");
    stored.version += 1;
    stored.sealed = SealedSecret { bytes: b"sealed anew".to_vec() };
    stored
}

async fn those_that_hold_a_session_token_in_the_clear_are_listed_by_the_migration() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    for id in ["with", "without"] {
        rig.connect(&project, key(id, id)).await;
    }
    rig.execute(&format!("UPDATE provider_keys SET config = '{OLD}' WHERE id = 'with'")).await;
    assert!(rig.store.database().keys_to_reseal().await.unwrap().is_empty());
    let raw = rig.raw().await;
    for statement in [
        "DROP TABLE keys_to_reseal",
        "DELETE FROM seaql_migrations WHERE version = 'm0007_keys_to_reseal'",
    ] {
        raw.execute_unprepared(statement).await.unwrap();
    }
    let again = Database::open(&rig.place.url).await.unwrap();
    assert_eq!(again.migrate().await.unwrap(), 1);
    let waiting = again.keys_to_reseal().await.unwrap();
    let ids: Vec<_> = waiting.iter().map(|key| key.id.as_str()).collect();
    assert_eq!(ids, ["with"]);
    assert_eq!(waiting[0].config.get("sessionToken"), Some("token"));
}

async fn a_resealed_key_is_another_version_and_waits_no_more() {
    let rig = Rig::new().await;
    let (project, other) = (rig.project(1).await, rig.project(2).await);
    rig.connect(&project, key("k1", "c1")).await;
    rig.execute(&format!("UPDATE provider_keys SET config = '{OLD}'")).await;
    rig.execute("INSERT INTO keys_to_reseal VALUES ('k1'), ('gone')").await;
    let waiting = rig.store.database().keys_to_reseal().await.unwrap().remove(0);
    let resealed = anew(waiting);
    assert!(!rig.store.reseal_key(&other, &resealed, &by(1)).await.unwrap(), "not theirs");
    assert!(rig.store.reseal_key(&project, &resealed, &by(1)).await.unwrap());
    assert!(rig.store.database().keys_to_reseal().await.unwrap().is_empty());
    let kept =
        &rig.store.sealed_keys(&project, &resealed.provider, &resealed.ref_id).await.unwrap()[0];
    assert_eq!((kept.version, kept.sealed.bytes.as_slice()), (2, &b"sealed anew"[..]));
    assert_eq!(kept.config.get("sessionToken"), Some("…"));
    let told = "SELECT COUNT(*) FROM audit_log WHERE metadata LIKE '%\"resealed\":true%'";
    assert_eq!(rig.number(told).await, 1);
}

async fn a_key_that_was_replaced_meanwhile_stays_as_it_is() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.connect(&project, key("k1", "c1")).await;
    rig.execute(&format!("UPDATE provider_keys SET config = '{OLD}'")).await;
    rig.execute("INSERT INTO keys_to_reseal VALUES ('k1')").await;
    let resealed = anew(rig.store.database().keys_to_reseal().await.unwrap().remove(0));
    rig.connect(&project, key("k1", "c1")).await;
    assert!(!rig.store.reseal_key(&project, &resealed, &by(1)).await.unwrap());
    let kept =
        &rig.store.sealed_keys(&project, &resealed.provider, &resealed.ref_id).await.unwrap()[0];
    assert_eq!(kept.sealed.bytes, seal(&kept.id, 2).bytes);
    assert!(rig.store.database().keys_to_reseal().await.unwrap().is_empty());
}
