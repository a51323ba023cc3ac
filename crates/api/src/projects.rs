//! Projects: made with their first keys, shown, changed, removed.

use byok_domain::credential::Environment;
use byok_domain::{ClientGone, ProjectId, ProjectSettings, SettingsChange, Timestamp};
use byok_store::{MadeProject, Project, ProjectChange};
use serde::Serialize;

use crate::answer::{self, Answer, shown};
use crate::dispatch::{Ask, Installation, Scope};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown {
    id: ProjectId,
    name: String,
    environment: Environment,
    #[serde(flatten)]
    settings: ProjectSettings,
    #[serde(serialize_with = "shown")]
    created_at: Timestamp,
    #[serde(serialize_with = "shown")]
    updated_at: Timestamp,
}

impl From<Project> for Shown {
    fn from(project: Project) -> Self {
        Self {
            id: project.id,
            name: project.name,
            environment: project.environment,
            settings: project.settings,
            created_at: project.created_at,
            updated_at: project.updated_at,
        }
    }
}

/// What is told of a new project. Its keys are told this once.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Created<'a> {
    id: &'a ProjectId,
    name: &'a str,
    environment: Environment,
    secret_key: &'a str,
    publishable_key: &'a str,
    #[serde(serialize_with = "shown")]
    created_at: Timestamp,
}

/// `GET /projects`.
pub(crate) async fn list(_: Installation, ask: Ask) -> Answer {
    let query = ask.query(&["limit", "offset"])?;
    let page = query.page()?;
    let projects = ask.state.store.projects(page).await?;
    let data = projects.data.into_iter().map(Shown::from).collect();
    answer::list(data, projects.total, page)
}

/// `POST /projects`.
pub(crate) async fn create(operator: Installation, ask: Ask) -> Answer {
    let (state, at, mut fields) = ask.fields().await?;
    let name = fields.line("name");
    let name = fields.required("name", name);
    let environment = fields.choice("environment", "live, test", Environment::parse);
    let name = fields.finish(name)?;
    let environment = environment.unwrap_or_default();

    let by = operator.by(at);
    let made =
        state.store.make_project(&state.keyring, &state.hasher, name, environment, &by).await?;
    let MadeProject { project, secret_key, publishable_key } = made;
    state.origins.forget();
    answer::json(&Created {
        id: &project.id,
        name: &project.name,
        environment: project.environment,
        secret_key: secret_key.as_str(),
        publishable_key: publishable_key.as_str(),
        created_at: project.created_at,
    })
}

/// `GET /projects/{projectId}`.
pub(crate) async fn show(scope: Scope, ask: Ask) -> Answer {
    ask.query(&[])?;
    answer::json(&Shown::from(scope.into_project()))
}

/// `PATCH /projects/{projectId}`.
pub(crate) async fn update(scope: Scope, ask: Ask) -> Answer {
    let (state, at, mut fields) = ask.fields().await?;
    let name = fields.line("name");
    let settings = SettingsChange {
        include_usage: fields.flag("includeUsage"),
        client_gone: fields.choice("clientGone", "cancel, drain", ClientGone::parse),
    };
    if name.is_none() && settings.is_empty() {
        fields.nothing_to_change("name");
    }
    fields.finish(Some(()))?;
    let change = ProjectChange { name, settings };
    let project = state.store.update_project(scope.id(), change, &scope.by(at)).await?;
    state.gateway.forget_project(scope.id());
    answer::json(&Shown::from(project))
}

/// `DELETE /projects/{projectId}`.
pub(crate) async fn delete(scope: Scope, ask: Ask) -> Answer {
    ask.query(&[])?;
    ask.state.store.delete_project(scope.id(), &scope.by(ask.at)).await?;
    ask.state.gateway.forget_project(scope.id());
    ask.state.origins.forget();
    answer::json(&serde_json::json!({ "deleted": true }))
}
