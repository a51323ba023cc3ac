//! Calls one by one, however many there are.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::stream;

use crate::error::{Error, Result};
use crate::items::Items;
use crate::logs::LogEntry;
use crate::receipt::{KeySource, request_id};
use crate::requests::options;
use crate::timestamp::Timestamp;

options! {
    /// The calls that are wanted.
    ExportUsage {
        /// Those for this customer.
        query ref_id(String) = "refId";
        /// Those to this provider.
        query provider(String) = "provider";
        /// Those of this model.
        query model(String) = "model";
        /// Those that this paid for.
        query source(KeySource) = "source";
        /// Those from this moment on.
        query since(Timestamp) = "since";
        /// Those before this moment.
        query until(Timestamp) = "until";
    }
}

/// The form of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ExportFormat {
    /// With a line of headings.
    Csv,
    /// One array.
    Json,
    /// One object a line.
    Ndjson,
}

impl ExportFormat {
    fn as_str(self) -> &'static str {
        match self {
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
        }
    }
}

impl ExportUsage {
    /// The calls, as they arrive; memory holds one at a time.
    ///
    /// # Errors
    /// What keeps the export from beginning; a connection that breaks later is in the stream.
    pub async fn rows(self) -> Result<Items<LogEntry>> {
        let reading = self.open(ExportFormat::Ndjson).await?;
        Ok(Items::new(stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.row().await?.map(|row| (row, reading)))
        })))
    }

    /// The file, piece by piece.
    ///
    /// # Errors
    /// As [`rows`](Self::rows).
    pub async fn file(self, format: ExportFormat) -> Result<Items<Bytes>> {
        let reading = self.open(format).await?;
        Ok(Items::new(stream::try_unfold(reading, |mut reading| async move {
            Ok(reading.piece().await?.map(|piece| (piece, reading)))
        })))
    }

    async fn open(self, format: ExportFormat) -> Result<Reading> {
        let patience = self.0.limit();
        let answer = self.0.query("format", &format.as_str()).open().await?;
        let request_id = request_id(answer.headers());
        Ok(Reading { answer, patience, request_id, left: BytesMut::new() })
    }
}

struct Reading {
    answer: reqwest::Response,
    patience: Duration,
    request_id: Option<String>,
    left: BytesMut,
}

impl Reading {
    async fn piece(&mut self) -> Result<Option<Bytes>> {
        let id = || self.request_id.clone();
        match tokio::time::timeout(self.patience, self.answer.chunk()).await {
            Ok(piece) => piece.map_err(|error| Error::network(error, id())),
            Err(_) => Err(Error::timeout(self.patience, id())),
        }
    }

    async fn row(&mut self) -> Result<Option<LogEntry>> {
        loop {
            if let Some(end) = self.left.iter().position(|byte| *byte == b'\n') {
                let line = self.left.split_to(end);
                self.left.advance(1);
                return serde_json::from_slice(&line).map(Some).map_err(|error| {
                    let message = format!("A line of the export is none of this API: {error}.");
                    Error::unexpected(message, self.request_id.clone())
                });
            }
            match self.piece().await? {
                Some(piece) => self.left.extend_from_slice(&piece),
                None if self.left.is_empty() => return Ok(None),
                None => return Err(Error::cut(self.request_id.clone())),
            }
        }
    }
}
