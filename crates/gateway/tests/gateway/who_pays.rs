//! Which key pays, by what the project, the plan, the keys and the credits are.

use byok_domain::routing::{Mode, RoutingSettings};
use byok_gateway::CallError;

use crate::rig::{Key, OWN, PLATFORM, PRICE, Rig};

/// What the customer's key for the provider is.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Own {
    Usable,
    Unverified,
    Invalid,
    None,
}

/// What there is of credits.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Credits {
    Some,
    None,
    /// The project has a platform key, for another provider.
    Elsewhere,
    /// The project has no platform key.
    NotSold,
}

async fn paid(
    routing: RoutingSettings,
    tier: Option<&str>,
    own: Own,
    credits: Credits,
) -> (String, Vec<String>) {
    let rig = Rig::start();
    rig.books.change(|books| {
        books.routing = routing;
        books.tier = tier.map(str::to_owned);
        books.sells_elsewhere = credits == Credits::Elsewhere;
    });
    let key = Key::new(OWN);
    match own {
        Own::Usable => rig.books.connect(key),
        Own::Unverified => {
            rig.books.connect(Key { status: byok_domain::KeyStatus::Unverified, ..key })
        }
        Own::Invalid => rig.books.connect(key.invalid()),
        Own::None => {}
    }
    if matches!(credits, Credits::Some | Credits::None) {
        rig.books.sell(PLATFORM);
    }
    rig.grant(if credits == Credits::Some { 100_000 } else { 0 });
    let paid = rig.call().await.paid();
    let charged = rig.records().await.iter().filter_map(|record| record.aftermath.credits).count();
    assert_eq!(charged, usize::from(paid.starts_with("credits")), "{paid}");
    (paid, rig.tried())
}

#[tokio::test]
async fn who_pays_is_as_the_table_says() {
    use Credits::{Elsewhere, NotSold};
    use Own::{Invalid, Unverified, Usable};
    let some = Credits::Some;
    let no_credits = Credits::None;
    let no_key = Own::None;
    let on = |mode| RoutingSettings { mode, ..RoutingSettings::default() };
    let first = on(Mode::ByokFirst);
    let only = on(Mode::ByokOnly);
    let credit = on(Mode::CreditFirst);
    let off = RoutingSettings { byok_enabled: false, ..first };
    let (own, platform) = (Some(OWN), Some(PLATFORM));
    for (routing, tier, key, credits, paid_by, sent) in [
        // BYOK off, by policy or by plan.
        (off, None, Usable, some, "credits", platform),
        (off, None, Usable, no_credits, "InsufficientCredits", None),
        (first, Some("free"), Usable, some, "credits", platform),
        (first, Some("free"), Usable, no_credits, "InsufficientCredits", None),
        (only, Some("free"), Usable, some, "credits", platform),
        (first, Some("free"), Usable, NotSold, "ByokNotInPlan", None),
        // byok_only.
        (only, None, Usable, some, "byok", own),
        (only, None, Invalid, some, "byok", own),
        (only, None, no_key, some, "ByokRequired", None),
        (only, None, no_key, NotSold, "ByokRequired", None),
        // byok_first.
        (first, None, Usable, some, "byok", own),
        (first, None, Unverified, some, "byok", own),
        (first, None, Usable, no_credits, "byok", own),
        (first, None, no_key, some, "credits: no_key", platform),
        (first, None, Invalid, some, "credits: key_rejected", platform),
        (first, None, no_key, no_credits, "InsufficientCredits", None),
        (first, None, no_key, Elsewhere, "InsufficientCredits", None),
        // With nowhere else to go a key that failed is tried all the same.
        (first, None, Invalid, no_credits, "byok", own),
        (first, None, Invalid, NotSold, "byok", own),
        (first, None, no_key, NotSold, "KeyNotConnected", None),
        // credit_first.
        (credit, None, Usable, some, "credits", platform),
        (credit, None, no_key, some, "credits", platform),
        (credit, None, Usable, no_credits, "byok", own),
        (credit, None, Usable, Elsewhere, "byok", own),
        (credit, None, no_key, no_credits, "InsufficientCredits", None),
        (credit, None, no_key, NotSold, "KeyNotConnected", None),
        // A plan that there is no more is the default one.
        (first, Some("gone"), Usable, some, "byok", own),
    ] {
        let told = paid(routing, tier, key, credits).await;
        let sent = sent.into_iter().map(str::to_owned).collect::<Vec<_>>();
        let (byok, mode) = (routing.byok_enabled, routing.mode);
        assert_eq!(
            told,
            (paid_by.to_owned(), sent),
            "byok {byok}, {mode:?}, plan {tier:?}, key {key:?}, credits {credits:?}"
        );
    }
}

#[tokio::test]
async fn credits_that_ran_out_since_they_were_looked_at_are_none() {
    // The balance that is remembered says that there are some; the hold finds none.
    for (mode, key, paid, sent) in [
        (Mode::CreditFirst, Some(Key::new(OWN)), "byok", Some(OWN)),
        (Mode::ByokFirst, Some(Key::new(OWN).invalid()), "byok", Some(OWN)),
        (Mode::ByokFirst, None, "InsufficientCredits", None),
        (Mode::CreditFirst, None, "InsufficientCredits", None),
    ] {
        let rig = Rig::start();
        rig.books.sell(PLATFORM);
        rig.books.change(|books| {
            books.keys.extend(key);
            books.routing.mode = mode;
            books.balance = 500;
        });
        assert_eq!(rig.call().await.paid(), paid, "{mode:?}");
        assert_eq!(rig.tried(), sent.into_iter().collect::<Vec<_>>(), "{mode:?}");
        assert_eq!(rig.till.held(), 0);
    }
}

#[tokio::test]
async fn a_refusal_says_what_its_reader_needs_to_mend_it() {
    let rig = Rig::with_key_and_credits(0);
    rig.books.change(|books| books.routing.byok_enabled = false);
    rig.forget();
    let CallError::NotPaid(not_paid) = rig.refused().await else { panic!("not paid") };
    assert!(!not_paid.byok_only && !not_paid.has_credits);
    let providers: Vec<_> = not_paid.providers.iter().map(|id| id.as_str()).collect();
    assert_eq!((providers, not_paid.provider.as_str()), (vec!["openai"], "openai"));

    let rig = Rig::start();
    rig.books.sell(PLATFORM);
    rig.books.change(|books| books.routing.mode = Mode::ByokOnly);
    let CallError::NotPaid(not_paid) = rig.refused().await else { panic!("not paid") };
    assert!(not_paid.byok_only && not_paid.providers.is_empty() && not_paid.failed.is_none());
    assert!(rig.records().await.is_empty(), "what was never sent leaves no record");
}

#[tokio::test]
async fn a_project_that_sells_no_credits_never_asks_for_any() {
    let rig = Rig::start();
    rig.books.connect(Key::new(OWN));
    rig.call().await.answer();
    let read = rig.books.reads();
    for _ in 0..3 {
        assert_eq!(rig.call().await.answer().status, 200);
    }
    assert_eq!(rig.books.reads(), read, "all is remembered");
    assert_eq!(rig.till.asked(), 0);
}

#[tokio::test]
async fn a_key_that_pays_never_moves_credits() {
    let rig = Rig::with_key_and_credits(10_000);
    assert_eq!(rig.call().await.paid(), "byok");
    let record = rig.record().await;
    assert_eq!((record.aftermath.credits, record.aftermath.held), (None, None));
    assert_eq!((rig.till.asked(), rig.till.balance()), (0, 10_000));
}

#[tokio::test]
async fn a_call_on_credits_is_charged_what_it_cost() {
    let rig = Rig::with_key_and_credits(100_000);
    rig.books.change(|books| books.routing.mode = Mode::CreditFirst);
    rig.forget();
    let answer = rig.call().await.answer();
    assert_eq!(answer.json()["choices"][0]["message"]["content"], "Hello there.");
    let record = rig.record().await;
    assert_eq!(record.aftermath.credits.map(|credits| credits.get()), Some(PRICE));
    assert_eq!((record.key, record.customer_reported), (None, false));
    assert_eq!((rig.till.balance(), rig.till.held()), (100_000 - PRICE, 0));
}
