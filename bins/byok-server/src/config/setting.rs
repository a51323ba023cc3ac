//! The names of the settings.

/// A setting, known by the name of its environment variable.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Setting(&'static str);

macro_rules! settings {
    ($($name:ident = $variable:literal,)*) => {
        impl Setting {
            $(pub(crate) const $name: Self = Self($variable);)*

            /// All that this version takes.
            pub(super) const ALL: &'static [Self] = &[$(Self::$name,)*];
        }
    };
}

settings! {
    LISTEN = "BYO_LISTEN",
    PUBLIC_URL = "BYO_PUBLIC_URL",
    METRICS_LISTEN = "BYO_METRICS_LISTEN",
    TRUSTED_PROXIES = "BYO_TRUSTED_PROXIES",
    TLS_CERT = "BYO_TLS_CERT",
    TLS_KEY = "BYO_TLS_KEY",
    THREADS = "BYO_THREADS",
    DRAIN_SECONDS = "BYO_DRAIN_SECONDS",
    MAX_BODY = "BYO_MAX_BODY",
    FORWARD_UNKNOWN_PATHS = "BYO_FORWARD_UNKNOWN_PATHS",
    DATA_DIR = "BYO_DATA_DIR",
    DATABASE_URL = "BYO_DATABASE_URL",
    DURABILITY = "BYO_DURABILITY",
    JOURNAL_MAX = "BYO_JOURNAL_MAX",
    ENCRYPTION_KEY = "ENCRYPTION_KEY",
    ENCRYPTION_KEY_FILE = "ENCRYPTION_KEY_FILE",
    ENCRYPTION_KEYS = "ENCRYPTION_KEYS",
    ENCRYPTION_KEYS_FILE = "ENCRYPTION_KEYS_FILE",
    ADMIN_TOKEN = "BYO_ADMIN_TOKEN",
    ADMIN_TOKEN_FILE = "BYO_ADMIN_TOKEN_FILE",
    MODEL_PRICING = "BYO_MODEL_PRICING",
    OPENAI_BASE_URL = "BYO_OPENAI_BASE_URL",
    ANTHROPIC_BASE_URL = "BYO_ANTHROPIC_BASE_URL",
    GOOGLE_BASE_URL = "BYO_GOOGLE_BASE_URL",
    COHERE_BASE_URL = "BYO_COHERE_BASE_URL",
    MISTRAL_BASE_URL = "BYO_MISTRAL_BASE_URL",
    BEDROCK_BASE_URL = "BYO_BEDROCK_BASE_URL",
    ALLOW_PRIVATE_UPSTREAMS = "BYO_ALLOW_PRIVATE_UPSTREAMS",
    CONNECT_TIMEOUT_SECONDS = "BYO_CONNECT_TIMEOUT_SECONDS",
    FIRST_BYTE_TIMEOUT_SECONDS = "BYO_FIRST_BYTE_TIMEOUT_SECONDS",
    IDLE_TIMEOUT_SECONDS = "BYO_IDLE_TIMEOUT_SECONDS",
    REDIS_URL = "BYO_REDIS_URL",
    LIMITS_FAIL = "BYO_LIMITS_FAIL",
    SMTP_URL = "BYO_SMTP_URL",
    SMTP_FROM = "BYO_SMTP_FROM",
    LOG = "BYO_LOG",
    LOG_FORMAT = "BYO_LOG_FORMAT",
}

impl Setting {
    /// The base URL of each provider that has one, with the provider's own for an example.
    pub(super) const BASE_URLS: [(&'static str, Self, &'static str); 6] = [
        ("openai", Self::OPENAI_BASE_URL, "https://api.openai.com/v1"),
        ("anthropic", Self::ANTHROPIC_BASE_URL, "https://api.anthropic.com"),
        ("google", Self::GOOGLE_BASE_URL, "https://generativelanguage.googleapis.com"),
        ("cohere", Self::COHERE_BASE_URL, "https://api.cohere.com"),
        ("mistral", Self::MISTRAL_BASE_URL, "https://api.mistral.ai"),
        ("bedrock", Self::BEDROCK_BASE_URL, "https://bedrock-runtime.us-east-1.amazonaws.com"),
    ];

    /// Settings that this version knows of and does not serve, with what each would do.
    pub(super) const NOT_YET: [(Self, &'static str); 1] =
        [(Self("OTEL_EXPORTER_OTLP_ENDPOINT"), "export traces")];

    /// The environment variable.
    pub(crate) const fn variable(self) -> &'static str {
        self.0
    }

    /// The key in the TOML file.
    pub(super) fn key(self) -> String {
        key_of(self.0)
    }

    /// Whether an empty value is a mistake rather than another way to leave it out. A secret that
    /// failed to arrive must not pass for one that was never meant to be there.
    pub(super) fn refuses_empty(self) -> bool {
        [
            Self::ENCRYPTION_KEY,
            Self::ENCRYPTION_KEY_FILE,
            Self::ENCRYPTION_KEYS,
            Self::ENCRYPTION_KEYS_FILE,
            Self::ADMIN_TOKEN,
            Self::ADMIN_TOKEN_FILE,
        ]
        .contains(&self)
    }

    /// The setting of this variable, and what it would do if this version does not serve it yet.
    pub(super) fn of_variable(name: &str) -> Option<(Self, Option<&'static str>)> {
        Self::known().find(|(setting, _)| setting.variable() == name)
    }

    /// The setting of this TOML key, likewise.
    pub(super) fn of_key(key: &str) -> Option<(Self, Option<&'static str>)> {
        Self::known().find(|(setting, _)| setting.key() == key)
    }

    /// The setting that an unknown name, of a variable or a key, may have meant.
    pub(super) fn nearest(name: &str) -> Option<Self> {
        let name = key_of(name);
        let likeness = |setting: &Self| strsim::jaro_winkler(&name, &setting.key());
        Self::ALL
            .iter()
            .copied()
            .max_by(|a, b| likeness(a).total_cmp(&likeness(b)))
            .filter(|setting| likeness(setting) >= 0.85)
    }

    fn known() -> impl Iterator<Item = (Self, Option<&'static str>)> {
        let all = Self::ALL.iter().map(|setting| (*setting, None));
        all.chain(Self::NOT_YET.into_iter().map(|(setting, what)| (setting, Some(what))))
    }
}

fn key_of(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    name.strip_prefix("byo_").map_or(name.clone(), str::to_owned)
}
