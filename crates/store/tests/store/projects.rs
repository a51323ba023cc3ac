//! Projects, their origins and their prices.

use byok_domain::audit::Action;
use byok_domain::credential::Environment;
use byok_domain::origin::Allowlist;
use byok_domain::pricing::PriceTable;
use byok_domain::{ClientGone, ProjectId, ProjectSettings, SettingsChange};
use byok_gateway::Directory;
use byok_store::{AuditFilter, NewProject, Page, ProjectChange, StoreError};
use serde_json::json;

use crate::support::{ALL, Rig, api_key, by, call, key, on_each_database, openai, ref_id};

on_each_database!(
    a_project_is_made_with_its_keys_and_its_entries_in_one_go,
    a_project_that_cannot_be_made_whole_is_not_made_at_all,
    projects_are_listed_oldest_first_and_in_parts,
    a_change_touches_what_it_names_and_nothing_else,
    removing_a_project_shreds_its_keys_and_leaves_its_usage,
    origins_are_kept_as_they_were_set,
    prices_are_merged_inside_the_transaction_and_survive_to_the_last_digit,
    price_changes_that_race_are_all_kept,
    a_change_whose_caller_went_away_is_undone_and_holds_nobody_up,
);

async fn a_project_is_made_with_its_keys_and_its_entries_in_one_go() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let found = rig.store.project(&project).await.unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.environment), ("project 1", Environment::Live));
    assert!(found.allowed_origins.is_unrestricted());
    assert_eq!(found.settings, ProjectSettings::default());
    assert_eq!((found.created_at, found.updated_at), (by(0).at, by(0).at));

    let log = rig.store.audit_log(&project, &AuditFilter::default(), ALL).await.unwrap();
    let actions: Vec<_> = log.data.iter().map(|entry| entry.action).collect();
    assert_eq!(actions, [Action::ApiKeyCreated, Action::ProjectCreated]);
}

async fn a_project_that_cannot_be_made_whole_is_not_made_at_all() {
    let rig = Rig::new().await;
    rig.project(1).await;
    let id = ProjectId::new("proj_2");
    let new = NewProject {
        id: id.clone(),
        name: "second".into(),
        environment: Environment::Test,
        data_key: rig.keyring.new_data_key(&id),
        // The digest of the first project's token.
        api_keys: vec![api_key(2), api_key(1)],
    };
    let refused = rig.store.create_project(new.clone(), &by(1)).await;
    assert!(matches!(refused, Err(StoreError::Taken("token"))), "{refused:?}");
    assert_eq!(rig.store.project(&id).await.unwrap(), None);
    assert_eq!(rig.number("SELECT COUNT(*) FROM data_keys").await, 1);
    assert_eq!(rig.number("SELECT COUNT(*) FROM audit_log").await, 2);

    let again = NewProject { id: ProjectId::new("proj_1"), api_keys: Vec::new(), ..new };
    let refused = rig.store.create_project(again, &by(1)).await;
    assert!(matches!(refused, Err(StoreError::Taken("project"))), "{refused:?}");
}

async fn projects_are_listed_oldest_first_and_in_parts() {
    let rig = Rig::new().await;
    for n in 1..=5 {
        rig.project(n).await;
    }
    let page = rig.store.projects(Page { limit: 2, offset: 2 }).await.unwrap();
    let ids: Vec<_> = page.data.iter().map(|project| project.id.as_str()).collect();
    assert_eq!((ids, page.total), (vec!["proj_3", "proj_4"], 5));
}

async fn a_change_touches_what_it_names_and_nothing_else() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let rename = ProjectChange { name: Some("renamed".into()), ..ProjectChange::default() };
    rig.store.update_project(&project, rename, &by(5)).await.unwrap();
    for settings in [
        SettingsChange { include_usage: Some(false), client_gone: None },
        SettingsChange { include_usage: None, client_gone: Some(ClientGone::Drain) },
    ] {
        let set = ProjectChange { settings, ..ProjectChange::default() };
        rig.store.update_project(&project, set, &by(6)).await.unwrap();
    }
    let after = rig.store.project(&project).await.unwrap().unwrap();
    let settings = ProjectSettings { include_usage: false, client_gone: ClientGone::Drain };
    assert_eq!((after.name.as_str(), after.settings), ("renamed", settings));
    let snapshot = rig.store.project_snapshot(&project).await.unwrap().unwrap();
    assert_eq!(snapshot.settings, settings);
    assert_eq!((after.created_at, after.updated_at), (by(0).at, by(6).at));
    let updates = AuditFilter { action: Some(Action::ProjectUpdated), ..AuditFilter::default() };
    let log = rig.store.audit_log(&project, &updates, ALL).await.unwrap();
    let told: Vec<_> = log.data.into_iter().map(|entry| entry.metadata).collect();
    let expected = [
        json!({"clientGone": "drain"}),
        json!({"includeUsage": false}),
        json!({"name": "renamed"}),
    ];
    assert_eq!(told, expected);

    let nobody = ProjectId::new("proj_none");
    let missing = rig.store.update_project(&nobody, ProjectChange::default(), &by(7)).await;
    assert!(matches!(missing, Err(StoreError::NotFound(_))));
}

async fn removing_a_project_shreds_its_keys_and_leaves_its_usage() {
    let rig = Rig::new().await;
    let (gone, stays) = (rig.project(1).await, rig.project(2).await);
    for project in [&gone, &stays] {
        rig.connect(project, key(&format!("pk_{project}"), "customer")).await;
        rig.apply(&[call(project, "customer", 1)]).await;
    }
    rig.store.delete_project(&gone, &by(9)).await.unwrap();

    assert_eq!(rig.store.project(&gone).await.unwrap(), None);
    assert!(rig.store.project_snapshot(&gone).await.unwrap().is_none());
    let token = rig.store.find_api_key(&api_key(1).digest).await.unwrap();
    assert_eq!(token, None);
    let keys = rig.store.sealed_keys(&gone, &openai(), &ref_id("customer")).await.unwrap();
    assert!(keys.is_empty());
    assert_eq!(rig.number("SELECT COUNT(*) FROM data_keys WHERE project_id = 'proj_1'").await, 0);
    let usage = rig.store.usage(&gone, &Default::default()).await.unwrap();
    assert_eq!(usage.totals.requests, 1);
    assert_eq!(rig.store.projects(ALL).await.unwrap().total, 1);

    // The other one has lost nothing.
    assert!(rig.store.project_snapshot(&stays).await.unwrap().is_some());
    let keys = rig.store.sealed_keys(&stays, &openai(), &ref_id("customer")).await.unwrap();
    assert_eq!(keys.len(), 1);
    // What is gone cannot be changed, and is not made again.
    assert!(rig.store.delete_project(&gone, &by(9)).await.is_err());
    let key = rig.store.connect_key(&gone, key("pk_x", "c"), crate::support::seal, &by(9)).await;
    assert!(matches!(key, Err(StoreError::NotFound("project"))));
    assert!(rig.store.create_api_key(&gone, api_key(7), &by(9)).await.is_err());
}

async fn origins_are_kept_as_they_were_set() {
    let rig = Rig::new().await;
    let (project, other) = (rig.project(1).await, rig.project(2).await);
    let list = Allowlist::parse(&["https://app.example.com", "https://*.example.org"]).unwrap();
    rig.store.set_allowed_origins(&project, &list, &by(1)).await.unwrap();
    assert_eq!(rig.store.allowed_origins(&project).await.unwrap(), list);
    assert_eq!(rig.store.project(&project).await.unwrap().unwrap().allowed_origins, list);
    let snapshot = Directory::project(&rig.store, &project).await.unwrap().unwrap();
    assert_eq!(snapshot.allowed_origins, list);
    assert!(rig.store.allowed_origins(&other).await.unwrap().is_unrestricted());
}

async fn prices_are_merged_inside_the_transaction_and_survive_to_the_last_digit() {
    let rig = Rig::new().await;
    let (project, other) = (rig.project(1).await, rig.project(2).await);
    assert!(rig.store.pricing(&project).await.unwrap().is_empty());
    let patch = |model: &str| json!({"openai": {model: {"input": 0.15, "output": 1.234_567}}});
    for model in ["a", "b"] {
        let merged = rig
            .store
            .update_pricing(&project, |table| table.merge_patch(&patch(model)), &by(1))
            .await
            .unwrap();
        assert!(merged.is_ok());
    }
    let expected = PriceTable::default().merge_patch(&patch("a")).unwrap();
    let expected = expected.merge_patch(&patch("b")).unwrap();
    assert_eq!(rig.store.pricing(&project).await.unwrap(), expected);
    assert!(rig.store.pricing(&other).await.unwrap().is_empty());
    let snapshot = rig.store.project_snapshot(&project).await.unwrap().unwrap();
    assert_eq!(*snapshot.overrides, expected);

    let entries = rig.number("SELECT COUNT(*) FROM audit_log").await;
    let refused = rig.store.update_pricing(&project, |_| Err("no"), &by(2)).await.unwrap();
    assert_eq!(refused, Err("no"));
    assert_eq!(rig.store.pricing(&project).await.unwrap(), expected);
    assert_eq!(rig.number("SELECT COUNT(*) FROM audit_log").await, entries);

    rig.store.clear_pricing(&project, &by(3)).await.unwrap();
    assert!(rig.store.pricing(&project).await.unwrap().is_empty());
}

async fn price_changes_that_race_are_all_kept() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let mut changes = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (store, project) = (rig.store.clone(), project.clone());
        changes.spawn(async move {
            let patch = json!({"openai": {(format!("m{n}")): {"input": 1, "output": 2}}});
            store.update_pricing(&project, |table| table.merge_patch(&patch), &by(n)).await
        });
    }
    while let Some(done) = changes.join_next().await {
        assert!(done.unwrap().unwrap().is_ok());
    }
    let table = rig.store.pricing(&project).await.unwrap();
    let models = table.to_json()["openai"].as_object().unwrap().len();
    assert_eq!(models, 20);
}

async fn a_change_whose_caller_went_away_is_undone_and_holds_nobody_up() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let entries = rig.number("SELECT COUNT(*) FROM audit_log").await;
    for n in 0..50 {
        let store = rig.store.clone();
        let project = project.clone();
        let change = tokio::spawn(async move { store.clear_pricing(&project, &by(0)).await });
        for _ in 0..n {
            tokio::task::yield_now().await;
        }
        change.abort();
    }
    let (last, patience) = (by(1), std::time::Duration::from_secs(20));
    let finished = tokio::time::timeout(patience, rig.store.clear_pricing(&project, &last));
    finished.await.expect("the writer is free again").unwrap();
    // Each change is there with its entry, or not at all.
    let report = rig.store.verify_audit(None).await.unwrap();
    assert_eq!(report.first_bad, None);
    assert!(rig.number("SELECT COUNT(*) FROM audit_log").await > entries);
}
