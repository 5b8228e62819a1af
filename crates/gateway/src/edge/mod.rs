//! The listeners: N threads, each with a runtime, a listener and an upstream pool of its own.
//!
//! A connection stays on the thread that accepted it, and so does every call below `/proxy/` with
//! its upstream connection. All other requests go to the control plane's router on the control
//! plane's runtime, so that a slow page never holds up a call.

mod body;
mod connection;
mod control;
mod extended;
mod guard;
mod http1;
mod listen;
mod stream;
mod streams;
mod thread;
mod tls;

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use crate::Gateway;
pub(crate) use http1::Links;
use thread::Order;
pub use tls::{ServerTls, TlsError};

/// How to listen.
#[derive(Clone, Debug)]
pub struct EdgeConfig {
    /// Port 0 takes a free one: see [`RunningEdge::local_addr`].
    pub addr: SocketAddr,
    /// Threads, at least one.
    pub workers: usize,
    /// Time for a request's head to arrive in full.
    pub header_read_timeout: Duration,
    /// How long a connection may be unused.
    pub idle_timeout: Duration,
    /// How long a client may leave an answer unread before its connection is closed.
    pub send_timeout: Duration,
    /// Silence allowed inside the body of a request to the control plane.
    pub body_timeout: Duration,
    /// Largest request head in bytes.
    pub max_header_bytes: usize,
    /// Most header fields of a request; more are refused with 431.
    pub max_headers: usize,
    /// Requests at a time on one HTTP/2 connection.
    pub max_streams: u32,
    /// Connections the kernel holds until they are accepted, for each thread.
    pub backlog: i32,
    /// At shutdown, how long idle connections stay open: a request that is on its way to us would
    /// find its connection closed otherwise.
    pub drain_linger: Duration,
    /// With it the listener speaks TLS only.
    pub tls: Option<ServerTls>,
}

impl EdgeConfig {
    /// The defaults, on one thread for each core.
    #[must_use]
    pub fn new(addr: SocketAddr) -> Self {
        Self {
            addr,
            workers: std::thread::available_parallelism().map_or(1, usize::from),
            header_read_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            send_timeout: Duration::from_secs(60),
            body_timeout: Duration::from_secs(30),
            max_header_bytes: 64 * 1024,
            max_headers: 100,
            max_streams: 256,
            backlog: 4096,
            drain_linger: Duration::from_millis(500),
            tls: None,
        }
    }
}

/// The edge could not be started.
#[derive(Debug, thiserror::Error)]
pub enum EdgeError {
    /// The address is taken or not ours.
    #[error("cannot listen on {addr}")]
    Listen {
        addr: SocketAddr,
        #[source]
        source: io::Error,
    },
    /// The system refused a thread or its runtime.
    #[error("cannot start a thread")]
    Thread(#[source] io::Error),
}

/// The client's address, behind trusted proxies; on the extensions of every request that goes to
/// the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientIp(pub std::net::IpAddr);

/// The front door.
pub struct Edge;

impl Edge {
    /// Listens and serves, from when this returns. `control` makes the control plane's router for
    /// the address that was bound; `control_handle` is the runtime it is served on.
    ///
    /// # Errors
    /// See [`EdgeError`]; then nothing listens.
    pub fn start(
        config: EdgeConfig,
        gateway: Arc<Gateway>,
        control: impl FnOnce(SocketAddr) -> Router,
        control_handle: Handle,
    ) -> Result<RunningEdge, EdgeError> {
        let listeners = listen::listen(config.addr, config.workers.max(1), config.backlog)
            .map_err(|source| EdgeError::Listen {
                addr: config.addr,
                source,
            })?;
        let address = listeners
            .first()
            .and_then(|listener| listener.local_addr().ok())
            .unwrap_or(config.addr);
        let control = control(address);
        let config = Arc::new(config);
        let (orders, order) = watch::channel(Order::Serve);

        let mut threads = Vec::new();
        for (number, listener) in listeners.into_iter().enumerate() {
            let plan = thread::Plan {
                listener,
                config: Arc::clone(&config),
                gateway: Arc::clone(&gateway),
                control: control.clone(),
                control_handle: control_handle.clone(),
                order: order.clone(),
            };
            let (ready, is_ready) = std::sync::mpsc::channel();
            let (ended, has_ended) = oneshot::channel();
            let spawned = std::thread::Builder::new()
                .name(format!("edge-{number}"))
                .spawn(move || {
                    // Nobody waits for the end when the whole edge was dropped.
                    let _ = ended.send(thread::run(plan, &ready));
                });
            spawned.map_err(EdgeError::Thread)?;
            match is_ready.recv() {
                Ok(Ok(())) => threads.push(has_ended),
                Ok(Err(error)) => return Err(EdgeError::Thread(error)),
                Err(_) => {
                    return Err(EdgeError::Thread(io::Error::other(
                        "the thread ended early",
                    )));
                }
            }
        }
        Ok(RunningEdge {
            address,
            orders,
            threads,
        })
    }
}

/// A listening edge. Dropping it closes everything at once; [`RunningEdge::shutdown`] does not.
pub struct RunningEdge {
    address: SocketAddr,
    orders: watch::Sender<Order>,
    /// Each tells at its end how many connections it had to cut.
    threads: Vec<oneshot::Receiver<usize>>,
}

impl RunningEdge {
    /// Where it listens.
    #[must_use]
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, lets what is under way finish, then closes. Connections that the kernel
    /// accepted before are still served. After `grace` whatever is left is cut; the number of
    /// connections that were is returned.
    ///
    /// Usage events are handed over then, not yet written: follow with [`Gateway::flush`].
    pub async fn shutdown(self, grace: Duration) -> usize {
        let until = Instant::now() + grace;
        // No receiver is left when all threads have ended already.
        let _ = self.orders.send(Order::Drain { until });
        let mut cut = 0;
        for ended in self.threads {
            cut += ended.await.unwrap_or(0);
        }
        cut
    }
}
