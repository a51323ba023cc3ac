//! Where the database is.

use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::Url;

/// What a PostgreSQL URL may say after its question mark. The driver logs what it does not know.
const OPTIONS: [&str; 6] =
    ["sslmode", "sslrootcert", "sslcert", "sslkey", "host", "application_name"];

const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

const LIKE: &str = "sqlite:///var/lib/byok/byok.db or postgres://byok:PASSWORD@db.example.com/byok";

/// The URL of a database. It may hold a password, and so cannot be formatted.
#[derive(Clone)]
pub(crate) struct DatabaseUrl(String);

impl DatabaseUrl {
    /// Reads `sqlite://path` or `postgres://user:password@host/database`. The error is the rest of
    /// a sentence that begins with the setting's name.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        match text.split(':').next() {
            Some("sqlite") => sqlite(text),
            Some("postgres" | "postgresql") => postgres(text),
            _ => Err(format!("is not a database URL; write it like {LIKE}")),
        }
    }

    /// The file in a data folder.
    pub(super) fn in_folder(data_dir: &str) -> Self {
        let folder = data_dir.trim_end_matches('/').replace('%', "%25").replace('?', "%3F");
        Self(format!("sqlite://{folder}/byok.db"))
    }

    /// What the database is opened with.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// The file, if it is one. The driver reads its path percent-decoded.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        let path = self.0.strip_prefix("sqlite://")?;
        Some(PathBuf::from(&*percent_decode_str(path).decode_utf8_lossy()))
    }
}

fn sqlite(text: &str) -> Result<DatabaseUrl, String> {
    let like = "write it like sqlite:///var/lib/byok/byok.db";
    let Some(path) = text.strip_prefix("sqlite://") else {
        return Err(format!("is not a database URL; {like}"));
    };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    if path == ":memory:" || query.contains("memory") {
        return Err(format!(
            "names a database in memory, which would forget every key and call; {like}"
        ));
    }
    if path.is_empty() || path.ends_with('/') {
        return Err(format!("names no file; {like}"));
    }
    if !["", "mode=rwc", "mode=rw"].contains(&query) {
        return Err("has options after the question mark; write it without them".to_owned());
    }
    Ok(DatabaseUrl(format!("sqlite://{path}")))
}

fn postgres(text: &str) -> Result<DatabaseUrl, String> {
    let like = "write it like postgres://byok:PASSWORD@db.example.com/byok";
    let url = Url::parse(text).map_err(|_| {
        format!("is not a database URL; {like}, with %40 for an @ in the password and so on")
    })?;
    let mut host = url.host_str().is_some_and(|host| !host.is_empty());
    for (option, value) in url.query_pairs() {
        if !OPTIONS.contains(&&*option) {
            return Err(format!(
                "has an option that is not known; there are {}",
                OPTIONS.join(", ")
            ));
        }
        if option == "sslmode" && !SSL_MODES.contains(&&*value) {
            return Err(format!(
                "has an sslmode that is not known; there are {}",
                SSL_MODES.join(", ")
            ));
        }
        host |= option == "host" && !value.is_empty();
    }
    if !host {
        return Err(format!("names no host; {like}"));
    }
    if url.path().trim_matches('/').is_empty() {
        return Err(format!("names no database; {like}"));
    }
    Ok(DatabaseUrl(text.to_owned()))
}
