//! A server that loses power: what was not synced is there, is not, or is there in part.

use std::collections::{BTreeMap, BTreeSet};

use super::disks::{Step, TracedDisk};
use super::*;
use crate::samples::record;

/// Blocks that a disk writes or does not write.
const SECTOR: usize = 512;

/// Numbers that look random and are the same each time. From 0, the largest there are: everything
/// reaches the disk.
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: usize) -> usize {
        match self.next() {
            0 => limit - 1,
            n => usize::try_from(n % limit as u64).expect("below a usize"),
        }
    }

    fn coin(&mut self) -> bool {
        self.next().is_multiple_of(2)
    }
}

/// One opening of a journal in which call number `n` is record `n`; acknowledges every record, and
/// has some of them applied and their files removed.
fn live(disk: &TracedDisk, dir: &Path) {
    let journal = open_on(Arc::new(disk.clone()), dir, Durability::Disk);
    let mut reader = reader::Reader::new(Arc::clone(journal.spool()));
    let mut n = journal.last_seq();
    for round in 0..12 {
        let receipts: Vec<_> = (0..1 + round % 5)
            .map(|_| {
                n += 1;
                // Some are appended while others are being synced.
                thread::sleep(Duration::from_micros(70));
                (n, journal.append(&record(n)).expect("room"))
            })
            .collect();
        for (n, receipt) in receipts {
            block_on(receipt).expect("durable");
            disk.note(Step::Acknowledged(n));
        }
        if round % 4 == 3 {
            let batch = reader.read(7).expect("readable").expect("some");
            disk.note(Step::Applied(batch.last_seq));
            journal.spool().release(batch.last_seq, batch.bytes);
        }
    }
}

/// What a disk may hold when power is lost after `steps`.
fn image(steps: &[Step], chance: &mut Chance) -> BTreeMap<u64, Vec<u8>> {
    let durable_entry = steps
        .iter()
        .filter_map(|step| if let Step::DirSynced(before) = step { Some(*before) } else { None })
        .max();
    let mut files = BTreeMap::new();
    for (index, step) in steps.iter().enumerate() {
        let entry_is_sure = durable_entry.is_some_and(|before| index < before);
        match step {
            Step::Create(number) if entry_is_sure || chance.coin() => {
                files.insert(*number, content(*number, steps, chance));
            }
            Step::Remove(number) if entry_is_sure || chance.coin() => {
                files.remove(number);
            }
            _ => {}
        }
    }
    files
}

/// What there may be of a file: all that was synced, and any sectors of the rest.
fn content(number: u64, steps: &[Step], chance: &mut Chance) -> Vec<u8> {
    let synced = steps
        .iter()
        .filter_map(|step| match step {
            Step::Synced(file, before) if *file == number => Some(*before),
            _ => None,
        })
        .max()
        .unwrap_or(0);
    let mut bytes = Vec::new();
    // What the machine's memory held, of which each sector may have reached the disk or not.
    let mut wanted: Vec<u8> = Vec::new();
    for (index, step) in steps.iter().enumerate() {
        let in_disk = index < synced;
        match step {
            Step::Write(file, offset, data) if *file == number => {
                let offset = usize::try_from(*offset).expect("small");
                for target in [&mut wanted].into_iter().chain(in_disk.then_some(&mut bytes)) {
                    if target.len() < offset + data.len() {
                        target.resize(offset + data.len(), 0);
                    }
                    target[offset..offset + data.len()].copy_from_slice(data);
                }
            }
            Step::Truncate(file, len) if *file == number => {
                wanted.truncate(usize::try_from(*len).expect("small"));
            }
            _ => {}
        }
    }
    if wanted.len() > bytes.len() {
        let len = bytes.len() + chance.below(wanted.len() - bytes.len() + 1);
        bytes.resize(len, 0);
    }
    for (sector, wanted) in bytes.chunks_mut(SECTOR).zip(wanted.chunks(SECTOR)) {
        let in_common = sector.len().min(wanted.len());
        if chance.coin() {
            sector[..in_common].copy_from_slice(&wanted[..in_common]);
        }
    }
    bytes
}

/// The records that are promised after `steps`, and those that the usage log has.
fn promised(steps: &[Step]) -> (BTreeSet<u64>, u64) {
    let mut acked = BTreeSet::new();
    let mut applied = 0;
    for step in steps {
        match step {
            Step::Acknowledged(n) => drop(acked.insert(*n)),
            Step::Applied(n) => applied = applied.max(*n),
            _ => {}
        }
    }
    (acked, applied)
}

/// The records in `dir`; panics when something promised after `steps` is neither there nor applied.
fn check(dir: &Path, steps: &[Step]) -> (BTreeSet<u64>, bool) {
    let (acked, applied) = promised(steps);
    let recovered = recover(dir).expect("a power loss is no damage");
    let kept: BTreeSet<u64> = recovered
        .segments
        .iter()
        .flat_map(|entry| entry.first_seq..=entry.last_seq.expect("sealed"))
        .collect();
    let lost: Vec<_> = acked.iter().filter(|n| **n > applied && !kept.contains(n)).collect();
    assert!(lost.is_empty(), "{lost:?} of {kept:?}, applied {applied}, {recovered:?}");
    (kept, recovered.torn.is_some())
}

fn write(files: &BTreeMap<u64, Vec<u8>>) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for (number, bytes) in files {
        std::fs::write(segment::path(dir.path(), *number), bytes).expect("written");
    }
    dir
}

/// A disk that holds `files`, all of them durable, and what was promised of them.
fn disk_with(files: &BTreeMap<u64, Vec<u8>>, steps: &[Step]) -> TracedDisk {
    let disk = TracedDisk::default();
    for (number, bytes) in files {
        disk.note(Step::Create(*number));
        disk.note(Step::Write(*number, 0, bytes.clone()));
    }
    let written = disk.steps().len();
    files.keys().for_each(|number| disk.note(Step::Synced(*number, written)));
    disk.note(Step::DirSynced(written));
    let (acked, applied) = promised(steps);
    acked.into_iter().for_each(|n| disk.note(Step::Acknowledged(n)));
    disk.note(Step::Applied(applied));
    disk
}

#[test]
fn after_a_power_loss_everything_acknowledged_is_in_the_journal_or_the_usage_log() {
    let mut chance = Chance(0x9E37_79B9_7F4A_7C15);
    let mut torn = 0;
    for _ in 0..4 {
        let disk = TracedDisk::default();
        let dir = tempfile::tempdir().expect("a folder");
        (0..3).for_each(|_| live(&disk, dir.path()));
        for _ in 0..150 {
            let steps = disk.steps();
            let steps = &steps[..chance.below(steps.len() + 1)];
            let dir = write(&image(steps, &mut chance));
            let (kept, is_torn) = check(dir.path(), steps);
            torn += u64::from(is_torn);
            let journal = open_on(fast_disk(), dir.path(), Durability::Disk);
            assert_eq!(distinct(&numbers(&journal)), kept, "record n is call n");
        }
    }
    assert!(torn > 60, "{torn} torn: the images are too tame");
}

#[test]
fn a_power_loss_right_after_the_recovery_from_one_takes_nothing_either() {
    let mut chance = Chance(0x0123_4567_89AB_CDEF);
    let (first, dir) = (TracedDisk::default(), tempfile::tempdir().expect("a folder"));
    (0..2).for_each(|_| live(&first, dir.path()));
    for _ in 0..10 {
        let steps = first.steps();
        let steps = &steps[..chance.below(steps.len() + 1)];
        let files = image(steps, &mut chance);
        let (dir, disk) = (write(&files), disk_with(&files, steps));
        let already = disk.steps().len();
        live(&disk, dir.path());
        for _ in 0..40 {
            let steps = disk.steps();
            let lived = if chance.coin() { 12 } else { steps.len() + 1 - already };
            let steps = &steps[..already + chance.below(lived)];
            check(write(&image(steps, &mut chance)).path(), steps);
        }
    }
}

#[test]
fn a_power_loss_after_a_sudden_death_does_not_shake_what_was_recovered_in_between() {
    let mut chance = Chance(0xFEDC_BA98_7654_3210);
    let (first, dir) = (TracedDisk::default(), tempfile::tempdir().expect("a folder"));
    (0..2).for_each(|_| live(&first, dir.path()));
    for _ in 0..40 {
        let steps = first.steps();
        let steps = &steps[..chance.below(steps.len() + 1)];
        // The system still has what the dead server wrote, synced or not, and shows all of it.
        let dir = write(&image(steps, &mut Chance(0)));
        let disk = TracedDisk::default();
        steps.iter().cloned().for_each(|step| disk.note(step));
        live(&disk, dir.path());
        for _ in 0..25 {
            let all = disk.steps();
            // Most of the danger is in the first steps.
            let lived = if chance.coin() { 25 } else { all.len() + 1 - steps.len() };
            let steps = &all[..steps.len() + chance.below(lived)];
            check(write(&image(steps, &mut chance)).path(), steps);
        }
    }
}
