//! The task that sends notices.

use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio::time::sleep;

use super::smtp::MailError;
use super::{Mailer, Text};
use crate::notices::{Notice, NoticeBox, Recipients};
use crate::{Clock, OutboxError, schedule};

/// How often notices are looked for.
const POLL: Duration = Duration::from_secs(2);
/// Notices taken at a time; they are sent one by one.
const AT_A_TIME: u64 = 10;
/// Longer than ten messages take that all meet a silent server.
const LEASE_MS: i64 = 10 * 60_000;
/// Attempts at one notice: over the first three hours, after which it is no news.
const MOST_TRIES: u32 = 5;

/// Sends what is in a notice box until it is dropped. A message that is broken off so may be sent
/// twice.
#[derive(Debug)]
pub struct MailWorker(JoinHandle<()>);

impl Drop for MailWorker {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl MailWorker {
    /// Starts sending on `runtime`.
    pub fn start(
        notices: Arc<dyn NoticeBox>,
        recipients: Arc<dyn Recipients>,
        mailer: Mailer,
        clock: Arc<dyn Clock>,
        runtime: &Handle,
    ) -> Self {
        let rounds = Rounds { notices, recipients, mailer, clock };
        Self(runtime.spawn(rounds.run()))
    }
}

struct Rounds {
    notices: Arc<dyn NoticeBox>,
    recipients: Arc<dyn Recipients>,
    mailer: Mailer,
    clock: Arc<dyn Clock>,
}

impl Rounds {
    async fn run(self) {
        let mut well = true;
        loop {
            match self.round().await {
                Ok(sent) => {
                    well = true;
                    if sent > 0 {
                        continue;
                    }
                }
                Err(error) => {
                    if std::mem::replace(&mut well, false) {
                        tracing::error!(%error, "notices are not sent until it is");
                    }
                }
            }
            sleep(POLL).await;
        }
    }

    async fn round(&self) -> Result<usize, OutboxError> {
        let now = self.clock.now();
        let leased_until = now.plus_millis(LEASE_MS);
        let notices = self.notices.claim_notices(now, leased_until, AT_A_TIME).await?;
        for notice in &notices {
            let again = match self.send(notice).await? {
                Err(MailError::NotNow) if notice.tries + 1 < MOST_TRIES => {
                    let wait = schedule::wait(notice.tries, self.clock.random());
                    let millis = wait.and_then(|wait| i64::try_from(wait.as_millis()).ok());
                    millis.map(|millis| self.clock.now().plus_millis(millis))
                }
                Ok(()) | Err(_) => None,
            };
            self.notices.settle_notice(notice, again).await?;
        }
        Ok(notices.len())
    }

    async fn send(&self, notice: &Notice) -> Result<Result<(), MailError>, OutboxError> {
        let Some(to) = self.recipients.address(&notice.project, &notice.ref_id).await? else {
            return Ok(Ok(()));
        };
        let sent = self.mailer.send(&to, Text::of(notice)).await;
        let event = &notice.event;
        match &sent {
            Ok(()) => metrics::counter!("byok_notices_sent_total").increment(1),
            Err(error) => {
                metrics::counter!("byok_notices_failed_total").increment(1);
                tracing::warn!(%event, %error, "a notice was not sent");
            }
        }
        Ok(sent)
    }
}
