//! What is kept, opened for this process.

use byok_domain::audit::Actor;
use byok_gateway::{Ambient, System};
use byok_store::{By, Database, Installation, InstallationError};
use byok_vault::Keyring;

use crate::Failure;
use crate::config::Storage;

/// Opens the database without touching its schema.
pub(crate) async fn open_database(storage: &Storage) -> Result<Database, Failure> {
    let file = storage.database_url.file();
    if let Some(folder) = file.as_deref().and_then(|file| file.parent())
        && !folder.as_os_str().is_empty()
    {
        make_private_folder(folder)?;
    }
    Ok(Database::open(storage.database_url.as_str()).await?)
}

/// Opens a database that is there: who looks at one has no use for a new one, which would be in the
/// best order.
pub(crate) async fn open_existing(storage: &Storage) -> Result<Database, Failure> {
    let missing = |what: String| Failure::Other(what.into());
    let url = &storage.database_url;
    if let Some(file) = url.file() {
        let shown = file.display();
        match file.try_exists() {
            Ok(true) => {}
            Ok(false) => {
                return Err(missing(format!(
                    "there is no database {shown}; name the folder with --data-dir or BYO_DATA_DIR"
                )));
            }
            Err(error) => return Err(missing(format!("cannot look at {shown}: {error}"))),
        }
    }
    let database = open_database(storage).await?;
    if database.schema_version().await? == 0 {
        return Err(missing(
            "the database is empty; check BYO_DATABASE_URL, or begin one with `byok-server migrate`"
                .to_owned(),
        ));
    }
    Ok(database)
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

/// The same, of what is there already.
pub(crate) async fn inspect(storage: &Storage, keyring: Keyring) -> Result<Installation, Failure> {
    let database = open_existing(storage).await?;
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

/// The operator at the command line, now.
pub(crate) fn by_cli() -> By {
    By::new(Actor::cli(), System.now())
}
