//! An installation: a database, and the encryption keys that fit it.

use std::sync::Arc;

use byok_domain::credential::Environment;
use byok_vault::{AuditKey, Keyring, SealedRoot, TokenHasher, VaultError};
use thiserror::Error;

use crate::{By, Database, KeyringCheck, MadeProject, Store, StoreError};

/// The name of the secret that tokens are hashed with.
const TOKEN_PEPPER: &str = "token-pepper";
/// The name of the secret that the audit log is chained with.
const AUDIT_KEY: &str = "audit-key";

/// A database of the current schema whose sealed records the keyring is proven to open: what a
/// server, a command or a host that embeds the crates works with.
pub struct Installation {
    /// Rows and queries.
    pub store: Store,
    /// The operator's encryption keys.
    pub keyring: Arc<Keyring>,
    /// Makes the digests that tokens are found by.
    pub hasher: Arc<TokenHasher>,
}

/// Why an installation does not open.
#[derive(Debug, Error)]
pub enum InstallationError {
    /// A key that sealed stored data is not in the keyring.
    #[error(
        "the given keys do not open the stored data: key {kid} seals {data_keys} projects and \
         {roots} secrets and is not among them; add it to ENCRYPTION_KEYS"
    )]
    MissingKey {
        /// The missing key.
        kid: String,
        /// The projects it seals.
        data_keys: u64,
        /// The installation's own secrets it seals.
        roots: u64,
    },
    /// A stored record does not open although its key is there.
    #[error("the stored record {record} does not open")]
    Damaged {
        /// Which one.
        record: String,
        /// Why.
        #[source]
        why: VaultError,
    },
    /// One of the installation's own secrets is gone from a database that is in use.
    #[error(
        "the database has entries in its audit log but not its secret {name}; restore the table \
         of its secrets from a backup"
    )]
    MissingSecret {
        /// Which one.
        name: &'static str,
    },
    /// The database fails.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Installation {
    /// Brings the database to this version's schema, proves the keyring against what is stored,
    /// and makes the installation's own secrets if they are not there yet.
    ///
    /// # Errors
    /// [`InstallationError`]; then nothing has been sealed under the given keys.
    pub async fn open(database: Database, keyring: Keyring) -> Result<Self, InstallationError> {
        database.migrate().await?;
        Self::prove(&database, &keyring).await?;
        let kid = keyring.current().to_string();
        database.save_keyring_check(KeyringCheck { kid, record: keyring.check_record() }).await?;
        let pepper = root(&database, &keyring, TOKEN_PEPPER).await?;
        let audit_key = root(&database, &keyring, AUDIT_KEY).await?;
        Ok(Self::new(database, keyring, pepper, audit_key))
    }

    /// As [`open`](Self::open) of a database of this version's schema, for who only looks: nothing
    /// is written. `None` when it has not been opened before and holds nothing.
    ///
    /// # Errors
    /// [`InstallationError`].
    pub async fn look(
        database: Database,
        keyring: Keyring,
    ) -> Result<Option<Self>, InstallationError> {
        Self::prove(&database, &keyring).await?;
        let mut secrets = [[0; 32]; 2];
        for (secret, name) in secrets.iter_mut().zip([TOKEN_PEPPER, AUDIT_KEY]) {
            *secret = match database.root(name).await? {
                Some(sealed) => opened(&keyring, name, &sealed)?,
                None if database.holds_audit_entries().await? => {
                    return Err(InstallationError::MissingSecret { name });
                }
                None => return Ok(None),
            };
        }
        let [pepper, audit_key] = secrets;
        Ok(Some(Self::new(database, keyring, pepper, audit_key)))
    }

    fn new(database: Database, keyring: Keyring, pepper: [u8; 32], audit_key: [u8; 32]) -> Self {
        Self {
            store: Store::new(database, AuditKey::new(audit_key)),
            keyring: Arc::new(keyring),
            hasher: Arc::new(TokenHasher::new(pepper)),
        }
    }

    /// Makes a project: see [`Store::make_project`].
    ///
    /// # Errors
    /// As [`Store::create_project`].
    pub async fn make_project(
        &self,
        name: String,
        environment: Environment,
        by: &By,
    ) -> Result<MadeProject, StoreError> {
        self.store.make_project(&self.keyring, &self.hasher, name, environment, by).await
    }

    /// Whether the keyring holds every key that the stored data needs. Changes nothing.
    ///
    /// # Errors
    /// [`InstallationError::MissingKey`], [`InstallationError::Damaged`].
    pub async fn prove(database: &Database, keyring: &Keyring) -> Result<(), InstallationError> {
        for usage in database.kids_in_use().await? {
            if !keyring.holds(&usage.kid) {
                let (data_keys, roots) = (usage.data_keys, usage.roots);
                return Err(InstallationError::MissingKey { kid: usage.kid, data_keys, roots });
            }
        }
        for check in database.keyring_checks().await? {
            match keyring.verify_check(&check.kid, &check.record) {
                // The check record of a key that seals nothing any more.
                Ok(()) | Err(VaultError::UnknownKey { .. }) => {}
                Err(why) => {
                    let record = format!("that proves key {}", check.kid);
                    return Err(InstallationError::Damaged { record, why });
                }
            }
        }
        Ok(())
    }
}

async fn root(
    database: &Database,
    keyring: &Keyring,
    name: &str,
) -> Result<[u8; 32], InstallationError> {
    let sealed = match database.root(name).await? {
        Some(sealed) => sealed,
        None => database.root_or_insert(name, keyring.new_root(name)).await?,
    };
    opened(keyring, name, &sealed)
}

fn opened(
    keyring: &Keyring,
    name: &str,
    sealed: &SealedRoot,
) -> Result<[u8; 32], InstallationError> {
    match keyring.open_root(name, sealed) {
        Ok(secret) => Ok(*secret),
        Err(why) => Err(InstallationError::Damaged { record: name.to_owned(), why }),
    }
}
