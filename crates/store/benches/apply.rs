//! How many call records a second go from a journal into the database, roll-ups, counters and all.
//!
//! `cargo bench -p byok-store [-- RECORDS [DIRECTORY]]`. One thread of ours, one of SQLite's. The
//! rate depends on the disk, on what else runs and on how large the batches are; the time that the
//! processors spend on a row (Linux only, else 0) hardly on any of them.

#![expect(clippy::print_stdout, reason = "a benchmark prints its figures")]

use std::path::Path;
use std::time::Instant;

use byok_domain::audit::Actor;
use byok_domain::credential::Environment;
use byok_domain::{
    CallRecord, KeyHint, KeySource, KeyStatus, PicoUsd, ProjectId, ProviderConfig, ProviderId,
    ProviderKeyId, RefId, RequestId, Timestamp, Usage,
};
use byok_metering::UsageLog;
use byok_store::{By, ConnectKey, Database, NewProject, Replace, Store};
use byok_vault::{AuditKey, SealedDataKey, SealedSecret};

const PROJECTS: usize = 3;

fn main() {
    let mut arguments = std::env::args().skip(1).filter(|argument| argument != "--bench");
    let records = arguments.next().and_then(|n| n.parse().ok()).unwrap_or(200_000);
    let parent = arguments.next().map_or_else(std::env::temp_dir, Into::into);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        println!("batch  customers  rows/s  cpu µs/row");
        for (batch, customers) in [(64, 50), (256, 50), (1024, 50), (1024, 1_000)] {
            let folder = tempfile::tempdir_in(&parent).expect("a folder");
            let (rate, cpu) = measure(folder.path(), records, batch, customers).await;
            println!("{batch:5}  {customers:9}  {rate:6.0}  {cpu:10.1}");
        }
    });
}

async fn measure(folder: &Path, records: usize, batch: usize, customers: usize) -> (f64, f64) {
    let url = format!("sqlite://{}", folder.join("byok.db").display());
    let database = Database::open(&url).await.expect("the database opens");
    database.migrate().await.expect("the schema is made");
    let store = Store::new(database, AuditKey::new([7; 32]));
    populate(&store, customers).await;
    let all: Vec<_> = (0..records).map(|n| record(n, customers)).collect();
    let (started, cpu_before) = (Instant::now(), cpu_seconds());
    let mut sequence = 0;
    for part in all.chunks(batch) {
        sequence += part.len() as u64;
        let applied = store.apply("bench", sequence, part).await.expect("the batch is applied");
        assert_eq!(applied.written, part.len());
    }
    let cpu = (cpu_seconds() - cpu_before) * 1e6 / records as f64;
    (records as f64 / started.elapsed().as_secs_f64(), cpu)
}

/// What all threads of this process have used of the processors, to a hundredth of a second.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    let ticks = after_name.split_whitespace().skip(11).take(2);
    ticks.filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>() / 100.0
}

/// Projects, and a key for every customer.
async fn populate(store: &Store, customers: usize) {
    let by = By::new(Actor::cli(), Timestamp::from_millis(0));
    for n in 0..PROJECTS {
        let data_key = SealedDataKey { kid: "1-00000000".into(), bytes: vec![1; 64] };
        let new = NewProject {
            id: ProjectId::from_random(n as u128),
            name: "bench".into(),
            environment: Environment::Test,
            data_key,
            api_keys: Vec::new(),
        };
        store.create_project(new, &by).await.expect("the project is made");
    }
    for customer in 0..customers {
        let key = ConnectKey {
            id: ProviderKeyId::from_random(customer as u128),
            provider: ProviderId::new("openai"),
            ref_id: ref_id(customer),
            label: String::new(),
            priority: None,
            hint: KeyHint::of("sk-0123456789abcdefghij"),
            config: ProviderConfig::default(),
            status: KeyStatus::Valid,
            last_error: None,
            validated_at: None,
            replace: Replace::Any,
        };
        let seal = |_: &ProviderKeyId, _| SealedSecret { bytes: vec![2; 64] };
        let project = ProjectId::from_random((customer % PROJECTS) as u128);
        store.connect_key(&project, key, seal, &by).await.expect("the key is kept");
    }
}

fn ref_id(customer: usize) -> RefId {
    RefId::parse(&format!("customer_{customer}")).expect("a plain name")
}

fn record(n: usize, customers: usize) -> CallRecord {
    let customer = n % customers;
    // A thousand calls a second.
    let at = Timestamp::from_millis(1_700_000_000_000 + n as i64);
    let mut random = [0; 10];
    random[2..].copy_from_slice(&(n as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
    CallRecord {
        id: RequestId::from_parts(at, random),
        project: ProjectId::from_random((customer % PROJECTS) as u128),
        ref_id: ref_id(customer),
        provider: ProviderId::new("openai"),
        model: Some(["gpt-5.4", "gpt-5.4-mini", "text-embedding-3-small"][n % 3].into()),
        operation: "chat/completions".into(),
        key: Some(ProviderKeyId::from_random(customer as u128)),
        source: KeySource::Byok,
        status: 200,
        error: None,
        streamed: n.is_multiple_of(2),
        usage: Some(Usage { input: 900, cache_read: 100, output: 250, ..Usage::default() }),
        usage_estimated: false,
        customer_reported: false,
        cost: Some(PicoUsd::from_pico(706_000_000)),
        unit_prices: None,
        answered: None,
        latency_ms: 812,
        first_byte_ms: Some(211),
        at,
        objects: Vec::new(),
        aftermath: byok_domain::Aftermath::default(),
    }
}
