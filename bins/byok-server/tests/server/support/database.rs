//! Meddling with a database file behind the server's back.

use std::fs;

use memchr::memmem;
use sea_orm::ConnectionTrait;

use super::Scratch;

/// Replaces `from` by `to`, of the same length, wherever it stands in the database of a server
/// that has stopped; answers how often.
///
/// SQLite keeps no checksum of a page, so what is changed in place is read back changed.
pub(crate) fn replace_in_database(scratch: &Scratch, from: &str, to: &str) -> usize {
    assert_eq!(from.len(), to.len(), "in place");
    let path = scratch.data().join("byok.db");
    let mut bytes = fs::read(&path).expect("the server has stopped and left its database");
    let places: Vec<usize> = memmem::find_iter(&bytes, from.as_bytes()).collect();
    for at in &places {
        bytes[*at..*at + to.len()].copy_from_slice(to.as_bytes());
    }
    fs::write(&path, bytes).expect("a writable file");
    places.len()
}

/// Runs statements on the database of a server that has stopped.
pub(crate) fn execute<S: AsRef<str>>(scratch: &Scratch, statements: &[S]) {
    let url = format!("sqlite://{}", scratch.data().join("byok.db").display());
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let database = sea_orm::Database::connect(url).await.expect("a database");
        for statement in statements {
            let statement = statement.as_ref();
            database.execute_unprepared(statement).await.expect(statement);
        }
        database.close().await.expect("closed");
    });
}
