//! Three processes on one PostgreSQL database, racing for what there is one of.

use std::collections::BTreeMap;
use std::time::Duration;

use byok_domain::{
    Aftermath, CallRecord, Credits, ErrorClass, KeySource, ProviderKeyId, WebhookId,
};
use byok_metering::{CreditLedger, Held, Hold, UsageLog};
use byok_store::{Database, Grant, Ledger, NewWebhook, Store};
use byok_vault::SealedSecret;
use byok_webhooks::{Attempt, Limits, Next, NoticeBox, Outbox, Outcome, Wanted};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use crate::support::{Rig, at, audit_key, by, call, key, on_postgres, ref_id, request_id, rounds};

/// The rig's store and two more, each with connections of its own.
async fn three_stores(rig: &Rig) -> [Store; 3] {
    let open = async || Store::new(Database::open(&rig.place.url).await.unwrap(), audit_key());
    [rig.store.clone(), open().await, open().await]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a PostgreSQL server, which `cargo xtask test` starts"]
async fn a_hundred_calls_at_three_instances_race_for_the_last_credit_on_postgres() {
    on_postgres(Box::pin(async {
        let rig = Rig::new().await;
        let project = rig.project(1).await;
        let stores = three_stores(&rig).await;
        let ledgers =
            stores.clone().map(|store| Ledger::start(store, &Handle::current(), || at(0)));
        for round in 0..rounds(30) {
            let customer = format!("customer_{round}");
            let last = 1 + round % 2;
            let grant =
                Grant { amount: Credits::new(last), reason: None, idempotency_key: "k".into() };
            // The grant is given once, whoever is asked for it and how often.
            let mut granting = JoinSet::new();
            for store in stores.clone() {
                let (project, customer, grant) =
                    (project.clone(), ref_id(&customer), grant.clone());
                granting.spawn(async move {
                    store.grant_credits(&project, &customer, &grant, &by(0)).await.unwrap()
                });
            }
            granting.join_all().await;
            let mut racing = JoinSet::new();
            for n in 0..100_usize {
                let hold = Hold {
                    project: project.clone(),
                    ref_id: ref_id(&customer),
                    request: request_id(1),
                    estimate: Credits::new(1 + n as u64 % 5),
                    at: at(1),
                    deadline: at(600_000),
                    idempotency: None,
                };
                let ledger = ledgers[n % 3].clone();
                racing.spawn(async move { (ledger.hold(hold.clone()).await.unwrap(), hold) });
            }
            let held: Vec<_> = racing
                .join_all()
                .await
                .into_iter()
                .filter_map(|(held, hold)| match held {
                    Held::Amount(amount) => Some((hold, amount)),
                    Held::Empty | Held::Repeat(_) => None,
                })
                .collect();
            let sum: u64 = held.iter().map(|(_, amount)| amount.get()).sum();
            assert_eq!(sum, last, "round {round}: {held:?}");
            // Every instance logs every one of them, each from a journal of its own.
            let records: Vec<_> = held
                .iter()
                .map(|(hold, amount)| CallRecord {
                    id: hold.request,
                    source: KeySource::Credits,
                    aftermath: Aftermath {
                        held: Some(*amount),
                        credits: Some(*amount),
                        ..Aftermath::default()
                    },
                    ..call(&project, &customer, 1)
                })
                .collect();
            let mut logging = JoinSet::new();
            for (n, store) in stores.clone().into_iter().enumerate() {
                let records = records.clone();
                logging.spawn(async move {
                    let journal = format!("journal_{n}_{round}");
                    store.apply(&journal, records.len() as u64, &records).await.unwrap().written
                });
            }
            let written: usize = logging.join_all().await.into_iter().sum();
            assert_eq!(written, held.len(), "round {round}");
            let left = rig.store.credits(&project, &ref_id(&customer)).await.unwrap();
            assert_eq!((left.balance, left.held), (Credits::ZERO, Credits::ZERO));
        }
        assert_eq!(rig.store.verify_credits().await.unwrap().faults, []);
        assert_eq!(rig.store.verify_audit(None).await.unwrap().first_bad, None);
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "needs a PostgreSQL server, which `cargo xtask test` starts"]
async fn deliveries_and_notices_go_to_one_of_three_instances_on_postgres() {
    on_postgres(Box::pin(async {
        let rig = Rig::new().await;
        let project = rig.project(1).await;
        for n in 0..4 {
            let new = NewWebhook {
                id: WebhookId::new(format!("wh_{n}")),
                url: format!("https://{n}.example.com/in"),
                events: vec!["*".into()],
                description: String::new(),
                sealed: SealedSecret { bytes: b"first".to_vec() },
            };
            rig.store.create_webhook(&project, new, &by(0)).await.unwrap();
        }
        let rejected: Vec<_> = (0..12).map(|n| (format!("pk_{n}"), format!("c{n}"))).collect();
        for (id, customer) in &rejected {
            rig.connect(&project, key(id, customer)).await;
            rig.apply(&[CallRecord {
                key: Some(ProviderKeyId::new(id.as_str())),
                error: Some(ErrorClass::KeyRejected),
                ..call(&project, customer, 10)
            }])
            .await;
        }
        let expected = 4 * 2 * rejected.len();
        let stores = three_stores(&rig).await;
        let mut workers = JoinSet::new();
        for n in 0..9_usize {
            let store = stores[n % 3].clone();
            workers.spawn(async move {
                let (mut deliveries, mut notices) = (Vec::new(), Vec::new());
                while store.oldest_pending().await.unwrap().is_some() {
                    let wanted = Wanted::new(at(20), at(30_020), Limits::default());
                    for claimed in store.claim(wanted).await.unwrap() {
                        let attempt = Attempt {
                            at: at(20),
                            duration: Duration::from_millis(1),
                            outcome: Outcome::Delivered(200),
                            retry_after: None,
                        };
                        store.settle(&claimed, &attempt, Next::Delivered).await.unwrap();
                        deliveries.push(claimed.delivery.as_str().to_owned());
                    }
                    for notice in store.claim_notices(at(20), at(30_020), 5).await.unwrap() {
                        store.settle_notice(&notice, None).await.unwrap();
                        notices.push(notice.event.as_str().to_owned());
                    }
                }
                (deliveries, notices)
            });
        }
        let (mut deliveries, mut notices) = (BTreeMap::new(), BTreeMap::new());
        for (delivered, noticed) in workers.join_all().await {
            for id in delivered {
                *deliveries.entry(id).or_insert(0) += 1;
            }
            for id in noticed {
                *notices.entry(id).or_insert(0) += 1;
            }
        }
        assert!(deliveries.values().chain(notices.values()).all(|times| *times == 1));
        assert_eq!((deliveries.len(), notices.len()), (expected, rejected.len()));
        let attempts = rig.number("SELECT COUNT(*) FROM webhook_attempts").await;
        assert_eq!(usize::try_from(attempts).unwrap(), expected);
    }))
    .await;
}
