//! Sending traces and metrics to where the settings say. Nobody waits for a receiver: spans wait in
//! a queue of bounded length, metrics are read when they are sent, and what is not taken is counted.

use std::io::Write as _;
use std::sync::Arc;
use std::time::Duration;

use apiverse_connectors::egress::EgressPolicy;
use apiverse_settings::{EmfEndpoint, EmfSettings, OtlpSettings, Settings};
use apiverse_telemetry::{
    Emf, Resource, Sampler, Span, Tracer, metrics_request, parse, traces_request,
};
use metrics::{Counter, counter};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc::Receiver;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// Spans of one request, about.
const BATCH: usize = 512;
/// How often a batch is tried, with a pause that doubles.
const ATTEMPTS: u32 = 3;
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// For an agent on the same machine.
const AGENT_PATIENCE: Duration = Duration::from_secs(5);
/// How long the last of it may take when the server stops.
const LAST_WORDS: Duration = Duration::from_secs(3);
const FAILURES: &str = "apiverse_telemetry_failures_total";
const SENT: &str = "apiverse_telemetry_sent_total";

/// What is being sent.
pub struct Exports {
    /// `None`: nothing is traced.
    pub tracer: Option<Tracer>,
    tasks: Vec<JoinHandle<()>>,
    stop: CancellationToken,
}

/// Reads all metrics.
#[derive(Clone)]
struct Source {
    prometheus: PrometheusHandle,
    revision: &'static str,
}

impl Source {
    fn text(&self) -> String {
        apiverse_rest::metrics_text(&self.prometheus, self.revision)
    }
}

/// One receiver, and how it goes.
struct Target {
    name: &'static str,
    sent: Counter,
    failures: Counter,
    is_failing: bool,
}

impl Target {
    fn new(name: &'static str) -> Self {
        Self {
            name,
            sent: counter!(SENT, "to" => name),
            failures: counter!(FAILURES, "to" => name),
            is_failing: false,
        }
    }

    /// Counts, and says in the log when it changes.
    fn settle(&mut self, outcome: &Result<(), Failed>) {
        match outcome {
            Ok(()) => {
                self.sent.increment(1);
                if std::mem::take(&mut self.is_failing) {
                    tracing::info!(to = self.name, "telemetry is sent again");
                }
            }
            Err(error) => {
                self.failures.increment(1);
                if !std::mem::replace(&mut self.is_failing, true) {
                    tracing::warn!(to = self.name, %error, "telemetry is not sent");
                }
            }
        }
    }
}

#[derive(Debug, thiserror::Error)]
enum Failed {
    #[error("no connection, or no answer in time")]
    Away,
    #[error("the receiver answered {0}")]
    Refused(u16),
}

impl Failed {
    /// Whether it may go well another time (OTLP specification, "Retryable Response Codes").
    fn is_passing(&self) -> bool {
        matches!(self, Self::Away | Self::Refused(429 | 502 | 503 | 504))
    }
}

/// Starts what the settings ask for.
///
/// # Errors
/// When the client for it cannot be made.
pub fn start(settings: &Settings, prometheus: PrometheusHandle) -> Result<Exports, Error> {
    metrics::describe_counter!(
        SENT,
        "Portions of telemetry that receivers took: traces, metrics (both OTLP), emf"
    );
    metrics::describe_counter!(FAILURES, "Portions of telemetry that they did not take");
    let [traces, measures, embedded] = ["traces", "metrics", "emf"].map(Target::new);
    let stop = CancellationToken::new();
    let source = Source {
        prometheus,
        revision: option_env!("APIVERSE_REVISION").unwrap_or("unknown"),
    };
    let telemetry = &settings.telemetry;
    let mut tasks = Vec::new();
    let mut tracer = None;
    if let Some(otlp) = &telemetry.otlp {
        let receiver = Arc::new(Otlp::new(otlp)?);
        if let Some(of) = otlp.traces {
            let sampler = Sampler {
                parent_based: of.parent_based,
                ratio: of.ratio,
            };
            let (made, spans) = Tracer::new(sampler, of.queue);
            tasks.push(tokio::spawn(send_traces(
                Traces {
                    receiver: Arc::clone(&receiver),
                    target: traces,
                    tracer: made.clone(),
                    delay: of.delay,
                    stop: stop.clone(),
                },
                spans,
            )));
            tracer = Some(made);
        }
        if otlp.metrics {
            let (source, stop) = (source.clone(), stop.clone());
            let every = telemetry.interval;
            tasks.push(tokio::spawn(async move {
                send_metrics(&receiver, measures, &source, every, &stop).await;
            }));
        }
    }
    if let Some(emf) = telemetry.emf.clone() {
        let (stop, every) = (stop.clone(), telemetry.interval);
        tasks.push(tokio::spawn(async move {
            send_embedded(&emf, embedded, &source, every, &stop).await;
        }));
    }
    Ok(Exports {
        tracer,
        tasks,
        stop,
    })
}

impl Exports {
    /// Sends what is left, for a few seconds at most.
    pub async fn end(self) {
        self.stop.cancel();
        for task in self.tasks {
            if timeout(LAST_WORDS, task).await.is_err() {
                tracing::debug!("the last telemetry was not taken in time");
            }
        }
    }
}

/// An OpenTelemetry receiver.
struct Otlp {
    client: apiverse_connectors::http::Client,
    settings: OtlpSettings,
    resource: Resource,
}

impl Otlp {
    fn new(settings: &OtlpSettings) -> Result<Self, Error> {
        // The operator names it, and mostly it is within the operator's own network.
        let anywhere = vec!["0.0.0.0/0".parse()?, "::/0".parse()?];
        let policy = EgressPolicy::new(anywhere);
        let client = apiverse_connectors::http::client(policy, settings.timeout)?;
        let mut about = vec![
            ("service.name".to_owned(), settings.service_name.clone()),
            (
                "service.version".to_owned(),
                env!("CARGO_PKG_VERSION").to_owned(),
            ),
        ];
        if let Ok(host) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
            about.push(("host.name".to_owned(), host.trim().to_owned()));
        }
        about.push(("process.pid".to_owned(), std::process::id().to_string()));
        for (name, value) in &settings.resource {
            about.retain(|(known, _)| known != name);
            about.push((name.clone(), value.clone()));
        }
        Ok(Self {
            client,
            settings: settings.clone(),
            resource: Resource(about),
        })
    }

    async fn post(&self, path: &str, body: Vec<u8>) -> Result<(), Failed> {
        let base = self.settings.endpoint.as_str().trim_end_matches('/');
        let mut request = self
            .client
            .post(format!("{base}{path}"))
            .header("content-type", "application/x-protobuf")
            .body(body);
        for (name, value) in &self.settings.headers {
            request = request.header(name, value.expose());
        }
        // The reason may name the address with what is secret in it.
        let answer = request.send().await.map_err(|_| Failed::Away)?;
        let status = answer.status();
        if status.is_success() {
            Ok(())
        } else {
            Err(Failed::Refused(status.as_u16()))
        }
    }
}

struct Traces {
    receiver: Arc<Otlp>,
    target: Target,
    tracer: Tracer,
    delay: Duration,
    stop: CancellationToken,
}

async fn send_traces(mut traces: Traces, mut spans: Receiver<Arc<[Span]>>) {
    let mut batch: Vec<Arc<[Span]>> = Vec::new();
    loop {
        let is_over = gather(&mut spans, &mut batch, traces.delay, &traces.stop).await;
        if !batch.is_empty() {
            let body = traces_request(
                &traces.receiver.resource,
                batch.iter().flat_map(|spans| spans.iter()),
            );
            let sent = traces.send(body).await;
            if sent.is_err() {
                let lost = batch.iter().map(|spans| spans.len()).sum();
                traces.tracer.count_dropped(lost);
            }
            traces.target.settle(&sent);
            batch.clear();
        }
        if is_over && spans.is_empty() {
            return;
        }
    }
}

impl Traces {
    /// Tries a few times; meanwhile spans wait in the queue, and are dropped when it is full.
    async fn send(&self, body: Vec<u8>) -> Result<(), Failed> {
        let mut pause = FIRST_PAUSE;
        for _ in 1..ATTEMPTS {
            match self.receiver.post("/v1/traces", body.clone()).await {
                Err(error) if error.is_passing() && !self.stop.is_cancelled() => {}
                outcome => return outcome,
            }
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                () = self.stop.cancelled() => {}
            }
            pause *= 2;
        }
        self.receiver.post("/v1/traces", body).await
    }
}

/// Takes spans until there are enough of them, or it has been `delay`; whether the end is near.
async fn gather(
    spans: &mut Receiver<Arc<[Span]>>,
    batch: &mut Vec<Arc<[Span]>>,
    delay: Duration,
    stop: &CancellationToken,
) -> bool {
    let until = Instant::now() + delay;
    let mut count = 0;
    while count < BATCH {
        let came = tokio::select! {
            biased;
            came = timeout_at(until, spans.recv()) => came,
            () = stop.cancelled() => return true,
        };
        match came {
            Ok(Some(some)) => {
                count += some.len();
                batch.push(some);
            }
            Ok(None) => return true,
            Err(_) => break,
        }
    }
    stop.is_cancelled()
}

async fn send_metrics(
    receiver: &Otlp,
    mut target: Target,
    source: &Source,
    every: Duration,
    stop: &CancellationToken,
) {
    let started_us = chrono::Utc::now().timestamp_micros();
    loop {
        let is_over = pause(every, stop).await;
        let now_us = chrono::Utc::now().timestamp_micros();
        let families = parse(&source.text());
        let body = metrics_request(&receiver.resource, &families, started_us, now_us);
        // All are sums since the beginning: what is not taken now is in what is sent next.
        let sent = receiver.post("/v1/metrics", body).await;
        target.settle(&sent);
        if is_over {
            return;
        }
    }
}

async fn send_embedded(
    settings: &EmfSettings,
    mut target: Target,
    source: &Source,
    every: Duration,
    stop: &CancellationToken,
) {
    let mut told = Emf::default();
    loop {
        let is_over = pause(every, stop).await;
        let now_ms = chrono::Utc::now().timestamp_millis();
        let families = parse(&source.text());
        let (lines, telling) = told.lines(&settings.namespace, &families, now_ms);
        let sent = timeout(AGENT_PATIENCE, write(&settings.to, lines)).await;
        let sent = match sent {
            Ok(Ok(())) => Ok(()),
            _ => Err(Failed::Away),
        };
        if sent.is_ok() {
            told = telling;
        }
        target.settle(&sent);
        if is_over {
            return;
        }
    }
}

async fn write(to: &EmfEndpoint, lines: String) -> std::io::Result<()> {
    match to {
        EmfEndpoint::Stdout => {
            // Whoever reads it may be slow.
            let written = tokio::task::spawn_blocking(move || {
                let mut out = std::io::stdout().lock();
                out.write_all(lines.as_bytes())?;
                out.flush()
            });
            written.await.map_err(std::io::Error::other)?
        }
        EmfEndpoint::Tcp(address) => {
            let mut agent = TcpStream::connect(address.as_str()).await?;
            agent.write_all(lines.as_bytes()).await?;
            agent.shutdown().await
        }
    }
}

/// Whether the end is near.
async fn pause(every: Duration, stop: &CancellationToken) -> bool {
    tokio::select! {
        () = tokio::time::sleep(every) => false,
        () = stop.cancelled() => true,
    }
}
