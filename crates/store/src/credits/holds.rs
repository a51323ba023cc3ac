//! Setting credits aside for calls, and giving them back.

use std::collections::{BTreeMap, HashMap};

use byok_domain::credits::{EntryKind, hold};
use byok_domain::{Credits, ProjectId, RefId, RequestId, Timestamp};
use byok_metering::{Held, Hold, Repeat};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect};

use super::account::{Sums, change, lock};
use super::entered;
use super::entry::{NewEntry, append, call_key, request, signed};
use super::repeats;
use crate::column::{count, ref_id};
use crate::entity::credit_holds::{Column, Entity, Model};
use crate::rows::{execute_rows, pieces};
use crate::{Store, StoreError};

const TABLE: &str = "credit_holds";
const HEAD: &str =
    "INSERT INTO credit_holds (project_id, request_id, ref_id, amount, deadline) VALUES";
const TAIL: &str = " ON CONFLICT (project_id, request_id) DO NOTHING";

/// Why credits are given back although their call may have been made: its end was never recorded.
const OVERDUE: &str = "overdue";

/// Holds that are looked up at a time.
const LOOK_UP: usize = 256;

/// Holds that are released in one transaction of the sweep.
const SWEEP: u64 = 500;

/// Sets credits aside for calls, in their order, and answers each. `known` are those of them that
/// credits are held for already.
///
/// # Errors
/// [`StoreError::Taken`] when there are more of those.
pub(super) async fn hold_all(
    connection: &impl ConnectionTrait,
    holds: &[&Hold],
    known: &Known<'_>,
) -> Result<Vec<Held>, StoreError> {
    let mut answers = vec![Held::Empty; holds.len()];
    let mut accounts: BTreeMap<(&ProjectId, &RefId), Vec<usize>> = BTreeMap::new();
    let mut first = HashMap::new();
    let mut repeats = Vec::new();
    for (at, hold) in holds.iter().enumerate() {
        if let Some(amount) = known.get(&(&hold.project, hold.request)) {
            answers[at] = Held::Amount(*amount);
            continue;
        }
        // Of those in one batch that are the same, or have the same key, the first is the call.
        let names = names(hold);
        if let Some(first) = names.clone().find_map(|name| first.get(&name).copied()) {
            repeats.push((at, first));
            continue;
        }
        first.extend(names.map(|name| (name, at)));
        match repeats::earlier(connection, hold).await? {
            Some(earlier) => answers[at] = Held::Repeat(earlier),
            None => accounts.entry((&hold.project, &hold.ref_id)).or_default().push(at),
        }
    }
    let mut made = Vec::new();
    let keys: Vec<_> = accounts.keys().copied().collect();
    let locked = lock(connection, &keys).await?;
    let mut changes = Vec::new();
    for (((project, ref_id), places), account) in accounts.into_iter().zip(locked) {
        let Some(account) = account else { continue };
        let available = account.available();
        let mut left = available;
        for at in places {
            if let Some(amount) = hold(holds[at].estimate, left) {
                left = left.less(amount);
                answers[at] = Held::Amount(amount);
                made.push((holds[at], amount));
            }
        }
        let held = signed(available.less(left));
        changes.push(Sums { project, ref_id, balance: 0, held });
    }
    change(connection, &changes).await?;
    for (at, first) in repeats {
        answers[at] = match answers[first] {
            Held::Amount(_) if holds[at].request != holds[first].request => {
                Held::Repeat(Repeat::of(holds[at], holds[first]))
            }
            // Both repeat a call before this batch, or this one is that call.
            Held::Repeat(_) => {
                let earlier = repeats::earlier(connection, holds[at]).await?;
                earlier.map_or(Held::Empty, Held::Repeat)
            }
            other => other,
        };
    }
    // What is asked for again is held for already, though nothing else may be left.
    let is_refused = |(at, _): &(usize, &&Hold)| answers[*at] == Held::Empty;
    let refused: Vec<_> = holds.iter().enumerate().filter(is_refused).collect();
    let asked: Vec<_> = refused.iter().map(|(_, hold)| **hold).collect();
    let held = already_held(connection, &asked).await?;
    for (at, hold) in refused {
        if let Some(amount) = held.get(&(&hold.project, hold.request)) {
            answers[at] = Held::Amount(*amount);
        }
    }
    let inserted = execute_rows(connection, HEAD, 5, TAIL, &made, |(hold, amount), values| {
        values.extend([
            hold.project.as_str().into(),
            hold.request.as_bytes().to_vec().into(),
            hold.ref_id.as_str().into(),
            signed(*amount).into(),
            hold.deadline.as_millis().into(),
        ]);
    });
    if inserted.await? != made.len() as u64 {
        return Err(StoreError::Taken("hold"));
    }
    let entry = |(hold, amount): &(&Hold, Credits)| {
        let Hold { project, ref_id, request, at, .. } = hold;
        NewEntry::of_call(project, ref_id, EntryKind::Hold, -signed(*amount), *request, *at)
    };
    append(connection, &made.iter().map(entry).collect::<Vec<_>>()).await?;
    repeats::note(connection, made.iter().map(|(hold, _)| *hold)).await?;
    Ok(answers)
}

/// What a call is known by among others.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
enum Name<'h> {
    Request(&'h ProjectId, RequestId),
    Idempotency(&'h ProjectId, &'h RefId, [u8; 32]),
}

fn names(hold: &Hold) -> impl Iterator<Item = Name<'_>> + Clone {
    let Hold { project, ref_id, request, idempotency, .. } = hold;
    let key = idempotency.as_ref().map(|key| Name::Idempotency(project, ref_id, key.key));
    [Some(Name::Request(project, *request)), key].into_iter().flatten()
}

/// Calls that credits are held for, or were, and how many.
pub(super) type Known<'h> = HashMap<(&'h ProjectId, RequestId), Credits>;

/// What was held before, by an earlier asking for the same calls.
pub(super) async fn already_held<'h>(
    connection: &impl ConnectionTrait,
    holds: &[&'h Hold],
) -> Result<Known<'h>, StoreError> {
    let mut projects: BTreeMap<&ProjectId, Vec<RequestId>> = BTreeMap::new();
    for hold in holds {
        projects.entry(&hold.project).or_default().push(hold.request);
    }
    let mut known = HashMap::new();
    for (project, requests) in projects {
        for requests in requests.chunks(LOOK_UP) {
            let keys: HashMap<_, _> = requests
                .iter()
                .map(|request| (call_key(EntryKind::Hold, *request), *request))
                .collect();
            for (key, amount) in
                entered(connection, project, keys.keys().cloned().collect()).await?
            {
                if let Some(request) = keys.get(&key) {
                    known.insert((project, *request), Credits::new(amount.unsigned_abs()));
                }
            }
        }
    }
    Ok(known)
}

/// A hold that was given back.
#[derive(Clone, Debug)]
pub(super) struct Released {
    pub(super) request: RequestId,
    pub(super) ref_id: RefId,
    pub(super) amount: Credits,
}

/// Takes the holds of calls away; the accounts are the caller's to change. Of two who ask for the
/// same, one gets it.
pub(super) async fn take(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
    requests: &[RequestId],
) -> Result<Vec<Released>, StoreError> {
    let mut taken = Vec::new();
    for requests in pieces(requests) {
        let rows: Vec<Model> = Entity::delete_many()
            .filter(Column::ProjectId.eq(project.as_str()))
            .filter(Column::RequestId.is_in(requests.iter().map(|id| id.as_bytes().to_vec())))
            .exec_with_returning(connection)
            .await?;
        for row in rows {
            taken.push(Released {
                request: request(&row.request_id)?,
                ref_id: ref_id(TABLE, &row.ref_id)?,
                amount: Credits::new(count(row.amount)),
            });
        }
    }
    Ok(taken)
}

/// Gives back what is held for calls of a project; `reason` is why, if not that they were never sent.
pub(super) async fn release(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
    requests: &[RequestId],
    reason: Option<&str>,
    at: Timestamp,
) -> Result<Vec<Released>, StoreError> {
    let taken = take(connection, project, requests).await?;
    let mut accounts: BTreeMap<&RefId, i64> = BTreeMap::new();
    let mut entries = Vec::with_capacity(taken.len());
    for released in &taken {
        let Released { request, ref_id, amount } = released;
        let amount = signed(*amount);
        *accounts.entry(ref_id).or_default() += amount;
        let kind = EntryKind::Release;
        let entry = NewEntry::of_call(project, ref_id, kind, amount, *request, at);
        entries.push(NewEntry { reason: reason.map(str::to_owned), ..entry });
    }
    let changes = accounts.into_iter().map(|(ref_id, amount)| {
        let held = -amount;
        Sums { project, ref_id, balance: 0, held }
    });
    change(connection, &changes.collect::<Vec<_>>()).await?;
    append(connection, &entries).await?;
    Ok(taken)
}

impl Store {
    /// Gives back what is held past its deadline: for calls whose end was never recorded. Returns
    /// how many holds that were.
    ///
    /// # Errors
    /// [`StoreError::Database`], [`StoreError::Damaged`].
    pub async fn release_overdue(&self, now: Timestamp) -> Result<u64, StoreError> {
        let mut released = 0;
        loop {
            let transaction = self.database().begin().await?;
            let overdue = Entity::find()
                .filter(Column::Deadline.lt(now.as_millis()))
                .order_by_asc(Column::Deadline)
                .limit(SWEEP)
                .all(&transaction)
                .await?;
            let mut projects: BTreeMap<String, Vec<RequestId>> = BTreeMap::new();
            for row in overdue {
                projects.entry(row.project_id).or_default().push(request(&row.request_id)?);
            }
            if projects.is_empty() {
                return Ok(released);
            }
            for (project, requests) in projects {
                let project = ProjectId::new(project);
                let taken = release(&transaction, &project, &requests, Some(OVERDUE), now).await?;
                released += taken.len() as u64;
            }
            transaction.commit().await?;
        }
    }
}
