//! The origins that a project's publishable keys may be used from.

use http::Method;
use serde::Deserialize;

use crate::ask::Ask;
use crate::error::Result;
use crate::requests::group;

group! {
    /// The origins that a project's publishable keys may be used from.
    Origins,
    /// The origins that publishable keys may be used from.
    origins
}

impl Origins {
    /// The list; an empty one means from anywhere.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn get(&self, project: impl AsRef<str>) -> Result<Allowlist> {
        Ask::in_project(&self.byok, project.as_ref(), Method::GET, &["origins"]).send().await
    }

    /// Replaces the list. `https://*.example.com` stands for every host below.
    ///
    /// # Errors
    /// [`Validation`](crate::Error::Validation) names the entries; and all the others.
    pub async fn update<O: Into<String>>(
        &self,
        project: impl AsRef<str>,
        origins: impl IntoIterator<Item = O>,
    ) -> Result<Allowlist> {
        let origins: Vec<String> = origins.into_iter().map(Into::into).collect();
        let ask = Ask::in_project(&self.byok, project.as_ref(), Method::PATCH, &["origins"]);
        ask.field("allowedOrigins", origins).send().await
    }

    /// Empties the list: from anywhere.
    ///
    /// # Errors
    /// Those of [`Error`](crate::Error).
    pub async fn clear(&self, project: impl AsRef<str>) -> Result<Allowlist> {
        self.update(project, [""; 0]).await
    }
}

/// The origins that a project's publishable keys may be used from.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Allowlist {
    /// None: from anywhere.
    pub allowed_origins: Vec<String>,
}
