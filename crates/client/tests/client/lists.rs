//! Lists, page after page, and exports.

use byok_client::Error;
use byok_client::usage::ExportFormat;
use serde_json::{Value, json};

use crate::script::{Reply, Script, answer, json as answered, refusal};

fn customer(name: &str) -> Value {
    json!({
        "refId": name, "tier": "premium", "email": null, "metadata": {}, "byokAllowed": true,
        "credits": {"balance": 0, "held": 0, "available": 0},
        "createdAt": "2026-01-31T12:00:00.000Z", "updatedAt": "2026-01-31T12:00:00.000Z",
    })
}

fn row(id: &str) -> Value {
    json!({
        "id": id, "projectId": "proj_1", "refId": "c", "provider": "openai", "model": "m",
        "operation": "chat/completions", "keyId": "pk_1", "source": "byok", "statusCode": 200,
        "success": true, "errorClass": null, "streamed": false, "inputTokens": 1,
        "outputTokens": 2, "totalTokens": 3, "cacheReadTokens": 0, "cacheWriteTokens": 0,
        "reasoningTokens": 0, "usageEstimated": false, "customerReported": false,
        "costUsd": 0.000706, "creditsCharged": 0, "latencyMs": 5, "firstByteMs": 4,
        "fallbackReason": null, "createdAt": "2026-01-31T12:00:00.000Z",
    })
}

fn page(rows: &[Value], total: u64, offset: u64, next: Option<&str>) -> Reply {
    let mut page = json!({"data": rows, "total": total, "limit": 2, "offset": offset});
    if let Some(next) = next {
        page["nextCursor"] = next.into();
    }
    answered(&page.to_string())
}

#[tokio::test]
async fn a_list_without_a_cursor_is_read_by_offset() {
    let script = Script::of([
        page(&[customer("a"), customer("b")], 5, 2, None),
        page(&[customer("c")], 5, 4, None),
    ])
    .await;
    let all = script.client().customers().list().tier("premium").limit(2).offset(2).stream();
    let names: Vec<String> =
        all.collect().await.expect("all").into_iter().map(|c| c.ref_id).collect();
    assert_eq!(names, ["a", "b", "c"]);
    let lines: Vec<String> = script.requests().iter().map(|r| r.line().to_owned()).collect();
    assert_eq!(
        lines,
        [
            "GET /customers?tier=premium&limit=2&offset=2",
            "GET /customers?tier=premium&limit=2&offset=4",
        ]
    );
}

#[tokio::test]
async fn a_list_with_a_cursor_is_read_by_it_and_no_page_too_many() {
    let script = Script::of([
        page(&[row("a"), row("b")], 3, 0, Some("next")),
        page(&[row("c")], 3, 0, None),
    ])
    .await;
    let mut all = script.client().logs().list().stream();
    let mut ids = Vec::new();
    while let Some(entry) = all.next().await {
        ids.push(entry.expect("a row").id);
    }
    assert_eq!(ids, ["a", "b", "c"]);
    let lines: Vec<String> = script.requests().iter().map(|r| r.line().to_owned()).collect();
    assert_eq!(lines, ["GET /logs", "GET /logs?cursor=next"]);
}

#[tokio::test]
async fn pages_are_asked_for_as_they_are_needed_and_an_error_ends_them() {
    let script =
        Script::of([page(&[row("a"), row("b")], 9, 0, Some("next")), refusal("401 No", &[])]).await;
    let mut all = script.client().logs().list().stream();
    all.next().await.expect("a row").expect("a row");
    all.next().await.expect("a row").expect("a row");
    assert_eq!(script.requests().len(), 1);
    assert!(matches!(all.next().await, Some(Err(Error::Authentication(_)))));
    assert!(all.next().await.is_none());
}

#[tokio::test]
async fn an_export_comes_row_by_row_and_a_cut_one_never_looks_whole() {
    let rows = format!("{}\n{}\n", row("a"), row("b"));
    let whole = answer("200 OK", &[("content-type", "application/x-ndjson")], &rows);
    let script = Script::of([Reply::Bytes(whole.clone())]).await;
    let export = script.client().usage().export().ref_id("c").rows().await.expect("rows");
    let read = export.collect().await.expect("all");
    assert_eq!(read.iter().map(|row| row.id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(read[0].cost_usd.expect("a cost").to_string(), "0.000706");
    assert_eq!(read[0].usage().expect("tokens").total_tokens, 3);
    assert_eq!(script.only_request().line(), "GET /usage/export?refId=c&format=ndjson");

    let head = whole.len() - rows.len();
    for end in (head..whole.len()).step_by(31) {
        let script = Script::of([Reply::Bytes(whole[..end].to_vec())]).await;
        let export = script.client().usage().export().rows().await.expect("a head");
        assert!(matches!(export.collect().await, Err(Error::Network(_))), "{end}");
    }
}

#[tokio::test]
async fn an_export_can_be_had_as_a_file() {
    let csv = "id,refId\na,c\n";
    let script =
        Script::of([Reply::Bytes(answer("200 OK", &[("content-type", "text/csv")], csv))]).await;
    let file = script.client().usage().export().file(ExportFormat::Csv).await.expect("a file");
    assert_eq!(file.collect().await.expect("all").concat(), csv.as_bytes());
    assert_eq!(script.only_request().line(), "GET /usage/export?format=csv");
}
