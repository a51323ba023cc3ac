//! Messages of `application/vnd.amazon.eventstream`.

/// An event of a stream, its payload JSON.
///
/// # Panics
/// If the name is over 65 535 bytes or the payload over 4 GiB.
pub fn aws_event(name: &str, payload: &str) -> Vec<u8> {
    let json = (":content-type", "application/json");
    message(&[(":event-type", name), json, (":message-type", "event")], payload)
}

/// An exception, which ends a stream.
///
/// # Panics
/// As [`aws_event`].
pub fn aws_exception(name: &str, payload: &str) -> Vec<u8> {
    message(&[(":exception-type", name), (":message-type", "exception")], payload)
}

fn message(headers: &[(&str, &str)], payload: &str) -> Vec<u8> {
    let mut head = Vec::new();
    for (name, value) in headers {
        head.push(u8::try_from(name.len()).expect("a short name"));
        head.extend_from_slice(name.as_bytes());
        // A text.
        head.push(7);
        head.extend_from_slice(&u16::try_from(value.len()).expect("a short value").to_be_bytes());
        head.extend_from_slice(value.as_bytes());
    }
    let length = |n: usize| u32::try_from(n).expect("a length").to_be_bytes();
    let mut all = length(16 + head.len() + payload.len()).to_vec();
    all.extend_from_slice(&length(head.len()));
    all.extend_from_slice(&crc32fast::hash(&all).to_be_bytes());
    all.extend_from_slice(&head);
    all.extend_from_slice(payload.as_bytes());
    all.extend_from_slice(&crc32fast::hash(&all).to_be_bytes());
    all
}
