//! The connection to Redis while there is one.

use std::sync::Arc;

use metrics::{Gauge, gauge};
use tokio::sync::watch;

use super::connection::{Asked, Connection};
use super::{FailMode, RedisUrl};

/// A way to Redis that never waits for a connection: either there is one, or there is not.
pub(super) struct Link {
    url: RedisUrl,
    on_loss: FailMode,
    connection: watch::Sender<Option<Arc<Connection>>>,
    up: Gauge,
}

impl Link {
    pub(super) fn new(url: RedisUrl, on_loss: FailMode) -> Self {
        Self { url, on_loss, connection: watch::Sender::new(None), up: gauge!("byok_redis_up") }
    }

    /// Calls the script; `None` when Redis is away. The first call that fails finds that out for
    /// all: the connection is given up, and no other waits for Redis until it answers again.
    pub(super) async fn ask(&self, asked: &Asked) -> Option<Vec<i64>> {
        let connection = self.connection.borrow().clone()?;
        match connection.ask(asked).await {
            Ok(answer) => Some(answer),
            Err(why) => {
                self.give_up(&connection, &why);
                None
            }
        }
    }

    /// Connects.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub(super) async fn connect(&self) -> Result<(), String> {
        let connection = Connection::open(&self.url).await?;
        self.connection.send_replace(Some(Arc::new(connection)));
        self.up.set(1);
        tracing::info!("the limits of plans are counted in Redis");
        Ok(())
    }

    /// Waits until there is no connection.
    pub(super) async fn lost(&self) {
        // The sender, which alone could fail this, is here.
        let _ = self.connection.subscribe().wait_for(Option::is_none).await;
    }

    /// Gives `failed` up, unless another call was faster.
    fn give_up(&self, failed: &Arc<Connection>, why: &str) {
        let is_failed = |current: &Arc<Connection>| Arc::ptr_eq(current, failed);
        let lost = self
            .connection
            .send_if_modified(|current| current.take_if(|current| is_failed(current)).is_some());
        if lost {
            self.tell_away(why);
        }
    }

    /// Says that from now on nothing is counted.
    pub(super) fn tell_away(&self, why: &str) {
        self.up.set(0);
        let meanwhile = match self.on_loss {
            FailMode::Open => "calls on credits pass uncounted",
            FailMode::Closed => "calls on credits are refused",
        };
        tracing::warn!(why, "Redis is away: until it is back, {meanwhile}");
    }
}
