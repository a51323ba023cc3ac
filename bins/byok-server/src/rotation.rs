//! The operator's commands on the encryption keys.

use byok_vault::{Keyring, VaultError};

use crate::config::Config;
use crate::installation::{self, by_cli, open_existing, refused};
use crate::{Outcome, print};
use byok_store::Installation;

/// `keyring status`.
pub(crate) async fn status(config: &Config, keyring: &Keyring) -> Outcome {
    let database = open_existing(&config.storage).await?;
    database.migrate().await?;
    let uses = database.kids_in_use().await?;
    print(format_args!("{:<16}{:<10}{:>10}{:>10}", "KEY", "ROLE", "PROJECTS", "SECRETS"))?;
    for kid in keyring.kids() {
        let role = if kid == keyring.current() { "current" } else { "opens" };
        let usage = uses.iter().find(|usage| usage.kid == kid.as_str());
        let (projects, secrets) = usage.map_or((0, 0), |usage| (usage.data_keys, usage.roots));
        print(format_args!("{:<16}{role:<10}{projects:>10}{secrets:>10}", kid.as_str()))?;
    }
    for usage in uses.iter().filter(|usage| keyring.kids().all(|kid| kid.as_str() != usage.kid)) {
        let role = if keyring.holds(&usage.kid) { "opens" } else { "MISSING" };
        print(format_args!(
            "{:<16}{role:<10}{:>10}{:>10}",
            usage.kid, usage.data_keys, usage.roots
        ))?;
    }
    Installation::prove(&database, keyring).await.map_err(refused)
}

/// `keyring rotate`.
pub(crate) async fn rotate(config: &Config, keyring: Keyring) -> Outcome {
    let installation = installation::inspect(&config.storage, keyring).await?;
    let keyring = &installation.keyring;
    let current = keyring.current().to_string();
    let database = installation.store.database();
    let mut done = 0;
    loop {
        let batch = database
            .rewrap::<VaultError>(
                &current,
                |project, sealed| keyring.rewrap(project, sealed),
                |name, sealed| keyring.rewrap_root(name, sealed),
            )
            .await??;
        done += batch.rewrapped;
        if batch.remaining == 0 {
            break;
        }
        if batch.rewrapped == 0 {
            return Err(format!("{} records could not be sealed anew", batch.remaining).into());
        }
        print(format_args!(
            "{done} records are sealed under {current}, {} remain.",
            batch.remaining
        ))?;
    }
    if done > 0 {
        installation.store.record_rotation(&current, done, &by_cli()).await?;
    }
    print(format_args!(
        "Everything is sealed under {current} ({done} records in this run); older keys can be removed."
    ))
}
