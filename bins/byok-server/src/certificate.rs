//! The TLS certificate, taken anew from its files whenever they change.

use std::time::Duration;

use byok_net::Identity;

use crate::config::{Marks, Tls, TlsFiles};

/// How often the files are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// Follows the files for as long as the process runs.
pub(crate) async fn follow(tls: Tls) {
    let mut watch = Watch::new(tls);
    loop {
        tokio::time::sleep(EVERY).await;
        // A folder on a network may keep us waiting.
        let looked = tokio::task::spawn_blocking(move || {
            watch.look();
            watch
        });
        match looked.await {
            Ok(again) => watch = again,
            Err(error) => {
                return tracing::error!(%error, "the TLS certificate's files are not looked at any more");
            }
        }
    }
}

struct Watch {
    files: TlsFiles,
    identity: Identity,
    /// As the files were when they were last read.
    read: Marks,
    /// As they were at the last look.
    seen: Marks,
}

impl Watch {
    fn new(Tls { identity, marks, files }: Tls) -> Self {
        Self { files, identity, read: marks.clone(), seen: marks }
    }

    /// Reads the files if they have changed, and did not just now: the one may be in place and the
    /// other still to come.
    fn look(&mut self) {
        let marks = self.files.marks();
        let settled = marks == self.seen;
        self.seen = marks;
        if !settled || self.seen == self.read {
            return;
        }
        self.read = self.seen.clone();
        match self.files.load() {
            Ok(identity) => {
                self.identity.replace(&identity);
                tracing::info!(
                    "new TLS connections get the certificate that has just been put in place"
                );
            }
            Err(error) => {
                tracing::error!(%error, "the TLS certificate was changed, but the one from before stays in use");
            }
        }
    }
}
