//! `GET /usage/export`: one row a request, a page in memory at a time.

mod csv;

use axum::body::{Body, Bytes};
use axum::response::Response;
use byok_domain::ProjectId;
use byok_store::{Call, CallExport, CallFilter};
use futures_util::stream;
use http::header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderValue};

use super::FILTERS;
use crate::answer::Answer;
use crate::dispatch::{Ask, Scope};
use crate::error::ApiError;
use crate::logs::Row;
use crate::usage_tail::PATIENCE;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Format {
    Csv,
    Json,
    Ndjson,
}

impl Format {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "csv" => Some(Self::Csv),
            "json" => Some(Self::Json),
            "ndjson" => Some(Self::Ndjson),
            _ => None,
        }
    }

    /// The content type, and the file name to save under.
    fn headers(self) -> (&'static str, &'static str) {
        match self {
            Self::Csv => ("text/csv; charset=utf-8", "attachment; filename=\"usage.csv\""),
            Self::Json => ("application/json", "attachment; filename=\"usage.json\""),
            Self::Ndjson => ("application/x-ndjson", "attachment; filename=\"usage.ndjson\""),
        }
    }
}

/// Where the writing of an export stands.
struct Writing {
    project: ProjectId,
    format: Format,
    rows: CallExport,
    at: Position,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Position {
    Start,
    /// Rows have been written, if `any`.
    Rows {
        any: bool,
    },
    End,
}

pub(crate) async fn export(scope: Scope, ask: Ask) -> Answer {
    let names: Vec<&str> = FILTERS.into_iter().chain(["format"]).collect();
    let query = ask.query(&names)?;
    let format = query.read("format", "csv, json or ndjson", Format::parse)?;
    let format = format.unwrap_or(Format::Csv);
    let filter = CallFilter { usage: super::bounded(&query, ask.at)?, success: None };
    ask.state.usage.caught_up(PATIENCE).await;

    let rows = ask.state.store.export_calls(scope.id(), &filter);
    let writing = Writing { project: scope.id().clone(), format, rows, at: Position::Start };
    let body = Body::from_stream(stream::try_unfold(writing, |mut writing| async move {
        let piece = writing.next().await?;
        Ok::<_, std::io::Error>(piece.map(|piece| (piece, writing)))
    }));
    let mut response = Response::new(body);
    let (content_type, disposition) = format.headers();
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(CONTENT_DISPOSITION, HeaderValue::from_static(disposition));
    Ok(response)
}

impl Writing {
    /// The next piece of the file. A fault breaks the body off, so that a cut file never looks
    /// like a whole one.
    async fn next(&mut self) -> Result<Option<Bytes>, std::io::Error> {
        let mut piece = Vec::new();
        if self.at == Position::End {
            return Ok(None);
        }
        if self.at == Position::Start {
            match self.format {
                Format::Csv => piece.extend_from_slice(csv::HEADER.as_bytes()),
                Format::Json => piece.push(b'['),
                Format::Ndjson => {}
            }
            self.at = Position::Rows { any: false };
        }
        match self.rows.next_page().await.map_err(broken)? {
            Some(calls) => {
                for call in calls {
                    self.write(&mut piece, call).map_err(broken)?;
                }
            }
            None => {
                if self.format == Format::Json {
                    piece.push(b']');
                }
                self.at = Position::End;
            }
        }
        Ok(Some(piece.into()))
    }

    fn write(&mut self, piece: &mut Vec<u8>, call: Call) -> Result<(), ApiError> {
        let row = Row::of(&self.project, call)?;
        let first = self.at == Position::Rows { any: false };
        self.at = Position::Rows { any: true };
        match self.format {
            Format::Csv => csv::write(piece, &row),
            Format::Json => {
                if !first {
                    piece.push(b',');
                }
                serde_json::to_writer(piece, &row).map_err(ApiError::internal)?;
            }
            Format::Ndjson => {
                serde_json::to_writer(&mut *piece, &row).map_err(ApiError::internal)?;
                piece.push(b'\n');
            }
        }
        Ok(())
    }
}

fn broken(error: impl std::fmt::Debug) -> std::io::Error {
    tracing::error!(?error, "an export broke off");
    std::io::Error::other("the export broke off")
}
