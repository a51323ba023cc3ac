//! Probes: whether the process lives, and whether it can serve calls.

use http::StatusCode;
use serde::Serialize;

use crate::answer::{self, Answer};
use crate::dispatch::Ask;
use crate::state::AppState;

/// `GET /healthz`.
pub(crate) async fn alive(ask: Ask) -> Answer {
    ask.query(&[])?;
    answer::json(&serde_json::json!({ "status": "ok" }))
}

#[derive(Serialize)]
struct Readiness {
    status: &'static str,
    checks: Checks,
}

#[derive(Serialize)]
struct Checks {
    database: &'static str,
    keyring: &'static str,
    journal: &'static str,
}

/// `GET /readyz`. Anyone may ask, so it tells which part fails and nothing more.
pub(crate) async fn ready(ask: Ask) -> Answer {
    ask.query(&[])?;
    let state = &ask.state;
    let database = state.store.database().ping().await.is_ok();
    let keyring = database && holds_the_keys_in_use(state).await;
    let journal = state.usage.has_room();
    let all = database && keyring && journal;
    let word = |fine| if fine { "ok" } else { "failed" };
    let mut response = answer::json(&Readiness {
        status: if all { "ready" } else { "unready" },
        checks: Checks { database: word(database), keyring: word(keyring), journal: word(journal) },
    })?;
    if !all {
        *response.status_mut() = StatusCode::SERVICE_UNAVAILABLE;
    }
    Ok(response)
}

/// Whether everything that is sealed can be opened: another instance may have begun to use an
/// encryption key that this one was never given.
async fn holds_the_keys_in_use(state: &AppState) -> bool {
    match state.store.database().kids_in_use().await {
        Ok(uses) => uses.iter().all(|used| state.keyring.holds(&used.kid)),
        Err(_) => false,
    }
}
