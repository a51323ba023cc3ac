//! The vault from outside: what opens, what does not, and what can be seen.

mod bindings;
mod keyring;
mod provider_secret;
mod records;
mod rotation;
mod tickets;
mod tokens;
mod types;
mod webhook_secrets;

use byok_vault::{Keyring, ProviderSecret, random_key_hex};

/// A ring of one random key.
fn ring() -> Keyring {
    Keyring::parse("ENCRYPTION_KEY", &random_key_hex()).expect("a random key is taken")
}

fn secret(text: &str) -> ProviderSecret {
    ProviderSecret::parse(text.to_owned()).expect("a plain key is taken")
}

/// The secret's text, by the one way out that it has.
fn text_of(secret: &ProviderSecret) -> String {
    secret.header_value("").to_str().expect("secrets are ASCII").to_owned()
}

fn unhex(text: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex");
    (0..text.len()).step_by(2).map(byte).collect()
}
