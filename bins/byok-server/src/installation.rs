//! What is kept: the database, and the encryption keys that fit it.

use std::sync::Arc;

use byok_domain::ApiKeyId;
use byok_domain::ProjectId;
use byok_domain::audit::Actor;
use byok_domain::credential::{ApiKeyKind, Environment};
use byok_gateway::{Ambient, System};
use byok_store::{By, Database, KeyringCheck, NewApiKey, NewProject, Project, Store};
use byok_vault::{AuditKey, Keyring, Token, TokenHasher, VaultError, random_bytes};

use crate::Failure;
use crate::config::Storage;

/// The name of the secret that tokens are hashed with.
const TOKEN_PEPPER: &str = "token-pepper";
/// The name of the secret that the audit log is chained with.
const AUDIT_KEY: &str = "audit-key";

/// An open database of the current schema, with the keys that open it.
pub(crate) struct Installation {
    pub(crate) store: Store,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) hasher: Arc<TokenHasher>,
}

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

impl Installation {
    /// Opens the database, brings it to this version, and proves the keyring against it before
    /// anything is served.
    pub(crate) async fn open(storage: &Storage, keyring: Keyring) -> Result<Self, Failure> {
        let database = open_database(storage).await?;
        database.migrate().await?;
        prove(&database, &keyring).await?;
        let current = keyring.current().to_string();
        database
            .save_keyring_check(KeyringCheck { kid: current, record: keyring.check_record() })
            .await?;
        let pepper = root(&database, &keyring, TOKEN_PEPPER).await?;
        let audit_key = root(&database, &keyring, AUDIT_KEY).await?;
        Ok(Self {
            store: Store::new(database, AuditKey::new(audit_key)),
            keyring: Arc::new(keyring),
            hasher: Arc::new(TokenHasher::new(pepper)),
        })
    }

    /// Makes a project with a secret and a publishable key, which are shown this once.
    pub(crate) async fn create_project(
        &self,
        name: &str,
        environment: Environment,
    ) -> Result<NewlyMade, Failure> {
        let id = ProjectId::from_random(u128::from_be_bytes(random_bytes()));
        let (secret_key, secret_row) = self.mint(ApiKeyKind::Secret, environment);
        let (publishable_key, publishable_row) = self.mint(ApiKeyKind::Publishable, environment);
        let new = NewProject {
            data_key: self.keyring.new_data_key(&id),
            id,
            name: name.to_owned(),
            environment,
            api_keys: vec![secret_row, publishable_row],
        };
        let project = self.store.create_project(new, &by_cli()).await?;
        Ok(NewlyMade { project, secret_key, publishable_key })
    }

    fn mint(&self, kind: ApiKeyKind, environment: Environment) -> (Token, NewApiKey) {
        let token = Token::mint(kind.token_prefix(environment));
        let row = NewApiKey {
            id: ApiKeyId::from_random(u128::from_be_bytes(random_bytes())),
            kind,
            name: "Default".to_owned(),
            ref_id: None,
            hint: token.hint(),
            digest: self.hasher.digest(token.as_str()),
            expires_at: None,
        };
        (token, row)
    }
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

/// Refuses a keyring that is not the one the stored data was sealed with.
pub(crate) async fn prove(database: &Database, keyring: &Keyring) -> Result<(), Failure> {
    let mut wrong = Vec::new();
    for usage in database.kids_in_use().await? {
        if !keyring.holds(&usage.kid) {
            wrong.push(format!(
                "ENCRYPTION_KEY does not open the stored data: key {} seals {} projects and {} \
                 secrets and is not among the given ones; set ENCRYPTION_KEYS with that key added",
                usage.kid, usage.data_keys, usage.roots
            ));
        }
    }
    for check in database.keyring_checks().await? {
        match keyring.verify_check(&check.kid, &check.record) {
            Ok(()) | Err(VaultError::UnknownKey { .. }) => {}
            Err(error) => wrong.push(format!("ENCRYPTION_KEY is not key {}: {error}", check.kid)),
        }
    }
    if wrong.is_empty() { Ok(()) } else { Err(Failure::Config(wrong)) }
}

async fn root(database: &Database, keyring: &Keyring, name: &str) -> Result<[u8; 32], Failure> {
    let sealed = match database.root(name).await? {
        Some(sealed) => sealed,
        None => database.root_or_insert(name, keyring.new_root(name)).await?,
    };
    let opened = keyring.open_root(name, &sealed).map_err(|error| {
        Failure::Config(vec![format!(
            "ENCRYPTION_KEY does not open the stored secret {name}: {error}"
        )])
    })?;
    Ok(*opened)
}
