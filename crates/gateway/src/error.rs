//! What can go wrong with a call before the provider has answered, by who can mend it.

use std::sync::Arc;

use byok_domain::limits::Reached;
use byok_domain::{ErrorClass, ProviderId, routing};
use byok_metering::{LedgerError, NotAdmitted, Repeat};
use byok_net::SendError;
use byok_vault::VaultError;
use thiserror::Error;

use crate::directory::DirectoryError;

/// Why a credential opens nothing.
#[derive(Debug, Error)]
pub enum AuthError {
    /// Unknown, revoked or expired.
    #[error("the credential is not valid")]
    Invalid,
    /// Nobody can say now.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Why a call was not answered by its provider.
#[derive(Debug, Error)]
pub enum CallError {
    /// The project is gone.
    #[error("the project does not exist")]
    NoProject,
    /// The customer has no key for the provider.
    #[error("no {0} key is connected for this refId")]
    KeyNotConnected(ProviderId),
    /// Nobody pays.
    #[error("nobody pays for the call")]
    NotPaid(Box<NotPaid>),
    /// Credits would pay, and the model (or the operation, if it has none) has no price.
    #[error("what the call costs is not known")]
    Unpriced(Option<Arc<str>>),
    /// Credits would pay, and the customer's plan does not allow that now.
    #[error("a limit of the customer's plan is reached")]
    Limited(Reached),
    /// Credits would pay, and whether the customer's plan allows that cannot be found out now.
    #[error("the limits of the customer's plan cannot be checked")]
    Uncounted,
    /// Credits would pay, and it repeats a call that they pay for.
    #[error("the call repeats another")]
    Repeat(Repeat),
    /// Credits would pay, and cannot be set aside now.
    #[error(transparent)]
    Ledger(LedgerError),
    /// The object belongs to another customer.
    #[error("the {0} does not exist")]
    NoObject(&'static str),
    /// The payload cannot be read.
    #[error(transparent)]
    Payload(#[from] byok_providers::PayloadError),
    /// The path holds what no path may.
    #[error("the path has an encoded slash, a dot segment or an empty segment")]
    Path,
    /// The body is longer than allowed.
    #[error("the body is longer than allowed")]
    BodyTooLarge,
    /// The caller broke off its own request.
    #[error("the request body broke off")]
    RequestBody,
    /// The address of the key is not allowed.
    #[error("the key's baseUrl is not allowed")]
    Blocked,
    /// The address of a key leads back to this server.
    #[error("the key's baseUrl leads back to this server")]
    Loop,
    /// The provider cannot be reached.
    #[error("{provider} could not be reached")]
    Unreachable {
        /// Which one.
        provider: &'static str,
        /// What failed.
        #[source]
        source: SendError,
    },
    /// The provider did not begin to answer in time.
    #[error("{0} did not answer in time")]
    Timeout(&'static str),
    /// The provider sent the call elsewhere.
    #[error("{0} answered with a redirect, which is not followed")]
    Redirect(&'static str),
    /// The answer names an address to be called next that cannot be led back here.
    #[error("{0} named an address that is not its own")]
    Elsewhere(&'static str),
    /// The answer broke off before anything of it was passed on.
    #[error("{0}'s answer broke off")]
    Broken(&'static str),
    /// The stored key does not open.
    #[error("the stored key could not be opened")]
    Vault(#[from] VaultError),
    /// The journal is full or broken: nothing is served unmetered.
    #[error("calls cannot be recorded at the moment")]
    Unavailable,
    /// The directory cannot be read and nothing was known.
    #[error(transparent)]
    Directory(#[from] DirectoryError),
}

/// Why nobody pays for a call, and what its reader wants to know to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotPaid {
    /// Why.
    pub why: routing::Refusal,
    /// The provider that was to be called.
    pub provider: ProviderId,
    /// Whether only the customer's own keys may pay.
    pub byok_only: bool,
    /// Whether the customer has credits that could pay at this provider.
    pub has_credits: bool,
    /// The providers that the customer has connected keys for.
    pub providers: Vec<ProviderId>,
    /// How the customer's own key failed, if it was tried.
    pub failed: Option<ErrorClass>,
}

impl From<NotAdmitted> for CallError {
    fn from(refusal: NotAdmitted) -> Self {
        match refusal {
            NotAdmitted::Reached(reached) => Self::Limited(reached),
            NotAdmitted::Uncounted => Self::Uncounted,
        }
    }
}

impl CallError {
    /// The status that a call which was tried is recorded with when it ends in this refusal.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::NotPaid(not_paid) if not_paid.why == routing::Refusal::ByokNotInPlan => 403,
            Self::NotPaid(_) => 402,
            Self::Repeat(_) => 409,
            Self::Limited(_) => 429,
            Self::BodyTooLarge => 413,
            Self::Payload(_) | Self::Path | Self::RequestBody => 400,
            Self::Vault(_) => 500,
            Self::Blocked => 502,
            _ => 503,
        }
    }
}
