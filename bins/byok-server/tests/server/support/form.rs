//! Multipart forms, spelt as HTTP libraries spell them.

const BOUNDARY: &str = "----formdata-7MA4YWxkTrZu0gW";

/// The content type of [`whole`] forms.
pub(crate) const TYPE: &str = "multipart/form-data; boundary=----formdata-7MA4YWxkTrZu0gW";

/// A part that is a plain field.
pub(crate) fn field(name: &str, value: &str) -> Vec<u8> {
    let head = format!("--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n");
    format!("{head}{value}\r\n").into_bytes()
}

/// A part that is a file.
pub(crate) fn file(name: &str, file: &str, content: &[u8]) -> Vec<u8> {
    let head = format!(
        "--{BOUNDARY}\r\ncontent-disposition: form-data; name=\"{name}\"; filename=\"{file}\"\r\n\
         content-type: application/octet-stream\r\n\r\n"
    );
    [head.as_bytes(), content, b"\r\n"].concat()
}

/// The form of these parts.
pub(crate) fn whole(parts: &[u8]) -> Vec<u8> {
    [parts, format!("--{BOUNDARY}--\r\n").as_bytes()].concat()
}
