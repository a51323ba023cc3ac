//! Logs and metrics: where they go and in what form.

use std::net::SocketAddr;

use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tracing_subscriber::EnvFilter;

use crate::config::{Log, LogFormat};

/// Starts logging to standard error.
pub(crate) fn start(log: &Log) {
    // A line for each schema change, and one before it: whoever wants those names their module.
    let filter = EnvFilter::new(format!("sea_orm_migration=warn,{}", log.filter));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // A second start in one process (a test) keeps the first.
    let _ = match log.format {
        LogFormat::Text => lines.with_ansi(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).try_init(),
    };
}

/// Collects metrics from here on; `None` when nobody will read them.
pub(crate) fn collect_metrics(listen: Option<SocketAddr>) -> Option<PrometheusHandle> {
    listen?;
    let builder = PrometheusBuilder::new();
    builder.install_recorder().ok()
}
