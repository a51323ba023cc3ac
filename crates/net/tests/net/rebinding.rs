//! The address that was judged is the address that is dialled.

use std::{sync::Arc, time::Duration};

use byok_net::{Base, EgressPolicy, SendError, Upstream};

use crate::support::{Fake, Scripted, customer, fetch, get, policy, timeouts, trusted};

const OK: &str = "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok";

fn client(policy: &EgressPolicy, resolver: &Arc<Scripted>) -> Upstream {
    Upstream::builder(policy.clone())
        .timeouts(timeouts(2000, 2000, 2000))
        .resolver(Arc::clone(resolver) as _)
        .build()
        .expect("a client")
}

/// Stands on 127.0.0.1 at the port of the upstream on 127.0.0.2, where nobody may come.
async fn pair() -> (Fake, Fake) {
    for _ in 0..50 {
        let allowed = Fake::start_on("127.0.0.2", |mut wire| async move {
            wire.request().await;
            wire.write(OK).await;
        })
        .await;
        if let Ok(listener) =
            tokio::net::TcpListener::bind(("127.0.0.1", allowed.address.port())).await
        {
            return (allowed, Fake::on(listener, |_| async {}));
        }
    }
    panic!("no port is free on two addresses");
}

fn base(policy: &EgressPolicy, fake: &Fake) -> Base {
    customer(policy, "p", &format!("http://rebinding.example:{}", fake.address.port()))
}

#[tokio::test]
async fn a_name_that_changes_its_mind_is_judged_and_dialled_by_one_answer() {
    let (allowed, canary) = pair().await;
    let policy = policy(&["127.0.0.2/32"]);
    let good: &[&str] = &["127.0.0.2"];
    let evil: &[&str] = &["127.0.0.1"];
    let script: Vec<&[&str]> =
        (0..200).map(|turn| if turn % 2 == 0 { good } else { evil }).collect();
    let resolver = Scripted::new(&script);
    let upstream = client(&policy, &resolver);
    let base = base(&policy, &allowed);
    let calls = (0..200).map(|_| fetch(&upstream, &base));
    let results = futures_util::future::join_all(calls).await;
    let answered = results.iter().filter(|result| result.is_ok()).count();
    assert_eq!((answered, allowed.connections(), canary.connections()), (100, 100, 0));
    let blocked = results.iter().filter(|result| matches!(result, Err(SendError::Blocked)));
    assert_eq!(blocked.count(), 100);
    assert_eq!(resolver.asked().len(), 200, "one look-up a connection");
}

#[tokio::test]
async fn one_bad_address_spoils_an_answer_wherever_it_stands() {
    let (allowed, canary) = pair().await;
    let policy = policy(&["127.0.0.2/32"]);
    let many: Vec<&str> = vec!["127.0.0.2"; 1000];
    let mut late: Vec<&str> = vec!["127.0.0.2"; 60];
    late.push("127.0.0.1");
    let answers: [&[&str]; 7] = [
        &["127.0.0.2", "127.0.0.1"],
        &["127.0.0.1", "127.0.0.2"],
        &["127.0.0.2", "8.8.8.8"],
        &["127.0.0.2", "::1"],
        &["127.0.0.2", "169.254.169.254"],
        &late,
        &many,
    ];
    for answer in answers {
        let upstream = client(&policy, &Scripted::new(&[answer]));
        let sent = fetch(&upstream, &base(&policy, &allowed)).await;
        assert!(matches!(sent, Err(SendError::Blocked)), "{:?}", answer.last());
    }
    assert_eq!((allowed.connections(), canary.connections()), (0, 0));
}

#[tokio::test]
async fn an_https_name_that_leads_inside_is_blocked_and_its_check_says_so_too() {
    let policy = EgressPolicy::default();
    for address in
        ["127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "fd00::1", "64:ff9b::808:808"]
    {
        let upstream = client(&policy, &Scripted::new(&[&[address]]));
        let base = customer(&policy, "p", "https://inside.example");
        assert!(matches!(fetch(&upstream, &base).await, Err(SendError::Blocked)), "{address}");
        assert!(matches!(upstream.check(&base).await, Err(SendError::Blocked)), "{address}");
    }
    let upstream = client(&policy, &Scripted::new(&[&["8.8.8.8", "2606:4700::1111"]]));
    assert!(upstream.check(&customer(&policy, "p", "https://public.example")).await.is_ok());
}

#[tokio::test]
async fn plain_http_to_a_name_needs_every_address_on_the_list() {
    let policy = policy(&["10.0.0.0/8"]);
    for url in ["http://public.example", "https://public.example:11434"] {
        let upstream = client(&policy, &Scripted::new(&[&["8.8.8.8"]]));
        let base = customer(&policy, "p", url);
        assert!(matches!(upstream.check(&base).await, Err(SendError::Blocked)), "{url}");
        let upstream = client(&policy, &Scripted::new(&[&["10.0.0.1"]]));
        assert!(upstream.check(&base).await.is_ok(), "{url}");
    }
}

#[tokio::test]
async fn a_dead_first_address_does_not_cost_the_call() {
    let (allowed, _canary) = pair().await;
    let resolver = Scripted::new(&[&["127.0.0.3", "127.0.0.2"]]);
    let upstream = client(&EgressPolicy::default(), &resolver);
    let base = trusted(&format!("http://two.example:{}", allowed.address.port()));
    assert_eq!(fetch(&upstream, &base).await.expect("an answer"), "ok");
    assert_eq!(resolver.asked(), ["two.example"]);
}

#[tokio::test]
async fn no_way_to_fail_to_reach_a_customers_host_looks_different() {
    let policy = policy(&["127.0.0.0/8"]);
    let refused = customer(&policy, "p", "http://127.0.0.9:1");
    let blocked = customer(&policy, "p", "http://blocked.example:1");
    let unknown = customer(&policy, "p", "http://unknown.example:1");
    let mut seen = Vec::new();
    for (base, answer) in
        [(&refused, &["127.0.0.9"][..]), (&blocked, &["10.0.0.1"]), (&unknown, &[])]
    {
        let upstream = client(&policy, &Scripted::new(&[answer]));
        let started = std::time::Instant::now();
        let error = upstream.send(base, get(base, "/")).await.expect_err("a failure");
        assert!(!error.was_sent());
        seen.push(error.to_string());
        let took = started.elapsed();
        assert!(
            took >= Duration::from_millis(500) && took < Duration::from_millis(1500),
            "{took:?}"
        );
    }
    seen.push(SendError::Timeout { sent: false }.to_string());
    seen.dedup();
    assert_eq!(seen.len(), 1, "{seen:?}");
}
