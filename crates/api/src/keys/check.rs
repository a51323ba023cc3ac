//! `POST /keys/check`: whether a customer has connected a key.

use byok_domain::KeyStatus;
use serde::Serialize;

use crate::answer::{self, Answer};
use crate::dispatch::{Ask, Scope};

#[derive(Serialize)]
struct Checked {
    connected: bool,
    /// Of the key that calls try first.
    status: Option<KeyStatus>,
}

pub(crate) async fn check(scope: Scope, ask: Ask) -> Answer {
    let (state, _, mut fields) = ask.fields().await?;
    let provider = fields.provider();
    let ref_id = fields.ref_id()?;
    let provider = fields.finish(provider)?;
    let keys = super::in_order(&state, &scope, &provider, &ref_id).await?;
    let status = keys.first().map(|key| key.status);
    answer::json(&Checked { connected: status.is_some(), status })
}
