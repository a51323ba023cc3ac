//! What "durable" means.

/// What a record survives once its receipt resolves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Durability {
    /// The loss of power: the record is synced to disk, many in one sync.
    Disk,
    /// The death of the process: the record is handed to the operating system.
    Os,
}
