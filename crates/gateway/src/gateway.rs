//! What all calls share: ports, caches, keys, the way out.

use std::collections::HashMap;
use std::sync::Arc;

use byok_domain::credential::{ApiKey, Caller};
use byok_domain::origin::Allowlist;
use byok_domain::pricing::{PriceBook, PriceTable};
use byok_domain::tiers::Tiers;
use byok_domain::{
    ApiKeyId, ProjectId, ProjectSettings, ProviderConfig, ProviderId, ProviderKeyId, RefId,
    RequestId, Timestamp, routing,
};
use byok_metering::{CreditLedger, LimitCounters, Meter};
use byok_net::{Base, EgressPolicy, TrustedUrl, Upstream};
use byok_providers::{Plane, Provider};
use byok_vault::{
    AdminToken, DataKey, Keyring, TokenDigest, TokenHasher, VaultError, checksum_holds,
};

use crate::ambient::Ambient;
use crate::circuits::Circuits;
use crate::directory::{CustomerSnapshot, Directory, DirectoryError, PlatformKey, StoredKey};
use crate::error::{AuthError, CallError};
use crate::key_limits::{KeyLimits, LimitsByKey};
use crate::made_objects::MadeObjects;
use crate::remembered::Remembered;

/// What a gateway is made of.
pub struct GatewayConfig {
    /// Where projects, tokens and keys are found.
    pub directory: Arc<dyn Directory>,
    /// The operator's encryption keys.
    pub keyring: Arc<Keyring>,
    /// Hashes tokens as they were hashed when they were made.
    pub hasher: Arc<TokenHasher>,
    /// The operator's token, if calls by it are wanted.
    pub admin: Option<AdminToken>,
    /// The way out.
    pub upstream: Upstream,
    /// Which addresses customers may choose.
    pub egress: EgressPolicy,
    /// Prices and records calls.
    pub meter: Arc<Meter>,
    /// Where credits are set aside.
    pub ledger: Arc<dyn CreditLedger>,
    /// Where calls on credits are counted.
    pub counters: Arc<dyn LimitCounters>,
    /// Time and randomness.
    pub ambient: Arc<dyn Ambient>,
    /// Base URLs that replace a provider's public one, by provider id.
    pub base_urls: HashMap<String, TrustedUrl>,
    /// The longest request body, in bytes.
    pub max_body: u64,
}

/// The gateway: authenticates callers, opens keys, forwards calls and meters them.
///
/// Shared by all calls; cheap to share through an [`Arc`].
pub struct Gateway {
    pub(crate) directory: Arc<dyn Directory>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) hasher: Arc<TokenHasher>,
    admin: Option<AdminToken>,
    pub(crate) upstream: Upstream,
    pub(crate) egress: EgressPolicy,
    pub(crate) meter: Arc<Meter>,
    pub(crate) ledger: Arc<dyn CreditLedger>,
    pub(crate) counters: Arc<dyn LimitCounters>,
    pub(crate) ambient: Arc<dyn Ambient>,
    /// The id of each provider, in the order of the registry, and where all its calls go if the
    /// operator says so, or if there is but one address.
    bases: Vec<(ProviderId, Option<Base>)>,
    pub(crate) max_body: u64,
    api_keys: Remembered<TokenDigest, Option<Arc<ApiKey>>>,
    projects: Remembered<ProjectId, Option<Arc<Project>>>,
    provider_keys: Remembered<(ProjectId, ProviderId, RefId), Arc<[UsableKey]>>,
    platform_keys: Remembered<(ProjectId, ProviderId), Option<Arc<PlatformKey>>>,
    customers: Remembered<(ProjectId, RefId), Arc<CustomerSnapshot>>,
    pub(crate) made: MadeObjects,
    pub(crate) limits: LimitsByKey,
    pub(crate) circuits: Circuits,
}

/// A project, its data key open.
pub struct Project {
    /// The project.
    pub id: ProjectId,
    /// Origins that publishable keys may be used from.
    pub allowed_origins: Allowlist,
    /// The project's own prices.
    pub overrides: Arc<PriceTable>,
    /// What the project sets for its calls.
    pub settings: ProjectSettings,
    /// Who pays for its calls.
    pub routing: routing::RoutingSettings,
    /// The plans that its customers are on.
    pub tiers: Arc<Tiers>,
    /// Whether it has a key of its own for any provider.
    pub has_platform_keys: bool,
    /// What its provider keys are sealed under.
    pub data_key: DataKey,
}

/// A stored key and where it is used.
pub(crate) struct UsableKey {
    pub(crate) stored: StoredKey,
    /// `None` when its `baseUrl` is no longer allowed.
    pub(crate) base: Option<Base>,
}

impl UsableKey {
    /// The origin that its seal is bound to: the customer's, if it has one.
    pub(crate) fn bound_origin(&self) -> &str {
        match &self.base {
            Some(base) if base.is_customers() => base.origin(),
            _ => "",
        }
    }
}

/// The provider's one address, if it does not depend on the key.
fn fixed_base(provider: &'static dyn Provider) -> Result<Option<Base>, byok_net::MalformedUrl> {
    let none = ProviderConfig::default();
    let base = |plane| provider.base_url(&none, plane);
    match (base(Plane::Runtime), base(Plane::Control)) {
        (Some(url), Some(same)) if url == same => {
            Ok(Some(Base::Trusted(Arc::new(TrustedUrl::parse(&url)?))))
        }
        _ => Ok(None),
    }
}

impl Gateway {
    /// What calls are priced with, beside the projects' own prices.
    pub fn prices(&self) -> &PriceBook {
        self.meter.prices()
    }

    /// A gateway.
    ///
    /// # Errors
    /// When a provider's public base URL cannot be read, which is a defect of its module.
    pub fn new(config: GatewayConfig) -> Result<Self, byok_net::MalformedUrl> {
        let mut replaced = config.base_urls;
        let bases = byok_providers::registry()
            .iter()
            .map(|provider| {
                let base = match replaced.remove(provider.id()) {
                    Some(url) => Some(Base::Trusted(Arc::new(url))),
                    None => fixed_base(*provider)?,
                };
                Ok((ProviderId::new(provider.id()), base))
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            directory: config.directory,
            keyring: config.keyring,
            hasher: config.hasher,
            admin: config.admin,
            upstream: config.upstream,
            egress: config.egress,
            meter: config.meter,
            ledger: config.ledger,
            counters: config.counters,
            ambient: config.ambient,
            bases,
            max_body: config.max_body,
            api_keys: Remembered::new(100_000),
            projects: Remembered::new(10_000),
            provider_keys: Remembered::new(200_000),
            platform_keys: Remembered::new(10_000),
            customers: Remembered::new(200_000),
            made: MadeObjects::new(),
            limits: LimitsByKey::new(),
            circuits: Circuits::new(),
        })
    }

    /// Now, and a new request id.
    pub fn begin(&self) -> (Timestamp, RequestId) {
        let now = self.ambient.now();
        (now, RequestId::from_parts(now, self.ambient.random()))
    }

    /// The longest request body, in bytes.
    pub fn max_body(&self) -> u64 {
        self.max_body
    }

    /// Who holds `token`.
    ///
    /// # Errors
    /// [`AuthError::Invalid`] for a token that opens nothing, whatever the reason.
    pub async fn authenticate(&self, token: &str) -> Result<Caller, AuthError> {
        // A real token proves itself offline: guesses never reach the directory.
        if !checksum_holds(token) {
            let is_admin = self.admin.as_ref().is_some_and(|admin| admin.matches(token));
            return if is_admin { Ok(Caller::Admin) } else { Err(AuthError::Invalid) };
        }
        let digest = self.hasher.digest(token);
        let load = || async { Ok(self.directory.api_key(&digest).await?.map(Arc::new)) };
        let key = self.api_keys.get(&digest, load).await?.ok_or(AuthError::Invalid)?;
        if key.expires_at.is_some_and(|at| at <= self.ambient.now()) {
            return Err(AuthError::Invalid);
        }
        Ok(Caller::Key(ApiKey::clone(&key)))
    }

    /// A project, or `None` when there is none of that id.
    ///
    /// # Errors
    /// When the directory cannot be read, or the project's data key does not open.
    pub async fn project(&self, id: &ProjectId) -> Result<Option<Arc<Project>>, CallError> {
        let load = || async {
            let Some(found) = self.directory.project(id).await? else { return Ok(None) };
            let data_key = self
                .keyring
                .open_data_key(id, &found.data_key)
                .map_err(|error: VaultError| DirectoryError(Box::new(error)))?;
            Ok(Some(Arc::new(Project {
                id: found.id,
                allowed_origins: found.allowed_origins,
                overrides: found.overrides,
                settings: found.settings,
                routing: found.routing,
                tiers: found.tiers,
                has_platform_keys: found.has_platform_keys,
                data_key,
            })))
        };
        Ok(self.projects.get(id, load).await?)
    }

    /// The platform's own key for a provider, sealed.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub async fn platform_key(
        &self,
        project: &ProjectId,
        provider: &ProviderId,
    ) -> Result<Option<Arc<PlatformKey>>, DirectoryError> {
        let place = (project.clone(), provider.clone());
        let load =
            || async { Ok(self.directory.platform_key(project, provider).await?.map(Arc::new)) };
        self.platform_keys.get(&place, load).await
    }

    /// A customer's plan and credits.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub async fn customer(
        &self,
        project: &ProjectId,
        ref_id: &RefId,
    ) -> Result<Arc<CustomerSnapshot>, DirectoryError> {
        let place = (project.clone(), ref_id.clone());
        let load = || async { Ok(Arc::new(self.directory.customer(project, ref_id).await?)) };
        self.customers.get(&place, load).await
    }

    /// The customer's keys for a provider, in the order in which they are tried.
    pub(crate) async fn keys(
        &self,
        project: &ProjectId,
        provider: &'static dyn Provider,
        provider_id: &ProviderId,
        ref_id: &RefId,
    ) -> Result<Arc<[UsableKey]>, DirectoryError> {
        let place = (project.clone(), provider_id.clone(), ref_id.clone());
        let load = || async {
            let (project, provider_id, ref_id) = &place;
            let mut keys = self.directory.provider_keys(project, provider_id, ref_id).await?;
            keys.sort_by(|a, b| routing::compare(&a.candidate(), &b.candidate()));
            Ok(keys.into_iter().map(|stored| self.usable(provider, stored)).collect())
        };
        self.provider_keys.get(&place, load).await
    }

    pub(crate) fn usable(&self, provider: &'static dyn Provider, stored: StoredKey) -> UsableKey {
        let base = self.base(provider, &stored.project, &stored.config, Plane::Runtime);
        if base.is_none() {
            tracing::warn!(key = %stored.id, "the key's baseUrl is not allowed any more");
        }
        self.circuits.heard(&stored);
        UsableKey { stored, base }
    }

    /// Where a key with this configuration is used; `None` when policy forbids its address.
    pub(crate) fn base(
        &self,
        provider: &'static dyn Provider,
        project: &ProjectId,
        config: &ProviderConfig,
        plane: Plane,
    ) -> Option<Base> {
        if let Some(text) = config.base_url() {
            let url = Arc::new(self.egress.parse(text).ok()?);
            return Some(Base::Customer { project: project.as_str().into(), url });
        }
        let (_, fixed) = self.bases.iter().find(|(id, _)| id.as_str() == provider.id())?;
        if fixed.is_some() {
            return fixed.clone();
        }
        let text = provider.base_url(config, plane)?;
        TrustedUrl::parse(&text).ok().map(|url| Base::Trusted(Arc::new(url)))
    }

    /// The provider's id, which is shared and not made anew for each call.
    pub(crate) fn provider_id(&self, provider: &'static dyn Provider) -> ProviderId {
        let own = self.bases.iter().find(|(id, _)| id.as_str() == provider.id());
        own.map_or_else(|| ProviderId::new(provider.id()), |(id, _)| id.clone())
    }

    /// What the provider last said of a key's limits, in an answer that passed through here.
    pub fn key_limits(&self, project: &ProjectId, key: &ProviderKeyId) -> Option<Arc<KeyLimits>> {
        self.limits.of(project, key)
    }

    /// Drops what is known of a customer's keys for a provider: one was connected, changed or
    /// revoked.
    pub fn forget_provider_keys(&self, project: &ProjectId, provider: &ProviderId, ref_id: &RefId) {
        self.provider_keys.forget(&(project.clone(), provider.clone(), ref_id.clone()));
    }

    /// Drops what is known of the platform's own key for a provider.
    pub fn forget_platform_key(&self, project: &ProjectId, provider: &ProviderId) {
        self.platform_keys.forget(&(project.clone(), provider.clone()));
        self.projects.forget(project);
    }

    /// Drops what is known of a customer's plan and credits.
    pub fn forget_customer(&self, project: &ProjectId, ref_id: &RefId) {
        self.customers.forget(&(project.clone(), ref_id.clone()));
    }

    /// Drops all that is known of a customer: it was erased.
    pub fn forget_erased(&self, project: &ProjectId, ref_id: &RefId) {
        self.forget_customer(project, ref_id);
        let (owner, erased) = (project.clone(), ref_id.clone());
        self.provider_keys
            .forget_where(move |(project, _, ref_id), _| *project == owner && *ref_id == erased);
        let (owner, erased) = (project.clone(), ref_id.clone());
        self.api_keys.forget_where(move |_, key| {
            key.as_ref()
                .is_none_or(|key| key.project == owner && key.ref_id.as_ref() == Some(&erased))
        });
    }

    /// Drops what is known of a token: it was revoked.
    pub fn forget_api_key(&self, id: &ApiKeyId) {
        let id = id.clone();
        self.api_keys.forget_where(move |_, key| key.as_ref().is_none_or(|key| key.id == id));
    }

    /// Drops what is known of a project and all that hangs on it: it was changed or deleted.
    pub fn forget_project(&self, id: &ProjectId) {
        self.projects.forget(id);
        let project = id.clone();
        self.api_keys
            .forget_where(move |_, key| key.as_ref().is_none_or(|key| key.project == project));
        let project = id.clone();
        self.provider_keys.forget_where(move |(owner, _, _), _| *owner == project);
        let project = id.clone();
        self.platform_keys.forget_where(move |(owner, _), _| *owner == project);
        let project = id.clone();
        self.customers.forget_where(move |(owner, _), _| *owner == project);
    }

    /// Drops everything that is known.
    pub fn forget_all(&self) {
        self.api_keys.forget_all();
        self.projects.forget_all();
        self.provider_keys.forget_all();
        self.platform_keys.forget_all();
        self.customers.forget_all();
    }
}
