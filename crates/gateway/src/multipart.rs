//! Multipart forms, read in passing: the `model` of an upload, and the `refId` of an envelope.
//!
//! Format: RFC 7578.

use std::ops::Range;

use memchr::memmem;

/// The longest part header that is read.
const HEADER_CAP: usize = 8 * 1024;
/// The longest value that is kept.
const VALUE_CAP: usize = 1024;

/// The boundary that a content type names.
pub fn boundary(content_type: &str) -> Option<String> {
    let (essence, parameters) = content_type.split_once(';')?;
    if !essence.trim().eq_ignore_ascii_case("multipart/form-data") {
        return None;
    }
    parameters.split(';').find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches('"');
        let fits = name.trim().eq_ignore_ascii_case("boundary") && (1..=200).contains(&value.len());
        fits.then(|| value.to_owned())
    })
}

/// Name and file name in a part's header.
fn disposition(header: &[u8]) -> (Option<&str>, bool) {
    let Ok(header) = std::str::from_utf8(header) else { return (None, false) };
    let line = header.split("\r\n").find(|line| {
        line.get(..20).is_some_and(|start| start.eq_ignore_ascii_case("content-disposition:"))
    });
    let Some(line) = line else { return (None, false) };
    let parameter = |wanted: &str| {
        line.split(';').skip(1).find_map(|part| {
            let (name, value) = part.split_once('=')?;
            name.trim().eq_ignore_ascii_case(wanted).then(|| value.trim().trim_matches('"'))
        })
    };
    (parameter("name"), parameter("filename").is_some() || parameter("filename*").is_some())
}

/// Finds the value of one field while the form passes, cut anywhere, in constant memory.
pub(crate) struct FieldScan {
    wanted: &'static str,
    delimiter: Vec<u8>,
    state: Scan,
    value: Option<String>,
}

enum Scan {
    /// Looking for a delimiter; holds the end of the last chunk, which may begin one.
    Delimiter(Vec<u8>),
    /// In a part's header.
    Header(Vec<u8>),
    /// In the value of the wanted field.
    Value(Vec<u8>),
    /// Found, or not to be found.
    Over,
}

impl FieldScan {
    pub(crate) fn new(wanted: &'static str, boundary: &str) -> Self {
        let delimiter = [b"\r\n--", boundary.as_bytes()].concat();
        // The first delimiter has no line before it.
        Self { wanted, delimiter, state: Scan::Delimiter(b"\r\n".to_vec()), value: None }
    }

    pub(crate) fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }

    pub(crate) fn push(&mut self, mut chunk: &[u8]) {
        while !chunk.is_empty() {
            match &mut self.state {
                Scan::Delimiter(carry) => match find_across(carry, chunk, &self.delimiter) {
                    Some(after) => {
                        chunk = &chunk[after..];
                        self.state = Scan::Header(Vec::new());
                    }
                    None => {
                        keep_tail(carry, chunk, self.delimiter.len() - 1);
                        return;
                    }
                },
                Scan::Header(header) => {
                    header.extend_from_slice(&chunk[..chunk.len().min(HEADER_CAP)]);
                    let Some(end) = memmem::find(header, b"\r\n\r\n") else {
                        if header.len() >= HEADER_CAP {
                            self.state = Scan::Over;
                        }
                        return;
                    };
                    let unread = header.len() - (end + 4);
                    chunk = &chunk[chunk.len().min(HEADER_CAP) - unread..];
                    let (name, is_file) = disposition(&header[..end]);
                    self.state = if name == Some(self.wanted) && !is_file {
                        Scan::Value(Vec::new())
                    } else {
                        Scan::Delimiter(Vec::new())
                    };
                }
                Scan::Value(value) => {
                    value.extend_from_slice(&chunk[..chunk.len().min(2 * VALUE_CAP)]);
                    if let Some(end) = memmem::find(value, &self.delimiter) {
                        self.value = std::str::from_utf8(&value[..end])
                            .ok()
                            .filter(|text| text.len() <= VALUE_CAP)
                            .map(str::to_owned);
                        self.state = Scan::Over;
                    } else if value.len() >= 2 * VALUE_CAP {
                        self.state = Scan::Over;
                    }
                    return;
                }
                Scan::Over => return,
            }
        }
    }
}

/// Where in `chunk` the bytes after `needle` begin, when `carry` and `chunk` together hold it.
fn find_across(carry: &[u8], chunk: &[u8], needle: &[u8]) -> Option<usize> {
    let reach = chunk.len().min(needle.len() - 1);
    let seam = [carry, &chunk[..reach]].concat();
    if let Some(at) = memmem::find(&seam, needle) {
        return Some(at + needle.len() - carry.len());
    }
    memmem::find(chunk, needle).map(|at| at + needle.len())
}

fn keep_tail(carry: &mut Vec<u8>, chunk: &[u8], length: usize) {
    carry.extend_from_slice(&chunk[chunk.len().saturating_sub(length)..]);
    let surplus = carry.len().saturating_sub(length);
    carry.drain(..surplus);
}

/// What the beginning of a form tells of a field that must come before any file.
#[derive(Debug, PartialEq, Eq)]
pub enum Leading {
    /// The field, and where its part lies, delimiter included: cutting it out leaves a whole form.
    Found {
        /// Its value.
        value: String,
        /// The bytes of its part.
        part: Range<usize>,
    },
    /// Not yet.
    More,
    /// A file came first, or the form ended.
    Missing,
}

/// Looks for `wanted` at the beginning of a form.
pub fn leading_field(form: &[u8], boundary: &str, wanted: &str) -> Leading {
    let delimiter = [b"--", boundary.as_bytes()].concat();
    let separator = [b"\r\n", delimiter.as_slice()].concat();
    if form.len() < delimiter.len() {
        return Leading::More;
    }
    if !form.starts_with(&delimiter) {
        return Leading::Missing;
    }
    let mut start = 0;
    loop {
        let after = start + delimiter.len();
        if form[after..].starts_with(b"--") {
            return Leading::Missing;
        }
        let Some(header) = memmem::find(&form[after..], b"\r\n\r\n") else { return Leading::More };
        let (name, is_file) = disposition(&form[after..after + header]);
        if is_file {
            return Leading::Missing;
        }
        let value_at = after + header + 4;
        // A value may be empty: then the separator begins with the header's own last line end.
        let search_from = value_at - 2;
        let Some(end) = memmem::find(&form[search_from..], &separator) else {
            return Leading::More;
        };
        let value_end = (search_from + end).max(value_at);
        let next = search_from + end + 2;
        if name == Some(wanted) {
            return match std::str::from_utf8(&form[value_at..value_end]) {
                Ok(value) => Leading::Found { value: value.to_owned(), part: start..next },
                Err(_) => Leading::Missing,
            };
        }
        start = next;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FORM: &str = "--XbX\r\nContent-Disposition: form-data; name=\"refId\"\r\n\r\ncustomer_1\r\n\
        --XbX\r\nContent-Disposition: form-data; name=\"file\"; filename=\"model\"\r\nContent-Type: audio/wav\r\n\r\nRIFF\r\n--Xb\r\n\r\n\r\n\
        --XbX\r\nContent-Disposition: form-data; name=\"model\"\r\n\r\nwhisper-1\r\n--XbX--\r\n";

    #[test]
    fn the_model_is_found_after_the_file_however_the_form_is_cut() {
        for step in 1..=FORM.len() {
            let mut scan = FieldScan::new("model", "XbX");
            for chunk in FORM.as_bytes().chunks(step) {
                scan.push(chunk);
            }
            assert_eq!(scan.value(), Some("whisper-1"), "step {step}");
        }
    }

    #[test]
    fn a_form_without_the_field_or_with_an_endless_one_yields_nothing() {
        let endless = format!(
            "{}{}",
            FORM.replace("whisper-1", "").trim_end_matches("\r\n--XbX--\r\n"),
            "x".repeat(10_000)
        );
        for form in [
            FORM.replace("\"model\"\r\n", "\"other\"\r\n"),
            endless,
            "x".repeat(9000),
            String::new(),
        ] {
            for step in [1, 100, 100_000] {
                let mut scan = FieldScan::new("model", "XbX");
                for chunk in form.as_bytes().chunks(step) {
                    scan.push(chunk);
                }
                assert_eq!(scan.value(), None);
            }
        }
    }

    #[test]
    fn the_leading_field_is_cut_out_and_leaves_a_whole_form() {
        let Leading::Found { value, part } = leading_field(FORM.as_bytes(), "XbX", "refId") else {
            panic!("not found");
        };
        assert_eq!(value, "customer_1");
        let rest = [&FORM[..part.start], &FORM[part.end..]].concat();
        assert!(rest.starts_with("--XbX\r\nContent-Disposition: form-data; name=\"file\""));
        for cut in 0..part.end - 2 {
            assert_eq!(
                leading_field(&FORM.as_bytes()[..cut], "XbX", "refId"),
                Leading::More,
                "{cut}"
            );
        }
    }

    #[test]
    fn a_file_before_the_field_or_no_form_at_all_is_missing_it() {
        let file_first = FORM.replace("name=\"refId\"", "name=\"x\"; filename=\"f\"");
        for form in [
            file_first.as_str(),
            "--XbX--\r\n",
            "{\"refId\":\"a\"}",
            "--XbX\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n\r\n--XbX--",
        ] {
            assert_eq!(leading_field(form.as_bytes(), "XbX", "refId"), Leading::Missing, "{form}");
        }
    }

    #[test]
    fn boundaries_are_read_as_clients_write_them() {
        assert_eq!(boundary("multipart/form-data; boundary=abc").as_deref(), Some("abc"));
        assert_eq!(
            boundary("Multipart/Form-Data; charset=x; Boundary=\"a b\"").as_deref(),
            Some("a b")
        );
        for bad in ["multipart/form-data", "multipart/form-data; boundary=", "application/json"] {
            assert_eq!(boundary(bad), None, "{bad}");
        }
    }
}
