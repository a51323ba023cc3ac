//! Calls on credits that are made again under the same idempotency key.

use super::*;

#[tokio::test]
async fn of_a_hundred_calls_with_one_idempotency_key_one_is_made_and_charged() {
    use byok_testkit::fake_provider::{Answer, Gate};

    let rig = Rig::start().await;
    rig.sell(1_000_000).await;
    rig.provider.accept_only([PLATFORM]);
    let gate = Gate::new();
    let ok = json!({
        "id": "chatcmpl-1", "object": "chat.completion", "model": "gpt-4o-mini",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}],
        "usage": {"prompt_tokens": 11, "completion_tokens": 7, "total_tokens": 18},
    });
    let held = gate.clone();
    rig.provider.answer_with("", move |_| Answer::json(200, &ok).held(&held));
    let payload = payload();
    let answered = std::sync::atomic::AtomicUsize::new(0);
    let calls = (0..100).map(|_| async {
        let reply = rig.repeatable("order-7", "c1", &payload).await;
        // The provider is as slow as all the others take to be answered.
        if answered.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 98 {
            gate.open();
        }
        reply
    });
    let replies = futures_util::future::join_all(calls).await;
    let (made, repeats): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 200);
    let [made] = made[..] else { panic!("{} calls were made", made.len()) };
    let first = made.header("x-request-id").expect("an id");
    for repeat in repeats {
        let told = repeat.json();
        assert_eq!((repeat.status, &told["error"]["code"]), (409, &json!("conflict")), "{told}");
        assert_eq!(told["data"], json!({"repeats": first, "state": "running"}));
    }
    let seen = rig.provider.take_requests();
    assert_eq!((seen.len(), seen[0].header("idempotency-key")), (1, None), "it is ours alone");
    let charged = rig.row(made).await["creditsCharged"].as_u64().expect("charged");
    let left = async || {
        let project = ProjectId::new(rig.a.id.as_str());
        let has = rig.store.credits(&project, &RefId::parse("c1").expect("a refId")).await;
        has.expect("read").available().get()
    };
    assert_eq!(left().await, 1_000_000 - charged);

    // Again, and for something else, once the first has been answered.
    let again = rig.repeatable("order-7", "c1", &payload).await;
    assert_eq!(again.json()["data"], json!({"repeats": first, "state": "charged"}));
    assert!(again.json()["message"].as_str().is_some_and(|text| text.contains(first)));
    let other = json!({"model": "gpt-4o", "messages": []});
    let other = rig.repeatable("order-7", "c1", &other).await;
    assert_eq!((other.status, &other.json()["data"]["state"]), (409, &json!("other")));
    assert!(rig.provider.take_requests().is_empty());
    assert_eq!(left().await, 1_000_000 - charged);

    // A customer's own key is its own affair: the provider is told of the repeat, and decides.
    rig.provider.behave();
    rig.provider.accept_only([GOOD_KEY, PLATFORM]);
    rig.connect("c1").await;
    rig.provider.take_requests();
    let own = rig.repeatable("order-7", "c1", &payload).await;
    assert_eq!((own.status, own.header("x-byo-key-source")), (200, Some("byok")), "{}", own.text);
    let seen = rig.provider.take_requests();
    assert_eq!(seen[0].header("idempotency-key"), Some("order-7"));
}

#[tokio::test]
async fn a_call_that_failed_may_be_made_again_with_its_idempotency_key() {
    use byok_testkit::fake_provider::Answer;

    let rig = Rig::start().await;
    rig.sell(1_000_000).await;
    rig.provider.accept_only([PLATFORM]);
    rig.provider.answer_with("", |_| Answer::server_error());
    let failed = rig.repeatable("order-8", "c1", &payload()).await;
    assert_eq!(failed.status, 500, "{}", failed.text);
    rig.row(&failed).await;
    rig.provider.behave();
    let again = rig.repeatable("order-8", "c1", &payload()).await;
    assert_eq!(again.status, 200, "{}", again.text);
}
