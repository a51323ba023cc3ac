//! A gateway with one project, whose customer `c1` has what a test gives it.

mod books;
mod clock;
mod reply;
mod till;

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use byok_domain::pricing::{PriceBook, PriceTable};
use byok_domain::{CallRecord, ProjectId, RefId, Timestamp};
use byok_gateway::{Call, CallBody, CallError, Gateway, GatewayConfig};
use byok_metering::{
    Applied, Durability, JournalId, Lanes, MemoryCounters, Meter, UsageLog, UsageLogError, Writers,
};
use byok_net::{EgressPolicy, Timeouts, TrustedUrl, Upstream};
use byok_testkit::fake_provider::{Answer, FakeProvider, Seen};
use byok_vault::{Keyring, TokenHasher};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method};
use http_body_util::Full;
use serde_json::{Value, json};

pub(crate) use books::{Books, Key};
pub(crate) use clock::Clock;
pub(crate) use reply::Reply;
pub(crate) use till::Till;

/// The customer's key, where a test needs but one.
pub(crate) const OWN: &str = "sk-customer-0123456789-own";
/// The platform's.
pub(crate) const PLATFORM: &str = "sk-platform-0123456789";
/// The one model that has a price here: an answer of the fake provider's costs 250 credits.
pub(crate) const MODEL: &str = "priced";
/// What such an answer costs.
pub(crate) const PRICE: u64 = 250;
const PRICES: &str = r#"{"openai": {"priced": {"input": 1000, "output": 2000}}}"#;

/// A gateway and all that it meets.
pub(crate) struct Rig {
    pub(crate) gateway: Gateway,
    pub(crate) provider: FakeProvider,
    pub(crate) books: Arc<Books>,
    pub(crate) till: Arc<Till>,
    pub(crate) clock: Clock,
    pub(crate) log: Arc<Log>,
    writers: Writers,
    _folder: tempfile::TempDir,
}

/// A usage log that keeps what it is given.
#[derive(Default)]
pub(crate) struct Log(Mutex<Vec<CallRecord>>);

#[async_trait]
impl UsageLog for Log {
    async fn applied(&self, _: &str) -> Result<u64, UsageLogError> {
        Ok(0)
    }

    async fn apply(
        &self,
        _: &str,
        _: u64,
        records: &[CallRecord],
    ) -> Result<Applied, UsageLogError> {
        self.0.lock().expect("whole").extend_from_slice(records);
        Ok(Applied { written: records.len(), ..Applied::default() })
    }
}

impl Rig {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let provider = FakeProvider::start().expect("a provider");
        let egress = EgressPolicy::new(vec!["127.0.0.0/8".parse().expect("a range")]);
        let timeouts = Timeouts { first_byte: Duration::from_secs(1), ..Timeouts::default() };
        let lanes =
            Lanes::open(folder.path(), 1, Durability::Os, 1 << 24, || JournalId::from_random(7));
        let lanes = Arc::new(lanes.expect("a journal"));
        let log = Arc::new(Log::default());
        let watched: Arc<dyn UsageLog> = log.clone();
        let runtime = tokio::runtime::Handle::current();
        let writers = Writers::start(&lanes, &watched, &runtime).expect("a writer");
        let hex = "1f2e3d4c5b6a798897a6b5c4d3e2f1001122334455667788aabbccddeeff0011";
        let keyring = Arc::new(Keyring::parse("ENCRYPTION_KEY", hex).expect("a keyring"));
        let prices = PriceTable::parse(PRICES).expect("prices");
        let books = Arc::new(Books::new(&keyring));
        let till = Arc::new(Till::default());
        let clock = Clock::at(Timestamp::from_millis(1_800_000_000_000));
        let base = TrustedUrl::parse(&provider.base_url()).expect("a URL");
        let gateway = Gateway::new(GatewayConfig {
            directory: books.clone(),
            keyring,
            hasher: Arc::new(TokenHasher::new([3; 32])),
            admin: None,
            upstream: Upstream::new(egress.clone(), timeouts).expect("a way out"),
            egress,
            meter: Arc::new(Meter::new(lanes, PriceBook::new(prices))),
            ledger: till.clone(),
            counters: Arc::new(MemoryCounters::default()),
            ambient: Arc::new(clock.clone()),
            base_urls: HashMap::from([("openai".to_owned(), base)]),
            max_body: 1 << 20,
        });
        let gateway = gateway.expect("a gateway");
        Self { gateway, provider, books, till, clock, log, writers, _folder: folder }
    }

    /// A rig whose project sells credits, of which the customer has `credits`, beside a key of its
    /// own.
    pub(crate) fn with_key_and_credits(credits: u64) -> Self {
        let rig = Self::start();
        rig.books.connect(Key::new(OWN));
        rig.books.sell(PLATFORM);
        rig.grant(credits);
        rig
    }

    /// Gives the customer credits.
    pub(crate) fn grant(&self, credits: u64) {
        self.till.grant(credits);
        self.books.change(|books| books.balance = credits);
        self.forget();
    }

    /// Lets a change of the books be seen.
    pub(crate) fn forget(&self) {
        self.gateway.forget_all();
    }

    /// The answer that the provider gives to whoever comes with a key.
    pub(crate) fn answers(&self, key: &'static str, answer: Answer) {
        self.answers_with(key, move |_| answer.clone());
    }

    /// Has the provider answer a key, and all others as they were answered.
    pub(crate) fn answers_with(
        &self,
        key: &'static str,
        answer: impl Fn(&Seen) -> Answer + Send + Sync + 'static,
    ) {
        self.books.script(key, Arc::new(answer));
        let scripts = self.books.scripts();
        self.provider.answer_with("", move |seen| {
            let script = scripts.iter().find(|(key, _)| seen.bearer() == Some(*key));
            match script {
                Some((_, script)) => script(seen),
                None => chat(seen),
            }
        });
    }

    /// The keys that the provider was called with, in their order.
    pub(crate) fn tried(&self) -> Vec<String> {
        let requests = self.provider.take_requests();
        requests.iter().filter_map(|seen| seen.bearer().map(str::to_owned)).collect()
    }

    /// A plain call.
    pub(crate) async fn call(&self) -> Reply {
        self.chat(json!({"model": MODEL, "messages": []})).await
    }

    /// A call that asks for a stream.
    pub(crate) async fn stream(&self) -> Reply {
        self.chat(json!({"model": MODEL, "messages": [], "stream": true})).await
    }

    pub(crate) async fn chat(&self, payload: Value) -> Reply {
        let body = CallBody::Json(payload.to_string().into());
        self.at("chat/completions", Method::POST, HeaderMap::new(), body).await
    }

    pub(crate) async fn form(&self, boundary: &str, body: Full<Bytes>) -> Reply {
        let kind = format!("multipart/form-data; boundary={boundary}");
        let kind = HeaderValue::try_from(kind).expect("a value");
        let headers = HeaderMap::from_iter([(http::header::CONTENT_TYPE, kind)]);
        self.at("audio/transcriptions", Method::POST, headers, CallBody::Stream(body)).await
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.at(path, Method::GET, HeaderMap::new(), CallBody::Empty).await
    }

    pub(crate) async fn at(
        &self,
        path: &str,
        method: Method,
        headers: HeaderMap,
        body: CallBody<Full<Bytes>>,
    ) -> Reply {
        let call = self.prepared(path, &method, headers, body);
        Reply::of(self.gateway.call(call).await.map_err(|not| not.why)).await
    }

    pub(crate) fn prepared(
        &self,
        path: &str,
        method: &Method,
        headers: HeaderMap,
        body: CallBody<Full<Bytes>>,
    ) -> Call<Full<Bytes>> {
        let provider = byok_providers::find("openai").expect("registered");
        let (at, id) = self.gateway.begin();
        Call {
            id,
            at,
            started: Instant::now(),
            project: ProjectId::new("p"),
            ref_id: RefId::parse("c1").expect("a refId"),
            provider,
            route: provider.drop_in(method, path),
            query: None,
            headers,
            body,
            continues: None,
            here: None,
        }
    }

    /// What the calls so far left in the log, each settled with the ledger.
    pub(crate) async fn records(&self) -> Vec<CallRecord> {
        assert!(self.writers.caught_up(Duration::from_secs(20)).await, "the writer is stuck");
        let records = self.log.0.lock().expect("whole").clone();
        self.till.settle(&records);
        records
    }

    /// The record of the only call.
    pub(crate) async fn record(&self) -> CallRecord {
        let mut records = self.records().await;
        assert_eq!(records.len(), 1, "{records:?}");
        records.pop().expect("one")
    }

    /// The refusal of a call in our own name.
    pub(crate) async fn refused(&self) -> CallError {
        self.call().await.error()
    }
}

/// The fake provider's own answer to a chat.
pub(crate) fn chat(seen: &Seen) -> Answer {
    let body = seen.json();
    if body["stream"] == true {
        return Answer::chat_stream(MODEL, body["stream_options"]["include_usage"] == true);
    }
    Answer::json(
        200,
        &json!({
            "id": "chatcmpl-1", "object": "chat.completion", "model": MODEL,
            "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}],
            "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
        }),
    )
}
