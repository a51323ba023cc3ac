//! Picks values at given paths out of JSON documents as they pass, in constant memory.

use crate::json_bytes::{JsonString, next_structural};

/// The longest value that is kept, in bytes; a longer one counts as absent.
const VALUE_CAP: usize = 64 * 1024;
/// The longest field name that can be one of ours, in bytes.
const NAME_CAP: usize = 64;
/// A step of a path that stands for every element of an array.
const EACH: &str = "*";

/// What the scanner came upon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Found<'a> {
    /// A value at the wanted path of that index, whole and raw. Of a container that leads on to
    /// other wanted paths it is told when it closes, and nothing of it is kept.
    Value(usize, &'a [u8]),
    /// A document has ended.
    End,
}

/// One bit for each wanted path.
type Paths = u32;

/// An open container that leads to wanted values.
struct Level {
    array: bool,
    /// The paths that lead through it.
    paths: Paths,
    /// The path that it is itself the value of.
    closes: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Before a document.
    Start,
    /// In an object, where a name may come.
    Name,
    /// Inside a name's quotes.
    InName,
    /// Before a value that these paths lead to.
    Before(Paths),
    /// In a value that leads nowhere.
    Within,
    /// After a container, before its comma or its parent's end.
    After,
    /// What came is no document: nothing is read until the next event.
    Lost,
}

/// An incremental scanner for the values at the paths `wanted`.
///
/// Reads one document after the other, also as elements of one array around them. It checks no
/// grammar: in well-formed documents it finds the right bytes, in any other something or nothing,
/// and it never fails.
pub(crate) struct JsonPaths {
    wanted: &'static [&'static [&'static str]],
    state: State,
    levels: Vec<Level>,
    name: Vec<u8>,
    /// The wanted value that is being kept, and what came of it.
    keeping: Option<usize>,
    kept: Vec<u8>,
    /// Brackets open inside a value that leads nowhere.
    depth: u32,
    string: JsonString,
    /// Whether the documents stand in an array that has not been closed.
    in_array: bool,
}

impl JsonPaths {
    /// A scanner for at most 32 paths, each of names and [`EACH`].
    pub(crate) fn new(wanted: &'static [&'static [&'static str]]) -> Self {
        Self {
            wanted,
            state: State::Start,
            levels: Vec::new(),
            name: Vec::new(),
            keeping: None,
            kept: Vec::new(),
            depth: 0,
            string: JsonString::default(),
            in_array: false,
        }
    }

    /// Whether a document, or the array around documents, has begun and its end has not come.
    pub(crate) fn is_open(&self) -> bool {
        self.in_array || !self.levels.is_empty()
    }

    /// Forgets a document that has not ended.
    pub(crate) fn restart(&mut self) {
        if self.state != State::Start || self.in_array {
            *self = Self::new(self.wanted);
        }
    }

    /// Takes the next bytes, cut anywhere.
    pub(crate) fn push(&mut self, mut bytes: &[u8], mut found: impl FnMut(Found<'_>)) {
        while !bytes.is_empty() {
            bytes = match self.state {
                State::Start => self.start(bytes),
                State::Name => self.before_name(bytes, &mut found),
                State::InName => self.in_name(bytes),
                State::Before(paths) => self.before_value(bytes, paths, &mut found),
                State::Within => self.within(bytes, &mut found),
                State::After => self.after(bytes, &mut found),
                State::Lost => return,
            };
        }
    }

    fn start<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let Some(at) = bytes.iter().position(|b| !b.is_ascii_whitespace()) else { return &[] };
        match bytes[at] {
            b'{' => self.open(false, Paths::MAX, None),
            b'[' if !self.in_array => self.in_array = true,
            b']' if self.in_array => self.in_array = false,
            b',' if self.in_array => {}
            _ => self.state = State::Lost,
        }
        &bytes[at + 1..]
    }

    fn open(&mut self, array: bool, paths: Paths, closes: Option<usize>) {
        self.levels.push(Level { array, paths, closes });
        self.state = if array { State::Before(self.below(EACH)) } else { State::Name };
    }

    /// The paths that lead through the innermost container to that name.
    fn below(&self, name: &str) -> Paths {
        let Some(level) = self.levels.last() else { return 0 };
        let step = self.levels.len() - 1;
        let leads = |index: &usize| {
            level.paths >> *index & 1 == 1 && self.wanted[*index].get(step) == Some(&name)
        };
        (0..self.wanted.len()).filter(leads).fold(0, |paths, index| paths | 1 << index)
    }

    fn before_name<'a>(&mut self, bytes: &'a [u8], found: &mut impl FnMut(Found<'_>)) -> &'a [u8] {
        let Some(at) = bytes.iter().position(|b| matches!(b, b'"' | b'}')) else { return &[] };
        if bytes[at] == b'"' {
            self.name.clear();
            self.string.begin();
            self.state = State::InName;
        } else {
            self.close(found);
        }
        &bytes[at + 1..]
    }

    fn in_name<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let end = self.string.skip(bytes, 0);
        let text = &bytes[..end - usize::from(!self.string.is_open())];
        let room = NAME_CAP - self.name.len();
        self.name.extend_from_slice(&text[..text.len().min(room)]);
        if !self.string.is_open() {
            let paths = std::str::from_utf8(&self.name).map_or(0, |name| self.below(name));
            self.state = State::Before(paths);
        }
        &bytes[end..]
    }

    fn before_value<'a>(
        &mut self,
        bytes: &'a [u8],
        paths: Paths,
        found: &mut impl FnMut(Found<'_>),
    ) -> &'a [u8] {
        let blank = |b: &u8| b.is_ascii_whitespace() || *b == b':';
        let Some(at) = bytes.iter().position(|b| !blank(b)) else { return &[] };
        let is_last = |index: &usize| self.wanted[*index].len() == self.levels.len();
        let led = (0..self.wanted.len()).filter(|index| paths >> *index & 1 == 1);
        let exact = led.clone().find(is_last);
        let deeper = led.filter(|index| !is_last(index)).fold(0, |paths, index| paths | 1 << index);
        match bytes[at] {
            b']' => {
                self.close(found);
                return &bytes[at + 1..];
            }
            open @ (b'{' | b'[') if deeper != 0 => {
                self.open(open == b'[', deeper, exact);
                return &bytes[at + 1..];
            }
            _ => {}
        }
        self.keeping = exact;
        self.kept.clear();
        self.state = State::Within;
        &bytes[at..]
    }

    /// Runs to the comma or bracket that ends the value.
    fn within<'a>(&mut self, bytes: &'a [u8], found: &mut impl FnMut(Found<'_>)) -> &'a [u8] {
        let mut at = 0;
        while at < bytes.len() {
            if self.string.is_open() {
                at = self.string.skip(bytes, at);
                continue;
            }
            let Some(next) = next_structural(&bytes[at..]) else {
                break;
            };
            at += next;
            match bytes[at] {
                b'"' => self.string.begin(),
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' if self.depth > 0 => self.depth -= 1,
                b'}' | b']' | b',' if self.depth == 0 => {
                    self.keep(&bytes[..at]);
                    if let Some(index) = self.keeping.take() {
                        found(Found::Value(index, &self.kept));
                    }
                    self.state = State::After;
                    return &bytes[at..];
                }
                _ => {}
            }
            at += 1;
        }
        self.keep(bytes);
        &[]
    }

    fn keep(&mut self, bytes: &[u8]) {
        if self.keeping.is_none() {
            return;
        }
        if self.kept.len() + bytes.len() > VALUE_CAP {
            self.keeping = None;
            self.kept = Vec::new();
        } else {
            self.kept.extend_from_slice(bytes);
        }
    }

    fn after<'a>(&mut self, bytes: &'a [u8], found: &mut impl FnMut(Found<'_>)) -> &'a [u8] {
        let Some(at) = bytes.iter().position(|b| matches!(b, b',' | b'}' | b']')) else {
            return &[];
        };
        match (bytes[at], self.levels.last()) {
            (b',', Some(level)) if level.array => self.state = State::Before(self.below(EACH)),
            (b',', _) => self.state = State::Name,
            _ => self.close(found),
        }
        &bytes[at + 1..]
    }

    fn close(&mut self, found: &mut impl FnMut(Found<'_>)) {
        if let Some(index) = self.levels.pop().and_then(|level| level.closes) {
            found(Found::Value(index, b""));
        }
        if self.levels.is_empty() {
            found(Found::End);
            self.state = State::Start;
        } else {
            self.state = State::After;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: [&[&str]; 6] = [
        &["usage"],
        &["list", "*"],
        &["list", "*", "why"],
        &["list", "*", "deep", "er"],
        &["feedback", "reason"],
        &["numbers", "*"],
    ];

    fn scan(text: &str, step: usize) -> (Vec<(usize, String)>, bool) {
        let mut scanner = JsonPaths::new(&WANTED);
        let mut seen = Vec::new();
        for chunk in text.as_bytes().chunks(step) {
            scanner.push(chunk, |found| match found {
                Found::Value(index, raw) => {
                    seen.push((index, String::from_utf8_lossy(raw).trim().to_owned()));
                }
                Found::End => seen.push((99, String::new())),
            });
        }
        (seen, scanner.is_open())
    }

    const DOCUMENT: &str = r#" {"usage" : {"n":[1,{"usage":2}],"s":"}\"]"} ,"other":{"usage":1,"list":[{"why":"no"}]},
        "list":[{"why":"a,\"}","deep":{"x":[1,2],"er":-1.5e3}}, {"deep":[{"er":2}]},[],{"why":null}],
        "feedback":{"reason":"R"},"numbers":[1, 2 ],"usage\"":7,"empty":[],"none":{}}"#;

    #[test]
    fn values_are_found_in_their_places_however_the_document_is_cut() {
        let whole = [
            (0, r#"{"n":[1,{"usage":2}],"s":"}\"]"}"#),
            (2, r#""a,\"}""#),
            (3, "-1.5e3"),
            (1, ""),
            (1, ""),
            (1, ""),
            (2, "null"),
            (1, ""),
            (4, "\"R\""),
            (5, "1"),
            (5, "2"),
            (99, ""),
        ];
        let whole: Vec<_> = whole.map(|(index, text)| (index, text.to_owned())).into();
        for step in 1..=DOCUMENT.len() {
            assert_eq!(scan(DOCUMENT, step), (whole.clone(), false), "step {step}");
        }
        for (text, times) in [
            (format!("[{DOCUMENT}\n,{DOCUMENT}]"), 2),
            (format!("{DOCUMENT}\n{DOCUMENT}{DOCUMENT}"), 3),
        ] {
            for step in [1, 2, 7, 64, text.len()] {
                assert_eq!(scan(&text, step), (vec![whole.clone(); times].concat(), false));
            }
        }
    }

    #[test]
    fn a_document_cut_anywhere_is_open_and_tells_nothing_false() {
        let (whole, _) = scan(DOCUMENT, DOCUMENT.len());
        for cut in DOCUMENT.find('{').expect("there") + 1..DOCUMENT.len() {
            let (seen, open) = scan(&DOCUMENT[..cut], 5);
            assert!(open, "cut at {cut}");
            assert_eq!(seen, whole[..seen.len()], "cut at {cut}");
        }
        assert!(scan("[", 1).1);
        assert!(scan("[{}", 1).1);
    }

    #[test]
    fn what_is_no_document_is_left_alone_until_the_next_event() {
        for text in ["<html>{\"usage\":1}", "null", "]", "\"{\"", "[[{\"usage\":1}]]", ""] {
            assert_eq!(scan(text, 3).0, [], "{text}");
        }
        let mut scanner = JsonPaths::new(&WANTED);
        let mut seen = 0;
        scanner.push(b"{\"usage\":{\"cut", |_| seen += 1);
        scanner.restart();
        assert!(!scanner.is_open());
        scanner.push(b"{\"usage\":1}", |_| seen += 1);
        assert_eq!(seen, 2);
    }

    #[test]
    fn a_value_over_the_cap_counts_as_absent_and_the_rest_is_still_found() {
        let text = format!(r#"{{"usage":"{}","numbers":[1]}}"#, "x".repeat(VALUE_CAP));
        assert_eq!(scan(&text, 4096).0, [(5, "1".to_owned()), (99, String::new())]);
    }
}
