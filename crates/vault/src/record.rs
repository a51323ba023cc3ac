//! The sealed record: version, algorithm, kid, nonce, ciphertext, tag.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | version, 1 |
//! | 1 | algorithm, 1 = AES-256-GCM |
//! | 1 | length of the kid, 1–64 |
//! | n | kid, ASCII |
//! | 12 | nonce, random |
//! | m | ciphertext |
//! | 16 | tag |
//!
//! A random nonce of 96 bits is safe for 2³² records under one key; the data keys, one a project,
//! keep every key far below that.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::{Zeroize, Zeroizing};

use crate::VaultError;
use crate::random::random_bytes;

const VERSION: u8 = 1;
const AES_256_GCM_ID: u8 = 1;
const MAX_KID: usize = 64;
const TAG_LEN: usize = 16;

/// 32 bytes of key, in one place in memory that is wiped when they are dropped.
///
/// ring's own key types do not promise to wipe themselves, so one is made for each use and this
/// is what lives on: expanding the key costs under a microsecond.
pub(crate) struct Key(Box<Zeroizing<[u8; 32]>>);

impl Key {
    pub(crate) fn random() -> Self {
        Self::new(random_bytes())
    }

    pub(crate) fn new(mut bytes: [u8; 32]) -> Self {
        let mut key = Self(Box::new(Zeroizing::new([0; 32])));
        key.0.copy_from_slice(&bytes);
        bytes.zeroize();
        key
    }

    pub(crate) fn from_slice(bytes: &[u8]) -> Option<Self> {
        let mut key = Self(Box::new(Zeroizing::new([0; 32])));
        (bytes.len() == 32).then(|| key.0.copy_from_slice(bytes))?;
        Some(key)
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    fn cipher(&self) -> LessSafeKey {
        let key = UnboundKey::new(&AES_256_GCM, &self.0[..]).expect("AES-256 takes 32 bytes");
        LessSafeKey::new(key)
    }
}

/// Seals `plaintext` under `key`, whose id is `kid`; `aad` has to be given again to open it.
pub(crate) fn seal(key: &Key, kid: &str, aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let kid_len = u8::try_from(kid.len()).expect("kids are short");
    let mut record = Vec::with_capacity(3 + kid.len() + NONCE_LEN + plaintext.len() + TAG_LEN);
    record.extend_from_slice(&[VERSION, AES_256_GCM_ID, kid_len]);
    record.extend_from_slice(kid.as_bytes());
    let nonce: [u8; NONCE_LEN] = random_bytes();
    record.extend_from_slice(&nonce);
    let body = record.len();
    record.extend_from_slice(plaintext);
    let tag = key
        .cipher()
        .seal_in_place_separate_tag(
            Nonce::assume_unique_for_key(nonce),
            Aad::from(aad),
            &mut record[body..],
        )
        .expect("records are far below the limit of AES-GCM");
    record.extend_from_slice(tag.as_ref());
    record
}

/// Opens what [`seal`] made. The plaintext lies in the one allocation that held the ciphertext.
pub(crate) fn open(
    key: &Key,
    kid: &str,
    aad: &[u8],
    record: &[u8],
) -> Result<Zeroizing<Vec<u8>>, VaultError> {
    let (found, sealed) = split(record)?;
    if found != kid {
        return Err(VaultError::Integrity);
    }
    let (nonce, body) = sealed.split_at(NONCE_LEN);
    let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| VaultError::Malformed)?;
    let mut buffer = Zeroizing::new(body.to_vec());
    let length = key
        .cipher()
        .open_in_place(nonce, Aad::from(aad), &mut buffer)
        .map_err(|_| VaultError::Integrity)?
        .len();
    // Truncating, not copying: the tag stays behind in the spare room, which is wiped too.
    buffer.truncate(length);
    Ok(buffer)
}

/// The kid that a record names.
pub(crate) fn kid(record: &[u8]) -> Result<&str, VaultError> {
    split(record).map(|(kid, _)| kid)
}

fn split(record: &[u8]) -> Result<(&str, &[u8]), VaultError> {
    let [VERSION, AES_256_GCM_ID, kid_len, rest @ ..] = record else {
        return Err(VaultError::Malformed);
    };
    let (kid, sealed) =
        rest.split_at_checked(usize::from(*kid_len)).ok_or(VaultError::Malformed)?;
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-';
    if kid.is_empty() || kid.len() > MAX_KID || !kid.iter().all(plain) {
        return Err(VaultError::Malformed);
    }
    if sealed.len() < NONCE_LEN + TAG_LEN {
        return Err(VaultError::Malformed);
    }
    std::str::from_utf8(kid).map(|kid| (kid, sealed)).map_err(|_| VaultError::Malformed)
}
