//! One thread of the edge, from its start to its end.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::{Builder, Handle, LocalOptions};
use tokio::sync::watch;

use super::{EdgeConfig, connection};
use crate::Gateway;
use crate::worker::Worker;

/// Pause after the system had no descriptor for a connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// What the threads are told.
#[derive(Clone, Copy)]
pub(super) enum Order {
    Serve,
    /// Finish what is under way until then.
    Drain {
        until: Instant,
    },
}

/// How far the end is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    Serving,
    /// Answers say that they are the connection's last.
    Draining,
    /// Connections without a request are closed.
    Closing,
}

/// All that a thread is made from.
pub(super) struct Plan {
    pub(super) listener: std::net::TcpListener,
    pub(super) config: Arc<EdgeConfig>,
    pub(super) gateway: Arc<Gateway>,
    pub(super) control: Router,
    pub(super) control_handle: Handle,
    pub(super) order: watch::Receiver<Order>,
}

/// What a thread's connections share.
pub(super) struct Thread {
    pub(super) worker: Rc<Worker>,
    pub(super) config: Arc<EdgeConfig>,
    pub(super) control: Router,
    pub(super) control_handle: Handle,
    pub(super) phase: Cell<Phase>,
}

/// Runs the thread to its end; how many connections had to be cut then.
pub(super) fn run(plan: Plan, ready: &std::sync::mpsc::Sender<io::Result<()>>) -> usize {
    let started = Builder::new_current_thread()
        .enable_all()
        .build_local(LocalOptions::default());
    let runtime = match started {
        Ok(runtime) => runtime,
        Err(error) => {
            // Whoever started us waits for this.
            let _ = ready.send(Err(error));
            return 0;
        }
    };
    runtime.block_on(serve(plan, ready))
}

async fn serve(plan: Plan, ready: &std::sync::mpsc::Sender<io::Result<()>>) -> usize {
    let listener = match TcpListener::from_std(plan.listener) {
        Ok(listener) => listener,
        Err(error) => {
            let _ = ready.send(Err(error));
            return 0;
        }
    };
    let worker = Worker::new(plan.gateway);
    worker.start();
    let thread = Rc::new(Thread {
        worker: Rc::clone(&worker),
        config: plan.config,
        control: plan.control,
        control_handle: plan.control_handle,
        phase: Cell::new(Phase::Serving),
    });
    let _ = ready.send(Ok(()));

    let until = accept(&thread, &listener, plan.order).await;
    thread.enter(Phase::Draining);
    accept_rest(&thread, listener);

    let activities = &worker.activities;
    let linger = thread
        .config
        .drain_linger
        .min(until.saturating_duration_since(Instant::now()) / 2);
    // Either all have ended, or it is time to be firmer.
    let _ = tokio::time::timeout(linger, activities.none()).await;
    thread.enter(Phase::Closing);
    let _ = tokio::time::timeout_at(until.into(), activities.none()).await;
    activities.count()
}

impl Thread {
    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.worker.is_closing.set(phase == Phase::Closing);
        self.worker.timer.wake_all();
    }

    fn take(self: &Rc<Self>, stream: TcpStream, socket: SocketAddr) {
        // Without it small answers wait for the client's acknowledgement; all it costs is bytes.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "a connection was gone before it was accepted");
            return;
        }
        let activity = self.worker.activities.begin();
        tokio::task::spawn_local(connection::serve(Rc::clone(self), stream, socket, activity));
    }
}

/// Accepts until told to stop; until when what is under way may take.
async fn accept(
    thread: &Rc<Thread>,
    listener: &TcpListener,
    mut order: watch::Receiver<Order>,
) -> Instant {
    loop {
        tokio::select! {
            changed = order.changed() => {
                if changed.is_err() {
                    // The edge was dropped: nobody waits for anything.
                    return Instant::now();
                }
                if let Order::Drain { until } = *order.borrow_and_update() {
                    return until;
                }
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, socket)) => thread.take(stream, socket),
                Err(error) => accept_failed(&error).await,
            },
        }
    }
}

async fn accept_failed(error: &io::Error) {
    match error.kind() {
        // The client was faster.
        io::ErrorKind::ConnectionAborted
        | io::ErrorKind::ConnectionReset
        | io::ErrorKind::Interrupted => {}
        _ => {
            tracing::error!(%error, "cannot accept a connection");
            tokio::time::sleep(ACCEPT_PAUSE).await;
        }
    }
}

/// Takes the connections that the kernel has accepted already, then closes the listener: their
/// clients believe themselves connected and may have sent their requests.
fn accept_rest(thread: &Rc<Thread>, listener: TcpListener) {
    let listener = match listener.into_std() {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "cannot take the listener's last connections");
            return;
        }
    };
    loop {
        match listener.accept() {
            Ok((stream, socket)) => {
                let stream = stream
                    .set_nonblocking(true)
                    .and_then(|()| TcpStream::from_std(stream));
                match stream {
                    Ok(stream) => thread.take(stream, socket),
                    Err(error) => tracing::debug!(%error, "a connection was lost"),
                }
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            // Nothing is left, or nothing can be done.
            Err(_) => return,
        }
    }
}
