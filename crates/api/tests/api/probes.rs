//! Probes.

use byok_domain::ProjectId;
use byok_store::{By, NewProject};
use byok_vault::SealedDataKey;
use serde_json::json;

use crate::rig::Rig;

#[tokio::test]
async fn a_server_that_can_serve_says_so() {
    let rig = Rig::start().await;
    let alive = rig.send("GET", "/healthz", None, None).await.ok();
    assert_eq!(alive, json!({ "status": "ok" }));
    let ready = rig.send("GET", "/readyz", None, None).await.ok();
    let checks = json!({ "database": "ok", "keyring": "ok", "journal": "ok" });
    assert_eq!(ready, json!({ "status": "ready", "checks": checks }));
}

#[tokio::test]
async fn a_project_sealed_under_a_key_that_is_not_here_makes_it_unready() {
    let rig = Rig::start().await;
    let id = ProjectId::new("proj_elsewhere");
    let new = NewProject {
        id,
        name: "Elsewhere".into(),
        environment: Default::default(),
        data_key: SealedDataKey { kid: "2:0badc0de".into(), bytes: vec![1; 60] },
        api_keys: Vec::new(),
    };
    let by = By::new(byok_domain::audit::Actor::cli(), byok_domain::Timestamp::from_millis(1));
    rig.store.create_project(new, &by).await.expect("stored");
    let reply = rig.send("GET", "/readyz", None, None).await;
    assert_eq!(reply.status, 503);
    let checks = json!({ "database": "ok", "keyring": "failed", "journal": "ok" });
    assert_eq!(reply.json(), json!({ "status": "unready", "checks": checks }));
    rig.send("GET", "/healthz", None, None).await.ok();
}

#[tokio::test]
async fn a_full_journal_or_a_closed_database_makes_it_unready() {
    let rig = Rig::start().await;
    rig.store.database().clone().close().await.expect("closed");
    // With the database away nothing leaves the journal.
    while rig.journal.has_room() {
        rig.record(&rig.call("customer_1"));
    }
    let reply = rig.send("GET", "/readyz", None, None).await;
    assert_eq!(reply.status, 503);
    let checks = json!({ "database": "failed", "keyring": "failed", "journal": "failed" });
    assert_eq!(reply.json()["checks"], checks);
    let refused = rig.as_a("GET", "/keys", None).await;
    assert_eq!(refused.refused(503, "unavailable")["data"], json!(null));
    assert_eq!(refused.header("retry-after"), Some("1"));
}
