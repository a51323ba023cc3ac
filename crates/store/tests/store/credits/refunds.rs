//! Credits that are given back for a call.

use super::*;

on_each_database!(
    a_call_is_refunded_in_parts_up_to_what_it_was_charged,
    refunds_that_race_give_back_no_more_than_the_charge,
);

async fn a_call_is_refunded_in_parts_up_to_what_it_was_charged() {
    let rig = Rig::new().await;
    let (project, other) = (rig.project(1).await, rig.project(2).await);
    for project in [&project, &other] {
        rig.give(project, "c", 100).await;
        rig.give(project, "d", 100).await;
    }
    // It costs more than there is: what was absorbed was not charged.
    let request = request_id(1);
    let free = request_id(1);
    let own = call(&project, "c", 1);
    let own_id = own.id;
    rig.apply(&[paid(&project, "c", request, 130), paid(&project, "d", free, 0), own]).await;
    assert_eq!(rig.has(&project, "c").await, (0, 0));
    let refund = async |customer: &str, request, amount, key: &str| {
        let (customer, refund) = (ref_id(customer), grant(amount, key));
        rig.store.refund_credits(&project, &customer, request, &refund, &by(2)).await
    };
    let first = refund("c", request, 60, "one").await.unwrap();
    assert_eq!((first.entry.kind, first.entry.amount), (EntryKind::Refund, 60));
    assert_eq!((first.entry.request, first.after.balance), (Some(request), credits(60)));
    assert_eq!(refund("c", request, 60, "one").await.unwrap(), first, "once for its key");
    assert_eq!(rig.has(&project, "c").await, (60, 0));

    let none_of_it = [
        rig.store.grant_credits(&project, &ref_id("c"), &grant(60, "one"), &by(2)).await,
        refund("c", request, 59, "one").await,
        refund("c", own_id, 60, "one").await,
        refund("c", request, 100, "c-100").await,
    ];
    for reused in none_of_it {
        assert!(matches!(reused, Err(StoreError::Reused)), "{reused:?}");
    }
    for (customer, request) in
        [("c", own_id), ("c", request_id(1)), ("d", free), ("d", request), ("unheard of", request)]
    {
        let refused = refund(customer, request, 1, "unknown").await;
        assert!(matches!(refused, Err(StoreError::NotCharged)), "{customer}: {refused:?}");
    }
    let elsewhere =
        rig.store.refund_credits(&other, &ref_id("c"), request, &grant(1, "k"), &by(2)).await;
    assert!(matches!(elsewhere, Err(StoreError::NotCharged)), "{elsewhere:?}");
    assert!(rig.store.customer(&project, &ref_id("unheard of")).await.unwrap().is_none());

    for (amount, left) in [(41, 40), (u64::MAX, 40)] {
        match refund("c", request, amount, "too much").await {
            Err(StoreError::RefundTooLarge { left: told }) => assert_eq!(told, credits(left)),
            other => panic!("{other:?}"),
        }
    }
    refund("c", request, 40, "two").await.unwrap();
    let more = refund("c", request, 1, "three").await;
    assert!(matches!(more, Err(StoreError::RefundTooLarge { left: Credits::ZERO })), "{more:?}");
    assert_eq!(rig.has(&project, "c").await, (100, 0));
    assert_eq!(rig.entries(&project, "c", EntryKind::Refund).await, [40, 60]);
    rig.assert_books_balance().await;

    let filter = AuditFilter { action: Some(Action::CreditsGranted), ..AuditFilter::default() };
    let audited = rig.store.audit_log(&project, &filter, ALL).await.unwrap();
    let named = audited.data.iter().filter(|entry| {
        entry.metadata.get("requestId").is_some_and(|id| *id == request.to_string())
    });
    assert_eq!((named.count(), audited.total), (2, 4));
}

async fn refunds_that_race_give_back_no_more_than_the_charge() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.give(&project, "c", 100).await;
    let request = request_id(1);
    rig.apply(&[paid(&project, "c", request, 100)]).await;
    let mut at_once = tokio::task::JoinSet::new();
    for n in 0..20 {
        let (store, project) = (rig.store.clone(), project.clone());
        at_once.spawn(async move {
            let refund = grant(30, &format!("r-{n}"));
            store.refund_credits(&project, &ref_id("c"), request, &refund, &by(2)).await
        });
    }
    let given = at_once.join_all().await.into_iter().filter(Result::is_ok).count();
    assert_eq!((given, rig.has(&project, "c").await), (3, (90, 0)));
    rig.assert_books_balance().await;
}
