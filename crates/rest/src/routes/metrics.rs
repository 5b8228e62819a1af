//! Metrics in Prometheus' text format.

use std::fmt::Write as _;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;
use metrics_exporter_prometheus::PrometheusHandle;

use crate::RestState;

/// The metrics alone, at `/metrics` and `/`, for a listener of their own.
pub fn metrics_router(state: RestState) -> Router {
    Router::new()
        .route("/", get(metrics))
        .route("/metrics", get(metrics))
        .with_state(state)
}

pub async fn metrics(State(state): State<RestState>) -> Response {
    let shared = &state.shared;
    let text = metrics_text(&shared.prometheus, shared.settings.revision);
    let content_type = "text/plain; version=0.0.4; charset=utf-8";
    super::no_store(([(header::CONTENT_TYPE, content_type)], text).into_response())
}

/// All metrics of the process, as `/metrics` answers them.
#[must_use]
pub fn metrics_text(prometheus: &PrometheusHandle, revision: &str) -> String {
    let mut text = prometheus.render();
    let _ = write!(
        text,
        "# HELP apiverse_build_info The running build.\n\
         # TYPE apiverse_build_info gauge\n\
         apiverse_build_info{{version=\"{}\",revision=\"{}\"}} 1\n",
        env!("CARGO_PKG_VERSION"),
        escape(revision),
    );
    if let Some(process) = Process::read() {
        process.write(&mut text);
    }
    text
}

fn escape(value: &str) -> String {
    value
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// What Linux tells about this process.
#[derive(Debug, PartialEq)]
struct Process {
    resident_bytes: u64,
    cpu_seconds: f64,
    threads: u64,
    open_files: Option<u64>,
    max_files: Option<u64>,
    /// Clock ticks from the machine's start to the process'.
    started_ticks: u64,
    /// Seconds from 1970 to the machine's start.
    machine_started: Option<u64>,
}

/// Ticks a second in `/proc/self/stat`: fixed at 100 in the kernel's interface (USER_HZ).
const TICKS: f64 = 100.0;

impl Process {
    fn read() -> Option<Self> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        let mut process = Self::parse(&status, &stat)?;
        process.open_files = std::fs::read_dir("/proc/self/fd")
            .ok()
            .map(|entries| entries.count() as u64);
        process.max_files = std::fs::read_to_string("/proc/self/limits")
            .ok()
            .and_then(|limits| max_files(&limits));
        process.machine_started = std::fs::read_to_string("/proc/stat")
            .ok()
            .and_then(|stat| number(&stat, "btime "));
        Some(process)
    }

    fn parse(status: &str, stat: &str) -> Option<Self> {
        // The second field is the command in parentheses and may contain anything.
        let (_, fields) = stat.rsplit_once(')')?;
        let mut times = fields.split_whitespace().skip(11);
        let user: f64 = times.next()?.parse().ok()?;
        let system: f64 = times.next()?.parse().ok()?;
        Some(Self {
            resident_bytes: number(status, "VmRSS:")? * 1024,
            cpu_seconds: (user + system) / TICKS,
            threads: number(status, "Threads:")?,
            open_files: None,
            max_files: None,
            // Field 22 of all; `times` went on from field 16.
            started_ticks: times.nth(6)?.parse().ok()?,
            machine_started: None,
        })
    }

    fn write(&self, text: &mut String) {
        let mut metric = |name: &str, kind: &str, help: &str, value: &dyn std::fmt::Display| {
            let _ = writeln!(
                text,
                "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}"
            );
        };
        metric(
            "process_resident_memory_bytes",
            "gauge",
            "Resident memory in bytes.",
            &self.resident_bytes,
        );
        metric(
            "process_cpu_seconds_total",
            "counter",
            "User and system CPU time in seconds.",
            &self.cpu_seconds,
        );
        metric(
            "process_threads",
            "gauge",
            "Threads of the process.",
            &self.threads,
        );
        if let Some(open) = self.open_files {
            metric("process_open_fds", "gauge", "Open file descriptors.", &open);
        }
        if let Some(max) = self.max_files {
            metric(
                "process_max_fds",
                "gauge",
                "File descriptors it may open.",
                &max,
            );
        }
        if let Some(machine) = self.machine_started {
            let started = machine as f64 + self.started_ticks as f64 / TICKS;
            metric(
                "process_start_time_seconds",
                "gauge",
                "When it started, as seconds since 1970.",
                &started,
            );
        }
    }
}

/// The number after `name` at the beginning of a line.
fn number(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The soft limit; `None` when there is none.
fn max_files(limits: &str) -> Option<u64> {
    number(limits, "Max open files")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proc_files_are_read() {
        let status = "Name:\tx\nVmRSS:\t   2048 kB\nThreads:\t7\n";
        let stat = "42 (a b) c) S 1 1 1 0 -1 4194560 1 0 0 0 150 50 0 0 20 0 7 0 1234 1 1";
        assert_eq!(
            Process::parse(status, stat),
            Some(Process {
                resident_bytes: 2_097_152,
                cpu_seconds: 2.0,
                threads: 7,
                open_files: None,
                max_files: None,
                started_ticks: 1234,
                machine_started: None,
            })
        );
        assert_eq!(Process::parse("", ""), None);
        let limits = "Limit  Soft Limit  Hard Limit  Units\nMax open files            1024                 4096                 files\n";
        assert_eq!(max_files(limits), Some(1024));
    }
}
