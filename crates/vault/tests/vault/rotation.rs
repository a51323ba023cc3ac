//! From an old encryption key to a new one.

use byok_domain::ProjectId;
use byok_vault::{Keyring, VaultError, random_key_hex};

use crate::bindings::Place;
use crate::{secret, text_of};

#[test]
fn after_rotation_everything_opens_without_the_old_key() {
    let (old_hex, new_hex) = (random_key_hex(), random_key_hex());
    let old = Keyring::parse("ENCRYPTION_KEY", &old_hex).expect("old");
    let both = format!("2:{},1:{}", *new_hex, *old_hex);
    let both = Keyring::parse_ring("ENCRYPTION_KEYS", &both).expect("both");
    let new = Keyring::parse("ENCRYPTION_KEY", &new_hex).expect("new");

    let project = ProjectId::new("proj_1");
    let sealed = old.new_data_key(&project);
    let root = old.seal_root("audit-key", &[3; 32]);
    let place = Place::new("proj_1", "pk_1", "customer_123", "openai");
    let data_key = old.open_data_key(&project, &sealed).expect("old opens its own");
    let record = data_key.seal(&place.binding(), &secret("sk-stays"));

    assert!(both.holds(&sealed.kid) && both.verify_check(&sealed.kid, &old.check_record()).is_ok());
    assert!(both.open_data_key(&project, &sealed).is_ok(), "readable before it is rewrapped");
    let rewrapped =
        both.rewrap(&project, &sealed).expect("it opens").expect("it was under the old");
    let new_root = both.rewrap_root("audit-key", &root).expect("it opens").expect("under the old");
    assert_eq!(rewrapped.kid, both.current().as_str());
    assert_eq!(both.rewrap(&project, &rewrapped), Ok(None), "a second run finds nothing to do");
    assert_eq!(both.rewrap_root("audit-key", &new_root), Ok(None));

    assert!(!new.holds(&sealed.kid));
    let missing = Some(VaultError::UnknownKey { kid: sealed.kid.clone() });
    assert_eq!(new.open_data_key(&project, &sealed).err(), missing);
    assert_eq!(*new.open_root("audit-key", &new_root).expect("it opens"), [3; 32]);
    let data_key = new.open_data_key(&project, &rewrapped).expect("term 2 became term 1");
    let opened = data_key.open(&place.binding(), &record).expect("records are not rewritten");
    assert_eq!(text_of(&opened), "sk-stays");
}

#[test]
fn a_data_key_of_another_project_is_not_rewrapped() {
    let (old_hex, new_hex) = (random_key_hex(), random_key_hex());
    let old = Keyring::parse("ENCRYPTION_KEY", &old_hex).expect("old");
    let both = format!("2:{},1:{}", *new_hex, *old_hex);
    let both = Keyring::parse_ring("ENCRYPTION_KEYS", &both).expect("both");
    let sealed = old.new_data_key(&ProjectId::new("proj_1"));
    let refused = both.rewrap(&ProjectId::new("proj_2"), &sealed);
    assert_eq!(refused, Err(VaultError::Integrity));
}
