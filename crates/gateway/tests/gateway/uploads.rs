//! Forms that stream through, and those that are taken in because credits may pay for them.

use byok_gateway::CallError;
use byok_testkit::fake_provider::Answer;
use bytes::Bytes;
use http_body_util::Full;

use crate::rig::{Key, MODEL, OWN, PLATFORM, Rig};

/// A form whose model stands behind its file.
fn form(model: &str) -> Full<Bytes> {
    let file = "x".repeat(3_000);
    Full::new(Bytes::from(format!(
        "--b\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a.mp3\"\r\n\r\n{file}\r\n\
         --b\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\n{model}\r\n--b--\r\n"
    )))
}

/// An address where nobody listens.
fn nobody() -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    format!("http://{}/v1", listener.local_addr().expect("an address"))
}

#[tokio::test]
async fn an_upload_that_was_taken_is_not_made_again() {
    let rig = Rig::with_key_and_credits(1_000_000);
    rig.answers(OWN, Answer::key_rejected(OWN));
    let reply = rig.form("b", form(MODEL)).await;
    assert_eq!(reply.paid(), "byok");
    assert_eq!(reply.answer().status, 401);
    assert_eq!(rig.tried(), [OWN]);
    assert_eq!(rig.record().await.model.as_deref(), Some(MODEL));
}

#[tokio::test]
async fn an_upload_of_which_nothing_was_sent_goes_to_the_next() {
    let rig = Rig::start();
    rig.books.connect(Key::new(OWN).at(nobody()));
    rig.books.sell(PLATFORM);
    rig.grant(1_000_000);
    let reply = rig.form("b", form(MODEL)).await;
    assert_eq!(reply.paid(), "credits: provider_down");
    let [request] = &rig.provider.take_requests()[..] else { panic!("one request") };
    assert_eq!(request.bearer(), Some(PLATFORM));
    assert!(request.body.ends_with(b"--b--\r\n"));
}

#[tokio::test]
async fn credits_pay_for_an_upload_once_its_model_is_known() {
    let rig = Rig::start();
    rig.books.sell(PLATFORM);
    rig.grant(1_000_000);
    let reply = rig.form("b", form(MODEL)).await;
    assert_eq!(reply.paid(), "credits: no_key");
    assert!(rig.provider.take_requests()[0].body.len() > 3_000);
    assert_eq!(rig.record().await.model.as_deref(), Some(MODEL));

    let error = rig.form("b", form("nobody-knows")).await.error();
    assert!(matches!(error, CallError::Unpriced(_)), "{error:?}");
    assert!(rig.tried().is_empty());
}

#[tokio::test]
async fn an_upload_that_is_too_long_is_not_taken_in() {
    let rig = Rig::start();
    rig.books.sell(PLATFORM);
    rig.grant(1_000_000);
    let error = rig.form("b", Full::new(vec![b'x'; (1 << 20) + 1].into())).await.error();
    assert!(matches!(error, CallError::BodyTooLarge), "{error:?}");
    assert_eq!(rig.till.held(), 0);
}
