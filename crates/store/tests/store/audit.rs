//! The audit log: appended to, read, and proof against what is done to it behind our back.

use byok_domain::audit::{Action, Actor, ActorType};
use byok_domain::origin::Allowlist;
use byok_store::{AuditFault, AuditFilter, AuditHead, BadEntry, By, Database, Page, Store};
use byok_vault::AuditKey;
use sea_orm::ConnectionTrait;

use crate::support::{ALL, Rig, api_key, at, audit_key, by, either, key, on_each_database};

on_each_database!(
    an_untouched_log_verifies_and_a_project_sees_its_own_entries,
    entries_are_filtered_and_paged,
    the_database_itself_refuses_to_change_the_past,
    a_change_to_any_column_of_any_entry_is_found_at_its_place,
    missing_inserted_and_swapped_entries_are_found,
    an_end_cut_off_is_found_by_whoever_kept_the_head,
    a_log_written_with_another_key_does_not_verify,
    a_log_of_many_pages_verifies_after_the_database_was_opened_again,
    no_change_is_made_that_cannot_be_told,
);

async fn free(rig: &Rig) {
    for trigger in ["is_not_updated", "is_not_deleted", "is_appended"] {
        let table = either("", " ON audit_log");
        rig.execute(&format!("DROP TRIGGER audit_log_{trigger}{table}")).await;
    }
}

/// Two projects and ten entries.
async fn rig() -> Rig {
    let rig = Rig::new().await;
    let (one, two) = (rig.project(1).await, rig.project(2).await);
    rig.connect(&one, key("pk_1", "customer")).await;
    rig.connect(&two, key("pk_2", "customer")).await;
    rig.store.set_allowed_origins(&one, &Allowlist::default(), &by(60)).await.unwrap();
    rig.store.clear_pricing(&two, &by(70)).await.unwrap();
    let by_system = By::new(Actor::system("sweeper"), at(80));
    rig.store.create_api_key(&one, api_key(3), &by_system).await.unwrap();
    rig.store.record_rotation("2-00", 2, &by(90)).await.unwrap();
    rig
}

async fn first_bad(rig: &Rig) -> Option<(i64, AuditFault)> {
    let report = rig.store.verify_audit(None).await.unwrap();
    report.first_bad.map(|bad| (bad.sequence, bad.fault))
}

async fn an_untouched_log_verifies_and_a_project_sees_its_own_entries() {
    let rig = rig().await;
    let report = rig.store.verify_audit(None).await.unwrap();
    assert_eq!((report.verified, report.first_bad, report.head.sequence), (10, None, 10));

    let one = byok_domain::ProjectId::new("proj_1");
    let all = rig.store.audit_log(&one, &AuditFilter::default(), ALL).await.unwrap();
    assert_eq!((all.total, all.data.len()), (5, 5));
    assert!(all.data.iter().all(|entry| entry.project.as_ref() == Some(&one)));
    assert!(all.data.is_sorted_by_key(|entry| -entry.sequence));
    let newest = &all.data[0];
    assert_eq!((newest.action, newest.actor_type), (Action::ApiKeyCreated, ActorType::System));
    assert_eq!((newest.actor_id.as_str(), &newest.ip), ("sweeper", &None));
    assert_eq!(all.data[1].ip.as_deref(), Some("203.0.113.9"));

    let everything = AuditFilter::default();
    let whole = rig.store.audit_log_of_installation(&everything, ALL).await.unwrap();
    assert_eq!(whole.total, 10);
    for pair in whole.data.windows(2) {
        assert_eq!(pair[0].prev_hash, pair[1].hash);
    }
}

async fn entries_are_filtered_and_paged() {
    let rig = rig().await;
    let one = byok_domain::ProjectId::new("proj_1");
    for (filter, expected) in [
        (AuditFilter { action: Some(Action::ApiKeyCreated), ..AuditFilter::default() }, 2),
        (AuditFilter { action: Some(Action::PricingCleared), ..AuditFilter::default() }, 0),
        (AuditFilter { actor_type: Some(ActorType::System), ..AuditFilter::default() }, 1),
        (AuditFilter { actor_type: Some(ActorType::User), ..AuditFilter::default() }, 4),
        (AuditFilter { since: Some(at(60)), ..AuditFilter::default() }, 2),
        (AuditFilter { until: Some(at(60)), ..AuditFilter::default() }, 3),
        (AuditFilter { since: Some(at(61)), until: Some(at(80)), ..AuditFilter::default() }, 0),
    ] {
        let got = rig.store.audit_log(&one, &filter, ALL).await.unwrap();
        assert_eq!((got.total, got.data.len() as u64), (expected, expected), "{filter:?}");
    }
    let page = Page { limit: 2, offset: 3 };
    let part = rig.store.audit_log(&one, &AuditFilter::default(), page).await.unwrap();
    assert_eq!((part.data.len(), part.total), (2, 5));
}

async fn the_database_itself_refuses_to_change_the_past() {
    let rig = rig().await;
    let raw = rig.raw().await;
    let copy = "SELECT 10, 'aud_x', project_id, action, actor_type, actor_id, ip, target_type, \
        target_id, metadata, created_at, prev_hash, hash FROM audit_log WHERE sequence = 3";
    for sql in [
        "UPDATE audit_log SET actor_id = 'nobody' WHERE sequence = 3",
        "DELETE FROM audit_log WHERE sequence = 10",
        "DELETE FROM audit_log",
        &either(
            format!("INSERT OR REPLACE INTO audit_log {copy}"),
            format!("INSERT INTO audit_log {copy} ON CONFLICT (sequence) DO UPDATE SET hash = 'x'"),
        ),
        either("DELETE FROM audit_log", "TRUNCATE audit_log"),
        &format!("INSERT INTO audit_log {}", copy.replace("10,", "12,")),
    ] {
        let refused = raw.execute_unprepared(sql).await;
        let text = refused.expect_err(sql).to_string();
        assert!(text.contains("append-only"), "{sql}: {text}");
    }
    assert_eq!(first_bad(&rig).await, None);
}

async fn a_change_to_any_column_of_any_entry_is_found_at_its_place() {
    let rig = rig().await;
    free(&rig).await;
    let raw = rig.raw().await;
    for (column, value) in [
        ("id", "'aud_00000000000000000000000000000000'"),
        ("project_id", "'proj_3'"),
        ("project_id", "''"),
        ("action", "'project.deleted'"),
        ("action", "'project.exploded'"),
        ("actor_type", "'api_key'"),
        ("actor_type", "'ghost'"),
        ("actor_id", "'nobody'"),
        ("ip", "'203.0.113.8'"),
        ("ip", "''"),
        ("target_type", "'webhook'"),
        ("target_id", "'pk_x'"),
        ("metadata", "'{\"refId\":\"other\"}'"),
        ("metadata", "metadata || ' '"),
        ("metadata", "'not json'"),
        ("created_at", "created_at + 1"),
        ("hash", "'00'"),
    ] {
        for sequence in 1..=10 {
            raw.execute_unprepared("CREATE TEMP TABLE kept AS SELECT * FROM audit_log")
                .await
                .unwrap();
            let change =
                format!("UPDATE audit_log SET {column} = {value} WHERE sequence = {sequence}");
            raw.execute_unprepared(&change).await.unwrap();
            assert_eq!(first_bad(&rig).await, Some((sequence, AuditFault::Changed)), "{change}");
            raw.execute_unprepared(
                "DELETE FROM audit_log; INSERT INTO audit_log SELECT * FROM kept; DROP TABLE kept",
            )
            .await
            .unwrap();
        }
    }
    for sequence in 2..=10 {
        let change = format!("UPDATE audit_log SET prev_hash = 'x' WHERE sequence = {sequence}");
        raw.execute_unprepared("CREATE TEMP TABLE kept AS SELECT * FROM audit_log").await.unwrap();
        raw.execute_unprepared(&change).await.unwrap();
        assert_eq!(first_bad(&rig).await, Some((sequence, AuditFault::Detached)));
        raw.execute_unprepared(
            "DELETE FROM audit_log; INSERT INTO audit_log SELECT * FROM kept; DROP TABLE kept",
        )
        .await
        .unwrap();
    }
    assert_eq!(first_bad(&rig).await, None);
}

async fn missing_inserted_and_swapped_entries_are_found() {
    const COPY: &str = "project_id, action, actor_type, actor_id, ip, target_type, target_id, \
        metadata, created_at, prev_hash, hash";
    let insert = |sequence: i64| {
        format!(
            "INSERT INTO audit_log SELECT {sequence}, 'aud_new', {COPY} FROM audit_log \
             WHERE sequence = 10"
        )
    };
    for (what, sql, expected) in [
        ("a hole", "DELETE FROM audit_log WHERE sequence = 4".to_owned(), (4, AuditFault::Missing)),
        (
            "no start",
            "DELETE FROM audit_log WHERE sequence = 1".to_owned(),
            (1, AuditFault::Missing),
        ),
        (
            "a hole closed up",
            "DELETE FROM audit_log WHERE sequence = 4; \
             UPDATE audit_log SET sequence = -sequence WHERE sequence > 4; \
             UPDATE audit_log SET sequence = -sequence - 1 WHERE sequence < 0"
                .to_owned(),
            (4, AuditFault::Detached),
        ),
        (
            "two swapped",
            "UPDATE audit_log SET sequence = -5 WHERE sequence = 5; \
             UPDATE audit_log SET sequence = 5 WHERE sequence = 6; \
             UPDATE audit_log SET sequence = 6 WHERE sequence = -5"
                .to_owned(),
            (5, AuditFault::Detached),
        ),
        ("one put at the end", insert(11), (11, AuditFault::Detached)),
        ("one put before the start", insert(0), (0, AuditFault::Detached)),
        (
            "one put at the end that names the last hash",
            format!(
                "{}; UPDATE audit_log SET prev_hash = (SELECT hash FROM audit_log \
                 WHERE sequence = 10) WHERE sequence = 11",
                insert(11)
            ),
            (11, AuditFault::Changed),
        ),
    ] {
        let rig = rig().await;
        free(&rig).await;
        rig.execute(&sql).await;
        assert_eq!(first_bad(&rig).await, Some(expected), "{what}");
    }
}

async fn an_end_cut_off_is_found_by_whoever_kept_the_head() {
    let rig = rig().await;
    let head = rig.store.verify_audit(None).await.unwrap().head;
    rig.store.clear_pricing(&byok_domain::ProjectId::new("proj_1"), &by(95)).await.unwrap();
    assert_eq!(rig.store.verify_audit(Some(&head)).await.unwrap().first_bad, None);

    free(&rig).await;
    rig.execute("DELETE FROM audit_log WHERE sequence > 7").await;
    assert_eq!(first_bad(&rig).await, None, "nothing inside the log tells");
    let report = rig.store.verify_audit(Some(&head)).await.unwrap();
    assert_eq!(report.first_bad, Some(BadEntry { sequence: 8, fault: AuditFault::CutOff }));

    let other = AuditHead { sequence: 7, hash: "another".into() };
    let report = rig.store.verify_audit(Some(&other)).await.unwrap();
    assert_eq!(report.first_bad, Some(BadEntry { sequence: 7, fault: AuditFault::Replaced }));
}

async fn a_log_written_with_another_key_does_not_verify() {
    let rig = rig().await;
    let other = Store::new(rig.store.database().clone(), AuditKey::new([1; 32]));
    let report = other.verify_audit(None).await.unwrap();
    assert_eq!(report.first_bad, Some(BadEntry { sequence: 1, fault: AuditFault::Changed }));
    assert_eq!(report.verified, 0);
}

async fn a_log_of_many_pages_verifies_after_the_database_was_opened_again() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    for n in 0..1_100 {
        rig.store.clear_pricing(&project, &by(n)).await.unwrap();
    }
    let database = Database::open(&rig.place.url).await.unwrap();
    let report = Store::new(database, audit_key()).verify_audit(None).await.unwrap();
    assert_eq!((report.verified, report.first_bad), (1_102, None));
}

async fn no_change_is_made_that_cannot_be_told() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let id = rig.connect(&project, key("pk_1", "customer")).await.id;
    rig.refuse_rows("audit_log").await;
    let store = &rig.store;
    let customer = crate::support::ref_id("customer");
    let openai = crate::support::openai();
    let verdict = byok_store::Verdict {
        version: 1,
        status: byok_domain::KeyStatus::Invalid,
        error: None,
        validated_at: None,
    };
    let count = "SELECT (SELECT COUNT(*) FROM projects WHERE deleted_at IS NULL AND updated_at = \
        created_at) + 10 * (SELECT COUNT(*) FROM provider_keys WHERE status = 'valid' AND version \
        = 1) + 100 * (SELECT COUNT(*) FROM api_keys WHERE revoked_at IS NULL)";
    assert_eq!(rig.number(count).await, 111);
    let connect = store.connect_key(&project, key("pk_2", "b"), crate::support::seal, &by(1)).await;
    let replace =
        store.connect_key(&project, key("pk_2", "customer"), crate::support::seal, &by(1)).await;
    for (what, failed) in [
        ("connect", connect.is_err()),
        ("replace", replace.is_err()),
        ("revoke", store.revoke_keys(&project, &openai, &customer, None, &by(1)).await.is_err()),
        ("status", store.set_key_status(&project, &id, verdict, &by(1)).await.is_err()),
        ("token", store.create_api_key(&project, api_key(5), &by(1)).await.is_err()),
        ("token revoked", store.revoke_api_key(&project, &api_key(1).id, &by(1)).await.is_err()),
        ("prices", store.clear_pricing(&project, &by(1)).await.is_err()),
        (
            "origins",
            store.set_allowed_origins(&project, &Allowlist::default(), &by(1)).await.is_err(),
        ),
        ("update", store.update_project(&project, Default::default(), &by(1)).await.is_err()),
        ("delete", store.delete_project(&project, &by(1)).await.is_err()),
        ("rotation", store.record_rotation("2-0", 1, &by(1)).await.is_err()),
    ] {
        assert!(failed, "{what}");
    }
    assert_eq!(rig.number(count).await, 111);
}
