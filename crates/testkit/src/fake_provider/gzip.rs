//! Gzip without compressing: stored blocks are valid gzip, and all a test needs is the coding.

/// `content` as a gzip member of stored blocks.
pub(super) fn gzip(content: &[u8]) -> Vec<u8> {
    let mut out = vec![0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];
    let mut blocks = content.chunks(usize::from(u16::MAX)).peekable();
    if blocks.peek().is_none() {
        stored(&mut out, &[], true);
    }
    while let Some(block) = blocks.next() {
        stored(&mut out, block, blocks.peek().is_none());
    }
    out.extend_from_slice(&crc32fast::hash(content).to_le_bytes());
    let length = u32::try_from(content.len()).expect("test bodies are far below 4 GiB");
    out.extend_from_slice(&length.to_le_bytes());
    out
}

fn stored(out: &mut Vec<u8>, block: &[u8], last: bool) {
    let length = u16::try_from(block.len()).expect("blocks are cut to fit");
    out.push(u8::from(last));
    out.extend_from_slice(&length.to_le_bytes());
    out.extend_from_slice(&(!length).to_le_bytes());
    out.extend_from_slice(block);
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    #[test]
    fn gunzip_reads_it_back() {
        for length in [0, 5, 65_535, 65_536, 200_000] {
            let content: Vec<u8> =
                (0..length).map(|i| u8::try_from(i % 251).unwrap_or(0)).collect();
            let mut gunzip = Command::new("gzip")
                .args(["-d", "-c"])
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .expect("gzip is part of every system these tests run on");
            let mut stdin = gunzip.stdin.take().expect("it was asked for");
            let coded = super::gzip(&content);
            let writer = std::thread::spawn(move || stdin.write_all(&coded));
            let output = gunzip.wait_with_output().expect("gzip ends");
            writer.join().expect("no panic").expect("gzip reads everything");
            assert!(output.status.success());
            assert!(output.stdout == content, "length {length}");
        }
    }
}
