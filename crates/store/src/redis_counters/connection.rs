//! A connection over which the script can be called.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Cmd, ErrorKind, RedisError, ServerErrorKind, cmd};
use tokio::time::timeout;

use super::RedisUrl;

const SCRIPT: &str = include_str!("counters.lua");

/// How long a call waits for Redis, which answers within a millisecond. Longer is as good as away.
pub(super) const ANSWER: Duration = Duration::from_millis(250);

/// How long it may take until a connection stands and the script is known there.
const CONNECT: Duration = Duration::from_secs(2);

/// Calls that may wait to be written, all of one connection.
const QUEUE: usize = 1024;

/// A connection that all calls share. Cheap to clone.
#[derive(Clone)]
pub(super) struct Connection {
    redis: MultiplexedConnection,
    /// The name of the script there.
    script: String,
}

/// What the script is called with.
pub(super) struct Asked {
    /// What the names of all its keys have in common, and what decides where a cluster keeps them.
    pub(super) tag: String,
    /// The rest, as the script says.
    pub(super) arguments: Vec<String>,
}

impl Connection {
    /// Connects, brings the script, and calls it once to no effect: whoever may not, or writes to
    /// a replica, learns it here. Whatever reads and writes the connection runs on the current
    /// runtime.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub(super) async fn open(url: &RedisUrl) -> Result<Self, String> {
        let opened = timeout(CONNECT, async {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(None)
                .set_response_timeout(None)
                .set_pipeline_buffer_size(QUEUE);
            let mut redis =
                url.client().get_multiplexed_async_connection_with_config(&config).await?;
            let script = cmd("SCRIPT").arg("LOAD").arg(SCRIPT).query_async(&mut redis).await?;
            let connection = Self { redis, script };
            connection.run(&Asked::nothing()).await?;
            Ok(connection)
        });
        match opened.await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(told(&error)),
            Err(_) => Err(format!("it did not answer within {CONNECT:?}")),
        }
    }

    /// Calls the script: one round trip, or two where Redis has forgotten it.
    ///
    /// # Errors
    /// What is wrong, for the operator.
    pub(super) async fn ask(&self, asked: &Asked) -> Result<Vec<i64>, String> {
        match timeout(ANSWER, self.run(asked)).await {
            Ok(answer) => answer.map_err(|error| told(&error)),
            Err(_) => Err(format!("it did not answer within {ANSWER:?}")),
        }
    }

    async fn run(&self, asked: &Asked) -> Result<Vec<i64>, RedisError> {
        let mut redis = self.redis.clone();
        match asked.command("EVALSHA", &self.script).query_async(&mut redis).await {
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                asked.command("EVAL", SCRIPT).query_async(&mut redis).await
            }
            answer => answer,
        }
    }
}

impl Asked {
    /// What has no effect.
    pub(super) fn nothing() -> Self {
        let arguments = ["renew", "", "1"].map(str::to_owned).to_vec();
        Self { tag: "nobody".to_owned(), arguments }
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let keys = ["used", "running"].map(|of| format!("byok:limits:{{{}}}:{of}", self.tag));
        let mut command = cmd(name);
        command.arg(script).arg(keys.len()).arg(&keys).arg(&self.arguments);
        command
    }
}

/// What is wrong. What Redis says of it shows no password.
fn told(error: &RedisError) -> String {
    match (error.kind(), error.code()) {
        (ErrorKind::AuthenticationFailed, _) | (_, Some("NOAUTH" | "WRONGPASS")) => {
            "it does not accept the user and password of its URL".to_owned()
        }
        // Some repeat the whole of a command that they do not know.
        _ => match error.to_string() {
            text if text.contains("AUTH") => "it does not know how to check a password".to_owned(),
            text => text,
        },
    }
}
