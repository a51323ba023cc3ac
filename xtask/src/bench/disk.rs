//! What the disk itself takes for a sync: no server that waits for one can answer faster.

use std::fs::File;
use std::io::Write;
use std::time::Instant;

use super::lab::Lab;

const SYNCS: usize = 400;

/// About what a journal's group of a few records holds.
const BLOCK: [u8; 512] = [7; 512];

/// A sentence with the median and the p99 of syncing a few appended bytes.
pub(super) fn measure(lab: &Lab) -> Result<String, Box<dyn std::error::Error>> {
    let mut file = File::create(lab.folder("disk")?.join("file"))?;
    let mut micros = Vec::with_capacity(SYNCS);
    for _ in 0..SYNCS {
        let start = Instant::now();
        file.write_all(&BLOCK)?;
        file.sync_data()?;
        micros.push(start.elapsed().as_micros());
    }
    micros.sort_unstable();
    let (p50, p99) = (micros[SYNCS / 2], micros[SYNCS * 99 / 100]);
    let length = BLOCK.len();
    Ok(format!("the disk's own fdatasync of {length} appended bytes: p50 {p50} µs, p99 {p99} µs"))
}
