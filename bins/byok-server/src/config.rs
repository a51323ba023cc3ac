//! The configuration: one tree of typed values, read once at start.
//!
//! Flags go over environment variables, and those over the TOML file. What is read here is checked
//! here, all mistakes are reported together, and nothing else in the program reads the environment.
//! No message shows a value: whatever somebody put into the wrong variable stays out of the logs.

mod database_url;
mod error;
mod file;
mod keys;
mod layers;
mod limits;
mod mail;
mod reader;
mod setting;
#[cfg(test)]
mod tests;
mod tls;
mod values;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use byok_domain::pricing::PriceTable;
use byok_metering::Durability;
use byok_net::{IpNet, TrustedUrl};
use byok_vault::{AdminToken, Keyring};

pub(crate) use database_url::DatabaseUrl;
pub(crate) use error::ConfigError;
pub(crate) use layers::{Flag, Sources};
pub(crate) use limits::SharedLimits;
pub(crate) use mail::Mail;
pub(crate) use setting::Setting;
pub(crate) use tls::{Marks, Tls, TlsFiles};

use layers::Layers;
use reader::{Reader, Reported};

/// Everything that the operator can set, except the encryption keys.
pub(crate) struct Config {
    /// The listener and what it accepts.
    pub(crate) http: Http,
    /// The database, the journal and their folder.
    pub(crate) storage: Storage,
    /// The providers and the way to them.
    pub(crate) upstreams: Upstreams,
    /// Where several servers count the limits of plans together; `None` when each counts for
    /// itself.
    pub(crate) limits: Option<SharedLimits>,
    /// The way to customers by e-mail; `None` when none is set up.
    pub(crate) mail: Option<Mail>,
    /// What is logged, and how.
    pub(crate) log: Log,
    /// Where the metrics are served; `None` when they are off.
    pub(crate) metrics_listen: Option<SocketAddr>,
    /// The operator's token; without one nobody is an operator over HTTP.
    pub(crate) admin_token: Option<AdminToken>,
    /// Prices laid over the built-in table; empty when none are given.
    pub(crate) prices: PriceTable,
}

/// The listener and what it accepts.
pub(crate) struct Http {
    /// Where to serve.
    pub(crate) listen: SocketAddr,
    /// The address that others know the server by, without a final slash.
    pub(crate) public_url: Option<String>,
    /// The certificate for HTTPS; `None` for plain HTTP.
    pub(crate) tls: Option<Tls>,
    /// Threads that serve.
    pub(crate) threads: usize,
    /// How long live answers may take to finish after SIGTERM.
    pub(crate) drain: Duration,
    /// The longest request body in bytes.
    pub(crate) max_body: u64,
    /// Whose `X-Forwarded-For` is believed.
    pub(crate) trusted_proxies: Vec<IpNet>,
    /// Whether a path that no route knows is sent on to the provider.
    pub(crate) forward_unknown_paths: bool,
}

/// The database, the journal and their folder.
#[derive(Clone)]
pub(crate) struct Storage {
    /// The folder for all that is kept.
    pub(crate) data_dir: PathBuf,
    /// Where the database is.
    pub(crate) database_url: DatabaseUrl,
    /// What a call's record has to survive before the call's answer ends.
    pub(crate) durability: Durability,
    /// The most that the journal may hold, in bytes, before calls are refused.
    pub(crate) journal_max: u64,
}

/// The providers and the way to them.
pub(crate) struct Upstreams {
    /// Base URLs in place of the providers' public ones, by provider id.
    pub(crate) base_urls: BTreeMap<&'static str, TrustedUrl>,
    /// Addresses that customers' base URLs may reach although not public.
    pub(crate) allow_private: Vec<IpNet>,
    /// How long a connection may take to stand.
    pub(crate) connect_timeout: Duration,
    /// How long an answer may take to begin.
    pub(crate) first_byte_timeout: Duration,
    /// How long an answer may pause.
    pub(crate) idle_timeout: Duration,
}

/// What is logged, and how.
pub(crate) struct Log {
    /// A filter in the syntax of `tracing-subscriber`, checked to be one.
    pub(crate) filter: String,
    /// Lines for people or for machines.
    pub(crate) format: LogFormat,
}

/// The form of a log line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

impl Config {
    /// Reads the configuration, and the encryption keys if any are set.
    ///
    /// # Errors
    /// Every mistake there is.
    pub(crate) fn load(sources: &Sources) -> Result<(Self, Option<Keyring>), Vec<ConfigError>> {
        Self::load_with(sources, keys::keyring)
    }

    /// Reads the configuration for what cannot be done without encryption keys.
    ///
    /// # Errors
    /// Every mistake there is; keys that are not set are one.
    pub(crate) fn load_with_keyring(
        sources: &Sources,
    ) -> Result<(Self, Keyring), Vec<ConfigError>> {
        Self::load_with(sources, keys::required_keyring)
    }

    fn load_with<T>(
        sources: &Sources,
        keys: fn(&mut Reader<'_>) -> Result<T, Reported>,
    ) -> Result<(Self, T), Vec<ConfigError>> {
        let (layers, errors) = Layers::gather(sources);
        let mut reader = Reader::new(&layers, errors);
        let keys = keys(&mut reader);
        let config = Self::read(&mut reader);
        reader.finish(config, keys)
    }

    fn read(reader: &mut Reader<'_>) -> Self {
        let admin_token = keys::admin_token(reader).unwrap_or_default();
        let http = Http::read(reader);
        let metrics_listen = reader
            .get(Setting::METRICS_LISTEN, values::address_or_off)
            .unwrap_or(Some(SocketAddr::from(([127, 0, 0, 1], 9464))));
        if metrics_listen.is_some_and(|metrics| collide(http.listen, metrics)) {
            reader.refuse(ConfigError::SameAddress {
                first: reader.name(Setting::LISTEN),
                second: reader.name(Setting::METRICS_LISTEN),
            });
        }
        let mail = mail::read(reader, http.public_url.as_deref());
        Self {
            http,
            limits: limits::read(reader),
            mail,
            storage: Storage::read(reader),
            upstreams: Upstreams::read(reader),
            log: Log::read(reader),
            metrics_listen,
            admin_token,
            prices: reader.prices(),
        }
    }
}

impl Http {
    fn read(reader: &mut Reader<'_>) -> Self {
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            listen: reader
                .get(Setting::LISTEN, values::address)
                .unwrap_or(SocketAddr::from(([127, 0, 0, 1], 3000))),
            public_url: reader
                .get(Setting::PUBLIC_URL, |text| values::base_url(text, "https://byok.example.com"))
                .map(|url| url.as_str().to_owned()),
            tls: tls::read(reader).unwrap_or_default(),
            threads: reader.get(Setting::THREADS, values::threads).unwrap_or_else(cores),
            drain: reader
                .get(Setting::DRAIN_SECONDS, values::seconds_or_none)
                .unwrap_or(Duration::from_secs(30)),
            max_body: reader.get(Setting::MAX_BODY, values::bytes).unwrap_or(32 << 20),
            trusted_proxies: reader
                .get(Setting::TRUSTED_PROXIES, values::networks)
                .unwrap_or_default(),
            forward_unknown_paths: reader
                .get(Setting::FORWARD_UNKNOWN_PATHS, values::switch)
                .unwrap_or(true),
        }
    }
}

impl Storage {
    fn read(reader: &mut Reader<'_>) -> Self {
        let data_dir = reader.text(Setting::DATA_DIR).unwrap_or("./byok-data").to_owned();
        Self {
            database_url: reader
                .get(Setting::DATABASE_URL, DatabaseUrl::parse)
                .unwrap_or_else(|| DatabaseUrl::in_folder(&data_dir)),
            data_dir: PathBuf::from(data_dir),
            durability: reader
                .get(Setting::DURABILITY, values::durability)
                .unwrap_or(Durability::Disk),
            journal_max: reader.get(Setting::JOURNAL_MAX, values::journal_bytes).unwrap_or(1 << 30),
        }
    }
}

impl Upstreams {
    fn read(reader: &mut Reader<'_>) -> Self {
        let base_urls = Setting::BASE_URLS
            .into_iter()
            .filter_map(|(provider, setting, example)| {
                let url = reader.get(setting, |text| values::base_url(text, example))?;
                Some((provider, url))
            })
            .collect();
        let mut seconds = |setting, default| {
            reader.get(setting, values::seconds).unwrap_or(Duration::from_secs(default))
        };
        Self {
            connect_timeout: seconds(Setting::CONNECT_TIMEOUT_SECONDS, 5),
            first_byte_timeout: seconds(Setting::FIRST_BYTE_TIMEOUT_SECONDS, 120),
            idle_timeout: seconds(Setting::IDLE_TIMEOUT_SECONDS, 60),
            base_urls,
            allow_private: reader
                .get(Setting::ALLOW_PRIVATE_UPSTREAMS, values::networks)
                .unwrap_or_default(),
        }
    }
}

impl Log {
    fn read(reader: &mut Reader<'_>) -> Self {
        Self {
            filter: reader
                .get(Setting::LOG, values::log_filter)
                .unwrap_or_else(|| "info".to_owned()),
            format: reader.get(Setting::LOG_FORMAT, values::log_format).unwrap_or(LogFormat::Text),
        }
    }
}

/// Whether two listeners cannot both have their address.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let everywhere = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (one.ip() == other.ip() || everywhere)
}

/// The environment of this process: the one place that reads it.
pub(crate) fn process_environment() -> BTreeMap<String, String> {
    let text = |text: std::ffi::OsString| text.to_string_lossy().into_owned();
    std::env::vars_os().map(|(name, value)| (text(name), text(value))).collect()
}
