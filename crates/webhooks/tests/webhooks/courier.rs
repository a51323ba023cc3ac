//! One attempt, at each kind of receiver.

use std::time::Duration;

use byok_domain::ProjectId;
use byok_webhooks::{Outcome, Sealed, SealedSecrets, Secret, signed_headers};
use zeroize::Zeroizing;

use crate::memory::claimed;
use crate::receiver::Receiver;
use crate::{TestClock, courier};

const DEADLINE: Duration = Duration::from_millis(600);

#[tokio::test]
async fn each_kind_of_answer_has_its_outcome_within_the_deadline() {
    let receiver = Receiver::start().await;
    let courier = courier(&TestClock::new(), DEADLINE);
    for (path, outcome) in [
        ("/ok", Outcome::Delivered(200)),
        ("/204", Outcome::Delivered(204)),
        ("/ok?token=x%20y", Outcome::Delivered(200)),
        ("/404", Outcome::Refused(404)),
        ("/410", Outcome::Refused(410)),
        ("/429", Outcome::Refused(429)),
        ("/500", Outcome::Refused(500)),
        ("/redirect", Outcome::Redirected(307)),
        ("/304", Outcome::Redirected(304)),
        ("/hang", Outcome::TimedOut),
        ("/trickle", Outcome::TimedOut),
        ("/trickling-head", Outcome::TimedOut),
        ("/headers", Outcome::Broken),
        ("/broken", Outcome::Broken),
        ("/no-http", Outcome::Broken),
        ("/close", Outcome::Broken),
        ("/huge", Outcome::Delivered(200)),
    ] {
        let attempt = courier.attempt(&claimed("dlv_1", &receiver.url(path))).await;
        assert_eq!(attempt.outcome, outcome, "{path}");
        assert!(attempt.duration < DEADLINE * 3, "{path} took {:?}", attempt.duration);
        let asked = (path == "/429").then_some(Duration::from_secs(777));
        assert_eq!(attempt.retry_after, asked, "{path}");
    }
    assert_eq!(receiver.at("/secret-place").len(), 0, "a redirect was followed");
    // What the kernel takes on its own is more than what is read.
    assert!(receiver.taken() < 16 << 20, "{} bytes of a huge answer were taken", receiver.taken());
}

#[tokio::test]
async fn what_arrives_is_what_was_signed() {
    let receiver = Receiver::start().await;
    let clock = TestClock::new();
    let rotating = SealedSecrets {
        current: Sealed { bytes: vec![2], version: 2 },
        previous: Some(Sealed { bytes: vec![1], version: 1 }),
    };
    let mut claimed = claimed("dlv_1", &receiver.url("/in/here?a=b"));
    claimed.body = "{\"ü\": \"\\u0000\\n\"}".into();
    claimed.secrets = rotating;
    let attempt = courier(&clock, DEADLINE).attempt(&claimed).await;
    assert!(attempt.outcome.is_success());
    let request = receiver.received().remove(0);
    assert_eq!((request.path.as_str(), &request.body[..]), ("/in/here?a=b", &claimed.body[..]));
    assert!(request.head.starts_with("POST "));
    let secret = |byte| Secret::new(Zeroizing::new([byte; 32]));
    let (new, old) = (secret(2), secret(1));
    let signed = signed_headers(&claimed.event, attempt.at, &request.body, &new, Some(&old));
    for (name, value) in &signed {
        assert_eq!(request.header(name.as_str()), value.to_str().ok(), "{name}");
    }
    assert!(!request.head.contains("whsec_"));
}

#[tokio::test]
async fn a_forbidden_address_and_an_absent_one_look_the_same() {
    let clock = TestClock::new();
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let courier = courier(&clock, Duration::from_secs(3));
    for url in [
        format!("http://{closed}/"),
        "https://10.9.9.9/".to_owned(),
        "http://169.254.169.254/latest/meta-data".to_owned(),
        "https://nowhere.invalid/".to_owned(),
        "no URL".to_owned(),
    ] {
        let attempt = courier.attempt(&claimed("dlv_1", &url)).await;
        assert_eq!(attempt.outcome, Outcome::Unreachable, "{url}");
    }
}

#[tokio::test]
async fn a_secret_that_does_not_open_sends_nothing() {
    let receiver = Receiver::start().await;
    let mut claimed = claimed("dlv_1", &receiver.url("/ok"));
    claimed.secrets.current.bytes.clear();
    let attempt = courier(&TestClock::new(), DEADLINE).attempt(&claimed).await;
    assert_eq!(attempt.outcome, Outcome::Unsigned);
    assert_eq!(receiver.received().len(), 0);
}

#[tokio::test]
async fn an_address_is_judged_when_it_is_saved() {
    let project = ProjectId::new("proj_1");
    let courier = courier(&TestClock::new(), DEADLINE);
    assert!(courier.check(&project, "http://127.0.0.1:9/in").await.is_ok());
    assert!(courier.check(&project, "https://nowhere.invalid/").await.is_ok());
    for url in ["http://8.8.8.8/", "https://10.0.0.1/", "https://[::1]/", "x"] {
        assert!(courier.check(&project, url).await.is_err(), "{url}");
    }
}
