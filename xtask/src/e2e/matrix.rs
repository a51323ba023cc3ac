//! Which client made which call at which provider, by the server's own request log.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::{Read, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

type Failure = Box<dyn std::error::Error>;

/// What the drivers' clients are called, in the order of the columns.
const CLIENTS: [(&str, &str); 15] = [
    ("byok_client", "byok (PyPI)"),
    ("openai_client_py", "openai (PyPI)"),
    ("openai_client_mjs", "openai (npm)"),
    ("ai_sdk", "ai (npm)"),
    ("anthropic_client_py", "anthropic (PyPI)"),
    ("anthropic_client_mjs", "@anthropic-ai/sdk"),
    ("google_client_py", "google-genai (PyPI)"),
    ("google_client_mjs", "@google/genai"),
    ("azure_client", "openai AzureOpenAI (PyPI)"),
    ("mistral_client", "mistralai (PyPI)"),
    ("cohere_client", "cohere (PyPI)"),
    ("bedrock_client_py", "boto3 (PyPI)"),
    ("bedrock_client_mjs", "@aws-sdk/client-bedrock-runtime"),
    ("raw_http", "raw HTTP"),
    ("operator_work", "raw HTTP (operator)"),
];

/// Successful calls by provider and operation, then by client: whether whole, streamed or both.
#[derive(Default)]
pub(super) struct Matrix {
    calls: BTreeMap<(String, String), BTreeMap<String, BTreeSet<bool>>>,
    /// The newest row seen, so that each row counts for the driver that made it.
    seen: BTreeSet<String>,
}

impl Matrix {
    /// Takes note of the calls that `driver` has just made.
    pub(super) fn note(&mut self, driver: &str, server: &str, key: &str) -> Result<(), Failure> {
        let mut cursor = String::new();
        loop {
            let path = format!("/logs?success=true&limit=500{cursor}");
            let page = get(server, key, &path)?;
            let rows = page["data"].as_array().ok_or("the log has no rows")?;
            let mut fresh = 0;
            for row in rows {
                let text = |field: &str| row[field].as_str().unwrap_or("?").to_owned();
                if !self.seen.insert(text("id")) {
                    continue;
                }
                fresh += 1;
                let streamed = row["streamed"] == true;
                let place = (text("provider"), text("operation"));
                let cell = self.calls.entry(place).or_default().entry(client(driver)).or_default();
                cell.insert(streamed);
            }
            match page["nextCursor"].as_str() {
                Some(next) if fresh > 0 => cursor = format!("&cursor={next}"),
                _ => return Ok(()),
            }
        }
    }

    /// A table for each provider, in Markdown.
    pub(super) fn table(&self) -> String {
        let providers: BTreeSet<&str> = self.calls.keys().map(|(p, _)| p.as_str()).collect();
        let mut text = String::new();
        for provider in providers {
            let rows: Vec<_> = self.calls.iter().filter(|((p, _), _)| p == provider).collect();
            let used: BTreeSet<&str> =
                rows.iter().flat_map(|(_, cells)| cells.keys().map(String::as_str)).collect();
            let columns: Vec<_> =
                CLIENTS.iter().map(|(_, name)| *name).filter(|name| used.contains(name)).collect();
            let _ = writeln!(text, "### {provider}\n");
            let _ = writeln!(text, "| operation | {} |", columns.join(" | "));
            let _ = writeln!(text, "| --- |{}", " --- |".repeat(columns.len()));
            for ((_, operation), cells) in rows {
                let cell = |name: &&str| match cells.get(*name) {
                    Some(modes) if modes.len() == 2 => "whole, streamed",
                    Some(modes) if modes.contains(&true) => "streamed",
                    Some(_) => "whole",
                    None => "",
                };
                let cells: Vec<_> = columns.iter().map(cell).collect();
                let _ = writeln!(text, "| `{operation}` | {} |", cells.join(" | "));
            }
            text.push('\n');
        }
        text
    }
}

/// Everything in docs/providers.md from this line on is written by the run.
const MARK: &str = "<!-- From here on written by `cargo xtask e2e --write`. -->\n";

impl Matrix {
    /// Writes the tables into the document, after what a person wrote.
    pub(super) fn write(&self, document: &Path) -> Result<(), Failure> {
        let text = std::fs::read_to_string(document)?;
        let (kept, _) = text.split_once(MARK).ok_or("docs/providers.md has lost its mark")?;
        std::fs::write(document, format!("{kept}{MARK}\n{}", self.table().trim_end()) + "\n")?;
        Ok(())
    }
}

/// The name of a driver's client.
fn client(driver: &str) -> String {
    let (stem, ending) = driver.split_once('.').unwrap_or((driver, ""));
    let both = format!("{stem}_{ending}");
    let known = CLIENTS.iter().find(|(file, _)| *file == stem || *file == both);
    known.map_or(stem, |(_, name)| name).to_owned()
}

/// Asks the server, whose address is `http://HOST:PORT`.
fn get(server: &str, key: &str, path: &str) -> Result<Value, Failure> {
    let address = server.strip_prefix("http://").ok_or("the server's address is no http:// URL")?;
    let mut wire = TcpStream::connect(address)?;
    wire.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(
        wire,
        "GET {path} HTTP/1.1\r\nhost: localhost\r\nauthorization: Bearer {key}\r\n\
         connection: close\r\n\r\n"
    )?;
    let mut answer = Vec::new();
    wire.read_to_end(&mut answer)?;
    let end = memchr::memmem::find(&answer, b"\r\n\r\n").ok_or("the server gave no answer")?;
    Ok(serde_json::from_slice(&answer[end + 4..])?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_driver_is_shown_under_the_name_of_its_client() {
        for (driver, name) in [
            ("openai_client.py", "openai (PyPI)"),
            ("openai_client.mjs", "openai (npm)"),
            ("ai_sdk.mjs", "ai (npm)"),
            ("new_one.py", "new_one"),
        ] {
            assert_eq!(client(driver), name);
        }
    }

    #[test]
    fn a_table_has_a_row_an_operation_and_a_column_a_client() {
        let mut matrix = Matrix::default();
        for (operation, driver, streamed) in [
            ("chat/completions", "openai_client.py", true),
            ("chat/completions", "openai_client.py", false),
            ("embeddings", "byok_client.py", false),
        ] {
            let place = ("openai".to_owned(), operation.to_owned());
            matrix
                .calls
                .entry(place)
                .or_default()
                .entry(client(driver))
                .or_default()
                .insert(streamed);
        }
        assert_eq!(
            matrix.table(),
            "### openai\n\n| operation | byok (PyPI) | openai (PyPI) |\n| --- | --- | --- |\n\
             | `chat/completions` |  | whole, streamed |\n| `embeddings` | whole |  |\n\n"
        );
    }
}
