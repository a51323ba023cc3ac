//! Serving: everything put together, until a signal says stop.

use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use byok_api::{Api, AppState, Calls, OwnAddress, Rate, Services, UsageTail};
use byok_domain::pricing::PriceBook;
use byok_gateway::{
    Ambient, CheckPace, Gateway, GatewayConfig, KeyChecker, System, WatchedUsageLog,
};
use byok_metering::{
    CreditLedger, Durability, JournalError, JournalId, Lanes, LimitCounters, MemoryCounters, Meter,
    SettlingLedger, UsageLog, Writers,
};
use byok_net::{
    EgressPolicy, Incoming, Server, ServerConfig, TimedBody, Timeouts, Upstream, service_fn,
};
use byok_vault::{Keyring, random_bytes};
use http::Request;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::config::Config;
use crate::deliveries::{Deliveries, courier};
use crate::{Failure, Outcome, certificate, changes, logging, probe, process, resealing};
use byok_store::{Installation, Ledger, RedisCounters};

/// How long a caller may fall silent in the middle of its request.
const BODY_SILENCE: Duration = Duration::from_secs(30);

/// How long the start waits for the records that the last run left in the journal. Whose an object
/// is that was made then, only the database can say.
const CATCHING_UP: Duration = Duration::from_secs(5);

/// How long the end waits for webhooks that are on their way.
const DELIVERIES_STOP: Duration = Duration::from_secs(5);

/// How long the end waits until other servers know of the calls that ended here.
const LIMITS_SETTLE: Duration = Duration::from_secs(1);

/// What is said once the server listens.
pub(crate) type Said<'a> = Pin<Box<dyn Future<Output = Outcome> + Send + 'a>>;

/// Says nothing beyond the log.
pub(crate) fn quietly(_: &Installation, _: SocketAddr) -> Said<'_> {
    Box::pin(async { Ok(()) })
}

/// Serves until SIGTERM or SIGINT, then finishes what is running.
pub(crate) fn run(
    control: &Runtime,
    config: Config,
    keyring: Keyring,
    once_listening: impl FnOnce(&Installation, SocketAddr) -> Said<'_>,
) -> Outcome {
    logging::start(&config.log);
    process::raise_open_files();
    // From before anybody can know that it serves: a signal then is not lost on the way here.
    let signals = control.block_on(async { StopSignals::listen() })?;
    let metrics = logging::collect_metrics(config.metrics_listen);
    // On the control runtime's own threads, so that the database's threads are of their priority.
    let storage = config.storage.clone();
    let opened = control.spawn(async move { crate::installation::open(&storage, keyring).await });
    let installation = control.block_on(opened)??;
    let running = start(control, config, &installation)?;
    if let (Some(handle), Some(listen)) = (metrics, running.metrics_listen) {
        control.spawn(probe::serve_metrics(listen, handle));
    }
    let local = running.server.local_addr();
    tracing::info!(%local, "serving");
    control.block_on(once_listening(&installation, local))?;
    control.block_on(signals.first());
    tracing::info!("stopping: live answers are finished first");
    running.server.shutdown();
    running.server.join();
    // What is being asked now is asked again after its lease.
    drop(running.key_checks);
    control.block_on(async {
        if let Some(limits) = running.shared_limits {
            limits.settle(LIMITS_SETTLE).await;
        }
        running.deliveries.stop(DELIVERIES_STOP).await;
        // The last records reach the database; what does not is found in the journal next time.
        if let Some(writers) = Arc::into_inner(running.writers) {
            let _ = tokio::time::timeout(Duration::from_secs(10), writers.stop()).await;
        }
        // Closed, the database is one file again, fit to be copied.
        if let Err(error) = installation.store.database().clone().close().await {
            tracing::warn!(%error, "the database was not closed");
        }
    });
    tracing::info!("stopped");
    Ok(())
}

struct Running {
    server: Server,
    writers: Arc<Writers>,
    deliveries: Deliveries,
    key_checks: KeyChecker,
    shared_limits: Option<Arc<RedisCounters>>,
    metrics_listen: Option<SocketAddr>,
}

fn start(
    control: &Runtime,
    config: Config,
    installation: &Installation,
) -> Result<Running, Failure> {
    let Config {
        http, storage, upstreams, metrics_listen, admin_token, prices, limits, mail, ..
    } = config;
    let ambient = Arc::new(System);
    // Threads that only write do better apart; those that wait for a sync do better together.
    let lanes = match storage.durability {
        Durability::Os => http.threads,
        Durability::Disk => 1,
    };
    let journals = Lanes::open(
        &storage.data_dir.join("journal"),
        lanes,
        storage.durability,
        storage.journal_max,
        || JournalId::from_random(u128::from_be_bytes(random_bytes())),
    )
    .map_err(|error| match error {
        JournalError::InUse { .. } => Failure::Config(vec![error.to_string()]),
        other => other.into(),
    })?;
    let journals = Arc::new(journals);
    let egress = EgressPolicy::new(upstreams.allow_private);
    let timeouts = Timeouts {
        connect: upstreams.connect_timeout,
        first_byte: upstreams.first_byte_timeout,
        idle: upstreams.idle_timeout,
    };
    let base_urls =
        upstreams.base_urls.into_iter().map(|(provider, url)| (provider.to_owned(), url)).collect();
    let ledger = {
        let ambient = Arc::clone(&ambient);
        Ledger::start(installation.store.clone(), control.handle(), move || ambient.now())
    };
    let ledger = Arc::new(SettlingLedger::new(ledger));
    let shared_limits = limits
        .map(|limits| Arc::new(control.block_on(RedisCounters::start(limits.redis, limits.fail))));
    let counters: Arc<dyn LimitCounters> = match &shared_limits {
        Some(shared) => Arc::clone(shared) as _,
        None => Arc::new(MemoryCounters::default()),
    };
    let gateway = Arc::new(Gateway::new(GatewayConfig {
        directory: Arc::new(installation.store.clone()),
        keyring: Arc::clone(&installation.keyring),
        hasher: Arc::clone(&installation.hasher),
        admin: admin_token,
        upstream: Upstream::new(egress.clone(), timeouts)?,
        egress: egress.clone(),
        meter: Arc::new(Meter::new(Arc::clone(&journals), PriceBook::new(prices))),
        ledger: Arc::clone(&ledger) as Arc<dyn CreditLedger>,
        counters,
        ambient: ambient.clone(),
        base_urls,
        max_body: http.max_body,
    })?);
    control.spawn(changes::follow(installation.store.clone(), Arc::clone(&gateway)));
    let log: Arc<dyn UsageLog> =
        Arc::new(WatchedUsageLog::new(installation.store.clone(), Arc::clone(&gateway)));
    let writers = Arc::new(Writers::start(&journals, &log, control.handle())?);
    ledger.settled_by(&writers);
    if !control.block_on(writers.caught_up(CATCHING_UP)) {
        tracing::warn!(
            "records of an earlier run are still on their way into the database; until they are \
             there, files and batches made shortly before its end belong to nobody"
        );
    }
    control.block_on(resealing::run(&installation.store, &gateway))?;
    let courier = courier(&gateway, &egress)?;
    let state = AppState::new(Services {
        store: installation.store.clone(),
        keyring: Arc::clone(&installation.keyring),
        hasher: Arc::clone(&installation.hasher),
        gateway: Arc::clone(&gateway),
        usage: Arc::new(Tail { journals, writers: Arc::downgrade(&writers) }),
        webhooks: courier.clone(),
        egress,
        trusted_proxies: http.trusted_proxies,
        ambient,
        failed_logins: Rate::FAILED_LOGINS,
        publishable: Rate::PUBLISHABLE,
    });
    let store = &installation.store;
    let deliveries = Deliveries::start(store, &gateway, courier, mail, control.handle());
    let key_checks = KeyChecker::start(
        Arc::clone(&gateway),
        Arc::new(store.clone()),
        CheckPace::default(),
        control.handle(),
    );
    let calls = Calls::new(gateway, Arc::clone(&state), http.forward_unknown_paths)
        .reached_at(OwnAddress { public_url: http.public_url, secure: http.tls.is_some() });
    let api = Api::new(calls, byok_api::router(&state), control.handle().clone());
    let mut listener = ServerConfig::new(http.listen);
    listener.threads = http.threads;
    listener.tls = http.tls.as_ref().map(|tls| tls.identity.clone());
    listener.drain = http.drain;
    let server = byok_net::serve(
        listener,
        service_fn(move |request: Request<Incoming>| {
            let answer = api.handle(request.map(|body| TimedBody::new(body, BODY_SILENCE)));
            async move { Ok::<_, Infallible>(answer.await) }
        }),
    )
    .map_err(|error| format!("cannot listen on {}: {error}", http.listen))?;
    if let Some(tls) = http.tls {
        control.spawn(certificate::follow(tls));
    }
    Ok(Running { server, writers, deliveries, key_checks, shared_limits, metrics_listen })
}

/// The writers, as the management routes see them.
struct Tail {
    journals: Arc<Lanes>,
    writers: std::sync::Weak<Writers>,
}

#[async_trait]
impl UsageTail for Tail {
    async fn caught_up(&self, within: Duration) -> bool {
        match self.writers.upgrade() {
            Some(writers) => writers.caught_up(within).await,
            None => false,
        }
    }

    fn has_room(&self) -> bool {
        self.journals.has_room()
    }
}

/// What ends the server.
struct StopSignals {
    terminate: Signal,
    interrupt: Signal,
}

impl StopSignals {
    fn listen() -> std::io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Waits for the first one since listening began.
    async fn first(mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}
