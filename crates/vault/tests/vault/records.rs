//! Damaged records, and the format held still by records made with another implementation.

use byok_domain::ProjectId;
use byok_vault::{DataKey, Keyring, SealedDataKey, SealedRoot, SealedSecret, VaultError};

use crate::bindings::Place;
use crate::{ring, secret, text_of, unhex};

/// Every single bit flipped, every length cut to, and some bytes put behind.
fn damaged(record: &[u8]) -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for bit in 0..record.len() * 8 {
        let mut flipped = record.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        all.push(flipped);
    }
    for length in 0..record.len() {
        all.push(record[..length].to_vec());
        all.push(record[record.len() - length..].to_vec());
    }
    for extra in 1..=20 {
        for byte in [0, 1, 255] {
            all.push([record, &vec![byte; extra]].concat());
            all.push([&vec![byte; extra], record].concat());
        }
    }
    all
}

fn data_key(ring: &Keyring) -> DataKey {
    let project = ProjectId::new("proj_1");
    ring.open_data_key(&project, &ring.new_data_key(&project)).expect("a fresh key opens")
}

#[test]
fn a_damaged_provider_key_is_an_error_and_never_another_key() {
    let data_key = data_key(&ring());
    let place = Place::new("proj_1", "pk_1", "customer_123", "openai");
    let sealed =
        data_key.seal(&place.binding(), &secret("sk-a-key-of-usual-length-0123456789abcdef"));
    let damaged = damaged(&sealed.bytes);
    assert!(damaged.len() > 800, "{}", damaged.len());
    for bytes in damaged {
        let opened = data_key.open(&place.binding(), &SealedSecret { bytes: bytes.clone() });
        assert!(opened.is_err(), "{bytes:02x?}");
    }
    assert!(data_key.open(&place.binding(), &sealed).is_ok());
}

#[test]
fn a_damaged_data_key_root_or_check_record_is_an_error() {
    let ring = ring();
    let project = ProjectId::new("proj_1");
    let SealedDataKey { kid, bytes } = ring.new_data_key(&project);
    for bytes in damaged(&bytes) {
        let sealed = SealedDataKey { kid: kid.clone(), bytes };
        assert!(ring.open_data_key(&project, &sealed).is_err(), "{sealed:02x?}");
    }
    for bytes in damaged(&ring.new_root("audit-key").bytes) {
        let sealed = SealedRoot { kid: kid.clone(), bytes };
        assert!(ring.open_root("audit-key", &sealed).is_err(), "{sealed:02x?}");
    }
    for bytes in damaged(&ring.check_record()) {
        assert!(ring.verify_check(&kid, &bytes).is_err(), "{bytes:02x?}");
    }
}

#[test]
fn errors_tell_a_missing_key_from_a_changed_record_and_from_none_at_all() {
    let (ring, other) = (ring(), ring());
    let project = ProjectId::new("proj_1");
    let mut sealed = ring.new_data_key(&project);
    let missing = VaultError::UnknownKey { kid: ring.current().to_string() };
    assert_eq!(other.open_data_key(&project, &sealed).err(), Some(missing.clone()));
    assert_eq!(other.verify_check(ring.current().as_str(), &ring.check_record()), Err(missing));

    // The column says one key, the record another.
    sealed.kid = other.current().to_string();
    assert_eq!(other.open_data_key(&project, &sealed).err(), Some(VaultError::Integrity));
    // And with the record made to say so too.
    let at = 3..3 + sealed.kid.len();
    sealed.bytes[at].copy_from_slice(sealed.kid.as_bytes());
    assert_eq!(other.open_data_key(&project, &sealed).err(), Some(VaultError::Integrity));

    sealed.bytes[0] = 2;
    assert_eq!(other.open_data_key(&project, &sealed).err(), Some(VaultError::Malformed));
}

#[test]
fn no_record_holds_its_plaintext_and_no_two_are_alike() {
    let data_key = data_key(&ring());
    let place = Place::new("proj_1", "pk_1", "customer_123", "openai");
    let secret = secret("sk-canary-0123456789");
    let one = data_key.seal(&place.binding(), &secret);
    let two = data_key.seal(&place.binding(), &secret);
    assert!(!secret.find_in(&one.bytes));
    assert_ne!(one, two);
}

/// Made with Python's `cryptography`: HMAC for the kids, AES-256-GCM under nonces 00…0b and 64…6f.
#[test]
fn records_of_another_implementation_of_the_format_open() {
    let ring = Keyring::parse(
        "ENCRYPTION_KEY",
        "a54dca182530bb1d6d132cded6237b2ed91e3f721fcb1971174494d6493c9d5c",
    )
    .expect("a random key");
    assert_eq!(ring.current().as_str(), "1-32bfd54f");
    let project = ProjectId::new("proj_1");
    let sealed = SealedDataKey {
        kid: "1-32bfd54f".into(),
        bytes: unhex(
            "01010a312d3332626664353466000102030405060708090a0ba2bf01d0b880813fcc723c36b9ccb6cca22e\
             043adc8d1353318c26d0c4b513ac26dab5d74ca23db824ecbf964d3100b4",
        ),
    };
    let data_key = ring.open_data_key(&project, &sealed).expect("the format is the same");
    let mut place = Place::new("proj_1", "pk_1", "customer_123", "openai");
    place.origin = "https://llm.example.com:443".into();
    place.version = 3;
    let sealed = SealedSecret {
        bytes: unhex(
            "01010b646b2d39366165396163306465666768696a6b6c6d6e6ff86dab54d194df31e23e76041b7d9e55c8\
             9a7e10dd414bd33271427b47c88d67d1672f6701574bfd940f",
        ),
    };
    let opened = data_key.open(&place.binding(), &sealed).expect("the format is the same");
    assert_eq!(text_of(&opened), "sk-known-answer-0123456789");
}
