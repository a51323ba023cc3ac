//! What goes out by itself: webhooks to projects, notices to their customers.

use std::sync::Arc;
use std::time::Duration;

use byok_gateway::Gateway;
use byok_net::{EgressPolicy, InvalidRoots, Timeouts, Upstream};
use byok_store::Store;
use byok_webhooks::email::{MailWorker, Mailer};
use byok_webhooks::{Courier, Limits, Worker};
use tokio::runtime::Handle;

use crate::config::Mail;

/// A delivery has 15 seconds in all; within them the receiver may take its time.
const TIMEOUTS: Timeouts = Timeouts {
    connect: Duration::from_secs(5),
    first_byte: Duration::from_secs(15),
    idle: Duration::from_secs(15),
};

/// Somebody who delivers webhooks, by a way out of its own: calls and deliveries share no connection.
pub(crate) fn courier(
    gateway: &Arc<Gateway>,
    egress: &EgressPolicy,
) -> Result<Courier, InvalidRoots> {
    let upstream = Upstream::new(egress.clone(), TIMEOUTS)?;
    Ok(Courier::new(upstream, egress.clone(), gateway.clone(), gateway.clone()))
}

/// The workers, until they are stopped.
pub(crate) struct Deliveries {
    webhooks: Worker,
    _mail: Option<MailWorker>,
}

impl Deliveries {
    /// Starts them on the control runtime.
    pub(crate) fn start(
        store: &Store,
        gateway: &Arc<Gateway>,
        courier: Courier,
        mail: Option<Mail>,
        control: &Handle,
    ) -> Self {
        let outbox = Arc::new(store.clone());
        let limits = Limits::default();
        let webhooks = Worker::start(outbox.clone(), courier, gateway.clone(), limits, control);
        let mail = mail.map(|mail| {
            let mailer = Mailer::new(mail.server, mail.from);
            MailWorker::start(outbox.clone(), outbox, mailer, gateway.clone(), control)
        });
        Self { webhooks, _mail: mail }
    }

    /// Begins nothing more and waits for what is under way, at most `within`; what is broken off
    /// then is delivered again at the next start.
    pub(crate) async fn stop(self, within: Duration) {
        let _ = tokio::time::timeout(within, self.webhooks.stop()).await;
    }
}
