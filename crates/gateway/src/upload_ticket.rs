//! Whose an upload is that goes on without a credential.
//!
//! Google's SDK for Python sends an upload's bytes to the address it was told and nothing with them:
//! the address itself has to say for whom, and prove it.

use byok_domain::{ProjectId, ProviderKeyId, RefId, Timestamp};
use byok_vault::TicketUse;

use crate::error::CallError;
use crate::gateway::{Gateway, Project};
use crate::request::Here;

/// The last parameter of an address that carries a ticket.
const PARAMETER: &str = "byo_ticket=";

/// How long after its beginning an upload may go on.
const VALID_MS: i64 = 24 * 60 * 60 * 1000;

/// An upload that was begun here, and may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continued {
    /// The customer who began it.
    pub ref_id: RefId,
    /// The key it was begun with.
    pub key: ProviderKeyId,
}

/// The query without the ticket that it ends with, and the ticket; `None` when it has none.
pub fn split_ticket(query: &str) -> Option<(Option<&str>, &str)> {
    match query.strip_prefix(PARAMETER) {
        Some(ticket) => Some((None, ticket)),
        None => {
            let (rest, ticket) = query.rsplit_once(PARAMETER)?;
            Some((Some(rest.strip_suffix('&')?), ticket))
        }
    }
}

/// The address here at which an upload goes on that goes on at `target` below the provider's base.
pub(crate) fn address(
    project: &Project,
    provider: &str,
    here: &Here,
    target: &str,
    upload: &Continued,
    now: Timestamp,
) -> String {
    let what = TicketUse { project: &project.id, purpose: provider, target };
    let until = now.as_millis() + VALID_MS;
    let note = format!("{until} {} {}", upload.key, upload.ref_id.as_str());
    let ticket = project.data_key.seal_ticket(&what, &note);
    let separator = if target.contains('?') { '&' } else { '?' };
    format!("{}{target}{separator}{PARAMETER}{ticket}", here.project_base)
}

fn read(note: &str, now: Timestamp) -> Option<Continued> {
    let mut parts = note.splitn(3, ' ');
    let until: i64 = parts.next()?.parse().ok()?;
    let key = ProviderKeyId::new(parts.next()?);
    let ref_id = RefId::parse(parts.next()?).ok()?;
    (now.as_millis() < until).then_some(Continued { ref_id, key })
}

impl Gateway {
    /// The upload that a ticket lets go on at `target`, the path and query below the provider's base
    /// URL; `None` for a ticket that lets nothing go on there, or no longer.
    ///
    /// # Errors
    /// As [`Gateway::project`].
    pub async fn continued_upload(
        &self,
        project: &ProjectId,
        provider: &str,
        target: &str,
        ticket: &str,
    ) -> Result<Option<Continued>, CallError> {
        let Some(project) = self.project(project).await? else { return Ok(None) };
        let what = TicketUse { project: &project.id, purpose: provider, target };
        let note = project.data_key.open_ticket(&what, ticket).ok();
        Ok(note.and_then(|note| read(&note, self.ambient.now())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_the_last_parameter() {
        for (query, expected) in [
            ("upload_id=1&byo_ticket=abc", Some((Some("upload_id=1"), "abc"))),
            ("byo_ticket=abc", Some((None, "abc"))),
            ("byo_ticket=", Some((None, ""))),
            ("a=1&byo_ticket=x&byo_ticket=y", Some((Some("a=1&byo_ticket=x"), "y"))),
            ("upload_id=1", None),
            ("xbyo_ticket=abc", None),
            ("", None),
        ] {
            assert_eq!(split_ticket(query), expected, "{query}");
        }
    }

    #[test]
    fn a_note_tells_customer_and_key_until_its_time_is_over() {
        let now = |millis| Timestamp::from_millis(millis);
        let read = |note: &str, millis| super::read(note, now(millis));
        let upload = read("1000 pk_1 customer 1 é", 999).expect("in time");
        assert_eq!((upload.key.as_str(), upload.ref_id.as_str()), ("pk_1", "customer 1 é"));
        assert_eq!(read("1000 pk_1 c", 1000), None);
        for note in ["", "1000", "1000 pk_1", "x pk_1 c"] {
            assert_eq!(read(note, 0), None, "{note}");
        }
    }
}
