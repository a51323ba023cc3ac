//! The operator's commands on projects, schema and audit log.

use byok_domain::credential::Environment;
use byok_store::{Database, MadeProject, Page};
use byok_vault::Keyring;

use crate::config::Config;
use crate::installation::{self, by_cli, open_database};
use crate::{Failure, Outcome, print};

/// `migrate`.
pub(crate) async fn migrate(config: &Config) -> Outcome {
    let database = open_database(&config.storage).await?;
    let changes = database.migrate().await?;
    let version = Database::newest_schema();
    print(format_args!("The schema is at version {version}; {changes} changes were applied."))
}

/// `projects create`.
pub(crate) async fn create_project(
    config: &Config,
    keyring: Keyring,
    name: &str,
    environment: Environment,
) -> Outcome {
    let name = name.trim();
    if name.is_empty() || name.chars().count() > 100 || name.chars().any(char::is_control) {
        return Err("give the project a name of 1 to 100 printable characters".into());
    }
    let installation = installation::open(&config.storage, keyring).await?;
    let MadeProject { project, secret_key, publishable_key } =
        installation.make_project(name.to_owned(), environment, &by_cli()).await?;
    print(format_args!("project          {}  {}", project.id, project.name))?;
    print(format_args!("secret key       {}", secret_key.as_str()))?;
    print(format_args!("publishable key  {}", publishable_key.as_str()))?;
    print(format_args!("\nThe keys are shown this once."))
}

/// `projects list`.
pub(crate) async fn list_projects(config: &Config, keyring: Keyring) -> Outcome {
    let installation = installation::inspect(&config.storage, keyring).await?;
    let mut offset = 0;
    print(format_args!("{:<38}{:<6}{:<26}NAME", "ID", "ENV", "CREATED"))?;
    loop {
        let page = installation.store.projects(Page { limit: 200, offset }).await?;
        for project in &page.data {
            print(format_args!(
                "{:<38}{:<6}{:<26}{}",
                project.id.as_str(),
                project.environment.as_str(),
                project.created_at.to_string(),
                project.name
            ))?;
        }
        offset += page.data.len() as u64;
        if page.data.is_empty() || offset >= page.total {
            return Ok(());
        }
    }
}

/// `audit verify`.
pub(crate) async fn verify_audit(config: &Config, keyring: Keyring) -> Outcome {
    let installation = installation::inspect(&config.storage, keyring).await?;
    let report = installation.store.verify_audit(None).await?;
    match report.first_bad {
        None => print(format_args!(
            "{} entries are in order; the head is entry {} with hash {}.",
            report.verified, report.head.sequence, report.head.hash
        )),
        Some(bad) => {
            print(format_args!(
                "Entry {} is not in order: {}. {} entries before it are.",
                bad.sequence, bad.fault, report.verified
            ))?;
            Err(Failure::Finding)
        }
    }
}
