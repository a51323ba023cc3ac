//! A door that a test opens: answers wait before it instead of for a guessed time.

use std::sync::Arc;

use tokio::sync::watch;

/// Shut until [`open`](Self::open); clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate {
    state: Arc<watch::Sender<bool>>,
}

impl Gate {
    /// A gate that is shut.
    pub fn new() -> Self {
        Self { state: Arc::new(watch::Sender::new(false)) }
    }

    /// Lets through everyone who waits, and who comes later.
    pub fn open(&self) {
        self.state.send_replace(true);
    }

    pub(super) async fn passed(&self) {
        // The sender lives in `self`, so waiting cannot fail.
        let _ = self.state.subscribe().wait_for(|open| *open).await;
    }
}

impl Default for Gate {
    fn default() -> Self {
        Self::new()
    }
}
