//! Who changes something, and when.

use byok_domain::Timestamp;
use byok_domain::audit::Actor;

/// Who changes something, and when: what every change is written to the audit log with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct By {
    /// Who, and from where.
    pub actor: Actor,
    /// When.
    pub at: Timestamp,
}

impl By {
    /// `actor`, at `at`.
    pub fn new(actor: Actor, at: Timestamp) -> Self {
        Self { actor, at }
    }
}
