//! `apiverse serve`: start in order, serve, drain in the opposite order.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use apiverse_app::ssr::ConsoleState;
use apiverse_cluster::{Answers, AnswersOptions, Bus, Leases};
use apiverse_connectors::oauth2::TokenCache;
use apiverse_contract::ErrorCode;
use apiverse_gateway::edge::{ClientIp, Edge, EdgeConfig, RunningEdge, ServerTls};
use apiverse_gateway::{Gateway, GatewayConfig, JournalOptions, UsageConfig};
use apiverse_platform::Platform;
use apiverse_rest::{ApiProblem, HealthProbe, RestSettings, RestState};
use apiverse_settings::Settings;
use apiverse_store::Store;
use apiverse_telemetry::Tracer;
use axum::Router;
use leptos::config::{Env, LeptosOptions};
use metrics_exporter_prometheus::{PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

use crate::cli::Outcome;
use crate::probes::{BusProbe, DatabaseProbe, UsageProbe};
use crate::reload::{ReadSettings, on_hangup};
use crate::telemetry;
use crate::{changes, compose, compress, exports, greeting, key_places, probes, sample, signals};

type Error = Box<dyn std::error::Error + Send + Sync>;

/// How long calls in flight may take to end after SIGTERM.
const GRACE: Duration = Duration::from_secs(30);

/// Serves until SIGTERM or SIGINT.
///
/// # Errors
/// When something that is needed is missing at start-up.
pub async fn run(settings: Settings, filter: telemetry::Filter, read: ReadSettings) -> Outcome {
    let prometheus = metrics()?;
    let exports = exports::start(&settings, prometheus.clone())?;
    let stop = CancellationToken::new();
    let store = compose::store(&settings).await?;
    let vault = compose::vault(&settings);
    let bus = match &settings.redis.url {
        Some(url) => Bus::redis(url.expose(), None)?,
        None => Bus::local(),
    };
    let sample_upstream = if settings.sample {
        Some(sample::start().await?)
    } else {
        None
    };

    let tokens = TokenCache::new(
        apiverse_connectors::http::client(compose::egress(&settings), Duration::from_secs(15))?,
        compose::egress(&settings),
    );
    let leases = match &settings.redis.url {
        Some(url) => Some(Leases::redis(url.expose(), None)?),
        None => None,
    };
    let answers = match &settings.redis.url {
        Some(url) if settings.gateway.cache_shared => {
            let options = AnswersOptions {
                wait: settings.gateway.cache_shared_wait,
                largest: settings.gateway.cache_shared_entry,
            };
            Some(Answers::redis(url.expose(), options)?)
        }
        _ => None,
    };
    let gateway = Gateway::new(
        GatewayConfig {
            leases,
            answers,
            outlet: Some(bus.outlet()),
            tracer: exports.tracer.clone(),
            ..gateway_config(&settings, sample_upstream)
        },
        store.clone(),
        vault.clone(),
        tokens,
    )
    .map_err(|error| match std::error::Error::source(&error) {
        Some(reason) => format!("{error}: {reason}; let this process write to APIVERSE_DATA_DIR"),
        None => error.to_string(),
    })?;
    gateway.load().await?;
    let follower = Arc::clone(&gateway);
    bus.on_change(move |change| {
        let gateway = Arc::clone(&follower);
        Box::pin(async move { gateway.apply(change).await })
    });
    changes::connect(&bus, &store, &stop);

    let platform = compose::platform(&settings, store.clone(), vault, bus.clone())?;
    let bootstrap = &settings.bootstrap;
    let account = platform
        .ensure_first_account(
            bootstrap.admin_email.as_deref(),
            bootstrap
                .admin_password
                .as_ref()
                .map(apiverse_settings::Secret::expose),
        )
        .await?;
    let sample = if account.is_some() && settings.sample {
        platform.ensure_sample().await?
    } else {
        None
    };
    tokio::spawn(probes::watch_pool(store.clone()));
    tokio::spawn(probes::watch_backlog(store.clone()));
    tokio::spawn(forget_old_sessions(store.clone()));
    let watcher = platform.clone();
    tokio::spawn(async move { watcher.watch_insights().await });
    let watcher = platform.clone();
    tokio::spawn(async move { watcher.watch_budgets().await });
    let watcher = platform.clone();
    tokio::spawn(async move { watcher.watch_alerts().await });
    let (watcher, places) = (platform.clone(), Arc::clone(&gateway));
    tokio::spawn(async move { key_places::watch(&places, watcher).await });
    let watcher = platform.clone();
    tokio::spawn(async move { watcher.watch_reports().await });
    if settings.environment.is_production() && settings.integrations.mailgun.domain.is_none() {
        tracing::warn!(
            "no mail provider is set up (MAILGUN_API_KEY, MAILGUN_DOMAIN): e-mail is not sent"
        );
    }

    let telemetry = (prometheus, exports.tracer.clone());
    let state = rest_state(&settings, &platform, &gateway, &store, &bus, telemetry);
    if let Some(addr) = settings.server.metrics_addr {
        serve_metrics(addr, state.clone()).await?;
    }
    // Known once the port is.
    let mut control = Router::new();
    let edge = Edge::start(
        edge_config(&settings, settings.server.addr),
        Arc::clone(&gateway),
        |bound| {
            let base_url = base_url(&settings, bound.port());
            platform.set_base_url(&base_url);
            control = control_plane(&settings, &platform, &gateway, state, &base_url);
            control.clone()
        },
        tokio::runtime::Handle::current(),
    )?;
    let calls_only = match settings.server.gateway_addr {
        Some(addr) => Some(Edge::start(
            edge_config(&settings, addr),
            Arc::clone(&gateway),
            |_| Router::new().fallback(calls_only),
            tokio::runtime::Handle::current(),
        )?),
        None => None,
    };
    let tls = match &settings.server.tls {
        Some(tls) => Some(ServerTls::load(&tls.certificate, &tls.key)?),
        None => None,
    };
    let over_tls = match (&settings.server.tls, &tls) {
        (Some(at), Some(tls)) => {
            let config = EdgeConfig {
                tls: Some(tls.clone()),
                ..edge_config(&settings, at.addr)
            };
            Some(Edge::start(
                config,
                Arc::clone(&gateway),
                |_| control.clone(),
                tokio::runtime::Handle::current(),
            )?)
        }
        _ => None,
    };
    on_hangup(settings.clone(), read, filter, tls)?;
    let outbox = {
        let (platform, stop) = (platform.clone(), stop.clone());
        tokio::spawn(async move { platform.run_outbox(stop).await })
    };
    let listening = edge.local_addr();
    let base_url = base_url(&settings, listening.port());
    println!(
        "{}",
        greeting::text(listening, &base_url, account.as_ref(), sample.as_ref())
    );
    tracing::info!(%listening, database = store.kind().as_str(), "serving");

    let signal = signals::stop().await?;
    tracing::info!(signal, "draining");
    stop.cancel();
    platform.end_streams();
    let also = async |edge: Option<RunningEdge>| match edge {
        Some(edge) => edge.shutdown(GRACE).await,
        None => 0,
    };
    let (main, calls_only, over_tls) =
        tokio::join!(edge.shutdown(GRACE), also(calls_only), also(over_tls));
    let cut = main + calls_only + over_tls;
    if cut > 0 {
        tracing::warn!(
            connections = cut,
            "closed connections that did not end in time"
        );
    }
    if tokio::time::timeout(GRACE, outbox).await.is_err() {
        tracing::warn!("a message was being sent: it is looked into at the next start");
    }
    if tokio::time::timeout(GRACE, gateway.stop()).await.is_err() {
        tracing::error!("the database is away: the latest usage events wait for the next start");
    }
    exports.end().await;
    bus.shutdown().await;
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}

fn metrics() -> Result<PrometheusHandle, Error> {
    /// Seconds: from a cache hit's fraction of a millisecond to a slow model's minute.
    const BUCKETS: [f64; 14] = [
        0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 15.0, 60.0,
    ];
    let handle = PrometheusBuilder::new()
        .set_buckets(&BUCKETS)?
        .install_recorder()?;
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_secs(5)).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

fn gateway_config(settings: &Settings, sample_upstream: Option<SocketAddr>) -> GatewayConfig {
    let gateway = &settings.gateway;
    GatewayConfig {
        connect_timeout: gateway.connect_timeout,
        first_byte_timeout: gateway.first_byte_timeout,
        idle_timeout: gateway.idle_timeout,
        tunnel_idle_timeout: gateway.tunnel_idle_timeout,
        tunnel_lifetime: gateway.tunnel_lifetime,
        max_body_bytes: gateway.max_body,
        trusted_proxies: settings.server.trusted_proxies.clone(),
        egress: compose::egress(settings),
        sample_upstream,
        max_calls_of_thread: gateway.max_calls.div_ceil(workers(settings)),
        keys_in_memory: gateway.keys_in_memory,
        legacy_limit_headers: gateway.rate_limit_legacy_headers,
        cache_bytes: gateway.cache_bytes,
        usage: UsageConfig {
            journal: JournalOptions {
                max_bytes: settings.usage.journal_max_bytes,
                ..JournalOptions::new(settings.server.data_dir.join("usage-journal"))
            },
            sync_interval: settings.usage.journal_sync,
            retention: settings.usage.retention,
            sums: settings.usage.sums,
            minutes: settings.usage.minutes,
        },
        ..GatewayConfig::default()
    }
}

/// Threads of each listener.
fn workers(settings: &Settings) -> usize {
    settings
        .server
        .worker_threads
        .or_else(|| std::thread::available_parallelism().ok().map(usize::from))
        .unwrap_or(1)
        .max(1)
}

fn edge_config(settings: &Settings, addr: SocketAddr) -> EdgeConfig {
    EdgeConfig {
        workers: workers(settings),
        max_header_bytes: settings.gateway.max_header_bytes,
        max_headers: settings.gateway.max_headers,
        ..EdgeConfig::new(addr)
    }
}

/// What the REST handlers share.
fn rest_state(
    settings: &Settings,
    platform: &Platform,
    gateway: &Arc<Gateway>,
    store: &Store,
    bus: &Bus,
    (prometheus, tracer): (PrometheusHandle, Option<Tracer>),
) -> RestState {
    let mut all: Vec<Arc<dyn HealthProbe>> = vec![
        Arc::new(DatabaseProbe(store.clone())),
        Arc::new(UsageProbe(Arc::clone(gateway))),
    ];
    if settings.redis.url.is_some() {
        all.push(Arc::new(BusProbe(bus.clone())));
    }
    let server = &settings.server;
    let rest_settings = RestSettings {
        allowed_origins: server.allowed_origins.clone(),
        allowed_hosts: server.allowed_hosts.clone(),
        public_url: server
            .public_url
            .as_ref()
            .map(|url| url.as_str().to_owned()),
        secure_cookies: compose::is_secure(settings),
        session_lifetime: compose::SESSION_LIFETIME,
        // With a listener of their own they are nowhere else.
        metrics_path: server
            .metrics_addr
            .is_none()
            .then(|| server.metrics_endpoint.clone()),
        revision: option_env!("APIVERSE_REVISION").unwrap_or("unknown"),
        console: compose::server_functions(),
        tracer,
    };
    RestState::new(
        platform.clone(),
        Arc::clone(gateway),
        rest_settings,
        all,
        prometheus,
    )
}

/// What serves everything that is not under `/proxy`.
fn control_plane(
    settings: &Settings,
    platform: &Platform,
    gateway: &Arc<Gateway>,
    state: RestState,
    base_url: &str,
) -> Router {
    let console = console_state(settings, platform, gateway, base_url);
    let console = apiverse_app::ssr::routes(console);
    let router = apiverse_rest::router(state.clone()).merge(console);
    apiverse_rest::layers(router, &state)
        .layer(axum::middleware::map_request(
            |request: axum::extract::Request| async { name_client(request) },
        ))
        .layer(axum::middleware::from_fn_with_state(
            compress::negotiation(),
            compress::compress,
        ))
}

/// Answers on the listener that is the gateway's alone.
async fn calls_only() -> ApiProblem {
    ApiProblem::new(
        ErrorCode::NotFound,
        "only calls below `/proxy/` are answered here",
    )
}

/// Metrics on a listener that need not be reachable from where calls come.
async fn serve_metrics(addr: SocketAddr, state: RestState) -> Result<(), Error> {
    let listener = tokio::net::TcpListener::bind(addr)
        .await
        .map_err(|error| format!("cannot listen on {addr} for metrics: {error}"))?;
    let router = apiverse_rest::metrics_router(state);
    tokio::spawn(async move {
        if let Err(error) = axum::serve(listener, router).await {
            tracing::error!(%error, "the metrics listener ended");
        }
    });
    Ok(())
}

/// Tells the REST side what the edge found out.
fn name_client(mut request: axum::extract::Request) -> axum::extract::Request {
    if let Some(&ClientIp(address)) = request.extensions().get() {
        request
            .extensions_mut()
            .insert(apiverse_rest::ClientAddr(address));
    }
    request
}

fn console_state(
    settings: &Settings,
    platform: &Platform,
    gateway: &Arc<Gateway>,
    base_url: &str,
) -> ConsoleState {
    let (asked, gateway) = (Arc::clone(gateway), Arc::clone(gateway));
    let site_root = settings.server.site_root.to_string_lossy();
    let options = LeptosOptions::builder()
        .output_name("apiverse")
        .site_root(site_root.as_ref())
        .site_pkg_dir("pkg")
        .env(Env::PROD)
        .hash_files(true)
        .build();
    ConsoleState::new(
        platform.clone(),
        options,
        base_url,
        compose::is_secure(settings),
        Arc::new(move |organization, ask, asker, now_us| {
            gateway.explain(organization, ask, asker, now_us)
        }),
        Arc::new(move |organization, api| asked.targets(organization, api)),
    )
}

/// Where people reach this node; the port is the one that was really bound.
fn base_url(settings: &Settings, port: u16) -> String {
    let server = &settings.server;
    if server.addr.port() != 0 {
        return server.base_url();
    }
    let mut bound = server.clone();
    bound.addr.set_port(port);
    bound.base_url()
}

/// Sessions that are over are of no use to anybody; once an hour is often enough.
async fn forget_old_sessions(store: Store) {
    loop {
        match store.sessions_delete_expired(chrono::Utc::now()).await {
            Ok(0) => {}
            Ok(count) => tracing::debug!(count, "forgot sessions that were over"),
            Err(error) => tracing::warn!(error = error.cause(), "cannot forget old sessions"),
        }
        tokio::time::sleep(Duration::from_secs(3600)).await;
    }
}
