//! Making a project with the tokens it starts with.

use byok_domain::ProjectId;
use byok_domain::credential::{ApiKeyKind, Environment};
use byok_vault::{Keyring, Token, TokenHasher, random_bytes};

use crate::{By, NewApiKey, NewProject, Project, Store, StoreError};

/// A project that was just made, and the only showing of its tokens.
pub struct MadeProject {
    /// The project.
    pub project: Project,
    /// Its secret key.
    pub secret_key: Token,
    /// Its publishable key.
    pub publishable_key: Token,
}

impl Store {
    /// Makes a project with a data key of its own, a secret and a publishable key.
    ///
    /// # Errors
    /// As [`create_project`](Self::create_project).
    pub async fn make_project(
        &self,
        keyring: &Keyring,
        hasher: &TokenHasher,
        name: String,
        environment: Environment,
        by: &By,
    ) -> Result<MadeProject, StoreError> {
        let id = ProjectId::from_random(u128::from_be_bytes(random_bytes()));
        let mint = |kind| NewApiKey::mint(hasher, kind, environment, "Default");
        let (secret_key, secret_row) = mint(ApiKeyKind::Secret);
        let (publishable_key, publishable_row) = mint(ApiKeyKind::Publishable);
        let new = NewProject {
            data_key: keyring.new_data_key(&id),
            id,
            name,
            environment,
            api_keys: vec![secret_row, publishable_row],
        };
        let project = self.create_project(new, by).await?;
        Ok(MadeProject { project, secret_key, publishable_key })
    }
}
