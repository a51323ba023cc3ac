//! Flags go over the environment, the environment over the file.

use std::time::Duration;

use byok_metering::Durability;
use byok_store::FailMode;

use super::{KEY, OTHER_KEY, TOKEN, given};
use crate::config::{Config, LogFormat, Setting};

#[test]
fn nothing_set_gives_the_documented_defaults() {
    let (config, keyring) = given().load().expect("nothing is wrong with nothing");
    assert!(keyring.is_none() && config.admin_token.is_none());
    assert_eq!(config.http.listen.to_string(), "127.0.0.1:3000");
    assert_eq!(config.metrics_listen.expect("on by default").to_string(), "127.0.0.1:9464");
    assert_eq!(config.http.public_url, None);
    assert!(config.http.threads >= 1);
    assert_eq!(config.http.drain, Duration::from_secs(30));
    assert_eq!(config.http.max_body, 33_554_432);
    assert!(config.http.trusted_proxies.is_empty() && config.http.forward_unknown_paths);
    assert_eq!(config.storage.data_dir.to_str(), Some("./byok-data"));
    assert_eq!(config.storage.database_url.as_str(), "sqlite://./byok-data/byok.db");
    assert!(matches!(config.storage.durability, Durability::Disk));
    assert_eq!(config.storage.journal_max, 1_073_741_824);
    assert!(config.upstreams.base_urls.is_empty() && config.upstreams.allow_private.is_empty());
    assert_eq!(config.upstreams.connect_timeout, Duration::from_secs(5));
    assert_eq!(config.upstreams.first_byte_timeout, Duration::from_secs(120));
    assert_eq!(config.upstreams.idle_timeout, Duration::from_secs(60));
    assert_eq!(config.log.filter, "info");
    assert_eq!(config.log.format, LogFormat::Text);
    assert!(config.prices.is_empty());
}

#[test]
fn flags_go_over_the_environment_and_that_goes_over_the_file() {
    let file = given().toml("listen = '127.0.0.1:1'\ndata_dir = '/file'\nlog = 'error'");
    assert_eq!(file.config().http.listen.port(), 1);
    let environment = file.variable("BYO_LISTEN", "127.0.0.1:2").variable("BYO_LOG", "warn");
    assert_eq!(environment.config().http.listen.port(), 2);
    let flags = environment.flag("--listen", Setting::LISTEN, "127.0.0.1:3");
    let config = flags.config();
    assert_eq!(config.http.listen.port(), 3);
    assert_eq!(config.log.filter, "warn");
    assert_eq!(config.storage.database_url.as_str(), "sqlite:///file/byok.db");
}

#[test]
fn a_value_that_another_goes_over_is_not_judged() {
    let config = given().toml("listen = 'nonsense'").variable("BYO_LISTEN", "127.0.0.1:2").config();
    assert_eq!(config.http.listen.port(), 2);
}

#[test]
fn every_setting_can_be_given_in_either_source() {
    let pair = given().with_pair("server");
    let (chain, key) = pair.pair("server");
    let variables = [
        ("BYO_LISTEN", "[::1]:8080"),
        ("BYO_PUBLIC_URL", "https://byok.example.com/"),
        ("BYO_METRICS_LISTEN", "off"),
        ("BYO_TRUSTED_PROXIES", "10.0.0.0/8, fd00::/8"),
        ("BYO_TLS_CERT", &chain),
        ("BYO_TLS_KEY", &key),
        ("BYO_THREADS", "3"),
        ("BYO_DRAIN_SECONDS", "0"),
        ("BYO_MAX_BODY", "1MiB"),
        ("BYO_FORWARD_UNKNOWN_PATHS", "false"),
        ("BYO_DATA_DIR", "/var/lib/byok"),
        ("BYO_DATABASE_URL", "sqlite:///srv/byok.db?mode=rwc"),
        ("BYO_DURABILITY", "os"),
        ("BYO_JOURNAL_MAX", "2GiB"),
        ("ENCRYPTION_KEY", KEY),
        ("BYO_ADMIN_TOKEN", TOKEN),
        ("BYO_MODEL_PRICING", r#"{"openai": {"house-model": {"input": 0.5, "output": 2}}}"#),
        ("BYO_OPENAI_BASE_URL", "http://127.0.0.1:9/v1/"),
        ("BYO_ANTHROPIC_BASE_URL", "https://anthropic.example.com"),
        ("BYO_GOOGLE_BASE_URL", "https://google.example.com"),
        ("BYO_COHERE_BASE_URL", "https://cohere.example.com"),
        ("BYO_MISTRAL_BASE_URL", "https://mistral.example.com"),
        ("BYO_BEDROCK_BASE_URL", "https://bedrock.example.com"),
        ("BYO_ALLOW_PRIVATE_UPSTREAMS", "127.0.0.0/8"),
        ("BYO_CONNECT_TIMEOUT_SECONDS", "0.5"),
        ("BYO_FIRST_BYTE_TIMEOUT_SECONDS", "7"),
        ("BYO_IDLE_TIMEOUT_SECONDS", "8"),
        ("BYO_SMTP_URL", "smtp://mail.example.com:587?tls=required"),
        ("BYO_SMTP_FROM", "keys@example.com"),
        ("BYO_REDIS_URL", "redis://redis.example.com/1"),
        ("BYO_LIMITS_FAIL", "closed"),
        ("BYO_LOG", "info,byok_gateway=debug"),
        ("BYO_LOG_FORMAT", "json"),
    ];
    let alternatives =
        ["ENCRYPTION_KEY_FILE", "ENCRYPTION_KEYS", "ENCRYPTION_KEYS_FILE", "BYO_ADMIN_TOKEN_FILE"];
    for setting in Setting::ALL {
        let name = setting.variable();
        let given = variables.iter().any(|(variable, _)| *variable == name);
        assert!(given || alternatives.contains(&name), "{name} is not tried here");
    }

    let mut environment = given();
    let mut toml = String::new();
    for (name, value) in variables {
        environment = environment.variable(name, value);
        let key = name.strip_prefix("BYO_").unwrap_or(name).to_lowercase();
        toml.push_str(&format!("{key} = '{value}'\n"));
    }
    for source in [environment, given().toml(&toml)] {
        let (config, keyring) = match source.load() {
            Ok(loaded) => loaded,
            Err(errors) => panic!("{}", source.lines(&errors)),
        };
        assert_eq!(config.http.listen.to_string(), "[::1]:8080");
        assert_eq!(config.http.public_url.as_deref(), Some("https://byok.example.com"));
        assert_eq!(config.metrics_listen, None);
        let proxies: Vec<_> = config.http.trusted_proxies.iter().map(ToString::to_string).collect();
        assert_eq!(proxies, ["10.0.0.0/8", "fd00::/8"]);
        assert!(config.http.tls.is_some());
        assert_eq!(config.http.threads, 3);
        assert_eq!(config.http.drain, Duration::ZERO);
        assert_eq!(config.http.max_body, 1 << 20);
        assert!(!config.http.forward_unknown_paths);
        assert_eq!(config.storage.data_dir.to_str(), Some("/var/lib/byok"));
        assert_eq!(config.storage.database_url.as_str(), "sqlite:///srv/byok.db");
        assert!(matches!(config.storage.durability, Durability::Os));
        assert_eq!(config.storage.journal_max, 2 << 30);
        assert_eq!(keyring.expect("a key is set").current().as_str(), "1-32bfd54f");
        assert!(config.admin_token.expect("a token is set").matches(TOKEN));
        assert!(!config.prices.is_empty());
        let urls: Vec<_> =
            config.upstreams.base_urls.iter().map(|(p, u)| (*p, u.as_str())).collect();
        assert_eq!(
            urls,
            [
                ("anthropic", "https://anthropic.example.com"),
                ("bedrock", "https://bedrock.example.com"),
                ("cohere", "https://cohere.example.com"),
                ("google", "https://google.example.com"),
                ("mistral", "https://mistral.example.com"),
                ("openai", "http://127.0.0.1:9/v1"),
            ]
        );
        assert_eq!(config.upstreams.allow_private.len(), 1);
        assert_eq!(config.upstreams.connect_timeout, Duration::from_millis(500));
        assert_eq!(config.upstreams.first_byte_timeout, Duration::from_secs(7));
        assert_eq!(config.upstreams.idle_timeout, Duration::from_secs(8));
        let limits = config.limits.expect("a Redis is set");
        assert_eq!(limits.fail, FailMode::Closed);
        let mail = config.mail.expect("a mail server is set");
        assert_eq!(mail.server.host(), "mail.example.com");
        assert_eq!(mail.from.to_string(), "keys@example.com");
        assert_eq!(config.log.filter, "info,byok_gateway=debug");
        assert_eq!(config.log.format, LogFormat::Json);
    }
}

#[test]
fn the_file_takes_numbers_lists_and_tables_as_toml_has_them() {
    let config = given()
        .toml(
            "threads = 2\nidle_timeout_seconds = 1.5\nforward_unknown_paths = false\n\
             allow_private_upstreams = ['127.0.0.0/8', '::1/128']\nmax_body = 1000\n\
             [model_pricing.openai.house-model]\ninput = 0.1\noutput = 2\n",
        )
        .config();
    assert_eq!(config.http.threads, 2);
    assert_eq!(config.upstreams.idle_timeout, Duration::from_millis(1500));
    assert!(!config.http.forward_unknown_paths);
    assert_eq!(config.upstreams.allow_private.len(), 2);
    assert_eq!(config.http.max_body, 1000);
    assert!(!config.prices.is_empty());
}

#[test]
fn secrets_come_from_files_whose_last_line_break_does_not_count() {
    for ending in ["", "\n", "\r\n"] {
        let given = given();
        let key = given.file("key", format!("{KEY}{ending}"));
        let token = given.file("token", format!("{TOKEN}{ending}"));
        let given = given
            .variable("ENCRYPTION_KEY_FILE", &key.to_string_lossy())
            .variable("BYO_ADMIN_TOKEN_FILE", &token.to_string_lossy());
        let (config, keyring) = given.load().expect("both files are good");
        assert_eq!(keyring.expect("set").current().as_str(), "1-32bfd54f");
        assert!(config.admin_token.expect("set").matches(TOKEN));
    }
    let given = given();
    let keys = given.file("keys", format!("2:{OTHER_KEY},1:{KEY}\n"));
    let given = given.variable("ENCRYPTION_KEYS_FILE", &keys.to_string_lossy());
    let (_, keyring) = Config::load_with_keyring(&given.sources).expect("a good ring");
    assert!(keyring.holds("1-32bfd54f") && keyring.current().as_str().starts_with("2-"));
}

#[test]
fn keys_for_rotation_in_the_environment_go_over_the_one_key_of_the_file() {
    let ring = format!("2:{OTHER_KEY},1:{KEY}");
    let given =
        given().toml(&format!("encryption_key = '{KEY}'")).variable("ENCRYPTION_KEYS", &ring);
    let (_, keyring) = given.load().expect("no conflict across sources");
    assert_eq!(keyring.expect("set").kids().count(), 2);
}

#[test]
fn an_empty_variable_counts_as_not_set() {
    let mut given = given();
    for setting in Setting::ALL.iter().filter(|setting| !setting.refuses_empty()) {
        given = given.variable(setting.variable(), "");
    }
    given = given.variable("OTEL_EXPORTER_OTLP_ENDPOINT", "");
    assert_eq!(given.config().http.listen.port(), 3000);
}

#[test]
fn variables_of_other_programs_are_none_of_our_business() {
    let given =
        given().variable("PATH", "/bin").variable("OPENAI_API_KEY", "sk-x").variable("BYOK", "1");
    assert!(given.load().is_ok());
}
