//! What projects' webhooks are told of calls: who paid instead, which keys work again or come close
//! to their quota, and whose credits run out.

use std::collections::{BTreeMap, HashMap, HashSet};

use byok_domain::events::Event;
use byok_domain::{CallRecord, Credits, ProjectId, ProviderKeyId};
use sea_orm::{ColumnTrait, DatabaseTransaction, EntityTrait, QueryFilter};

use super::batch::Batch;
use super::circuits::Recovered;
use crate::credits::Charged;
use crate::entity::provider_keys::{Column, Entity, Model};
use crate::{StoreError, outbox, projects, provider_keys, routing};

/// Keys looked up at a time.
const LOOK_UP: usize = 100;

/// What a project is told of.
#[derive(Default)]
struct Told<'a> {
    calls: Vec<&'a CallRecord>,
    accounts: Vec<&'a Charged>,
    recovered: Vec<Recovered<'a>>,
}

/// Writes the events that calls and what was charged for them lead to, for projects that are still
/// there.
pub(super) async fn tell(
    transaction: &DatabaseTransaction,
    batch: &Batch<'_>,
    charged: &[Charged],
    recovered: Vec<Recovered<'_>>,
) -> Result<(), StoreError> {
    let mut projects: BTreeMap<&ProjectId, Told<'_>> = BTreeMap::new();
    for call in batch.iter().filter(|call| is_told(call)) {
        projects.entry(&call.project).or_default().calls.push(call);
    }
    for account in charged.iter().filter(|account| account.after.balance < account.before.balance) {
        projects.entry(&account.project).or_default().accounts.push(account);
    }
    for key in recovered {
        projects.entry(&key.call.project).or_default().recovered.push(key);
    }
    for (project, Told { calls, accounts, recovered }) in projects {
        let Some(row) = projects::find(transaction, project).await? else { continue };
        fallbacks(transaction, project, &calls).await?;
        for Recovered { call, key } in &recovered {
            let event = Event::Recovered { key: provider_keys::told(key)? };
            outbox::emit(transaction, project, &event, call.at).await?;
        }
        quotas(transaction, project, &calls).await?;
        if !accounts.is_empty() {
            let low = routing::read_routing(&row)?.credits_low;
            credits(transaction, project, &accounts, low).await?;
        }
    }
    Ok(())
}

fn is_told(call: &CallRecord) -> bool {
    let then = &call.aftermath;
    then.fallback.is_some() || then.quota.is_some()
}

/// Of calls that fell back alike, one is told of.
async fn fallbacks(
    transaction: &DatabaseTransaction,
    project: &ProjectId,
    calls: &[&CallRecord],
) -> Result<(), StoreError> {
    let mut told = HashSet::new();
    for call in calls {
        let Some(reason) = call.aftermath.fallback else { continue };
        if told.insert((&call.provider, &call.ref_id, reason)) {
            let event = Event::Fallback {
                provider: call.provider.clone(),
                ref_id: call.ref_id.clone(),
                reason: reason.as_str(),
                request_id: call.id.to_string(),
            };
            outbox::emit(transaction, project, &event, call.at).await?;
        }
    }
    Ok(())
}

/// Which keys, of those that are still there, come close to their quota.
async fn quotas(
    transaction: &DatabaseTransaction,
    project: &ProjectId,
    calls: &[&CallRecord],
) -> Result<(), StoreError> {
    let warned = calls.iter().filter(|call| call.aftermath.quota.is_some());
    let named = warned.filter_map(|call| call.key.as_ref());
    let rows = rows(transaction, project, named.collect()).await?;
    let mut warned = HashSet::new();
    for call in calls {
        let (Some(key), Some(quota)) = (&call.key, &call.aftermath.quota) else { continue };
        let Some(row) = rows.get(key).filter(|_| warned.insert(key)) else { continue };
        let event = Event::QuotaWarning {
            key: provider_keys::told(row)?,
            limit: quota.kind.to_string(),
            allowed: quota.limit,
            remaining: quota.remaining,
        };
        outbox::emit(transaction, project, &event, call.at).await?;
    }
    Ok(())
}

async fn rows(
    transaction: &DatabaseTransaction,
    project: &ProjectId,
    keys: HashSet<&ProviderKeyId>,
) -> Result<HashMap<ProviderKeyId, Model>, StoreError> {
    let keys: Vec<_> = keys.into_iter().map(ProviderKeyId::as_str).collect();
    let mut rows = HashMap::new();
    for ids in keys.chunks(LOOK_UP) {
        let found = Entity::find()
            .filter(Column::ProjectId.eq(project.as_str()))
            .filter(Column::Id.is_in(ids.iter().copied()))
            .all(transaction)
            .await?;
        rows.extend(found.into_iter().map(|row| (ProviderKeyId::new(row.id.as_str()), row)));
    }
    Ok(rows)
}

/// Whose credits fell below `low` with these calls, and who has none left.
async fn credits(
    transaction: &DatabaseTransaction,
    project: &ProjectId,
    accounts: &[&Charged],
    low: Credits,
) -> Result<(), StoreError> {
    for Charged { ref_id, before, after, at, .. } in accounts {
        let ref_id = ref_id.clone();
        let event = if after.balance == Credits::ZERO {
            Event::CreditsExhausted { ref_id }
        } else if before.balance >= low && after.balance < low {
            Event::CreditsLow { ref_id, available: after.available().get() }
        } else {
            continue;
        };
        outbox::emit(transaction, project, &event, *at).await?;
    }
    Ok(())
}
