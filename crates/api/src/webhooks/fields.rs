//! The fields of an endpoint, as requests send them.

use byok_domain::events::EventFilter;
use serde_json::Value;

use crate::dispatch::Scope;
use crate::error::ApiError;
use crate::fields::Fields;
use crate::state::AppState;

/// The most filters of one endpoint: there are fewer events.
const MOST_FILTERS: usize = 20;
const MOST_DESCRIPTION: usize = 500;

/// Which events are wanted, if it is said.
pub(super) fn events(fields: &mut Fields) -> Option<Vec<String>> {
    let Value::Array(entries) = fields.take("events")? else {
        fields.reject("events", "must be a list of events such as byok.*");
        return None;
    };
    if entries.is_empty() || entries.len() > MOST_FILTERS {
        fields.reject("events", "must have 1 to 20 entries; [\"*\"] is for all events");
        return None;
    }
    let mut filters = Vec::with_capacity(entries.len());
    for (at, entry) in entries.iter().enumerate() {
        match entry.as_str().filter(|text| EventFilter::parse(text).is_some()) {
            Some(text) => filters.push(text.to_owned()),
            None => fields.reject(
                format!("events[{at}]"),
                "must be the name of an event such as byok.fallback, a family such as byok.*, or *",
            ),
        }
    }
    Some(filters)
}

/// The description, if there is one.
pub(super) fn description(fields: &mut Fields) -> Option<String> {
    let text = fields.text("description")?;
    if text.chars().count() > MOST_DESCRIPTION || text.chars().any(char::is_control) {
        fields.reject("description", "must be one line of at most 500 characters");
    }
    Some(text)
}

/// The URL in the spelling that it is kept in.
pub(super) async fn settled_url(
    state: &AppState,
    scope: &Scope,
    url: &str,
) -> Result<String, ApiError> {
    let url = state.webhooks.check(scope.id(), url).await;
    url.map(|url| url.text()).map_err(|error| ApiError::blocked_at_save("url", error))
}
