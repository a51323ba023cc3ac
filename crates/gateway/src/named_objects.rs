//! Which stored objects an answer names as its customer's.

use byok_domain::Findings;
use byok_domain::call::ProviderObject;
use byok_providers::Route;
use serde::Deserialize;

/// The longest batch that is read for the files it names, in bytes; one has a few thousand.
const LONGEST_BATCH: usize = 256 * 1024;

/// Where an answer names stored objects that are to be bound to its customer.
pub(crate) enum Named {
    /// Its own id is that of a new object of this kind.
    Made(&'static str),
    /// It is a batch of the customer's, and names the files that the provider wrote for it. Holds
    /// what has come of it.
    Results(Vec<u8>),
}

impl Named {
    /// What the answer to `route` names; `owned` says that the object in its path is known to be
    /// the customer's.
    pub(crate) fn in_answer(route: &Route, owned: bool) -> Option<Self> {
        let batch = || route.object.as_ref().is_some_and(|object| object.kind == "batch");
        match route.makes {
            Some(kind) => Some(Self::Made(kind)),
            None if owned && batch() => Some(Self::Results(Vec::new())),
            None => None,
        }
    }

    /// Takes the next bytes of the answer.
    pub(crate) fn read(&mut self, chunk: &[u8]) {
        if let Self::Results(read) = self
            && read.len() <= LONGEST_BATCH
        {
            read.extend_from_slice(chunk);
        }
    }

    /// The objects, once the answer has been read.
    pub(crate) fn finish(&mut self, findings: &Findings) -> Vec<ProviderObject> {
        match self {
            Self::Made(kind) => {
                let made = findings.object_id.clone();
                made.map(|id| ProviderObject { kind: (*kind).into(), id }).into_iter().collect()
            }
            Self::Results(read) => results(&std::mem::take(read)),
        }
    }
}

#[derive(Deserialize)]
struct Batch {
    #[serde(default)]
    output_file_id: Option<String>,
    #[serde(default)]
    error_file_id: Option<String>,
}

fn results(batch: &[u8]) -> Vec<ProviderObject> {
    let Ok(batch) = serde_json::from_slice::<Batch>(batch) else { return Vec::new() };
    let files = batch.output_file_id.into_iter().chain(batch.error_file_id);
    let named = files.filter(|id| !id.is_empty());
    named.map(|id| ProviderObject { kind: "file".into(), id }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_names_the_files_that_were_written_for_it() {
        for (batch, expected) in [
            (r#"{"id":"b","output_file_id":"o","error_file_id":"e"}"#, &["o", "e"][..]),
            (r#"{"output_file_id":"o","error_file_id":null}"#, &["o"]),
            (r#"{"error_file_id":"e"}"#, &["e"]),
            (r#"{"output_file_id":"","input_file_id":"i"}"#, &[]),
            (r#"{"output_file_id":7}"#, &[]),
            (r#"{"output_file_id":"o""#, &[]),
            (r#"[{"output_file_id":"o"}]"#, &[]),
        ] {
            for step in [1, 7, 1000] {
                let mut named = Named::Results(Vec::new());
                batch.as_bytes().chunks(step).for_each(|chunk| named.read(chunk));
                let files = named.finish(&Findings::default());
                let ids: Vec<_> = files.iter().map(|file| file.id.as_str()).collect();
                assert_eq!(ids, expected, "{batch}");
                assert!(files.iter().all(|file| &*file.kind == "file"));
            }
        }
    }

    #[test]
    fn a_batch_that_is_too_long_is_not_held() {
        let mut named = Named::Results(Vec::new());
        for _ in 0..100 {
            named.read(&[b' '; 64 << 10]);
        }
        let Named::Results(read) = &named else { panic!("it is one") };
        assert!(read.len() < LONGEST_BATCH + (65 << 10), "{}", read.len());
    }
}
