//! What is kept, opened for this process.

use byok_domain::audit::Actor;
use byok_domain::credential::{ApiKeyKind, Environment};
use byok_domain::{ApiKeyId, ProjectId};
use byok_gateway::{Ambient, System};
use byok_store::{By, Database, Installation, InstallationError, NewApiKey, NewProject, Project};
use byok_vault::{Keyring, Token, random_bytes};

use crate::Failure;
use crate::config::Storage;

/// Opens the database without touching its schema.
pub(crate) async fn open_database(storage: &Storage) -> Result<Database, Failure> {
    if let Some(path) = storage.database_url.strip_prefix("sqlite://") {
        let path = std::path::Path::new(path.split('?').next().unwrap_or_default());
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            make_private_folder(folder)?;
        }
    }
    Ok(Database::open(&storage.database_url).await?)
}

/// Makes a folder that only its owner can read, if it is not there.
pub(crate) fn make_private_folder(folder: &std::path::Path) -> Result<(), Failure> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|error| {
        Failure::Other(format!("cannot make the folder {}: {error}", folder.display()).into())
    })
}

/// Opens the database, brings it to this version, and proves the keyring against it before
/// anything is served.
pub(crate) async fn open(storage: &Storage, keyring: Keyring) -> Result<Installation, Failure> {
    let database = open_database(storage).await?;
    Installation::open(database, keyring).await.map_err(refused)
}

/// A keyring that does not fit the data is a mistake in the configuration.
pub(crate) fn refused(error: InstallationError) -> Failure {
    match error {
        InstallationError::Store(error) => error.into(),
        InstallationError::Damaged { record, why } => Failure::Config(vec![format!(
            "ENCRYPTION_KEY: the stored record {record} does not open: {why}"
        )]),
        error @ InstallationError::MissingKey { .. } => {
            Failure::Config(vec![format!("ENCRYPTION_KEY: {error}")])
        }
        error @ InstallationError::MissingSecret { .. } => Failure::Other(error.into()),
    }
}

/// Makes a project with a secret and a publishable key, which are shown this once.
pub(crate) async fn create_project(
    installation: &Installation,
    name: &str,
    environment: Environment,
) -> Result<NewlyMade, Failure> {
    let id = ProjectId::from_random(u128::from_be_bytes(random_bytes()));
    let (secret_key, secret_row) = mint(installation, ApiKeyKind::Secret, environment);
    let (publishable_key, publishable_row) =
        mint(installation, ApiKeyKind::Publishable, environment);
    let new = NewProject {
        data_key: installation.keyring.new_data_key(&id),
        id,
        name: name.to_owned(),
        environment,
        api_keys: vec![secret_row, publishable_row],
    };
    let project = installation.store.create_project(new, &by_cli()).await?;
    Ok(NewlyMade { project, secret_key, publishable_key })
}

fn mint(
    installation: &Installation,
    kind: ApiKeyKind,
    environment: Environment,
) -> (Token, NewApiKey) {
    let token = Token::mint(kind.token_prefix(environment));
    let row = NewApiKey {
        id: ApiKeyId::from_random(u128::from_be_bytes(random_bytes())),
        kind,
        name: "Default".to_owned(),
        ref_id: None,
        hint: token.hint(),
        digest: installation.hasher.digest(token.as_str()),
        expires_at: None,
    };
    (token, row)
}

/// A project and the only showing of its keys.
pub(crate) struct NewlyMade {
    pub(crate) project: Project,
    pub(crate) secret_key: Token,
    pub(crate) publishable_key: Token,
}

/// The operator at the command line, now.
pub(crate) fn by_cli() -> By {
    By::new(Actor::cli(), System.now())
}
