//! A ticket opens for what it was made for only.

use byok_domain::ProjectId;
use byok_vault::{DataKey, TicketUse};

use crate::ring;

fn data_key(project: &ProjectId) -> DataKey {
    let ring = ring();
    ring.open_data_key(project, &ring.new_data_key(project)).expect("a fresh key opens")
}

#[test]
fn a_ticket_opens_for_its_own_use_and_no_other() {
    let (a, b) = (ProjectId::new("proj_a"), ProjectId::new("proj_b"));
    let (key, other) = (data_key(&a), data_key(&a));
    let what = TicketUse { project: &a, purpose: "upload", target: "/files?upload_id=1" };
    let ticket = key.seal_ticket(&what, "17 pk_1 customer é");
    assert_eq!(key.open_ticket(&what, &ticket).expect("it opens"), "17 pk_1 customer é");
    assert!(ticket.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_".contains(&b)), "{ticket}");
    assert!(!ticket.contains("customer"));
    for wrong in [
        TicketUse { project: &b, ..what },
        TicketUse { purpose: "uploa", target: "d/files?upload_id=1", ..what },
        TicketUse { target: "/files?upload_id=2", ..what },
        TicketUse { target: "", ..what },
    ] {
        assert!(key.open_ticket(&wrong, &ticket).is_err(), "{wrong:?}");
    }
    assert!(other.open_ticket(&what, &ticket).is_err());
    for at in 0..ticket.len() {
        let mut text = ticket.clone();
        let swapped = if text.as_bytes()[at] == b'A' { "B" } else { "A" };
        text.replace_range(at..=at, swapped);
        assert!(key.open_ticket(&what, &text).is_err(), "{at}");
        assert!(key.open_ticket(&what, &ticket[..at]).is_err(), "{at}");
    }
    for text in ["é", "====", "A"] {
        assert!(key.open_ticket(&what, text).is_err(), "{text}");
    }
}
