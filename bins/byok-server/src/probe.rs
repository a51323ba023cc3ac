//! Looking at a server from outside: its metrics, and the doctor.

use std::net::SocketAddr;
use std::time::Duration;

use byok_vault::Keyring;
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::config::Config;
use crate::installation::{open_database, refused};
use crate::{Failure, Outcome, print, with_sources};
use byok_store::{AccountFault, CreditReport, Installation, RedisCounters};

/// Serves `GET /metrics` in Prometheus' text format, on a listener of its own.
pub(crate) async fn serve_metrics(listen: SocketAddr, handle: PrometheusHandle) {
    let listener = match TcpListener::bind(listen).await {
        Ok(listener) => listener,
        Err(error) => {
            tracing::warn!(%listen, %error, "metrics are not served: set BYO_METRICS_LISTEN to another address or `off`");
            return;
        }
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => {
                let handle = handle.clone();
                tokio::spawn(async move {
                    let answered = answer(stream, &handle);
                    let _ = tokio::time::timeout(Duration::from_secs(10), answered).await;
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a metrics connection was not accepted");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// One request, one answer: scrapers need no more of HTTP.
async fn answer(mut stream: TcpStream, handle: &PrometheusHandle) -> std::io::Result<()> {
    let mut head = Vec::with_capacity(1024);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") && head.len() < 8192 {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let is_metrics = head.starts_with(b"GET /metrics ") || head.starts_with(b"GET /metrics?");
    let (status, body) = if is_metrics {
        handle.run_upkeep();
        ("200 OK", handle.render())
    } else {
        ("404 Not Found", "The metrics are at /metrics.\n".to_owned())
    };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(answer.as_bytes()).await?;
    stream.shutdown().await
}

/// `doctor`.
pub(crate) async fn doctor(config: &Config, keyring: Keyring) -> Outcome {
    let mut well = true;
    let mut report = |what: &str, found: Result<String, String>| {
        well &= found.is_ok();
        let (mark, text) = match &found {
            Ok(text) => ("ok   ", text),
            Err(text) => ("WRONG", text),
        };
        print(format_args!("{mark}  {what:<12}{text}"))
    };
    report("settings", Ok("read".to_owned()))?;
    let file = config.storage.database_url.file();
    if let Some(file) = file.filter(|file| !file.exists()) {
        let missing = format!("{} is not there; `byok-server migrate` makes it", file.display());
        report("database", Err(missing))?;
        return Err(Failure::Finding);
    }
    let database = match open_database(&config.storage).await {
        Ok(database) => database,
        Err(failure) => {
            report("database", Err(lines(failure)))?;
            return Err(Failure::Finding);
        }
    };
    let (version, newest) =
        (database.schema_version().await?, byok_store::Database::newest_schema());
    if version != newest {
        report(
            "database",
            Err(format!("schema version {version}; `byok-server migrate` brings it to {newest}")),
        )?;
        return Err(Failure::Finding);
    }
    report("database", Ok(format!("schema version {version}")))?;
    let proven = Installation::prove(&database, &keyring).await.map_err(refused);
    let fits = proven.is_ok();
    report(
        "keyring",
        proven.map(|()| format!("fits; current is {}", keyring.current())).map_err(lines),
    )?;
    if fits {
        let none_yet = || Ok("none yet; the first start makes it".to_owned());
        let found = match Installation::look(database, keyring).await.map_err(refused) {
            Ok(Some(installation)) => {
                let credits = installation.store.verify_credits().await?;
                report("credits", told(&credits))?;
                let audit = installation.store.verify_audit(None).await?;
                match audit.first_bad {
                    None => Ok(format!("{} entries in order", audit.verified)),
                    Some(bad) => Err(format!("entry {}: {}", bad.sequence, bad.fault)),
                }
            }
            Ok(None) => none_yet(),
            Err(failure) => Err(lines(failure)),
        };
        report("audit log", found)?;
    }
    let journal = config.storage.data_dir.join("journal");
    let found = match std::fs::read_dir(&journal) {
        Ok(_) => Ok(format!("{} can be read", journal.display())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            Ok("none yet; the first start makes it".to_owned())
        }
        Err(error) => Err(format!("{}: {error}", journal.display())),
    };
    report("journal", found)?;
    if let Some(limits) = &config.limits {
        let found = RedisCounters::check(&limits.redis).await;
        let found = found.map(|()| "counts the limits of plans".to_owned());
        report("redis", found.map_err(|why| format!("BYO_REDIS_URL: {why}")))?;
    }
    if well { Ok(()) } else { Err(Failure::Finding) }
}

fn lines(failure: Failure) -> String {
    match failure {
        Failure::Config(lines) => lines.join("; "),
        Failure::Finding => "see above".to_owned(),
        Failure::Other(error) => with_sources(&*error),
    }
}

/// Whether the books of credits balance, and which do not.
fn told(credits: &CreditReport) -> Result<String, String> {
    let Some(first) = credits.faults.first() else {
        return Ok(format!("{} accounts, whose entries add up", credits.accounts));
    };
    let AccountFault { project, ref_id, balance, entered, held, set_aside, holds } = first;
    Err(format!(
        "{} accounts do not add up; the first is {ref_id} of {project}: balance {balance}, entries \
         {entered}; held {held}, entries {set_aside}, holds {holds}",
        credits.faults.len()
    ))
}
