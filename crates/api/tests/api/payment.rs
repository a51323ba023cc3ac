//! Who paid for a call, as its caller is told.

mod repeats;
mod stored;

use axum::body::Body;
use byok_domain::audit::Actor;
use byok_domain::routing::{Mode, RoutingChange};
use byok_domain::{
    Credits, KeyStatus, ProjectId, ProviderConfig, ProviderId, ProviderKeyId, RefId,
};
use byok_gateway::Ambient;
use byok_store::{By, Grant, NewPlatformKey};
use byok_vault::{Binding, ProviderSecret, Purpose};
use http::Request;
use serde_json::{Value, json};

use crate::rig::{GOOD_KEY, Rig};

const PLATFORM: &str = "sk-platform-canary-0123456789";

impl Rig {
    /// Gives project A a platform key for OpenAI, and the customer `c1` credits.
    async fn sell(&self, credits: u64) {
        let project = ProjectId::new(self.a.id.as_str());
        let by = By::new(Actor::system("test"), self.clock.now());
        let secret = ProviderSecret::parse(PLATFORM.to_owned()).expect("a key");
        let data_key = self.gateway.project(&project).await.expect("read").expect("there");
        let provider = ProviderId::new("openai");
        let key = NewPlatformKey {
            id: ProviderKeyId::from_random(9),
            provider: provider.clone(),
            hint: secret.hint(),
            config: ProviderConfig::default(),
            status: KeyStatus::Valid,
            last_error: None,
            validated_at: None,
        };
        let seal = |id: &ProviderKeyId, version| {
            let binding = Binding {
                purpose: Purpose::PlatformKey,
                project: &project,
                connection: id,
                ref_id: None,
                provider: &provider,
                origin: "",
                version,
            };
            data_key.data_key.seal(&binding, &secret)
        };
        self.store.set_platform_key(&project, key, seal, &by).await.expect("stored");
        if credits > 0 {
            self.give("c1", credits).await;
        }
        self.gateway.forget_all();
    }

    async fn give(&self, customer: &str, credits: u64) {
        let project = ProjectId::new(self.a.id.as_str());
        let by = By::new(Actor::system("test"), self.clock.now());
        let idempotency_key = "once".to_owned();
        let grant = Grant { amount: Credits::new(credits), reason: None, idempotency_key };
        let ref_id = RefId::parse(customer).expect("a refId");
        self.store.grant_credits(&project, &ref_id, &grant, &by).await.expect("granted");
    }

    async fn mode(&self, mode: Mode) {
        let project = ProjectId::new(self.a.id.as_str());
        let by = By::new(Actor::system("test"), self.clock.now());
        let change = RoutingChange { mode: Some(mode), ..RoutingChange::default() };
        self.store.update_routing(&project, change, &by).await.expect("changed");
        self.gateway.forget_all();
    }
}

fn payload() -> Value {
    json!({"model": "gpt-4o-mini", "messages": []})
}

#[tokio::test]
async fn a_fallback_is_told_in_headers_envelope_and_log_and_charged() {
    let rig = Rig::start().await;
    rig.connect("c1").await;
    rig.sell(1_000_000).await;
    rig.provider.accept_only([PLATFORM]);

    let reply = rig.dropped_in("/v1/chat/completions", "c1", &payload()).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    assert_eq!(reply.header("x-byo-key-source"), Some("credits"));
    assert_eq!(reply.header("x-byo-fallback"), Some("key_rejected"));
    assert_eq!(reply.header("x-ratelimit-limit-requests"), Some("100"));
    let row = rig.row(&reply).await;
    assert_eq!(
        (&row["source"], &row["fallbackReason"]),
        (&json!("credits"), &json!("key_rejected"))
    );
    assert_eq!(row["attempts"][0]["errorClass"], "key_rejected", "{row}");
    let charged = row["creditsCharged"].as_u64().expect("charged");
    let project = ProjectId::new(rig.a.id.as_str());
    let left = rig.store.credits(&project, &RefId::parse("c1").expect("a refId")).await;
    let left = left.expect("read");
    assert_eq!((left.balance.get(), left.held.get()), (1_000_000 - charged, 0));

    // The record has marked the key invalid: now it is not even tried.
    let reply = rig.enveloped("openai/chat/completions", "c1", &payload()).await;
    let told = reply.ok();
    assert_eq!(
        (&told["keySource"], &told["fallback"]),
        (&json!("credits"), &json!("key_rejected"))
    );
    assert_eq!(
        rig.provider.requests().last().and_then(|seen| seen.bearer().map(str::to_owned)),
        Some(PLATFORM.to_owned())
    );

    // It works again, and is found out once the customer checks it or credits are gone.
    rig.provider.accept_only([GOOD_KEY, PLATFORM]);
    let key = rig.connect("c1").await;
    assert_eq!(key["status"], "valid", "{key}");
    let reply = rig.dropped_in("/v1/chat/completions", "c1", &payload()).await;
    assert_eq!(reply.header("x-byo-key-source"), Some("byok"));
    assert_eq!(reply.header("x-byo-fallback"), None);
}

#[tokio::test]
async fn a_refund_gives_back_what_its_call_was_charged_and_no_more() {
    use byok_testkit::fake_provider::Answer;

    let rig = Rig::start().await;
    rig.sell(1_000_000).await;
    rig.provider.accept_only([PLATFORM]);
    let dear = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}],
        "usage": {"prompt_tokens": 100_000, "completion_tokens": 0, "total_tokens": 100_000},
    });
    rig.provider.answer_with("", move |_| Answer::json(200, &dear));
    let reply = rig.dropped_in("/v1/chat/completions", "c1", &payload()).await;
    assert_eq!(reply.status, 200, "{}", reply.text);
    let call = reply.header("x-request-id").expect("an id").to_owned();
    let refund = async |body: Value, key: &str| {
        let request = Request::post("/customers/c1/credits")
            .header("authorization", format!("Bearer {}", rig.a.secret))
            .header("content-type", "application/json")
            .header("idempotency-key", key);
        rig.raw(request.body(Body::from(body.to_string())).expect("a request")).await
    };
    // At once: the call's record may still be on its way.
    let one = json!({ "amount": 1, "reason": "a bad answer", "requestId": call });
    let told = refund(one.clone(), "one").await.ok();
    let transaction = &told["transaction"];
    assert_eq!((&transaction["type"], &transaction["amount"]), (&json!("refund"), &json!(1)));
    assert_eq!(transaction["requestId"], json!(call));
    assert_eq!(refund(one, "one").await.ok(), told);
    refund(json!({ "amount": 1, "reason": "a bad answer" }), "one").await.refused(409, "conflict");

    let charged = rig.row(&reply).await["creditsCharged"].as_u64().expect("charged");
    let too_much = refund(json!({ "amount": charged, "requestId": call }), "two").await;
    assert_eq!(too_much.invalid_fields(), ["amount"]);
    assert!(too_much.text.contains(&format!("{} credits of it are left", charged - 1)));
    let unknown = "0190a5b2-0000-7000-8000-000000000000";
    for request in [json!(unknown), json!("no id"), json!(""), json!(7), json!([call])] {
        let refused = refund(json!({ "amount": 1, "requestId": request }), "three").await;
        assert_eq!(refused.invalid_fields(), ["requestId"], "{request}");
    }
    refund(json!({ "amount": charged - 1, "requestId": call }), "four").await.ok();
    let path = "/customers/c1/credits";
    assert_eq!(rig.as_a("GET", path, None).await.ok()["balance"], json!(1_000_000));
    let listed = rig.as_a("GET", &format!("{path}/transactions"), None).await.ok();
    let of_call = listed["data"].as_array().expect("a list").iter();
    let kinds: Vec<_> = of_call
        .filter(|entry| entry["requestId"] == json!(call))
        .map(|entry| entry["type"].as_str().expect("a kind"))
        .collect();
    assert_eq!(kinds, ["refund", "refund", "settle", "release", "hold"]);
    let audit = rig.as_a("GET", "/audit-logs?action=credits.granted", None).await.ok();
    assert_eq!(audit["data"][0]["metadata"]["requestId"], json!(call));
}

#[tokio::test]
async fn a_refusal_after_an_attempt_says_who_was_to_pay_for_that() {
    use byok_testkit::fake_provider::Answer;

    let rig = Rig::start().await;
    rig.connect("c1").await;
    rig.sell(0).await;
    rig.provider.accept_only([PLATFORM]);
    let reply = rig.dropped_in("/v1/chat/completions", "c1", &payload()).await;
    assert_eq!((reply.status, reply.header("x-byo-key-source")), (402, Some("byok")));
    assert_eq!(reply.header("x-byo-fallback"), None, "nobody took over");
    // Nobody pays for a call that is not tried.
    let reply = rig.enveloped("openai/chat/completions", "c2", &payload()).await;
    assert_eq!((reply.status, reply.header("x-byo-key-source")), (402, None));

    rig.sell(1_000_000).await;
    rig.provider.accept_only([GOOD_KEY, PLATFORM]);
    rig.connect("c1").await;
    rig.provider.answer_with("", |seen| {
        if seen.bearer() == Some(GOOD_KEY) {
            Answer::overloaded()
        } else {
            Answer::new(302, "text/plain", "").header("location", "https://example.com/")
        }
    });
    for enveloped in [false, true] {
        let reply = if enveloped {
            rig.enveloped("openai/chat/completions", "c1", &payload()).await
        } else {
            rig.dropped_in("/v1/chat/completions", "c1", &payload()).await
        };
        assert_eq!(reply.status, 502, "{}", reply.text);
        assert_eq!(reply.header("x-byo-key-source"), Some("credits"));
        assert_eq!(reply.header("x-byo-fallback"), Some("provider_down"));
        assert_eq!(reply.header("x-byo-provider"), Some("openai"));
    }
}

#[tokio::test]
async fn a_402_says_what_there_is_to_pay_with() {
    let rig = Rig::start().await;
    rig.connect("c1").await;
    rig.sell(0).await;
    rig.provider.accept_only([PLATFORM]);
    let reply = rig.enveloped("openai/chat/completions", "c1", &payload()).await;
    assert_eq!(reply.header("x-byo-provider"), Some("openai"));
    let told = reply.refused(402, "insufficient_credits");
    assert_eq!(told["data"]["byokProviders"], json!(["openai"]));
    assert_eq!(
        (&told["data"]["hasByok"], &told["data"]["hasCredits"]),
        (&json!(true), &json!(false))
    );

    rig.mode(Mode::ByokOnly).await;
    let reply = rig.dropped_in("/v1/chat/completions", "c2", &payload()).await;
    assert_eq!(reply.status, 402);
    let told = reply.json();
    assert_eq!(
        (&told["error"]["code"], &told["data"]["byokOnlyMode"]),
        (&json!("byok_required"), &json!(true))
    );
    assert!(told["data"]["suggestion"].as_str().is_some_and(|text| text.contains("/keys/connect")));
}

#[tokio::test]
async fn a_model_without_a_price_is_422_on_credits() {
    let rig = Rig::start().await;
    rig.sell(1_000).await;
    let unpriced = json!({"model": "nobody-knows", "messages": []});
    let reply = rig.enveloped("openai/chat/completions", "c1", &unpriced).await;
    reply.refused(422, "unpriced_model");
    assert!(rig.provider.requests().is_empty());
}

#[tokio::test]
async fn a_plans_limit_is_429_with_its_headers() {
    let rig = Rig::start().await;
    rig.sell(10_000_000).await;
    rig.provider.accept_only([PLATFORM]);
    for _ in 0..100 {
        assert_eq!(rig.dropped_in("/v1/chat/completions", "c1", &payload()).await.status, 200);
    }
    let reply = rig.enveloped("openai/chat/completions", "c1", &payload()).await;
    reply.refused(429, "rate_limited");
    assert_eq!(reply.header("retry-after"), Some("60"));
    assert_eq!(reply.header("x-ratelimit-remaining-requests"), Some("0"));
}

#[tokio::test]
async fn a_provider_that_comes_and_goes_is_probed_by_one_call_and_its_return_told_once() {
    use byok_testkit::fake_provider::{Answer, Seen};

    let rig = Rig::start().await;
    let body = json!({ "url": "https://example.com/in", "events": ["byok.*"] });
    let endpoint = rig.as_a("POST", "/webhooks", Some(body)).await.ok();
    rig.connect("c1").await;
    rig.sell(1_000_000).await;
    let own = |seen: &Seen| seen.bearer() == Some(GOOD_KEY);
    let told = async |event: &str| {
        let path = format!("/webhooks/{}/deliveries", endpoint["id"].as_str().expect("an id"));
        let list = rig.as_a("GET", &path, None).await.ok();
        list["data"].as_array().expect("a list").iter().filter(|d| d["event"] == event).count()
    };
    let ok = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    });
    for turn in 1..=3 {
        let answer = ok.clone();
        rig.provider.answer_with("", move |seen| {
            if own(seen) { Answer::overloaded() } else { Answer::json(200, &answer) }
        });
        for n in 1..=7 {
            let reply = rig.dropped_in("/v1/chat/completions", "c1", &payload()).await;
            let because = if n <= 5 { "provider_down" } else { "circuit_open" };
            assert_eq!(reply.header("x-byo-fallback"), Some(because), "{turn}.{n}: {}", reply.text);
        }
        assert_eq!(told("byok.recovered").await, turn - 1);

        let answer = ok.clone();
        rig.provider.answer_with("", move |_| {
            Answer::json(200, &answer).after(std::time::Duration::from_millis(300))
        });
        rig.clock.advance_millis(30_000);
        rig.provider.take_requests();
        let asked = payload();
        let call = || rig.dropped_in("/v1/chat/completions", "c1", &asked);
        let (a, b, c, d) = tokio::join!(call(), call(), call(), call());
        let replies = [a, b, c, d];
        let probes = replies.iter().filter(|r| r.header("x-byo-key-source") == Some("byok"));
        assert_eq!(probes.count(), 1, "turn {turn}");
        assert_eq!(rig.provider.take_requests().iter().filter(|seen| own(seen)).count(), 1);
        for _ in 0..3 {
            let reply = call().await;
            assert_eq!(reply.header("x-byo-key-source"), Some("byok"));
        }
        // Once the last of them is in the log.
        rig.row(&call().await).await;
        assert_eq!(told("byok.recovered").await, turn);
    }
    assert_eq!(told("byok.fallback").await, 2, "one for each reason in a quarter of an hour");
    let project = ProjectId::new(rig.a.id.as_str());
    let books = rig.store.verify_credits().await.expect("read");
    assert!(books.faults.is_empty(), "{books:?}");
    let left = rig.store.credits(&project, &RefId::parse("c1").expect("a refId")).await;
    assert_eq!(left.expect("read").held.get(), 0);
}
