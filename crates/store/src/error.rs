//! Why the store does not do what it was asked.

use byok_domain::Credits;
use sea_orm::DbErr;
use thiserror::Error;

/// Why the store does not do what it was asked.
#[derive(Debug, Error)]
pub enum StoreError {
    /// What is to be changed is not there, or not in that project.
    #[error("the {0} does not exist")]
    NotFound(&'static str),
    /// The customer has a working key there, and the caller may not replace one.
    #[error("the customer has a working key for this provider")]
    KeyExists,
    /// Customers are on a plan that would be gone.
    #[error("customers are on the tier {0}")]
    TierInUse(String),
    /// There is no such plan.
    #[error("there is no tier {name}; there are: {known}")]
    UnknownTier {
        /// The name that was given.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// An idempotency key came with another body before.
    #[error("the idempotency key was used for something else")]
    Reused,
    /// The customer would have more credits than anyone may.
    #[error("the balance would pass what a customer may have")]
    TooManyCredits,
    /// There is no call that the customer was charged for under this request id.
    #[error("the customer was charged nothing for such a call")]
    NotCharged,
    /// The call was charged less than is to be refunded of it.
    #[error("of what the call was charged, {left} credits are left to refund")]
    RefundTooLarge {
        /// What it was charged, less what was refunded already.
        left: Credits,
    },
    /// Something else has this id or digest already.
    #[error("the {0} exists already")]
    Taken(&'static str),
    /// The project has as many of these as it may have.
    #[error("the project has as many {0} as it may have")]
    TooMany(&'static str),
    /// Nothing can be done with what is disabled.
    #[error("the {0} is disabled")]
    Disabled(&'static str),
    /// The address of the database is not one that can be opened.
    #[error("the database URL cannot be used: {0}")]
    Url(&'static str),
    /// The SQLite library in this build can damage a database in WAL mode.
    #[error("SQLite {found} is too old: versions before 3.51.3 can damage a database in WAL mode")]
    OldSqlite {
        /// The version that the library reports.
        found: String,
    },
    /// The PostgreSQL server is older than any that this build is tried with.
    #[error("PostgreSQL {found} is too old: version 13 or later is needed")]
    OldPostgres {
        /// The version that the server reports.
        found: String,
    },
    /// The PostgreSQL database cannot hold every text.
    #[error("the database has the encoding {found}; make one with UTF8")]
    Encoding {
        /// The encoding it has.
        found: String,
    },
    /// A newer release of this software has changed the schema.
    #[error("the database was changed by a newer release ({change}); start that release instead")]
    NewerSchema {
        /// The first schema change that this build does not know.
        change: String,
    },
    /// A row holds what this software never writes.
    #[error("a row of {table} is damaged: {why}")]
    Damaged {
        /// The table it is in.
        table: &'static str,
        /// What cannot be read.
        why: String,
    },
    /// The database cannot be reached or fails.
    #[error("the database failed")]
    Database(#[from] DbErr),
}

impl StoreError {
    pub(crate) fn damaged(table: &'static str, why: impl Into<String>) -> Self {
        Self::Damaged { table, why: why.into() }
    }
}
