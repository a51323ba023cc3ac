//! Projects and their API keys.

use http::Method;
use serde::{Deserialize, Serialize};

use crate::ask::Ask;
use crate::error::Result;
use crate::requests::{group, list, request};
use crate::secret::Secret;
use crate::timestamp::Timestamp;

group! {
    /// Projects. All but [`get`](Self::get) and [`update`](Self::update) need the operator's token.
    Projects,
    /// Projects.
    projects
}

impl Projects {
    /// Makes a project with a secret and a publishable key.
    pub fn create(&self, name: impl Into<String>) -> CreateProject {
        let ask = Ask::over_all(&self.byok, Method::POST, &["projects"]);
        CreateProject(ask.field("name", name.into()))
    }

    /// All projects.
    pub fn list(&self) -> ListProjects {
        ListProjects(Ask::over_all(&self.byok, Method::GET, &["projects"]))
    }

    /// One project.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn get(&self, id: impl AsRef<str>) -> Result<Project> {
        self.ask(Method::GET, id.as_ref()).send().await
    }

    /// Changes a project's name and settings.
    pub fn update(&self, id: impl AsRef<str>) -> UpdateProject {
        UpdateProject(self.ask(Method::PATCH, id.as_ref()))
    }

    /// Removes a project with all its keys.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn delete(&self, id: impl AsRef<str>) -> Result<()> {
        self.ask(Method::DELETE, id.as_ref()).whole().await.map(drop)
    }

    fn ask(&self, method: Method, id: &str) -> Ask {
        Ask::in_project(&self.byok, id, method, &[])
    }
}

request! {
    /// A project to be made.
    CreateProject -> CreatedProject {
        /// Live unless set.
        field environment(Environment) = "environment";
    }
}

request! {
    /// What is to be changed of a project.
    UpdateProject -> Project {
        /// Its name.
        field name(String) = "name";
        /// Whether streams are asked for their usage, if the caller does not ask itself.
        field include_usage(bool) = "includeUsage";
        /// What becomes of a call whose caller has left.
        field client_gone(ClientGone) = "clientGone";
    }
}

list! {
    /// The projects that are wanted.
    ListProjects of Project {}
}

/// What a project is for. Its keys say so too.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Environment {
    /// For customers.
    Live,
    /// For trying out.
    Test,
}

/// What becomes of a call whose caller has left.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ClientGone {
    /// It is ended.
    Cancel,
    /// Its answer is read on for a while, for the true usage.
    Drain,
}

/// A project.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Project {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub environment: Environment,
    /// Whether streams are asked for their usage.
    pub include_usage: bool,
    /// What becomes of a call whose caller has left.
    pub client_gone: ClientGone,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed.
    pub updated_at: Timestamp,
}

/// A new project, with its first keys.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct CreatedProject {
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    pub environment: Environment,
    /// Its secret key, told this once.
    pub secret_key: Secret,
    /// Its publishable key, told this once.
    pub publishable_key: Secret,
    /// When it was made.
    pub created_at: Timestamp,
}
