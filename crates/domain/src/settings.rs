//! What a project may set for its calls.

use serde::{Deserialize, Serialize};

/// What becomes of a call at its provider when the caller leaves in the middle of the answer.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientGone {
    /// It is broken off; its usage is what was told until then, or an estimate.
    #[default]
    Cancel,
    /// The answer is read on, within bounds, for the true usage.
    Drain,
}

impl ClientGone {
    /// As written in the API and the database.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Cancel => "cancel",
            Self::Drain => "drain",
        }
    }

    /// The way that `text` names.
    pub fn parse(text: &str) -> Option<Self> {
        [Self::Cancel, Self::Drain].into_iter().find(|way| way.as_str() == text)
    }
}

/// A project's settings. In JSON an object, in which whatever is missing stands at its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ProjectSettings {
    /// Whether streams that tell their usage only when asked are asked for it.
    pub include_usage: bool,
    /// What becomes of a call whose caller leaves.
    pub client_gone: ClientGone,
}

impl Default for ProjectSettings {
    fn default() -> Self {
        Self { include_usage: true, client_gone: ClientGone::default() }
    }
}

/// What is to change of a project's settings; `None` leaves one as it is. In JSON only the others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SettingsChange {
    /// See [`ProjectSettings::include_usage`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub include_usage: Option<bool>,
    /// See [`ProjectSettings::client_gone`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_gone: Option<ClientGone>,
}

impl SettingsChange {
    /// Whether nothing is to change.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_set_stands_at_its_default_and_what_has_no_meaning_is_refused() {
        let default = ProjectSettings::default();
        for (json, expected) in [
            ("{}", Some(default)),
            (r#"{"of a later version": 1}"#, Some(default)),
            (
                r#"{"includeUsage": false}"#,
                Some(ProjectSettings { include_usage: false, ..default }),
            ),
            (
                r#"{"clientGone": "drain"}"#,
                Some(ProjectSettings { client_gone: ClientGone::Drain, ..default }),
            ),
            (r#"{"clientGone": "stay"}"#, None),
            (r#"{"includeUsage": "no"}"#, None),
        ] {
            assert_eq!(serde_json::from_str(json).ok(), expected, "{json}");
        }
        assert!(default.include_usage && default.client_gone == ClientGone::Cancel);
    }
}
