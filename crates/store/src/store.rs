//! A database with the key of its audit log.

use std::sync::Arc;

use byok_vault::AuditKey;

use crate::Database;

/// A database with the key of its audit log: what changes things takes one. Cheap to clone.
#[derive(Clone)]
pub struct Store {
    database: Database,
    audit_key: Arc<AuditKey>,
}

impl Store {
    /// A store on `database`, whose schema is up to date and whose audit log is chained with
    /// `audit_key`.
    pub fn new(database: Database, audit_key: AuditKey) -> Self {
        Self { database, audit_key: Arc::new(audit_key) }
    }

    /// The database itself.
    pub fn database(&self) -> &Database {
        &self.database
    }

    pub(crate) fn audit_key(&self) -> &AuditKey {
        &self.audit_key
    }
}
