//! One entry of the ledger: appended, never changed.

use byok_domain::credits::{Balance, EntryKind};
use byok_domain::{Credits, ProjectId, RefId, RequestId, Timestamp};
use sea_orm::ConnectionTrait;

use crate::StoreError;
use crate::column::{count, parsed, time};
use crate::entity::credit_entries::Model;
use crate::rows::execute_rows;

pub(super) const TABLE: &str = "credit_entries";

const HEAD: &str = "INSERT INTO credit_entries (project_id, ref_id, kind, amount, shortfall, \
    balance_after, held_after, request_id, reason, idempotency_key, body_hash, created_at) VALUES";
const COLUMNS: usize = 12;
const TAIL: &str = " ON CONFLICT (project_id, idempotency_key, ref_id) DO NOTHING";

/// One entry of a customer's ledger, as it is shown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CreditEntry {
    /// Its place among all entries.
    pub sequence: i64,
    /// What it is.
    pub kind: EntryKind,
    /// What it did to what is available.
    pub amount: i64,
    /// What a call cost beyond the balance, and nobody paid.
    pub shortfall: Credits,
    /// The balance after it, where it changed that.
    pub balance_after: Option<Credits>,
    /// The call it is about.
    pub request: Option<RequestId>,
    /// Why it was granted.
    pub reason: Option<String>,
    /// When.
    pub created_at: Timestamp,
}

/// An entry to be appended.
#[derive(Clone, Debug)]
pub(super) struct NewEntry {
    pub(super) project: ProjectId,
    pub(super) ref_id: RefId,
    pub(super) kind: EntryKind,
    pub(super) amount: i64,
    pub(super) shortfall: Credits,
    pub(super) after: Option<Balance>,
    pub(super) request: Option<RequestId>,
    pub(super) reason: Option<String>,
    pub(super) key: String,
    pub(super) body_hash: Option<String>,
    pub(super) at: Timestamp,
}

impl NewEntry {
    /// An entry about a call: there is one of each kind.
    pub(super) fn of_call(
        project: &ProjectId,
        ref_id: &RefId,
        kind: EntryKind,
        amount: i64,
        request: RequestId,
        at: Timestamp,
    ) -> Self {
        Self {
            project: project.clone(),
            ref_id: ref_id.clone(),
            kind,
            amount,
            shortfall: Credits::ZERO,
            after: None,
            request: Some(request),
            reason: None,
            key: call_key(kind, request),
            body_hash: None,
            at,
        }
    }
}

/// What keeps a call from having two entries of a kind.
pub(super) fn call_key(kind: EntryKind, request: RequestId) -> String {
    format!("{}:{request}", kind.as_str())
}

/// Appends entries.
///
/// # Errors
/// [`StoreError::Taken`] when a customer has an entry of the same key already.
pub(super) async fn append(
    connection: &impl ConnectionTrait,
    entries: &[NewEntry],
) -> Result<(), StoreError> {
    let appended = execute_rows(connection, HEAD, COLUMNS, TAIL, entries, |entry, values| {
        values.extend([
            entry.project.as_str().into(),
            entry.ref_id.as_str().into(),
            entry.kind.as_str().into(),
            entry.amount.into(),
            signed(entry.shortfall).into(),
            entry.after.map(|after| signed(after.balance)).into(),
            entry.after.map(|after| signed(after.held)).into(),
            entry.request.map(|request| request.as_bytes().to_vec()).into(),
            entry.reason.as_deref().into(),
            entry.key.as_str().into(),
            entry.body_hash.as_deref().into(),
            entry.at.as_millis().into(),
        ]);
    });
    let all = appended.await? == entries.len() as u64;
    if all { Ok(()) } else { Err(StoreError::Taken("entry of the ledger")) }
}

/// A number of credits as a column; no account holds one that does not fit.
pub(super) fn signed(credits: Credits) -> i64 {
    i64::try_from(credits.get()).unwrap_or(i64::MAX)
}

pub(super) fn read(row: Model) -> Result<CreditEntry, StoreError> {
    let request = row.request_id.map(|bytes| request(&bytes)).transpose()?;
    Ok(CreditEntry {
        sequence: row.sequence,
        kind: parsed(TABLE, &row.kind, EntryKind::parse)?,
        amount: row.amount,
        shortfall: Credits::new(count(row.shortfall)),
        balance_after: row.balance_after.map(|after| Credits::new(count(after))),
        request,
        reason: row.reason,
        created_at: time(row.created_at),
    })
}

pub(super) fn request(bytes: &[u8]) -> Result<RequestId, StoreError> {
    <[u8; 16]>::try_from(bytes)
        .map(RequestId::from_bytes)
        .map_err(|_| StoreError::damaged(TABLE, "a request id is not 16 bytes long"))
}
