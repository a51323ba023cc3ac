//! Percent-encoding (RFC 3986, section 2.1), as paths and queries have it.

/// A segment or a name as its provider reads it. What is no encoding stays as it is.
pub(crate) fn decoded(text: &str) -> String {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(byte) => {
                bytes.push(byte);
                bytes.extend_from_slice(&part.as_bytes()[2..]);
            }
            None => {
                bytes.push(b'%');
                bytes.extend_from_slice(part.as_bytes());
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// A name as one segment of a path: all but unreserved characters encoded.
pub(crate) fn segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_segment_is_read_as_the_name_that_it_was_made_of() {
        for (name, encoded) in [
            ("gpt-4.1_mini~x", "gpt-4.1_mini~x"),
            ("a/b?c#d%e", "a%2Fb%3Fc%23d%25e"),
            ("é b", "%C3%A9%20b"),
        ] {
            assert_eq!((segment(name), decoded(encoded)), (encoded.to_owned(), name.to_owned()));
        }
        for text in ["100%", "%zz", "%k", "%"] {
            assert_eq!(decoded(text), text);
        }
    }
}
