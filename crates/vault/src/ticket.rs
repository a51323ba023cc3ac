//! Tickets: notes to ourselves that callers carry.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use byok_domain::ProjectId;

use crate::binding::aad;
use crate::record;
use crate::{DataKey, VaultError};

/// What a ticket is good for: this use of this address, in the project that sealed it.
#[derive(Clone, Copy, Debug)]
pub struct TicketUse<'a> {
    /// The project.
    pub project: &'a ProjectId,
    /// What is done with it.
    pub purpose: &'a str,
    /// With what: a ticket for one target is none for another.
    pub target: &'a str,
}

impl TicketUse<'_> {
    fn aad(&self, kid: &str) -> Vec<u8> {
        aad(&["ticket", kid, self.project.as_str(), self.purpose, self.target])
    }
}

impl DataKey {
    /// Seals a note into a ticket: text that can stand in a URL, and that nobody else can read or
    /// make.
    pub fn seal_ticket(&self, what: &TicketUse<'_>, note: &str) -> String {
        let aad = what.aad(self.kid());
        URL_SAFE_NO_PAD.encode(record::seal(self.key(), self.kid(), &aad, note.as_bytes()))
    }

    /// The note in a ticket.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn open_ticket(&self, what: &TicketUse<'_>, ticket: &str) -> Result<String, VaultError> {
        let sealed = URL_SAFE_NO_PAD.decode(ticket).map_err(|_| VaultError::Malformed)?;
        let aad = what.aad(self.kid());
        let note = record::open(self.key(), self.kid(), &aad, &sealed)?;
        std::str::from_utf8(&note).map(str::to_owned).map_err(|_| VaultError::Malformed)
    }
}
