//! The first run: everything that is missing is made, and told once.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use byok_domain::credential::Environment;
use byok_vault::{AdminToken, Keyring, random_key_hex};
use tokio::runtime::Runtime;

use crate::config::{Config, Sources};
use crate::installation::{by_cli, make_private_folder};
use crate::{Failure, Outcome, print, serve};
use byok_store::{Installation, MadeProject};

const KEY_FILE: &str = "encryption.key";
const ADMIN_FILE: &str = "admin.token";

/// Makes what is missing, then serves.
pub(crate) fn run(control: &Runtime, sources: &Sources) -> Outcome {
    let (mut config, given) = Config::load(sources).map_err(|errors| Failure::config(&errors))?;
    let folder = config.storage.data_dir.clone();
    make_private_folder(&folder)?;
    let keyring = match given {
        Some(keyring) => keyring,
        None => {
            let key = kept(&folder.join(KEY_FILE))?;
            let name = folder.join(KEY_FILE).display().to_string();
            Keyring::parse(&name, &key).map_err(|error| Failure::Config(vec![error.to_string()]))?
        }
    };
    let mut admin_token = None;
    if config.admin_token.is_none() {
        let token = kept(&folder.join(ADMIN_FILE))?;
        let parsed = AdminToken::parse(token.clone());
        config.admin_token = Some(parsed.map_err(|why| {
            Failure::Config(vec![format!("{}: the token {why}", folder.join(ADMIN_FILE).display())])
        })?);
        admin_token = Some(token);
    }
    let public_url = config.http.public_url.clone();
    let scheme = if config.http.tls.is_some() { "https" } else { "http" };
    serve::run(control, config, keyring, move |installation, listen| {
        let url = public_url.unwrap_or_else(|| format!("{scheme}://{listen}"));
        Box::pin(welcome(installation, url, folder, admin_token))
    })
}

/// The text in a file that only its owner can read, made if it is not there.
fn kept(path: &Path) -> Result<String, Failure> {
    let failed = |what: &str, error: std::io::Error| {
        Failure::Other(format!("cannot {what} {}: {error}", path.display()).into())
    };
    match fs::read_to_string(path) {
        Ok(text) => return Ok(text.trim_end().to_owned()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        Err(error) => return Err(failed("read", error)),
    }
    let made = random_key_hex();
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| failed("make", error))?;
    writeln!(file, "{}", *made)
        .and_then(|()| file.sync_all())
        .map_err(|error| failed("write", error))?;
    if let Some(folder) = path.parent() {
        let _ = File::open(folder).and_then(|folder| folder.sync_all());
    }
    Ok(made.to_string())
}

async fn welcome(
    installation: &Installation,
    url: String,
    folder: std::path::PathBuf,
    admin_token: Option<String>,
) -> Outcome {
    let nothing = byok_store::Page { limit: 1, offset: 0 };
    if installation.store.projects(nothing).await?.total > 0 {
        print(format_args!("BYOK serves on {url} with the data in {}.", folder.display()))?;
        print(format_args!(
            "The project's keys were shown when it was made; the admin token is in {}.",
            folder.join(ADMIN_FILE).display()
        ))?;
        return Ok(());
    }
    let name = "Quickstart".to_owned();
    let MadeProject { project, secret_key, publishable_key } =
        installation.make_project(name, Environment::Live, &by_cli()).await?;
    print(format_args!("BYOK serves on {url}. Shown this once, so keep them:\n"))?;
    match admin_token {
        Some(token) => print(format_args!("  admin token      {token}"))?,
        None => print(format_args!("  admin token      the one in BYO_ADMIN_TOKEN"))?,
    }
    print(format_args!("  project          {}", project.id))?;
    print(format_args!("  secret key       {}", secret_key.as_str()))?;
    print(format_args!("  publishable key  {}", publishable_key.as_str()))?;
    print(format_args!(
        "  encryption key   in {}; without it the stored keys are lost",
        folder.join(KEY_FILE).display()
    ))?;
    print(format_args!("\nConnect a customer's key, then stream an answer with it:\n"))?;
    print(format_args!(
        r#"  curl {url}/keys/connect -H "Authorization: Bearer {secret}" \
    -H "Content-Type: application/json" \
    -d '{{"provider":"openai","refId":"customer_123","providerKey":"'"$OPENAI_API_KEY"'"}}'

  curl -N {url}/v1/chat/completions -H "Authorization: Bearer {secret}" \
    -H "X-BYO-Ref-Id: customer_123" -H "Content-Type: application/json" \
    -d '{{"model":"gpt-4.1-mini","stream":true,"messages":[{{"role":"user","content":"Hello!"}}]}}'

  curl "{url}/usage?refId=customer_123" -H "Authorization: Bearer {secret}"
"#,
        secret = secret_key.as_str(),
    ))
}
