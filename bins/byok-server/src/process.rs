//! What the operating system is told about this process: its memory holds secrets.

use rustix::process::{DumpableBehavior, Resource, Rlimit};

/// No core file, and no reading of this memory by other processes of the same user. Best effort:
/// where the system refuses, the server runs all the same.
pub(crate) fn keep_memory_private() {
    let none = Rlimit { current: Some(0), maximum: Some(0) };
    let _ = rustix::process::setrlimit(Resource::Core, none);
    let _ = rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable);
}

/// As many open files as the system allows: a connection is one, and a call has two.
pub(crate) fn raise_open_files() {
    let limit = rustix::process::getrlimit(Resource::Nofile);
    let _ = rustix::process::setrlimit(
        Resource::Nofile,
        Rlimit { current: limit.maximum, maximum: limit.maximum },
    );
}

/// Lowers the priority of this thread, and of those it starts: when all cores are busy, calls go
/// first and their bookkeeping catches up after. (On Linux the priority is a thread's own.)
pub(crate) fn give_way() {
    let _ = rustix::process::nice(10);
}
