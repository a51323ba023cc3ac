//! A project's own prices.

use serde_json::json;

use crate::rig::{ADMIN, Rig};

#[tokio::test]
async fn prices_are_merged_shown_as_written_and_cleared() {
    let rig = Rig::start().await;
    assert_eq!(rig.as_a("GET", "/pricing", None).await.ok(), json!({ "overrides": {} }));
    let first = json!({ "overrides": { "openai": { "mine": { "input": 0.5, "output": 2.0 } } } });
    rig.as_a("PATCH", "/pricing", Some(first)).await.ok();
    let second = json!({ "overrides": {
        "openai": { "other": { "input": 0.0375, "output": 0.15, "cacheRead": 0.01 } },
    } });
    let path = format!("/projects/{}/pricing", rig.a.id);
    let merged = rig.send("PATCH", &path, Some(ADMIN), Some(second)).await;
    merged.ok();
    let shown = rig.as_a("GET", "/pricing", None).await;
    assert_eq!(shown.text, merged.text);
    assert!(shown.text.contains(r#""mine":{"input":0.5,"output":2}"#), "{}", shown.text);
    assert!(shown.text.contains("0.0375"), "{}", shown.text);

    let remove = json!({ "overrides": { "openai": { "mine": null } } });
    let left = rig.as_a("PATCH", "/pricing", Some(remove)).await.ok();
    assert!(left["overrides"]["openai"].get("mine").is_none(), "{left}");
    let cleared = rig.as_a("DELETE", "/pricing", None).await.ok();
    assert_eq!(cleared, json!({ "overrides": {} }));
    assert_eq!(rig.as_a("GET", "/pricing", None).await.ok(), json!({ "overrides": {} }));
}

#[tokio::test]
async fn one_bad_number_changes_nothing_and_is_named() {
    let rig = Rig::start().await;
    for (overrides, field) in [
        (
            json!({ "openai": { "a": { "input": -1 }, "b": { "input": 1 } } }),
            "overrides.openai.a.input",
        ),
        (json!({ "openai": { "a": { "input": "1" } } }), "overrides.openai.a.input"),
        (json!({ "openai": { "a": { "inptu": 1 } } }), "overrides.openai.a.inptu"),
        (json!({ "openai": { "a": {} } }), "overrides.openai.a"),
        (json!({ "openai": 7 }), "overrides.openai"),
        (json!([]), "overrides"),
    ] {
        let patch = json!({ "overrides": overrides });
        let refused = rig.as_a("PATCH", "/pricing", Some(patch.clone())).await;
        assert_eq!(refused.invalid_fields(), [field], "{patch}");
    }
    let missing = rig.as_a("PATCH", "/pricing", Some(json!({ "openai": {} }))).await;
    assert_eq!(missing.invalid_fields(), ["overrides", "openai"]);
    assert_eq!(rig.as_a("GET", "/pricing", None).await.ok(), json!({ "overrides": {} }));
    let audit = rig.as_a("GET", "/audit-logs?action=pricing.updated", None).await.ok();
    assert_eq!(audit["total"], 0);
}
