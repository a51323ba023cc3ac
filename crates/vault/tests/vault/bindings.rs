//! A record opens in its own place only.

use byok_domain::{ProjectId, ProviderId, ProviderKeyId, RefId};
use byok_vault::{Binding, Purpose, VaultError};

use crate::{ring, secret, text_of};

/// A binding that owns its fields.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) purpose: Purpose,
    pub(crate) project: ProjectId,
    pub(crate) connection: ProviderKeyId,
    pub(crate) ref_id: RefId,
    pub(crate) provider: ProviderId,
    pub(crate) origin: String,
    pub(crate) version: u32,
}

impl Place {
    pub(crate) fn new(project: &str, connection: &str, ref_id: &str, provider: &str) -> Self {
        Self {
            purpose: Purpose::ProviderKey,
            project: ProjectId::new(project),
            connection: ProviderKeyId::new(connection),
            ref_id: RefId::parse(ref_id).expect("a good refId"),
            provider: ProviderId::new(provider),
            origin: String::new(),
            version: 1,
        }
    }

    pub(crate) fn binding(&self) -> Binding<'_> {
        Binding {
            purpose: self.purpose,
            project: &self.project,
            connection: &self.connection,
            ref_id: Some(&self.ref_id),
            provider: &self.provider,
            origin: &self.origin,
            version: self.version,
        }
    }
}

/// Fifty places that differ in one field or in where one field ends and the next begins.
fn fifty_places() -> Vec<Place> {
    let mut places = Vec::new();
    for i in 0..10 {
        places.push(Place::new("proj_a", &format!("pk_{i}"), "customer", "openai"));
        places.push(Place::new(&format!("proj_{i}"), "pk", "customer", "openai"));
        places.push(Place::new("proj_a", "pk", &format!("customer_{i}"), "openai"));
    }
    for (connection, ref_id) in
        [("pk", "1customer"), ("pk1", "customer"), ("pk1c", "ustomer"), ("p", "k1customer")]
    {
        places.push(Place::new("proj_a", connection, ref_id, "openai"));
    }
    for provider in ["openai", "azure-openai", "anthropic", "mistral"] {
        places.push(Place::new("proj_a", "pk", "other", provider));
    }
    for origin in ["https://a.example:443", "https://a.example:8443", "https://b.example:443"] {
        let place = Place::new("proj_a", "pk", "other", "cohere");
        places.push(Place { origin: origin.into(), ..place });
    }
    for version in [0, 1, 2, 10, 11, u32::MAX] {
        places.push(Place { version, ..Place::new("proj_a", "pk", "versions", "openai") });
    }
    for purpose in [Purpose::ProviderKey, Purpose::PlatformKey] {
        places.push(Place { purpose, ..Place::new("proj_a", "pk", "purposes", "openai") });
    }
    places.push(Place::new("proj_a|pk", "x", "customer", "openai"));
    assert_eq!(places.len(), 50);
    places
}

#[test]
fn a_record_opens_in_its_own_place_and_in_no_other_of_fifty() {
    let ring = ring();
    let project = ProjectId::new("proj_a");
    let data_key =
        ring.open_data_key(&project, &ring.new_data_key(&project)).expect("a fresh key opens");
    let places = fifty_places();
    let sealed: Vec<_> = places
        .iter()
        .enumerate()
        .map(|(i, place)| data_key.seal(&place.binding(), &secret(&format!("sk-{i}"))))
        .collect();
    for (i, place) in places.iter().enumerate() {
        for (j, record) in sealed.iter().enumerate() {
            match data_key.open(&place.binding(), record) {
                Ok(opened) => {
                    assert_eq!(i, j, "{:?} opened at {place:?}", places[j]);
                    assert_eq!(text_of(&opened), format!("sk-{j}"));
                }
                Err(error) => {
                    assert_ne!(i, j, "{place:?} does not open what it sealed");
                    assert_eq!(error, VaultError::Integrity);
                }
            }
        }
    }
}

#[test]
fn a_data_key_opens_for_its_own_project_and_another_projects_key_opens_nothing() {
    let ring = ring();
    let (ours, theirs) = (ProjectId::new("proj_ours"), ProjectId::new("proj_theirs"));
    let sealed_ours = ring.new_data_key(&ours);
    assert_eq!(ring.open_data_key(&theirs, &sealed_ours).err(), Some(VaultError::Integrity));

    let place = Place::new("proj_ours", "pk", "customer", "openai");
    let our_key = ring.open_data_key(&ours, &sealed_ours).expect("it is ours");
    let their_key =
        ring.open_data_key(&theirs, &ring.new_data_key(&theirs)).expect("a fresh key opens");
    let record = our_key.seal(&place.binding(), &secret("sk-ours"));
    let refused = their_key.open(&place.binding(), &record).err();
    assert!(matches!(refused, Some(VaultError::UnknownKey { .. })), "{refused:?}");
}

#[test]
fn an_installation_secret_opens_under_its_own_name_only() {
    let ring = ring();
    let pepper = ring.seal_root("token-pepper", &[5; 32]);
    assert_eq!(*ring.open_root("token-pepper", &pepper).expect("its own name"), [5; 32]);
    assert_eq!(ring.open_root("audit-key", &pepper).err(), Some(VaultError::Integrity));
    let (one, other) = (ring.new_root("audit-key"), ring.new_root("audit-key"));
    let open = |root| ring.open_root("audit-key", root).expect("it opens");
    assert_ne!(open(&one), open(&other), "each is drawn anew");
}

#[test]
fn a_record_of_one_kind_does_not_open_as_another() {
    let ring = ring();
    let project = ProjectId::new("token-pepper");
    let mut data_key = ring.new_data_key(&project);
    let root = ring.new_root("token-pepper");
    data_key.bytes = root.bytes;
    assert_eq!(ring.open_data_key(&project, &data_key).err(), Some(VaultError::Integrity));
    let check = ring.check_record();
    let kid = ring.current().as_str();
    assert_eq!(ring.verify_check(kid, &check), Ok(()));
    assert_eq!(ring.verify_check(kid, &data_key.bytes), Err(VaultError::Integrity));
}
