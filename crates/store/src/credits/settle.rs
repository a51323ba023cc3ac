//! Charging calls as their records come in: once each, in the transaction that logs them.

use std::collections::{BTreeMap, HashMap, HashSet};

use byok_domain::credits::{Balance, EntryKind, Settlement, settle as charge};
use byok_domain::{CallRecord, Credits, KeySource, ProjectId, RefId, RequestId, Timestamp};
use sea_orm::ConnectionTrait;

use super::account::{Sums, change, lock};
use super::entered;
use super::entry::{NewEntry, append, call_key, signed};
use super::holds::{Released, take};
use crate::StoreError;

/// Keys that are looked up at a time.
const LOOK_UP: usize = 256;

/// A customer whose account calls changed, and what was there before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Charged {
    pub(crate) project: ProjectId,
    pub(crate) ref_id: RefId,
    pub(crate) before: Balance,
    pub(crate) after: Balance,
    /// The time of the last of the calls.
    pub(crate) at: Timestamp,
}

/// What came of settling.
#[derive(Debug, Default)]
pub(crate) struct Settled {
    /// The customers who were charged.
    pub(crate) charged: Vec<Charged>,
    /// Calls that cost more than there was: what they were charged instead.
    pub(crate) short: HashMap<(ProjectId, RequestId), Credits>,
}

/// Settles the calls that credits pay for or were held for: each charged what it cost, as far as
/// the balance goes, and what was held for it given back.
pub(crate) async fn settle<'a>(
    connection: &impl ConnectionTrait,
    calls: impl Iterator<Item = &'a CallRecord>,
) -> Result<Settled, StoreError> {
    let mut projects: BTreeMap<&ProjectId, Vec<&CallRecord>> = BTreeMap::new();
    for call in calls {
        if call.aftermath.held.is_some() || cost(call).is_some() {
            projects.entry(&call.project).or_default().push(call);
        }
    }
    let mut settled = Settled::default();
    for (project, calls) in projects {
        of_project(connection, project, &calls, &mut settled).await?;
    }
    Ok(settled)
}

/// What a call is to be charged. One on the customer's own key never is, nor one whose usage is
/// the word of an address that the customer chose.
fn cost(call: &CallRecord) -> Option<Credits> {
    let pays = call.source == KeySource::Credits && !call.customer_reported;
    call.aftermath.credits.filter(|_| pays)
}

/// What calls do to one account.
#[derive(Default)]
struct Work<'a> {
    released: Vec<(&'a CallRecord, Credits)>,
    costs: Vec<(&'a CallRecord, Credits)>,
}

async fn of_project(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
    calls: &[&CallRecord],
    settled: &mut Settled,
) -> Result<(), StoreError> {
    let ids: Vec<_> = calls.iter().map(|call| call.id).collect();
    let held: HashMap<RequestId, Released> = take(connection, project, &ids)
        .await?
        .into_iter()
        .map(|released| (released.request, released))
        .collect();
    // A call is charged in the transaction that takes its hold away: one that had it is not yet.
    let without: Vec<_> = ids.into_iter().filter(|id| !held.contains_key(id)).collect();
    let charged_before = already_charged(connection, project, &without).await?;
    let mut accounts: BTreeMap<&RefId, Work<'_>> = BTreeMap::new();
    for call in calls {
        // The hold knows the account best: its customer may have been erased in the meantime.
        let hold = held.get(&call.id);
        let work = accounts.entry(hold.map_or(&call.ref_id, |hold| &hold.ref_id)).or_default();
        if let Some(hold) = hold {
            work.released.push((call, hold.amount));
        }
        if let Some(cost) = cost(call).filter(|_| !charged_before.contains(&call.id)) {
            work.costs.push((call, cost));
        }
    }
    let mut entries = Vec::new();
    let keys: Vec<_> = accounts.keys().map(|ref_id| (project, *ref_id)).collect();
    let locked = lock(connection, &keys).await?;
    let mut changes = Vec::new();
    for ((ref_id, work), before) in accounts.into_iter().zip(locked) {
        let before = before.unwrap_or_default();
        changes.push(of_account(project, ref_id, before, work, &mut entries, settled));
    }
    change(connection, &changes).await?;
    append(connection, &entries).await
}

fn of_account<'a>(
    project: &'a ProjectId,
    ref_id: &'a RefId,
    before: Balance,
    work: Work<'_>,
    entries: &mut Vec<NewEntry>,
    settled: &mut Settled,
) -> Sums<'a> {
    let mut now = before;
    let calls = work.released.iter().chain(&work.costs);
    let at = calls.map(|(call, _)| call.at).max();
    for (call, amount) in work.released {
        now.held = now.held.less(amount);
        let kind = EntryKind::Release;
        let amount = signed(amount);
        entries.push(NewEntry::of_call(project, ref_id, kind, amount, call.id, call.at));
    }
    for (call, cost) in work.costs {
        let Settlement { charged, shortfall } = charge(cost, now.balance);
        now.balance = now.balance.less(charged);
        let kind = EntryKind::Settle;
        let entry = NewEntry::of_call(project, ref_id, kind, -signed(charged), call.id, call.at);
        entries.push(NewEntry { shortfall, after: Some(now), ..entry });
        if shortfall > Credits::ZERO {
            tracing::warn!(
                %project, request = %call.id, credits = shortfall.get(),
                "a call cost more credits than its customer had"
            );
            settled.short.insert((project.clone(), call.id), charged);
        }
    }
    let (spent, given_back) = (before.balance.less(now.balance), before.held.less(now.held));
    settled.charged.extend(at.map(|at| Charged {
        project: project.clone(),
        ref_id: ref_id.clone(),
        before,
        after: now,
        at,
    }));
    Sums { project, ref_id, balance: -signed(spent), held: -signed(given_back) }
}

async fn already_charged(
    connection: &impl ConnectionTrait,
    project: &ProjectId,
    ids: &[RequestId],
) -> Result<HashSet<RequestId>, StoreError> {
    let mut charged = HashSet::new();
    for ids in ids.chunks(LOOK_UP) {
        let keys: HashMap<_, _> =
            ids.iter().map(|id| (call_key(EntryKind::Settle, *id), *id)).collect();
        for (key, _) in entered(connection, project, keys.keys().cloned().collect()).await? {
            charged.extend(keys.get(&key));
        }
    }
    Ok(charged)
}
