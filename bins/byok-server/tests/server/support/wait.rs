//! Waiting for what another process or thread does.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// Longer than anything takes that works, shorter than anyone's patience.
pub(crate) const SOON: Duration = Duration::from_secs(20);

/// Whether `condition` comes true `within` that time.
pub(crate) fn soon(within: Duration, mut condition: impl FnMut() -> bool) -> bool {
    let until = Instant::now() + within;
    loop {
        if condition() {
            return true;
        }
        if Instant::now() >= until {
            return false;
        }
        sleep(Duration::from_millis(5));
    }
}
