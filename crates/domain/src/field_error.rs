//! What is wrong with one field of what somebody sent.

use serde::Serialize;

/// A field and what is wrong with it, as it stands in the `errors` of a refusal.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, thiserror::Error)]
#[error("{field}: {message}")]
pub struct FieldError {
    /// Its path, as in the API (`providerConfig.baseUrl`); empty for all of it.
    pub field: String,
    /// What is wrong and what to do, as a sentence without its subject.
    pub message: String,
}

impl FieldError {
    /// An error of `field`.
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into() }
    }
}
