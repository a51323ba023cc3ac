//! Where the next page of the log begins: opaque, and good for its project and filters only.

use byok_domain::{ProjectId, RequestId};
use byok_vault::TokenHasher;

/// Bytes of the proof: enough against guessing.
const PROOF: usize = 16;

/// The cursor for the page of calls older than `before`.
pub(super) fn write(
    hasher: &TokenHasher,
    project: &ProjectId,
    filters: &str,
    before: RequestId,
) -> String {
    let proof = proof(hasher, project, filters, before);
    let bytes = before.as_bytes().iter().chain(&proof);
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

/// Where the page of `cursor` begins, if it was written for this project and these filters.
pub(super) fn read(
    hasher: &TokenHasher,
    project: &ProjectId,
    filters: &str,
    cursor: &str,
) -> Option<RequestId> {
    if cursor.len() != 2 * (16 + PROOF) || !cursor.is_ascii() {
        return None;
    }
    let mut bytes = [0; 16 + PROOF];
    for (at, byte) in bytes.iter_mut().enumerate() {
        *byte = u8::from_str_radix(&cursor[2 * at..2 * at + 2], 16).ok()?;
    }
    let (id, given) = bytes.split_at(16);
    let before = RequestId::from_bytes(id.try_into().ok()?);
    (proof(hasher, project, filters, before) == given).then_some(before)
}

fn proof(
    hasher: &TokenHasher,
    project: &ProjectId,
    filters: &str,
    before: RequestId,
) -> [u8; PROOF] {
    // No token starts like this, so that no digest of one can stand for a cursor's.
    let text = format!("cursor\n{project}\n{before}\n{filters}");
    let mut proof = [0; PROOF];
    proof.copy_from_slice(&hasher.digest(&text).as_bytes()[..PROOF]);
    proof
}

#[cfg(test)]
mod tests {
    use super::*;
    use byok_domain::Timestamp;

    #[test]
    fn a_cursor_is_good_for_its_project_and_filters_only() {
        let hasher = TokenHasher::new([1; 32]);
        let [a, b] = ["proj_a", "proj_b"].map(ProjectId::new);
        let before = RequestId::from_parts(Timestamp::from_millis(5), [9; 10]);
        let cursor = write(&hasher, &a, "refId=x", before);
        assert_eq!(read(&hasher, &a, "refId=x", &cursor), Some(before));
        assert_eq!(read(&hasher, &b, "refId=x", &cursor), None);
        assert_eq!(read(&hasher, &a, "refId=y", &cursor), None);
        assert_eq!(read(&TokenHasher::new([2; 32]), &a, "refId=x", &cursor), None);
        for at in 0..cursor.len() {
            let mut other = cursor.clone().into_bytes();
            other[at] = if other[at] == b'0' { b'1' } else { b'0' };
            let other = String::from_utf8(other).expect("hex");
            assert_eq!(read(&hasher, &a, "refId=x", &other), None, "{at}");
            assert_eq!(read(&hasher, &a, "refId=x", &cursor[..at]), None, "{at}");
        }
        assert_eq!(read(&hasher, &a, "refId=x", &"é".repeat(32)), None);
    }
}
