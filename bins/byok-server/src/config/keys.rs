//! The operator's secrets: encryption keys and the admin token.

use std::fs::File;
use std::io::Read;

use byok_vault::{AdminToken, Keyring};
use zeroize::Zeroizing;

use super::Setting;
use super::error::ConfigError;
use super::layers::Found;
use super::reader::{Reader, Reported};

/// More than any secret takes; a wrong path must not fill the memory.
const MAX_FILE_BYTES: u64 = 64 << 10;

/// The encryption keys, if any are set.
pub(super) fn keyring(reader: &mut Reader<'_>) -> Result<Option<Keyring>, Reported> {
    let settings = [
        Setting::ENCRYPTION_KEY,
        Setting::ENCRYPTION_KEY_FILE,
        Setting::ENCRYPTION_KEYS,
        Setting::ENCRYPTION_KEYS_FILE,
    ];
    let Some((setting, found)) = reader.one_of(&settings)? else {
        return Ok(None);
    };
    let text = match setting {
        Setting::ENCRYPTION_KEY | Setting::ENCRYPTION_KEYS => Zeroizing::new(found.value.clone()),
        _ => secret_in_file(reader, found)?,
    };
    let parse = match setting {
        Setting::ENCRYPTION_KEY | Setting::ENCRYPTION_KEY_FILE => Keyring::parse,
        _ => Keyring::parse_ring,
    };
    parse(&found.name.to_string(), &text).map(Some).map_err(|error| reader.refuse(error))
}

/// The encryption keys; that none are set is an error.
pub(super) fn required_keyring(reader: &mut Reader<'_>) -> Result<Keyring, Reported> {
    keyring(reader)?.ok_or_else(|| reader.refuse(ConfigError::NoKeyring))
}

/// The operator's token, if one is set.
pub(super) fn admin_token(reader: &mut Reader<'_>) -> Result<Option<AdminToken>, Reported> {
    let settings = [Setting::ADMIN_TOKEN, Setting::ADMIN_TOKEN_FILE];
    let Some((setting, found)) = reader.one_of(&settings)? else {
        return Ok(None);
    };
    let text = match setting {
        Setting::ADMIN_TOKEN => found.value.clone(),
        _ => std::mem::take(&mut *secret_in_file(reader, found)?),
    };
    let refused = |why| reader.refuse(ConfigError::AdminToken { name: found.name.clone(), why });
    AdminToken::parse(text).map(Some).map_err(refused)
}

/// What the named file holds, without a line break at its end. The path stays out of messages: it
/// is where people put the secret itself by mistake.
fn secret_in_file(reader: &mut Reader<'_>, found: &Found) -> Result<Zeroizing<String>, Reported> {
    let mut text = Zeroizing::new(String::with_capacity(8 << 10));
    let read = File::open(&found.value)
        .and_then(|file| file.take(MAX_FILE_BYTES).read_to_string(&mut text));
    if let Err(error) = read {
        let problem = format!("names a file that cannot be read: {error}; give the file's path");
        return Err(reader.invalid(found, problem));
    }
    let end = text.strip_suffix('\n').map_or(text.len(), str::len);
    text.truncate(end);
    let end = text.strip_suffix('\r').map_or(text.len(), str::len);
    text.truncate(end);
    Ok(text)
}
