//! Rows of the request log as CSV (RFC 4180).

use std::fmt::Display;

use crate::logs::Row;

/// The first line: the names of the JSON form, in its order.
pub(super) const HEADER: &str = "id,projectId,refId,provider,model,operation,keyId,source,\
statusCode,success,errorClass,streamed,inputTokens,outputTokens,totalTokens,cacheReadTokens,\
cacheWriteTokens,reasoningTokens,usageEstimated,customerReported,costUsd,creditsCharged,latencyMs,\
firstByteMs,fallbackReason,createdAt\r\n";

/// Appends one row. What is unknown is empty, never 0.
pub(super) fn write(out: &mut Vec<u8>, row: &Row) {
    let mut line = Line { out, first: true };
    line.cell(row.id);
    line.cell(&row.project_id);
    line.cell(&row.ref_id);
    line.cell(&row.provider);
    line.known(row.model.as_ref());
    line.cell(&row.operation);
    line.known(row.key_id.as_ref());
    line.cell(row.source.as_str());
    line.cell(row.status_code);
    line.cell(row.success);
    line.known(row.error_class.map(|class| class.as_str()));
    line.cell(row.streamed);
    line.known(row.input_tokens);
    line.known(row.output_tokens);
    line.known(row.total_tokens);
    line.known(row.cache_read_tokens);
    line.known(row.cache_write_tokens);
    line.known(row.reasoning_tokens);
    line.cell(row.usage_estimated);
    line.cell(row.customer_reported);
    line.known(row.cost_usd.as_ref());
    line.cell(row.credits_charged);
    line.cell(row.latency_ms);
    line.known(row.first_byte_ms);
    line.known(row.fallback_reason);
    line.cell(row.created_at);
    out.extend_from_slice(b"\r\n");
}

struct Line<'a> {
    out: &'a mut Vec<u8>,
    first: bool,
}

impl Line<'_> {
    fn known(&mut self, value: Option<impl Display>) {
        match value {
            Some(value) => self.cell(value),
            None => self.cell(""),
        }
    }

    fn cell(&mut self, value: impl Display) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
        let mut text = value.to_string();
        // A spreadsheet would run such a text as a formula, and customers choose some of them.
        if text.starts_with(['=', '+', '-', '@', '\t', '\r']) {
            text.insert(0, '\'');
        }
        if text.contains([',', '"', '\r', '\n']) {
            text = format!("\"{}\"", text.replace('"', "\"\""));
        }
        self.out.extend_from_slice(text.as_bytes());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::tests::row;

    #[test]
    fn the_columns_are_the_members_of_the_json_form_in_its_order() {
        let json = serde_json::to_string(&row()).expect("JSON");
        let mut from = 0;
        for name in HEADER.trim_end().split(',') {
            let member = format!("\"{name}\":");
            let at = json[from..].find(&member).unwrap_or_else(|| panic!("{name} in {json}"));
            from += at;
        }
        assert_eq!(json.matches("\":").count(), HEADER.split(',').count());
        let mut line = Vec::new();
        write(&mut line, &row());
        let line = String::from_utf8(line).expect("UTF-8");
        assert_eq!(line.split(',').count(), HEADER.split(',').count(), "{line}");
    }

    #[test]
    fn texts_are_quoted_and_never_run_as_formulas() {
        for (text, cell) in [
            ("gpt-4.1", "gpt-4.1"),
            ("a,b", "\"a,b\""),
            ("say \"hi\"", "\"say \"\"hi\"\"\""),
            ("=1+1", "'=1+1"),
            ("@SUM(A1,A2)", "\"'@SUM(A1,A2)\""),
        ] {
            let mut out = Vec::new();
            Line { out: &mut out, first: true }.cell(text);
            assert_eq!(String::from_utf8(out).expect("UTF-8"), cell);
        }
    }
}
