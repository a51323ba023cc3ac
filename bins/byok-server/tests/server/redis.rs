//! Limits of plans that several servers count together in Redis, and what happens without it.

use std::fs;
use std::time::{Duration, Instant};

use byok_testkit::fake_provider::{Answer, FakeProvider, Gate};
use rcgen::{CertificateParams, KeyPair};
use serde_json::json;

use crate::support::{
    KEY, Launch, PASSWORD, Postgres, Redis, Reply, Request, SOON, Server, chat, is, provider,
    shared_redis, soon, streamed_chat,
};

/// The longest that a call waits for Redis.
const ANSWER: Duration = Duration::from_millis(250);

/// Has the project sell calls to `buyer`, within these limits of its one plan.
fn sell(server: &Server, minute: Option<u64>, at_once: Option<u64>) {
    let project = &server.keys.project;
    let key = json!({"providerKey": "sk-platform-canary-0123456789"});
    let path = format!("/projects/{project}/platform-keys/openai");
    server.put(&path).json(&key).send().answered();
    let tiers = json!([{
        "name": "only", "byokAllowed": true, "requestsPerMinute": minute,
        "tokensPerDay": null, "concurrentRequests": at_once,
    }]);
    server.put(&format!("/projects/{project}/tiers")).json(&tiers).send().answered();
    let grant = server.post("/customers/buyer/credits").header("idempotency-key", "once");
    let granted = grant.json(&json!({"amount": 100_000_000, "reason": "test"})).send();
    assert!(granted.status < 300, "{}", granted.text());
}

fn buy(server: &Server) -> Reply {
    server.chat("buyer", &chat()).send()
}

/// Whether the answer tells of a plan's limit. Without one of ours the provider's own is told.
fn is_counted(reply: &Reply, limit: &str) -> bool {
    reply.header("x-ratelimit-limit-requests") == Some(limit)
}

/// One server in front of `redis`, whose metrics are beside it.
fn serving(redis: &Redis, fail: &str) -> (FakeProvider, Server) {
    let provider = provider();
    let server = Launch::quickstart(&provider)
        .with("BYO_REDIS_URL", redis.url())
        .with("BYO_LIMITS_FAIL", fail)
        .with("BYO_METRICS_LISTEN", format!("{}:9464", redis.address()))
        .with("BYO_DURABILITY", "os")
        .start();
    server.connect("customer", KEY);
    (provider, server)
}

fn metrics(redis: &Redis) -> String {
    Request::new((redis.address(), 9464).into(), "GET", "/metrics", "").anonymous().send().text()
}

fn times_logged(server: &Server, text: &str) -> usize {
    server.log().matches(text).count()
}

#[test]
#[ignore = "needs PostgreSQL and Redis servers, which `cargo xtask test` starts"]
fn a_plan_of_ten_calls_a_minute_lets_ten_through_three_servers_on_redis_and_postgres() {
    let (provider, database) = (provider(), Postgres::new());
    let launch = Launch::quickstart(&provider).with("BYO_REDIS_URL", shared_redis());
    let one = database.under(launch).start();
    let another = || {
        let launch = Launch::quickstart(&provider).with("BYO_REDIS_URL", shared_redis());
        database.beside(&one, launch)
    };
    let (two, three) = (another(), another());
    sell(&one, Some(10), None);
    let mut statuses = Vec::new();
    std::thread::scope(|scope| {
        let callers: Vec<_> = [&one, &two, &three]
            .into_iter()
            .cycle()
            .take(12)
            .map(|server| scope.spawn(|| (0..5).map(|_| buy(server)).collect::<Vec<_>>()))
            .collect();
        for caller in callers {
            statuses.extend(caller.join().expect("no panic"));
        }
    });
    let (passed, refused): (Vec<_>, Vec<_>) =
        statuses.iter().partition(|reply| reply.status == 200);
    assert_eq!((passed.len(), refused.len()), (10, 50));
    for reply in refused {
        assert_eq!(reply.refusal(), is(429, "rate_limited"));
        let after: u64 = reply.header("retry-after").expect("told").parse().expect("seconds");
        assert!((1..=60).contains(&after), "{after}");
        assert_eq!(reply.header("x-ratelimit-remaining-requests"), Some("0"));
    }
    let mut left: Vec<_> =
        passed.iter().filter_map(|reply| reply.header("x-ratelimit-remaining-requests")).collect();
    left.sort_unstable();
    assert_eq!(left, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9"]);
}

#[test]
#[ignore = "needs PostgreSQL and Redis servers, which `cargo xtask test` starts"]
fn calls_at_the_same_time_are_counted_across_servers_on_redis_and_postgres() {
    let (provider, database) = (provider(), Postgres::new());
    let launch = || Launch::quickstart(&provider).with("BYO_REDIS_URL", shared_redis());
    let mut one = database.under(launch()).start();
    let two = database.beside(&one, launch());
    sell(&one, None, Some(1));
    let gate = Gate::new();
    provider.answer_next(Answer::chat_stream("gpt-4o-mini", true).hold_at(300, &gate));
    let mut under_way = one.chat("buyer", &streamed_chat()).open();
    assert!(under_way.next().is_some());
    let refused = buy(&two);
    assert_eq!(refused.refusal(), is(429, "rate_limited"));
    assert_eq!(refused.json()["data"]["limit"], "concurrentRequests");
    gate.open();
    assert!(under_way.rest().whole);
    assert!(soon(SOON, || buy(&two).status == 200));

    // Whoever stops has told of its last call.
    assert_eq!(buy(&one).status, 200);
    assert!(one.stop().success());
    assert_eq!(buy(&two).status, 200);
}

#[test]
#[ignore = "needs redis-server, without which `cargo xtask test` leaves it out"]
fn without_redis_calls_pass_uncounted_or_are_refused_until_it_is_back() {
    for fail in ["open", "closed"] {
        let mut redis = Redis::start(&[]);
        let (_provider, server) = serving(&redis, fail);
        sell(&server, Some(2), None);
        for status in [200, 200, 429] {
            assert_eq!(buy(&server).status, status);
        }
        redis.kill();
        for _ in 0..5 {
            let reply = buy(&server);
            if fail == "open" {
                assert_eq!((reply.status, is_counted(&reply, "2")), (200, false));
            } else {
                assert_eq!(reply.refusal(), is(503, "unavailable"));
                assert_eq!(reply.header("retry-after"), Some("1"));
            }
            server.still_serves("customer");
        }
        assert_eq!(server.get("/readyz").anonymous().send().status, 200);
        let told = metrics(&redis);
        let failed = format!("byok_limits_failed_total{{mode=\"{fail}\"}} 5\n");
        assert!(told.contains(&failed), "{told}");
        assert!(told.contains("byok_redis_up 0\n"), "{told}");
        assert_eq!(times_logged(&server, "Redis is away"), 1, "{}", server.log());
        assert_eq!(times_logged(&server, " ERROR "), 0, "{}", server.log());

        redis.start_again();
        assert!(soon(SOON, || is_counted(&buy(&server), "2")));
        assert_eq!(buy(&server).status, 200, "what it had counted is gone with it");
        assert_eq!(buy(&server).status, 429);
        assert!(metrics(&redis).contains("byok_redis_up 1\n"));
        assert_eq!(times_logged(&server, "counted in Redis"), 2, "{}", server.log());
    }
}

#[test]
#[ignore = "needs redis-server, without which `cargo xtask test` leaves it out"]
fn a_redis_that_hangs_holds_up_one_call_on_credits_and_none_on_a_customers_key() {
    let redis = Redis::start(&[]);
    // A refusal waits for nothing but Redis; a call on credits would wait for the database, too.
    let (_provider, server) = serving(&redis, "closed");
    sell(&server, Some(1_000), None);
    let timed = |count: u32, call: &dyn Fn()| {
        let began = Instant::now();
        (0..count).for_each(|_| call());
        began.elapsed() / count
    };
    let own = || server.still_serves("customer");
    let refused = || assert_eq!(buy(&server).status, 503);
    assert_eq!(buy(&server).status, 200);
    let before = timed(20, &own);
    redis.hang(true);
    let hanging = timed(20, &own);
    assert!(hanging < 3 * before + ANSWER / 4, "{before:?} became {hanging:?}");
    assert!(timed(1, &refused) >= ANSWER, "this call found out");
    let after = timed(20, &refused);
    assert!(after < ANSWER / 2, "{after:?}");
    redis.hang(false);
    assert!(soon(SOON, || is_counted(&buy(&server), "1000")), "{}", server.log());
}

#[test]
#[ignore = "needs redis-server, without which `cargo xtask test` leaves it out"]
fn a_wrong_password_is_told_to_the_operator_and_shown_to_nobody() {
    let redis = Redis::start(&["--requirepass", "another"]);
    let provider = provider();
    for (credentials, well) in
        [(format!(":{PASSWORD}@"), false), (String::new(), false), (":another@".to_owned(), true)]
    {
        let url = format!("redis://{credentials}{}", redis.address());
        let launch = Launch::quickstart(&provider).with("BYO_REDIS_URL", url);
        let mut server = launch.with("BYO_LOG", "trace").start();
        let refused = "it does not accept the user and password of its URL";
        assert_eq!(times_logged(&server, refused), usize::from(!well), "{}", server.log());
        assert!(!server.log().contains(PASSWORD), "{}", server.log());
        assert!(server.stop().success());
        let (success, told) = doctor(&server.launch);
        assert_eq!(success, well, "{told}");
        let line = told.lines().find(|line| line.contains("redis")).expect(&told);
        let expected = if well {
            "ok     redis       counts the limits of plans".to_owned()
        } else {
            format!("WRONG  redis       BYO_REDIS_URL: {refused}")
        };
        assert_eq!(line, expected);
    }
}

#[test]
#[ignore = "needs redis-server, without which `cargo xtask test` leaves it out"]
fn a_rediss_url_is_tls_with_a_certificate_that_is_verified() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name).display().to_string();
    let address = Redis::own_address();
    for name in ["its", "another"] {
        let key = KeyPair::generate().expect("a key");
        let params = CertificateParams::new([address.to_string()]).expect("a good name");
        let certificate = params.self_signed(&key).expect("a certificate").pem();
        fs::write(path(&format!("{name}.pem")), certificate).expect("a writable folder");
        fs::write(path(&format!("{name}.key")), key.serialize_pem()).expect("a writable folder");
    }
    let (certificate, key) = (path("its.pem"), path("its.key"));
    let files = ["--tls-cert-file", &certificate, "--tls-key-file", &key];
    let more =
        ["--tls-port", "6380", "--tls-auth-clients", "no", "--tls-ca-cert-file", &certificate];
    let _redis = Redis::start_at(address, &[&files[..], &more].concat());
    let provider = provider();
    let mut server = Launch::quickstart(&provider)
        .with("BYO_REDIS_URL", format!("rediss://{address}:6380"))
        .with("SSL_CERT_FILE", certificate)
        .start();
    sell(&server, Some(1), None);
    assert_eq!([buy(&server).status, buy(&server).status], [200, 429], "{}", server.log());
    assert!(server.stop().success());
    let (success, told) = doctor(&server.launch);
    assert!(success, "{told}");
    let (success, told) = doctor(&server.launch.clone().with("SSL_CERT_FILE", path("another.pem")));
    assert!(!success && told.contains("certificate"), "{told}");
}

fn doctor(launch: &Launch) -> (bool, String) {
    let key = launch.scratch().data().join("encryption.key").display().to_string();
    let output = launch.clone().with("ENCRYPTION_KEY_FILE", key).run(&["doctor"]);
    (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
}
