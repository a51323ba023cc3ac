//! A directory in memory: what a test says of the project and its customer.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use byok_domain::call::OpenUntil;
use byok_domain::credential::{ApiKey, Environment};
use byok_domain::origin::Allowlist;
use byok_domain::pricing::PriceTable;
use byok_domain::routing::RoutingSettings;
use byok_domain::tiers::Tiers;
use byok_domain::{
    KeyStatus, ProjectId, ProjectSettings, ProviderConfig, ProviderId, ProviderKeyId, RefId,
    Timestamp,
};
use byok_gateway::{
    CustomerSnapshot, Directory, DirectoryError, ObjectOwner, PlatformKey, ProjectSnapshot,
    StoredKey,
};
use byok_net::EgressPolicy;
use byok_testkit::fake_provider::{Answer, Seen};
use byok_vault::{
    Binding, DataKey, Keyring, ProviderSecret, Purpose, SealedDataKey, SealedSecret, TokenDigest,
};

/// What a provider does for one key.
pub(crate) type Script = Arc<dyn Fn(&Seen) -> Answer + Send + Sync>;

/// All that the directory knows.
pub(crate) struct Books {
    sealed: SealedDataKey,
    data_key: DataKey,
    state: Mutex<State>,
}

/// What a test may change.
#[derive(Default)]
pub(crate) struct State {
    pub(crate) routing: RoutingSettings,
    pub(crate) settings: ProjectSettings,
    pub(crate) tiers: Tiers,
    pub(crate) tier: Option<String>,
    pub(crate) balance: u64,
    pub(crate) keys: Vec<Key>,
    pub(crate) platform: Option<Key>,
    /// Whether the project has a platform key for another provider.
    pub(crate) sells_elsewhere: bool,
    /// Whose the object `file-1` is, and which of the keys made it.
    pub(crate) file: Option<(&'static str, Option<&'static str>)>,
    scripts: Vec<(&'static str, Script)>,
    reads: u64,
}

/// A key of the customer's.
#[derive(Clone)]
pub(crate) struct Key {
    pub(crate) secret: &'static str,
    pub(crate) status: KeyStatus,
    pub(crate) priority: i32,
    pub(crate) base: Option<String>,
    pub(crate) circuit: Option<OpenUntil>,
}

impl Key {
    pub(crate) fn new(secret: &'static str) -> Self {
        let (status, priority) = (KeyStatus::Valid, 0);
        Self { secret, status, priority, base: None, circuit: None }
    }

    /// A key that is tried `priority`-th.
    pub(crate) fn after(self, priority: i32) -> Self {
        Self { priority, ..self }
    }

    pub(crate) fn invalid(self) -> Self {
        Self { status: KeyStatus::Invalid, ..self }
    }

    /// A key with an address that the customer chose.
    pub(crate) fn at(self, base: String) -> Self {
        Self { base: Some(base), ..self }
    }

    pub(crate) fn id(&self) -> ProviderKeyId {
        ProviderKeyId::new(self.secret)
    }

    fn config(&self) -> ProviderConfig {
        let mut config = ProviderConfig::default();
        if let Some(base) = &self.base {
            config.set("baseUrl", base.as_str());
        }
        config
    }
}

impl Books {
    pub(super) fn new(keyring: &Keyring) -> Self {
        let project = ProjectId::new("p");
        let sealed = keyring.new_data_key(&project);
        let data_key = keyring.open_data_key(&project, &sealed).expect("opens");
        Self { sealed, data_key, state: Mutex::default() }
    }

    pub(crate) fn change<R>(&self, change: impl FnOnce(&mut State) -> R) -> R {
        change(&mut self.state.lock().expect("whole"))
    }

    pub(crate) fn connect(&self, key: Key) {
        self.change(|books| books.keys.push(key));
    }

    /// Gives the project a platform key.
    pub(crate) fn sell(&self, secret: &'static str) {
        self.change(|books| books.platform = Some(Key::new(secret)));
    }

    /// How often it was asked for anything.
    pub(crate) fn reads(&self) -> u64 {
        self.change(|books| books.reads)
    }

    pub(super) fn script(&self, key: &'static str, script: Script) {
        self.change(|books| {
            books.scripts.retain(|(known, _)| *known != key);
            books.scripts.push((key, script));
        });
    }

    pub(super) fn scripts(&self) -> Vec<(&'static str, Script)> {
        self.change(|books| books.scripts.clone())
    }

    fn read<R>(&self, read: impl FnOnce(&State) -> R) -> R {
        self.change(|books| {
            books.reads += 1;
            read(books)
        })
    }

    fn seal(&self, purpose: Purpose, key: &Key, provider: &ProviderId) -> SealedSecret {
        let url = key.base.as_ref().map(|base| {
            let loopback = "127.0.0.0/8".parse().expect("a range");
            EgressPolicy::new(vec![loopback]).parse(base).expect("allowed")
        });
        let ref_id = RefId::parse("c1").expect("a refId");
        let binding = Binding {
            purpose,
            project: &ProjectId::new("p"),
            connection: &key.id(),
            ref_id: (purpose == Purpose::ProviderKey).then_some(&ref_id),
            provider,
            origin: url.as_ref().map_or("", |url| url.origin()),
            version: 1,
        };
        let secret = ProviderSecret::parse(key.secret.to_owned()).expect("a key");
        self.data_key.seal(&binding, &secret)
    }
}

#[async_trait]
impl Directory for Books {
    async fn api_key(&self, _: &TokenDigest) -> Result<Option<ApiKey>, DirectoryError> {
        Ok(None)
    }

    async fn project(&self, id: &ProjectId) -> Result<Option<ProjectSnapshot>, DirectoryError> {
        Ok(Some(self.read(|books| ProjectSnapshot {
            id: id.clone(),
            name: "P".to_owned(),
            environment: Environment::Live,
            allowed_origins: Allowlist::default(),
            overrides: Arc::new(PriceTable::default()),
            settings: books.settings,
            routing: books.routing,
            tiers: Arc::new(books.tiers.clone()),
            has_platform_keys: books.platform.is_some() || books.sells_elsewhere,
            data_key: self.sealed.clone(),
        })))
    }

    async fn provider_keys(
        &self,
        project: &ProjectId,
        provider: &ProviderId,
        ref_id: &RefId,
    ) -> Result<Vec<StoredKey>, DirectoryError> {
        if provider.as_str() != "openai" {
            return Ok(Vec::new());
        }
        let stored = |key: &Key| StoredKey {
            id: key.id(),
            project: project.clone(),
            provider: provider.clone(),
            ref_id: ref_id.clone(),
            priority: key.priority,
            created_at: Timestamp::default(),
            status: key.status,
            config: key.config(),
            sealed: self.seal(Purpose::ProviderKey, key, provider),
            version: 1,
            circuit: key.circuit,
        };
        Ok(self.read(|books| books.keys.iter().map(stored).collect()))
    }

    async fn platform_key(
        &self,
        project: &ProjectId,
        provider: &ProviderId,
    ) -> Result<Option<PlatformKey>, DirectoryError> {
        let stored = |key: &Key| PlatformKey {
            id: key.id(),
            project: project.clone(),
            provider: provider.clone(),
            config: key.config(),
            sealed: self.seal(Purpose::PlatformKey, key, provider),
            version: 1,
        };
        Ok(self.read(|books| books.platform.as_ref().map(stored)))
    }

    async fn customer(&self, _: &ProjectId, _: &RefId) -> Result<CustomerSnapshot, DirectoryError> {
        Ok(self.read(|books| CustomerSnapshot {
            tier: books.tier.clone(),
            has_credits: books.balance > 0,
        }))
    }

    async fn object_owner(
        &self,
        _: &ProjectId,
        _: &ProviderId,
        _: &str,
        _: &str,
    ) -> Result<Option<ObjectOwner>, DirectoryError> {
        Ok(self.read(|books| {
            books.file.map(|(ref_id, key)| ObjectOwner {
                ref_id: RefId::parse(ref_id).expect("a refId"),
                key: key.map(ProviderKeyId::new),
            })
        }))
    }
}
