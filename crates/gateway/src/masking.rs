//! A key that its provider repeats, masked in the answer as it passes.

use byok_vault::ProviderSecret;
use bytes::{Bytes, BytesMut};

/// Puts asterisks in the place of a key, as many as it has characters, wherever the bytes are cut.
///
/// Nothing is held back but an end that the key may begin in.
pub(crate) struct Masking {
    secret: ProviderSecret,
    held: BytesMut,
}

impl Masking {
    pub(crate) fn new(secret: ProviderSecret) -> Self {
        Self { secret, held: BytesMut::new() }
    }

    /// Takes the next bytes, answers those that may go on.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Bytes {
        let text = if self.held.is_empty() {
            chunk
        } else {
            self.held.extend_from_slice(&chunk);
            self.held.split().freeze()
        };
        let mut text = self.secret.mask_in(&text).map_or(text, Bytes::from);
        let open = self.secret.begins_in_end_of(&text);
        if open > 0 {
            self.held.extend_from_slice(&text.split_off(text.len() - open));
        }
        text
    }

    /// What was held back when the answer ended.
    pub(crate) fn finish(&mut self) -> Bytes {
        self.held.split().freeze()
    }

    /// Whether something is held back.
    pub(crate) fn holds(&self) -> bool {
        !self.held.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "sk-sk-proj-0123456789";

    fn masked(text: &str, step: usize) -> String {
        let secret = ProviderSecret::parse(KEY.to_owned()).expect("a key");
        let mut masking = Masking::new(secret);
        let mut passed = Vec::new();
        for chunk in text.as_bytes().chunks(step) {
            passed.extend_from_slice(&masking.push(Bytes::copy_from_slice(chunk)));
        }
        passed.extend_from_slice(&masking.finish());
        String::from_utf8(passed).expect("UTF-8")
    }

    #[test]
    fn a_key_is_masked_wherever_the_answer_is_cut_and_all_else_passes() {
        let stars = "*".repeat(KEY.len());
        for (text, expected) in [
            (format!("a {KEY} b{KEY}{KEY}"), format!("a {stars} b{stars}{stars}")),
            (format!("sk-{KEY}sk-sk-"), format!("sk-{stars}sk-sk-")),
            (format!("sk-sk-{KEY}"), format!("sk-sk-{stars}")),
            ("sk-sk-proj-012345678".to_owned(), "sk-sk-proj-012345678".to_owned()),
            ("nothing of it".to_owned(), "nothing of it".to_owned()),
        ] {
            for step in 1..=text.len() {
                assert_eq!(masked(&text, step), expected, "step {step}");
            }
        }
    }

    #[test]
    fn an_answer_without_the_key_is_neither_copied_nor_held() {
        let mut masking = Masking::new(ProviderSecret::parse(KEY.to_owned()).expect("a key"));
        let chunk = Bytes::from("data: {}\n\n".to_owned());
        assert_eq!(masking.push(chunk.clone()).as_ptr(), chunk.as_ptr());
        assert!(!masking.holds());
    }
}
