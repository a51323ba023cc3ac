//! The secrets of webhook endpoints.

use byok_domain::{ProjectId, ProviderId, ProviderKeyId, RefId, WebhookId};
use byok_vault::{Binding, DataKey, Purpose, SealedSecret, VaultError, WebhookBinding};

use crate::{ring, secret};

fn data_key(project: &ProjectId) -> DataKey {
    let ring = ring();
    ring.open_data_key(project, &ring.new_data_key(project)).expect("its own")
}

#[test]
fn a_secret_opens_for_its_endpoint_and_version_alone() {
    let (project, other) = (ProjectId::new("proj_a"), ProjectId::new("proj_b"));
    let (endpoint, neighbour) = (WebhookId::new("wh_1"), WebhookId::new("wh_2"));
    let key = data_key(&project);
    let place = WebhookBinding { project: &project, endpoint: &endpoint, version: 3 };
    let sealed = key.seal_webhook_secret(&place, &[7; 32]);
    assert_eq!(*key.open_webhook_secret(&place, &sealed).expect("its own place"), [7; 32]);
    for wrong in [
        WebhookBinding { project: &other, ..place },
        WebhookBinding { endpoint: &neighbour, ..place },
        WebhookBinding { version: 2, ..place },
    ] {
        let refused = key.open_webhook_secret(&wrong, &sealed).map(|_| ());
        assert_eq!(refused, Err(VaultError::Integrity), "{wrong:?}");
    }
    let refused = data_key(&project).open_webhook_secret(&place, &sealed).map(|_| ());
    assert!(matches!(refused, Err(VaultError::UnknownKey { .. })));
    let cut = SealedSecret { bytes: sealed.bytes[..sealed.bytes.len() - 1].to_vec() };
    assert_eq!(key.open_webhook_secret(&place, &cut).map(|_| ()), Err(VaultError::Integrity));
}

#[test]
fn a_provider_key_is_no_webhook_secret_and_the_other_way_round() {
    let project = ProjectId::new("proj_a");
    let key = data_key(&project);
    let id = "same_id";
    let endpoint = WebhookId::new(id);
    let connection = ProviderKeyId::new(id);
    let ref_id = RefId::parse("c").expect("a refId");
    let provider = ProviderId::new("openai");
    let binding = Binding {
        purpose: Purpose::ProviderKey,
        project: &project,
        connection: &connection,
        ref_id: Some(&ref_id),
        provider: &provider,
        origin: "",
        version: 1,
    };
    let place = WebhookBinding { project: &project, endpoint: &endpoint, version: 1 };
    let provider_key = key.seal(&binding, &secret("sk-abcdefghijklmnopqrstuvwxyz012"));
    let refused = key.open_webhook_secret(&place, &provider_key).map(|_| ());
    assert_eq!(refused, Err(VaultError::Integrity));
    let webhook = key.seal_webhook_secret(&place, &[b'x'; 32]);
    assert_eq!(key.open(&binding, &webhook).map(|_| ()), Err(VaultError::Integrity));
}
