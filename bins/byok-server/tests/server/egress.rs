//! Where a customer's `baseUrl` may lead, when it is saved and when it is used.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::{KEY, Launch, Server, chat, provider, serving};

fn base_url(url: &str) -> Value {
    json!({"providerConfig": {"baseUrl": url}})
}

fn assert_unsaved(server: &Server, urls: &[&str]) {
    for url in urls {
        let reply = server.connect_with("new", KEY, &base_url(url));
        assert_eq!(reply.refusal(), (422, "egress_blocked".to_owned()), "{url}");
        assert_eq!(reply.json()["errors"][0]["field"], "providerConfig.baseUrl", "{url}");
    }
    assert_eq!(server.get("/keys?refId=new").send().json()["total"], 0);
}

const METADATA: [&str; 12] = [
    "https://169.254.169.254/v1",
    "https://[::ffff:169.254.169.254]/v1",
    "https://[::ffff:a9fe:a9fe]/v1",
    "https://2852039166/v1",
    "https://0xa9fea9fe/v1",
    "https://[fd00:ec2::254]/v1",
    "https://metadata.google.internal/v1",
    "https://METADATA.google.internal./v1",
    "https://168.63.129.16/v1",
    "https://100.100.100.200/v1",
    "https://[64:ff9b::a9fe:a9fe]/v1",
    "http://169.254.169.254/latest",
];

#[test]
fn a_private_address_is_not_saved_in_any_spelling() {
    let (provider, server) = serving();
    provider.take_requests();
    assert_unsaved(&server, &METADATA);
    assert_unsaved(
        &server,
        &[
            "https://127.0.0.1/v1",
            "https://127.1/v1",
            "https://127.255.255.254/v1",
            "https://0/v1",
            "https://0.0.0.0/v1",
            "https://0177.0.0.1/v1",
            "https://0x7f.1/v1",
            "https://2130706433/v1",
            "https://0x7f000001/v1",
            "https://017700000001/v1",
            "https://127.0.0.1./v1",
            "https://\u{ff11}27.0.0.1/v1",
            "https://127\u{3002}0.0.1/v1",
            "https://\u{2460}27.0.0.1/v1",
            "https://%31%32%37.0.0.1/v1",
            "https://localhost/v1",
            "https://LOCALHOST/v1",
            "https://localhost./v1",
            "https://a.localhost/v1",
            "https://10.0.0.1/v1",
            "https://172.16.0.1/v1",
            "https://172.31.255.255/v1",
            "https://192.168.0.1/v1",
            "https://100.64.0.1/v1",
            "https://169.254.1.1/v1",
            "https://192.0.0.1/v1",
            "https://192.0.2.1/v1",
            "https://198.18.0.1/v1",
            "https://198.51.100.1/v1",
            "https://203.0.113.1/v1",
            "https://224.0.0.1/v1",
            "https://240.0.0.1/v1",
            "https://255.255.255.255/v1",
            "https://[::]/v1",
            "https://[::1]/v1",
            "https://[0:0:0:0:0:0:0:1]/v1",
            "https://[::ffff:127.0.0.1]/v1",
            "https://[::ffff:7f00:1]/v1",
            "https://[::127.0.0.1]/v1",
            "https://[::ffff:8.8.8.8]/v1",
            "https://[64:ff9b::7f00:1]/v1",
            "https://[64:ff9b:1::1]/v1",
            "https://[2002:7f00:1::]/v1",
            "https://[2001:0:1::1]/v1",
            "https://[fc00::1]/v1",
            "https://[fd12::1]/v1",
            "https://[fe80::1]/v1",
            "https://[fe80::1%25eth0]/v1",
            "https://[fec0::1]/v1",
            "https://[ff02::1]/v1",
            "https://[2001:db8::1]/v1",
        ],
    );
    assert_eq!(provider.requests().len(), 0);
}

#[test]
fn what_is_no_plain_public_https_url_is_not_saved() {
    let (_provider, server) = serving();
    assert_unsaved(
        &server,
        &[
            "http://api.example.com/v1",
            "ftp://api.example.com/v1",
            "file:///etc/passwd",
            "gopher://api.example.com/",
            "unix:///run/docker.sock",
            "data:text/plain,x",
            "ws://api.example.com/v1",
            "javascript:alert(1)",
            "//api.example.com/v1",
            "api.example.com/v1",
            "",
            "https://",
            "https:///v1",
            "https://api.openai.com@evil.example.com/v1",
            "https://user:pass@api.example.com/v1",
            "https://api.example.com\\@evil.example.com/v1",
            "https://api.example.com\t/v1",
            "https://api.example.com/v1\n",
            "https://api.example.com/v1?x=1",
            "https://api.example.com/v1#x",
            "https://api.example.com/../v1",
            "https://api.example.com/%2e%2e/v1",
            "https://api.example.com:22/v1",
            "https://api.example.com:80/v1",
            "https://api.example.com:0/v1",
            "https://api.example.com:/v1",
            "https://api.example.com:99999/v1",
            "https://api_\u{0}.example.com/v1",
            "https://-/v1",
            "https://a..example.com/v1",
        ],
    );
    for odd in [json!(7), json!(["https://api.example.com"]), json!({"url": "https://x"})] {
        let reply = server.connect_with("new", KEY, &json!({"providerConfig": {"baseUrl": odd}}));
        assert_eq!(reply.refusal(), (422, "validation_failed".to_owned()));
    }
}

#[test]
fn metadata_stays_out_of_reach_whatever_the_operator_allows() {
    let provider = provider();
    let everything = "0.0.0.0/0,::/0";
    let server =
        Launch::quickstart(&provider).with("BYO_ALLOW_PRIVATE_UPSTREAMS", everything).start();
    assert_unsaved(&server, &METADATA);
    let connected = server.connect_with("new", KEY, &base_url(&provider.base_url())).json();
    assert_eq!(connected["status"], "valid", "{connected}");
}

#[test]
fn an_address_that_is_allowed_no_more_is_not_called_any_more() {
    let provider = provider();
    let theirs = crate::support::provider();
    let launch = Launch::quickstart(&provider);
    let mut server = launch.clone().with("BYO_ALLOW_PRIVATE_UPSTREAMS", "127.0.0.0/8").start();
    server.connect_with("customer", KEY, &base_url(&theirs.base_url())).answered();
    server.connect("plain", KEY);
    server.still_serves("customer");
    assert!(server.stop().success());
    theirs.take_requests();
    let accepted = theirs.accepted_connections();
    let server = server.again(launch);
    for asked in
        [server.chat("customer", &chat()), server.envelope("chat/completions", "customer", &chat())]
    {
        let reply = asked.send();
        assert_eq!(reply.refusal(), (502, "egress_blocked".to_owned()));
        assert!(!reply.text().contains("127.0.0.1"), "{}", reply.text());
    }
    let validate = json!({"provider": "openai", "refId": "customer"});
    let told = server.post("/keys/validate").json(&validate).send().json();
    assert_eq!((&told["valid"], &told["status"]), (&json!(false), &json!("unverified")));
    assert_eq!(theirs.accepted_connections(), accepted, "somebody called");
    server.still_serves("plain");
}

#[test]
fn an_address_is_changed_together_with_the_key_or_not_at_all() {
    let provider = provider();
    let (one, two) = (crate::support::provider(), crate::support::provider());
    let server =
        Launch::quickstart(&provider).with("BYO_ALLOW_PRIVATE_UPSTREAMS", "127.0.0.0/8").start();
    server.connect_with("customer", KEY, &base_url(&one.base_url())).answered();
    let mut change = json!({"provider": "openai", "refId": "customer"});
    change["providerConfig"] = json!({"baseUrl": two.base_url()});
    let asked = server.post("/keys/connect").json(&change);
    assert_eq!(asked.send().refusal(), (409, "key_required".to_owned()));
    server.still_serves("customer");
    assert_eq!(two.requests().len(), 0, "the other address never saw the key");
    server
        .connect_with("customer", "sk-proj-new-0123456789abcdef", &base_url(&two.base_url()))
        .answered();
    one.take_requests();
    server.still_serves("customer");
    assert_eq!(one.requests().len(), 0);
    assert_eq!(
        two.requests().last().and_then(|seen| seen.bearer()),
        Some("sk-proj-new-0123456789abcdef")
    );
}

#[test]
fn a_key_moved_to_another_address_in_the_database_does_not_open() {
    let provider = provider();
    let (theirs, thief) = (crate::support::provider(), crate::support::provider());
    let launch = Launch::quickstart(&provider).with("BYO_ALLOW_PRIVATE_UPSTREAMS", "127.0.0.0/8");
    let mut server = launch.clone().start();
    server.connect_with("customer", KEY, &base_url(&theirs.base_url())).answered();
    server.connect("plain", KEY);
    assert!(server.stop().success());
    let port = |provider: &byok_testkit::fake_provider::FakeProvider| {
        format!("127.0.0.1:{}/v1", provider.address().port())
    };
    let changed =
        crate::support::replace_in_database(server.launch.scratch(), &port(&theirs), &port(&thief));
    assert!(changed > 0, "the address stands in the database");
    let server = server.again(launch);
    let reply = server.chat("customer", &chat()).send();
    assert_eq!(reply.refusal(), (500, "vault_integrity".to_owned()));
    let reply = server
        .post("/keys/validate")
        .json(&json!({"provider": "openai", "refId": "customer"}))
        .send();
    assert_eq!(reply.refusal(), (500, "vault_integrity".to_owned()));
    assert_eq!(thief.accepted_connections(), 0, "the thief saw nothing");
    server.still_serves("plain");
}

#[test]
fn an_address_cannot_be_used_to_look_around() {
    let provider = provider();
    let server =
        Launch::quickstart(&provider).with("BYO_ALLOW_PRIVATE_UPSTREAMS", "127.0.0.0/8").start();
    let closed =
        TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let page = crate::support::provider();
    page.answer_at(
        "",
        byok_testkit::fake_provider::Answer::new(200, "text/html", "secret canary page"),
    );
    let mut told = Vec::new();
    for url in [format!("http://{closed}/v1"), page.base_url()] {
        let started = Instant::now();
        let reply = server.connect_with("customer", KEY, &base_url(&url)).json();
        let (status, message) = (reply["status"].clone(), reply["message"].clone());
        told.push((status, message));
        assert!(started.elapsed() < Duration::from_secs(5));
        assert!(!reply.to_string().contains("canary"), "{reply}");
    }
    assert_eq!(told[0], told[1], "a closed port and a web page look the same");
    assert_eq!(told[0].0, "unverified");
}

#[test]
fn a_base_url_that_leads_back_here_ends_at_once() {
    let provider = provider();
    let server =
        Launch::quickstart(&provider).with("BYO_ALLOW_PRIVATE_UPSTREAMS", "127.0.0.0/8").start();
    let itself = format!("http://{}/v1", server.address);
    // Its key is a token of ours: only so could a call get past the door.
    let body = base_url(&itself);
    server.connect_with("loop", &server.keys.secret, &body).answered();
    let started = Instant::now();
    let reply = server.chat("loop", &chat()).by("loop").send();
    assert!(reply.status >= 400, "{}", reply.status);
    let reply = server.chat("loop", &chat()).send();
    assert!(reply.status >= 400, "{}", reply.status);
    assert!(started.elapsed() < Duration::from_secs(10));
    assert_eq!(provider.requests().len(), 0);
    assert!(server.calls("loop").len() <= 2, "{:?}", server.calls("loop"));
}
