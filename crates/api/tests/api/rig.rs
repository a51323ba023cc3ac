//! A server in process: everything real but the provider, which does what it is told.

mod actor;
mod calls;
mod clock;
mod records;
mod reply;

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use byok_api::calls::Calls;
use byok_api::{Api, AppState, Rate, Services, UsageTail};
use byok_domain::pricing::{PriceBook, PriceTable};
use byok_domain::{ProviderConfig, Timestamp};
use byok_gateway::{Ambient, Gateway, GatewayConfig, WatchedUsageLog};
use byok_metering::{Durability, JournalId, Lanes, MemoryCounters, Meter, UsageLog, Writers};
use byok_net::{EgressPolicy, IpNet, PeerAddr, Timeouts, TrustedUrl, Upstream};
use byok_providers::Plane;
use byok_store::{Database, Ledger, Store};
use byok_testkit::fake_provider::FakeProvider;
use byok_vault::{AdminToken, AuditKey, Keyring, TokenHasher};
use byok_webhooks::Courier;
use http::Request;
use serde_json::Value;
use tower::ServiceExt;

pub(crate) use actor::Project;
pub(crate) use clock::Clock;
pub(crate) use reply::Reply;

/// The operator's token.
pub(crate) const ADMIN: &str = "admin-token-of-forty-characters-in-tests";
/// The key that the provider accepts; the others it rejects.
pub(crate) const GOOD_KEY: &str = "sk-good-canary-0123456789-Zz9k";
/// A key that the provider rejects.
pub(crate) const BAD_KEY: &str = "sk-bad-canary-0123456789-Yy8j";
/// Where requests come from unless a test says otherwise.
const PEER: &str = "198.51.100.7:40000";

/// A server with two projects.
pub(crate) struct Rig {
    pub(crate) router: Router,
    /// The same with the routes of calls.
    pub(crate) whole: Router,
    pub(crate) provider: FakeProvider,
    pub(crate) store: Store,
    pub(crate) gateway: Arc<Gateway>,
    pub(crate) hasher: Arc<TokenHasher>,
    pub(crate) clock: Clock,
    pub(crate) journal: Arc<Lanes>,
    pub(crate) a: Project,
    pub(crate) b: Project,
    pub(crate) folder: tempfile::TempDir,
    /// Whether reads of usage panic.
    pub(crate) panics: Arc<AtomicBool>,
}

struct Tail {
    journal: Arc<Lanes>,
    writer: Writers,
    panics: Arc<AtomicBool>,
}

#[async_trait]
impl UsageTail for Tail {
    async fn caught_up(&self, within: Duration) -> bool {
        assert!(!self.panics.load(Ordering::SeqCst), "the test wants a panic");
        // Tests may wait longer than people.
        self.writer.caught_up(within * 20).await
    }
    fn has_room(&self) -> bool {
        self.journal.has_room()
    }
}

impl Rig {
    /// A server whose limits nobody meets.
    pub(crate) async fn start() -> Self {
        Self::with_limits(100_000, 100_000).await
    }

    /// A server that takes so many wrong tokens, and requests with publishable keys, an address.
    pub(crate) async fn with_limits(failed_logins: u32, publishable: u32) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let url = format!("sqlite://{}", folder.path().join("byok.db").display());
        let database = Database::open(&url).await.expect("a database");
        database.migrate().await.expect("a schema");
        let store = Store::new(database, AuditKey::new([4; 32]));

        let provider = FakeProvider::start().expect("a provider");
        provider.accept_only([GOOD_KEY]);
        let loopback: IpNet = "127.0.0.0/8".parse().expect("a range");
        let egress = EgressPolicy::new(vec![loopback]);
        let timeouts = Timeouts { first_byte: Duration::from_secs(2), ..Timeouts::default() };
        let upstream = Upstream::new(egress.clone(), timeouts).expect("a way out");
        let way_out = upstream.clone();
        let origin = format!("http://{}", provider.address());
        let mut config = ProviderConfig::default();
        config.set("region", "us-east-1");
        let bases = byok_providers::registry().iter().filter_map(|known| {
            // Only some have an address that is not the customer's own.
            known.base_url(&config, Plane::Runtime)?;
            let base = if known.id() == "openai" { provider.base_url() } else { origin.clone() };
            Some((known.id().to_owned(), TrustedUrl::parse(&base).expect("a URL")))
        });

        let room = 1 << 20;
        let journal = Lanes::open(&folder.path().join("journal"), 1, Durability::Os, room, || {
            JournalId::from_random(7)
        });
        let journal = Arc::new(journal.expect("a journal"));
        let runtime = tokio::runtime::Handle::current();
        let meter = Meter::new(journal.clone(), PriceBook::new(PriceTable::default()));

        let hex = "1f2e3d4c5b6a798897a6b5c4d3e2f1001122334455667788aabbccddeeff0011";
        let keyring = Arc::new(Keyring::parse("ENCRYPTION_KEY", hex).expect("a keyring"));
        let clock = Clock::at(Timestamp::from_millis(1_800_000_000_000));
        let hasher = Arc::new(TokenHasher::new([3; 32]));
        let time = clock.clone();
        let ledger = Ledger::start(store.clone(), &runtime, move || time.now());
        let gateway = Arc::new(
            Gateway::new(GatewayConfig {
                directory: Arc::new(store.clone()),
                keyring: keyring.clone(),
                hasher: hasher.clone(),
                admin: Some(AdminToken::parse(ADMIN.to_owned()).expect("a token")),
                upstream,
                egress: egress.clone(),
                meter: Arc::new(meter),
                ledger: Arc::new(ledger),
                counters: Arc::new(MemoryCounters::default()),
                ambient: Arc::new(clock.clone()),
                base_urls: bases.collect(),
                max_body: 1 << 20,
            })
            .expect("a gateway"),
        );
        let log = WatchedUsageLog::new(store.clone(), gateway.clone());
        let log: Arc<dyn UsageLog> = Arc::new(log);
        let writer = Writers::start(&journal, &log, &runtime).expect("a writer");
        let panics = Arc::new(AtomicBool::new(false));
        let rate = |burst| Rate {
            burst: NonZeroU32::new(burst).expect("a burst"),
            per_minute: NonZeroU32::MIN,
        };
        let state = AppState::new(Services {
            store: store.clone(),
            keyring,
            hasher: hasher.clone(),
            gateway: gateway.clone(),
            usage: Arc::new(Tail { journal: journal.clone(), writer, panics: panics.clone() }),
            webhooks: Courier::new(way_out, egress.clone(), gateway.clone(), gateway.clone()),
            egress,
            trusted_proxies: vec!["10.0.0.0/8".parse().expect("a range")],
            ambient: Arc::new(clock.clone()),
            failed_logins: rate(failed_logins),
            publishable: rate(publishable),
        });
        let router = byok_api::router(&state);
        let calls = Calls::new(gateway.clone(), state, true);
        let whole = Api::new(calls, router.clone(), runtime).into_router();
        let a = Project::create(&router, "A").await;
        let b = Project::create(&router, "B").await;
        Self {
            router,
            whole,
            provider,
            store,
            gateway,
            hasher,
            clock,
            journal,
            a,
            b,
            folder,
            panics,
        }
    }

    /// Sends a request with a token and a JSON body, and holds the answer against the document.
    pub(crate) async fn send(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Reply {
        send(&self.router, method, path, token, body).await
    }

    /// `send` with project A's secret key.
    pub(crate) async fn as_a(&self, method: &str, path: &str, body: Option<Value>) -> Reply {
        self.send(method, path, Some(&self.a.secret), body).await
    }

    /// Sends a request as it is.
    pub(crate) async fn raw(&self, request: Request<Body>) -> Reply {
        raw(&self.router, request).await
    }

    /// Connects a key that works, with project A's secret key.
    pub(crate) async fn connect(&self, ref_id: &str) -> Value {
        let body = serde_json::json!({
            "provider": "openai", "refId": ref_id, "providerKey": GOOD_KEY,
        });
        self.as_a("POST", "/keys/connect", Some(body)).await.ok()
    }
}

async fn send(
    router: &Router,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: Option<Value>,
) -> Reply {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    if method == "POST" && path.ends_with("/credits") {
        // Tests that tell repeats apart send one of their own.
        request = request.header("idempotency-key", "the same");
    }
    let body = match body {
        Some(json) => {
            request = request.header("content-type", "application/json");
            Body::from(json.to_string())
        }
        None => Body::empty(),
    };
    raw(router, request.body(body).expect("a request")).await
}

async fn raw(router: &Router, mut request: Request<Body>) -> Reply {
    let peer: SocketAddr = PEER.parse().expect("an address");
    if request.extensions().get::<PeerAddr>().is_none() {
        request.extensions_mut().insert(PeerAddr(peer));
    }
    let (method, path) = (request.method().clone(), request.uri().path().to_owned());
    let response = router.clone().oneshot(request).await.expect("never fails");
    Reply::read(&method, &path, response).await
}
