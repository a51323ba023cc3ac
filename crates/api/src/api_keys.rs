//! Tokens of a project: made and shown once, listed by their hint, withdrawn.

use byok_domain::credential::ApiKeyKind;
use byok_domain::{ApiKeyId, KeyHint, RefId, Timestamp};
use byok_store::{ApiKeyRow, NewApiKey};
use serde::Serialize;

use crate::answer::{self, Answer, shown, shown_if_any};
use crate::dispatch::{Ask, Scope};
use crate::error::ApiError;
use crate::fields::Fields;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    id: &'a ApiKeyId,
    #[serde(rename = "type")]
    kind: ApiKeyKind,
    name: &'a str,
    /// The token itself, in the answer that makes it and in no other.
    #[serde(skip_serializing_if = "Option::is_none")]
    key: Option<&'a str>,
    hint: &'a KeyHint,
    ref_id: Option<&'a RefId>,
    #[serde(serialize_with = "shown_if_any")]
    expires_at: Option<Timestamp>,
    #[serde(serialize_with = "shown")]
    created_at: Timestamp,
    #[serde(serialize_with = "shown_if_any")]
    revoked_at: Option<Timestamp>,
}

impl<'a> Shown<'a> {
    fn of(row: &'a ApiKeyRow, key: Option<&'a str>) -> Self {
        Self {
            id: &row.id,
            kind: row.kind,
            name: &row.name,
            key,
            hint: &row.hint,
            ref_id: row.ref_id.as_ref(),
            expires_at: row.expires_at,
            created_at: row.created_at,
            revoked_at: row.revoked_at,
        }
    }
}

/// `POST /api-keys`.
pub(crate) async fn create(scope: Scope, ask: Ask) -> Answer {
    let (state, at, mut fields) = ask.fields().await?;
    let kind = fields.choice("type", "secret, publishable, customer", ApiKeyKind::parse);
    let kind = fields.required("type", kind);
    let ref_id = customer(&mut fields, kind)?;
    let expires_at = expiry(&mut fields, at);
    let mut name = fields.line("name");
    if kind == Some(ApiKeyKind::Customer) {
        name = name.or_else(|| Some("Customer key".to_owned()));
    }
    let name = fields.required("name", name);
    let (kind, name) = fields.finish(kind.zip(name))?;

    let environment = scope.project().environment;
    let (token, row) = NewApiKey::mint(&state.hasher, kind, environment, &name);
    let row = NewApiKey { ref_id, expires_at, ..row };
    let row = state.store.create_api_key(scope.id(), row, &scope.by(at)).await?;
    answer::json(&Shown::of(&row, Some(token.as_str())))
}

/// The customer that a customer key stands for; other kinds stand for none.
fn customer(fields: &mut Fields, kind: Option<ApiKeyKind>) -> Result<Option<RefId>, ApiError> {
    if kind == Some(ApiKeyKind::Customer) {
        return fields.ref_id().map(Some);
    }
    if fields.take("refId").is_some() && kind.is_some() {
        fields.reject("refId", "belongs to keys of type customer only; leave it out");
    }
    Ok(None)
}

fn expiry(fields: &mut Fields, now: Timestamp) -> Option<Timestamp> {
    let at = fields.choice("expiresAt", "an RFC 3339 time", Timestamp::parse)?;
    if at <= now {
        fields.reject("expiresAt", "must lie in the future");
    }
    Some(at)
}

/// `GET /api-keys`.
pub(crate) async fn list(scope: Scope, ask: Ask) -> Answer {
    let query = ask.query(&["limit", "offset"])?;
    let page = query.page()?;
    let rows = ask.state.store.api_keys(scope.id(), page).await?;
    let data = rows.data.iter().map(|row| Shown::of(row, None)).collect();
    answer::list(data, rows.total, page)
}

/// `DELETE /api-keys/{id}`.
pub(crate) async fn revoke(scope: Scope, ask: Ask) -> Answer {
    ask.query(&[])?;
    let id = ApiKeyId::new(ask.param("id"));
    ask.state.store.revoke_api_key(scope.id(), &id, &scope.by(ask.at)).await?;
    ask.state.gateway.forget_api_key(&id);
    answer::json(&serde_json::json!({ "revoked": true }))
}
