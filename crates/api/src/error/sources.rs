//! What the crates below say went wrong, as refusals. (What goes wrong with a call to a provider is
//! told beside the routes of calls.)

use byok_domain::InvalidRefId;
use byok_gateway::AuthError;
use byok_store::StoreError;
use byok_vault::VaultError;

use super::{ApiError, Code, FieldError};

impl From<InvalidRefId> for ApiError {
    fn from(error: InvalidRefId) -> Self {
        let code = match error {
            InvalidRefId::Empty => Code::MissingRefId,
            InvalidRefId::TooLong | InvalidRefId::Unprintable => Code::InvalidRefId,
        };
        Self::new(code, error.to_string())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::NotFound(what) => Self::not_found(what),
            StoreError::KeyExists => Self::key_exists(),
            StoreError::TierInUse(tier) => Self::field(
                "tiers",
                format!(
                    "leaves out {tier}, which customers are on; put them on another tier first"
                ),
            ),
            StoreError::UnknownTier { known, .. } => {
                Self::field("tier", format!("must be one of the project's tiers: {known}"))
            }
            StoreError::Reused => Self::new(
                Code::Conflict,
                "This Idempotency-Key was used for another grant or refund to this customer; send a \
                 new one.",
            ),
            StoreError::TooManyCredits => Self::field(
                "amount",
                "would take the balance over 1000000000000000 credits; grant fewer",
            ),
            StoreError::NotCharged => Self::field(
                "requestId",
                "names no call that this customer was charged credits for; send the x-request-id of one",
            ),
            StoreError::RefundTooLarge { left } => Self::field(
                "amount",
                format!(
                    "is more than the call was charged: {left} credits of it are left to refund"
                ),
            ),
            StoreError::TooMany(what) => Self::new(
                Code::Conflict,
                format!("The project has as many {what} as it may have; delete one first."),
            ),
            StoreError::Disabled(what) => {
                Self::new(Code::Conflict, format!("The {what} is disabled; enable it first."))
            }
            StoreError::Database(_) => Self::unavailable(error),
            StoreError::Taken(_)
            | StoreError::Url(_)
            | StoreError::OldSqlite { .. }
            | StoreError::OldPostgres { .. }
            | StoreError::Encoding { .. }
            | StoreError::NewerSchema { .. }
            | StoreError::Damaged { .. } => Self::internal(error),
        }
    }
}

impl From<VaultError> for ApiError {
    fn from(error: VaultError) -> Self {
        Self::new(
            Code::VaultIntegrity,
            "The stored key cannot be opened; connect it again, and report the requestId.",
        )
        .caused_by(error)
    }
}

impl From<AuthError> for ApiError {
    fn from(error: AuthError) -> Self {
        match error {
            AuthError::Invalid => Self::new(
                Code::Unauthenticated,
                "The key is unknown, revoked or expired; send a current one as \
                 Authorization: Bearer <key>.",
            ),
            AuthError::Directory(_) => Self::unavailable(error),
        }
    }
}

impl ApiError {
    /// A working key is there, and the caller may not replace one.
    pub(crate) fn key_exists() -> Self {
        Self::new(
            Code::KeyExists,
            "This customer has a working key for the provider already; replace it with a secret \
             key from your server.",
        )
    }

    /// Something needed is away for now.
    pub(crate) fn unavailable(cause: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::new(Code::Unavailable, "This cannot be done at the moment; try again shortly.")
            .retry_after(1)
            .caused_by(cause)
    }

    /// An address that a customer chose and that may not be saved.
    pub(crate) fn blocked_at_save(field: &str, error: byok_net::Blocked) -> Self {
        let message = format!(
            "{field}: {error}; send a public https URL such as https://api.example.com/v1."
        );
        Self::new(Code::EgressBlockedAtSave, message)
            .with_field(FieldError::new(field, error.to_string()))
    }
}
