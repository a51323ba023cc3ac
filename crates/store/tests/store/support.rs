//! A store on a database of its own, and short ways to fill it.

mod place;

use std::sync::atomic::{AtomicU64, Ordering};

use byok_domain::audit::{Actor, ActorType};
use byok_domain::credential::{ApiKeyKind, Environment};
use byok_domain::{
    ApiKeyId, CallRecord, KeyHint, KeySource, KeyStatus, PicoUsd, ProjectId, ProviderConfig,
    ProviderId, ProviderKeyId, RefId, RequestId, Timestamp, Usage,
};
use byok_metering::{Applied, UsageLog};
use byok_store::{
    By, ConnectKey, Connected, Database, NewApiKey, NewProject, Page, Replace, Store,
};
use byok_vault::{AuditKey, Keyring, SealedSecret, TokenDigest};
pub(crate) use place::{Place, either, on_each_database, on_postgres};
use sea_orm::{ConnectionTrait, DatabaseConnection, QueryResult};

/// The moment that tests begin at: on the hour, so that they can say what lies beside it.
pub(crate) const T0: i64 = 1_700_000_000_000 - 1_700_000_000_000 % 3_600_000;

/// The encryption key that the tests' data is sealed under: digits of pi.
pub(crate) const FIRST_KEY: &str =
    "243f6a8885a308d313198a2e03707344a4093822299f31d0082efa98ec4e6c89";

/// The one that it is rotated to: digits of e.
pub(crate) const SECOND_KEY: &str =
    "b7e151628aed2a6abf7158809cf4f3c762e7160f38b4da56a784d9045190cfef";

/// Everything, as far as lists go.
pub(crate) const ALL: Page = Page { limit: 1_000_000, offset: 0 };

/// A store on a database of its own.
pub(crate) struct Rig {
    pub(crate) store: Store,
    pub(crate) keyring: Keyring,
    pub(crate) place: Place,
}

impl Rig {
    pub(crate) async fn new() -> Self {
        let place = Place::migrated().await;
        let database = Database::open(&place.url).await.unwrap();
        Self { store: Store::new(database, audit_key()), keyring: keyring(), place }
    }

    /// A project with a secret key whose digest is the project's number, 32 times.
    pub(crate) async fn project(&self, n: u8) -> ProjectId {
        let id = ProjectId::new(format!("proj_{n}"));
        let new = NewProject {
            id: id.clone(),
            name: format!("project {n}"),
            environment: Environment::Live,
            data_key: self.keyring.new_data_key(&id),
            api_keys: vec![api_key(n)],
        };
        self.store.create_project(new, &by(0)).await.unwrap();
        id
    }

    pub(crate) async fn connect(&self, project: &ProjectId, key: ConnectKey) -> Connected {
        self.store.connect_key(project, key, seal, &by(0)).await.unwrap()
    }

    /// Applies records as the next ones of a journal.
    pub(crate) async fn apply(&self, records: &[CallRecord]) -> Applied {
        let last = self.store.applied("journal").await.unwrap() + records.len() as u64;
        self.store.apply("journal", last, records).await.unwrap()
    }

    /// A connection past the store, for one who has the file.
    pub(crate) async fn raw(&self) -> DatabaseConnection {
        self.place.raw().await
    }

    pub(crate) async fn rows(&self, sql: &str) -> Vec<QueryResult> {
        let raw = self.raw().await;
        let statement = sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, sql);
        let rows = raw.query_all_raw(statement).await.unwrap();
        raw.close().await.unwrap();
        rows
    }

    pub(crate) async fn number(&self, sql: &str) -> i64 {
        self.rows(sql).await[0].try_get_by_index(0).unwrap()
    }

    /// Has the database refuse new rows of a table, as if its disk were full.
    pub(crate) async fn refuse_rows(&self, table: &str) {
        let sqlite = format!(
            "CREATE TRIGGER full_{table} BEFORE INSERT ON {table} \
             BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END"
        );
        let postgres = format!(
            "CREATE FUNCTION full_{table}() RETURNS trigger LANGUAGE plpgsql AS \
             $$ BEGIN RAISE EXCEPTION 'no space left on device'; END $$; \
             CREATE TRIGGER full_{table} BEFORE INSERT ON {table} \
             FOR EACH ROW EXECUTE FUNCTION full_{table}()"
        );
        self.execute(&either(sqlite, postgres)).await;
    }

    /// Has it take them again.
    pub(crate) async fn accept_rows(&self, table: &str) {
        let on = either(String::new(), format!(" ON {table}"));
        self.execute(&format!("DROP TRIGGER full_{table}{on}")).await;
    }

    pub(crate) async fn execute(&self, sql: &str) {
        let raw = self.raw().await;
        raw.execute_unprepared(sql).await.unwrap();
        raw.close().await.unwrap();
    }
}

/// Rounds of a race: so few in a test, as many as `BYOK_RACE_ROUNDS` says to be surer. A thousand of
/// each race for the last credit, on SQLite, on PostgreSQL and at three instances:
/// `BYOK_RACE_ROUNDS=1000 cargo xtask test --test store -- --include-ignored last_credit`.
pub(crate) fn rounds(few: u64) -> u64 {
    let asked = std::env::var("BYOK_RACE_ROUNDS").ok();
    asked.map_or(few, |rounds| rounds.parse().expect("BYOK_RACE_ROUNDS is a number"))
}

pub(crate) fn audit_key() -> AuditKey {
    AuditKey::new([9; 32])
}

pub(crate) fn keyring() -> Keyring {
    Keyring::parse("ENCRYPTION_KEY", FIRST_KEY).unwrap()
}

pub(crate) fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(T0 + millis)
}

/// The tests' actor, so many milliseconds after they begin.
pub(crate) fn by(millis: i64) -> By {
    let actor =
        Actor { kind: ActorType::User, id: "tester".into(), ip: Some("203.0.113.9".into()) };
    By::new(actor, at(millis))
}

pub(crate) fn ref_id(text: &str) -> RefId {
    RefId::parse(text).unwrap()
}

pub(crate) fn openai() -> ProviderId {
    ProviderId::new("openai")
}

pub(crate) fn api_key(n: u8) -> NewApiKey {
    NewApiKey {
        id: ApiKeyId::new(format!("key_{n}")),
        kind: ApiKeyKind::Secret,
        name: format!("key {n}"),
        ref_id: None,
        hint: KeyHint::stored(format!("…{n}")),
        digest: TokenDigest::from_bytes([n; 32]),
        expires_at: None,
    }
}

/// A valid key of a customer for OpenAI.
pub(crate) fn key(id: &str, customer: &str) -> ConnectKey {
    ConnectKey {
        id: ProviderKeyId::new(id),
        provider: openai(),
        ref_id: ref_id(customer),
        label: String::new(),
        priority: None,
        hint: KeyHint::stored("…abcd".into()),
        config: ProviderConfig::default(),
        status: KeyStatus::Valid,
        last_error: None,
        validated_at: Some(at(0)),
        replace: Replace::Any,
    }
}

/// A seal that tells what it was made for.
pub(crate) fn seal(id: &ProviderKeyId, version: u32) -> SealedSecret {
    SealedSecret { bytes: format!("sealed for {id} version {version}").into_bytes() }
}

/// An id of this moment that no other call of the process has.
pub(crate) fn request_id(millis: i64) -> RequestId {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let mut random = [0; 10];
    random[2..].copy_from_slice(&NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes());
    RequestId::from_parts(at(millis), random)
}

/// A call that succeeded: 10 tokens in, 5 out, 15 picodollars.
pub(crate) fn call(project: &ProjectId, customer: &str, millis: i64) -> CallRecord {
    CallRecord {
        id: request_id(millis),
        project: project.clone(),
        ref_id: ref_id(customer),
        provider: openai(),
        model: Some("gpt-5.4".into()),
        operation: "chat/completions".into(),
        key: None,
        source: KeySource::Byok,
        status: 200,
        error: None,
        streamed: false,
        usage: Some(Usage { input: 10, output: 5, ..Usage::default() }),
        usage_estimated: false,
        customer_reported: false,
        cost: Some(PicoUsd::from_pico(15)),
        unit_prices: None,
        answered: None,
        latency_ms: 120,
        first_byte_ms: Some(40),
        at: at(millis),
        objects: Vec::new(),
        aftermath: byok_domain::Aftermath::default(),
    }
}
