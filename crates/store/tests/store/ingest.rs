//! Records from the journal: each in once, whatever is sent again.

use byok_domain::{CallRecord, ErrorClass, KeySource, ProviderKeyId, RequestId, Timestamp, Usage};
use byok_metering::{Applied, UsageLog};
use byok_store::{CallFilter, Database, Store};

use crate::support::{Rig, T0, at, audit_key, call, either, key, on_each_database, request_id};

on_each_database!(
    a_journal_applied_five_times_leaves_what_it_leaves_once,
    of_a_batch_that_was_partly_applied_the_rest_goes_in,
    an_empty_batch_moves_the_position_and_nothing_moves_it_back,
    a_batch_that_fails_leaves_nothing_and_goes_in_later,
    keys_count_what_they_were_used_for,
    a_call_is_kept_whole_and_its_time_is_that_of_its_id,
    what_is_unknown_stays_unknown_and_what_is_zero_stays_zero,
    batches_of_every_length_go_in_whole,
    one_request_id_in_two_projects_is_two_calls,
    journals_that_are_applied_at_once_all_go_in_whole,
);

/// Everything that applying leaves behind, as text.
async fn state(rig: &Rig) -> String {
    let mut state = String::new();
    let id = either("hex(id)", "encode(id, 'hex')");
    for sql in [
        &format!(
            "SELECT {id} || ref_id || COALESCE(total_tokens, -1) FROM calls ORDER BY project_id, id"
        ),
        "SELECT project_id || hour || ref_id || requests || '/' || total_tokens || '/' || \
         cost_usd || '/' || cost_pico FROM usage_hourly ORDER BY project_id, hour, ref_id",
        "SELECT id || total_requests || '/' || total_tokens || '/' || COALESCE(last_used_at, 0) || \
         status FROM provider_keys ORDER BY id",
        "SELECT sequence || action || hash FROM audit_log ORDER BY sequence",
        "SELECT object_id || ref_id FROM provider_objects ORDER BY object_id",
    ] {
        for row in rig.rows(sql).await {
            let text: String = row.try_get_by_index(0).unwrap();
            state.push_str(&text);
            state.push(';');
        }
        state.push('\n');
    }
    state
}

async fn a_journal_applied_five_times_leaves_what_it_leaves_once() {
    let rig = Rig::new().await;
    let (one, two) = (rig.project(1).await, rig.project(2).await);
    rig.connect(&one, key("pk_1", "customer")).await;
    let records: Vec<CallRecord> = (0..700)
        .map(|n| {
            let project = if n % 3 == 0 { &two } else { &one };
            let rejected = (n == 698).then_some(ErrorClass::KeyRejected);
            CallRecord {
                key: (n % 3 != 0).then(|| ProviderKeyId::new("pk_1")),
                error: rejected,
                ..call(project, &format!("customer_{}", n % 7), n * 60_000)
            }
        })
        .collect();
    let parts: Vec<_> = records.chunks(128).collect();
    let mut sequence = 0;
    for part in &parts {
        sequence += part.len() as u64;
        let applied = rig.store.apply("j", sequence, part).await.unwrap();
        assert_eq!((applied.written, applied.repeated), (part.len(), 0));
    }
    assert_eq!(rig.store.applied("j").await.unwrap(), 700);
    let once = state(&rig).await;
    assert!(once.contains("invalid"));

    // By sequence number; by request id, from a journal that forgot its numbers; in other parts.
    for round in 0..4 {
        let journal = if round == 0 { "j".to_owned() } else { format!("replayed {round}") };
        let mut sequence = 0;
        for part in records.chunks(97 + 31 * round) {
            sequence += part.len() as u64;
            let applied = rig.store.apply(&journal, sequence, part).await.unwrap();
            let nothing = Applied { repeated: part.len(), ..Applied::default() };
            assert_eq!(applied, nothing, "round {round}");
        }
        assert_eq!(state(&rig).await, once, "round {round}");
        assert_eq!(rig.store.applied(&journal).await.unwrap(), 700);
    }
}

async fn of_a_batch_that_was_partly_applied_the_rest_goes_in() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let records: Vec<_> = (0..10).map(|n| call(&project, "customer", n)).collect();
    rig.store.apply("j", 4, &records[..4]).await.unwrap();
    let applied = rig.store.apply("j", 8, &records[..8]).await.unwrap();
    assert_eq!((applied.written, applied.repeated), (4, 4));
    // Another journal has two of them, and one twice.
    let mut others = records[6..].to_vec();
    others.push(records[9].clone());
    let applied = rig.store.apply("other", 5, &others).await.unwrap();
    assert_eq!((applied.written, applied.repeated), (2, 3));
    let usage = rig.store.usage(&project, &Default::default()).await.unwrap();
    assert_eq!((usage.totals.requests, usage.totals.total_tokens), (10, 150));
    assert_eq!(rig.number("SELECT COUNT(*) FROM calls").await, 10);
}

async fn an_empty_batch_moves_the_position_and_nothing_moves_it_back() {
    let rig = Rig::new().await;
    assert_eq!(rig.store.applied("j").await.unwrap(), 0);
    assert_eq!(rig.store.apply("j", 9, &[]).await.unwrap(), Applied::default());
    assert_eq!(rig.store.applied("j").await.unwrap(), 9);
    rig.store.apply("j", 3, &[]).await.unwrap();
    assert_eq!(rig.store.applied("j").await.unwrap(), 9);
    assert_eq!(rig.store.applied("k").await.unwrap(), 0);
}

async fn a_batch_that_fails_leaves_nothing_and_goes_in_later() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let records: Vec<_> = (0..300).map(|n| call(&project, "customer", n)).collect();
    // The last thing a batch writes.
    rig.refuse_rows("journal_positions").await;
    assert!(rig.store.apply("j", 300, &records).await.is_err());
    for table in ["calls", "usage_hourly", "journal_positions"] {
        assert_eq!(rig.number(&format!("SELECT COUNT(*) FROM {table}")).await, 0, "{table}");
    }
    rig.accept_rows("journal_positions").await;
    assert_eq!(rig.store.apply("j", 300, &records).await.unwrap().written, 300);
}

async fn keys_count_what_they_were_used_for() {
    let rig = Rig::new().await;
    let (project, other) = (rig.project(1).await, rig.project(2).await);
    for (n, customer) in ["a", "b", "c"].into_iter().enumerate() {
        rig.connect(&project, key(&format!("pk_{n}"), customer)).await;
    }
    let with = |n: &str, millis| CallRecord {
        key: Some(ProviderKeyId::new(n)),
        ..call(&project, "a", millis)
    };
    let unknown = CallRecord { usage: None, ..with("pk_0", 50) };
    let elsewhere = CallRecord { project: other, ..with("pk_2", 90) };
    rig.apply(&[with("pk_0", 70), with("pk_1", 10), unknown, elsewhere]).await;
    rig.apply(&[with("pk_0", 20), call(&project, "a", 99)]).await;
    let row = async |id: &str| {
        rig.store.provider_key(&project, &ProviderKeyId::new(id)).await.unwrap().unwrap()
    };
    let first = row("pk_0").await;
    assert_eq!((first.total_requests, first.total_tokens), (3, 30));
    assert_eq!(first.last_used_at, Some(at(70)));
    assert_eq!(row("pk_1").await.total_requests, 1);
    let never = row("pk_2").await;
    assert_eq!((never.total_requests, never.last_used_at), (0, None));
}

async fn a_call_is_kept_whole_and_its_time_is_that_of_its_id() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    rig.project(2).await;
    let usage = Usage {
        input: 1,
        cache_read: 20,
        cache_write: 300,
        cache_write_1h: 4_000,
        output: 50_000,
        reasoning: 600,
        ..Usage::default()
    };
    let record = CallRecord {
        id: request_id(5_000),
        key: Some(ProviderKeyId::new("pk_gone")),
        model: Some("模型'1".into()),
        operation: "audio/speech".into(),
        source: KeySource::Credits,
        status: 529,
        error: Some(ErrorClass::Truncated),
        streamed: true,
        usage: Some(usage),
        usage_estimated: true,
        customer_reported: true,
        cost: None,
        latency_ms: u32::MAX,
        first_byte_ms: None,
        // A clock that was read again.
        at: Timestamp::from_millis(T0 - 86_400_000),
        ..call(&project, "客户", 5_000)
    };
    rig.apply(std::slice::from_ref(&record)).await;
    let kept = rig.store.call(&project, &record.id).await.unwrap().unwrap();
    assert_eq!((kept.id, kept.ref_id, kept.key), (record.id, record.ref_id, record.key));
    assert_eq!(kept.model.as_deref(), Some("模型'1"));
    assert_eq!((kept.operation.as_str(), kept.status), ("audio/speech", 529));
    assert_eq!((kept.source, kept.error), (KeySource::Credits, Some(ErrorClass::Truncated)));
    assert_eq!(
        (kept.input_tokens, kept.output_tokens, kept.total_tokens),
        (Some(4_321), Some(50_000), Some(54_321))
    );
    assert_eq!((kept.cache_read_tokens, kept.cache_write_tokens), (Some(20), Some(4_300)));
    assert_eq!((kept.reasoning_tokens, kept.cost), (Some(600), None));
    assert!(kept.streamed && kept.usage_estimated && kept.customer_reported);
    assert_eq!((kept.latency_ms, kept.first_byte_ms), (u64::from(u32::MAX), None));
    assert_eq!(kept.created_at, at(5_000));
    let usage = rig.store.usage(&project, &Default::default()).await.unwrap();
    assert_eq!(usage.daily[0].day.date(), at(0).date());
}

async fn what_is_unknown_stays_unknown_and_what_is_zero_stays_zero() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let unknown = CallRecord { usage: None, cost: None, model: None, ..call(&project, "c", 1) };
    let zero = CallRecord {
        usage: Some(Usage::default()),
        cost: Some(byok_domain::PicoUsd::ZERO),
        model: Some("".into()),
        ..call(&project, "c", 2)
    };
    rig.apply(&[unknown.clone(), zero.clone()]).await;
    let kept = rig.store.call(&project, &unknown.id).await.unwrap().unwrap();
    assert_eq!((kept.total_tokens, kept.input_tokens, kept.cost), (None, None, None));
    let kept = rig.store.call(&project, &zero.id).await.unwrap().unwrap();
    assert_eq!((kept.total_tokens, kept.input_tokens), (Some(0), Some(0)));
    assert_eq!((kept.cost, kept.model), (Some(byok_domain::PicoUsd::ZERO), None));
}

async fn batches_of_every_length_go_in_whole() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let mut total = 0;
    for length in (0..40).chain([63, 64, 65, 255, 256, 257, 511, 777]) {
        let records: Vec<_> = (0..length).map(|n| call(&project, &format!("c{n}"), n)).collect();
        assert_eq!(rig.apply(&records).await.written, records.len());
        total += records.len() as u64;
    }
    let usage = rig.store.usage(&project, &Default::default()).await.unwrap();
    assert_eq!(usage.totals.requests, total);
    let mut export = rig.store.export_calls(&project, &CallFilter::default());
    let mut exported = 0;
    while let Some(page) = export.next_page().await.unwrap() {
        exported += page.len() as u64;
    }
    assert_eq!(exported, total);
}

async fn one_request_id_in_two_projects_is_two_calls() {
    let rig = Rig::new().await;
    let (one, two) = (rig.project(1).await, rig.project(2).await);
    let id = RequestId::from_parts(at(1), [7; 10]);
    let in_one = CallRecord { id, ..call(&one, "customer", 1) };
    let in_two = CallRecord { id, ..call(&two, "customer", 1) };
    assert_eq!(rig.apply(&[in_one, in_two]).await.written, 2);
}

async fn journals_that_are_applied_at_once_all_go_in_whole() {
    let rig = Rig::new().await;
    let project = rig.project(1).await;
    let name = |n: i64| format!("customer_{n}");
    for n in 0..20 {
        rig.connect(&project, key(&format!("pk_{n}"), &name(n))).await;
    }
    let mut instances = Vec::new();
    for instance in 0..4 {
        let database = Database::open(&rig.place.url).await.unwrap();
        let (store, project) = (Store::new(database, audit_key()), project.clone());
        instances.push(tokio::spawn(async move {
            for batch in 0..10 {
                // Of an hour each, so that no roll-up keeps them apart; with the same keys, which
                // they go over in different orders and find rejected.
                let hour = instance as i64 * 3_600_000;
                let records: Vec<_> = (0..100)
                    .map(|n| {
                        let customer = (n * [1, 3, 7, 9][instance] + batch) % 20;
                        CallRecord {
                            key: Some(ProviderKeyId::new(format!("pk_{customer}"))),
                            error: (n >= 80 && n % 5 == 0).then_some(ErrorClass::KeyRejected),
                            ..call(&project, &name(customer), hour + batch * 100 + n)
                        }
                    })
                    .collect();
                let last = (batch as u64 + 1) * 100;
                let applied = store.apply(&format!("j{instance}"), last, &records).await.unwrap();
                assert_eq!(applied.written, 100);
            }
        }));
    }
    for n in 0..20 {
        rig.connect(&project, key("pk_new", &name(19 - n))).await;
    }
    for instance in instances {
        instance.await.unwrap();
    }
    let usage = rig.store.usage(&project, &Default::default()).await.unwrap();
    assert_eq!((usage.totals.requests, usage.totals.total_tokens), (4_000, 60_000));
    assert_eq!(rig.number("SELECT COUNT(*) FROM calls").await, 4_000);
    let used = "SELECT CAST(SUM(total_requests) AS BIGINT) FROM provider_keys";
    assert_eq!(rig.number(used).await, 4_000);
    assert_eq!(rig.store.verify_audit(None).await.unwrap().first_bad, None);
}
