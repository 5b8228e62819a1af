//! The bus over Redis pub/sub.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::StreamExt;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, Cmd, IntoConnectionInfo, RedisError};
use tokio::time::{MissedTickBehavior, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::Change;
use crate::hub::{Hub, Outbound};
use crate::meters::{RECONNECTS, SEND_FAILURES, SENT};

const CHANNEL: &str = "apiverse:changes";

/// For a connection, with TLS and sign-in; and for the answer to a command.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// How often a silent subscription is asked whether it still lives: a server that vanished
/// without a word would otherwise never be missed.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const FIRST_RETRY: Duration = Duration::from_millis(100);
const LAST_RETRY: Duration = Duration::from_secs(5);

/// Why a subscription ended.
#[derive(Debug, thiserror::Error)]
enum Interrupted {
    #[error(transparent)]
    Redis(#[from] RedisError),
    #[error("no answer in time")]
    Timeout(#[from] tokio::time::error::Elapsed),
    #[error("the server closed the connection")]
    Closed,
}

/// The way to one Redis server.
pub(crate) struct RedisLink {
    client: Client,
    /// For commands. Not redis' own `ConnectionManager`: that one gives up for good when a
    /// reconnect is answered with an error, as a server answers while it loads its data.
    commands: tokio::sync::Mutex<Option<MultiplexedConnection>>,
    subscribed: AtomicBool,
}

impl RedisLink {
    /// Reads the URL; connects to nothing yet. `password` goes before one in the URL.
    pub(crate) fn new(url: &str, password: Option<&str>) -> Result<Self, RedisError> {
        let mut info = url.into_connection_info()?;
        if let Some(password) = password {
            let settings = info.redis_settings().clone().set_password(password);
            info = info.set_redis_settings(settings);
        }
        let client = Client::open(info)?;
        Ok(Self {
            client,
            commands: tokio::sync::Mutex::default(),
            subscribed: AtomicBool::default(),
        })
    }

    /// Whether the server answers, and changes of other nodes arrive.
    pub(crate) async fn is_well(&self) -> bool {
        let ping = redis::cmd("PING");
        let answered = matches!(timeout(ANSWER_TIMEOUT, self.run(&ping)).await, Ok(Ok(())));
        answered && self.subscribed.load(Ordering::SeqCst)
    }

    pub(crate) async fn run(&self, command: &Cmd) -> Result<(), RedisError> {
        let mut connection = self.connection().await?;
        let result = command.exec_async(&mut connection).await;
        if result.is_err() {
            *self.commands.lock().await = None;
        }
        result
    }

    /// The connection for commands, made when there is none.
    pub(crate) async fn connection(&self) -> Result<MultiplexedConnection, RedisError> {
        let mut commands = self.commands.lock().await;
        if let Some(connection) = &*commands {
            return Ok(connection.clone());
        }
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(CONNECT_TIMEOUT))
            .set_response_timeout(Some(ANSWER_TIMEOUT));
        let connection = self
            .client
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        Ok(commands.insert(connection).clone())
    }

    /// Lets the next command have a new connection.
    pub(crate) async fn disconnect(&self) {
        *self.commands.lock().await = None;
    }

    /// Subscribes and hands on messages until something breaks.
    async fn follow(&self, hub: &Hub, retry: &mut Duration) -> Result<(), Interrupted> {
        let subscribe = async {
            let (mut sink, stream) = self.client.get_async_pubsub().await?.split();
            sink.subscribe(CHANNEL).await?;
            Ok::<_, RedisError>((sink, stream))
        };
        let (mut sink, mut stream) = timeout(CONNECT_TIMEOUT, subscribe).await??;
        self.subscribed.store(true, Ordering::SeqCst);
        tracing::info!("change events arrive through redis");
        // What was said while nobody listened is lost; also at the first time, when something
        // may have been read before the subscription was there.
        hub.dispatch(Change::Resync).await;

        let mut pings = tokio::time::interval(PING_INTERVAL);
        pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
        pings.reset();
        loop {
            tokio::select! {
                message = stream.next() => {
                    let message = message.ok_or(Interrupted::Closed)?;
                    hub.receive(&String::from_utf8_lossy(message.get_payload_bytes())).await;
                }
                _ = pings.tick() => {
                    timeout(ANSWER_TIMEOUT, sink.ping::<redis::Value>()).await??;
                    // Only a connection that lasts ends the backoff: one that breaks at once
                    // costs a resync each time.
                    *retry = FIRST_RETRY;
                }
            }
        }
    }
}

/// Keeps a subscription up until `stop`.
pub(crate) async fn listen(link: Arc<RedisLink>, hub: Arc<Hub>, stop: CancellationToken) {
    let mut retry = FIRST_RETRY;
    loop {
        let ended = tokio::select! {
            ended = link.follow(&hub, &mut retry) => ended,
            () = stop.cancelled() => return,
        };
        link.subscribed.store(false, Ordering::SeqCst);
        if let Err(error) = ended {
            metrics::counter!(RECONNECTS).increment(1);
            tracing::warn!(%error, "change events through redis are interrupted; reconnecting");
        }
        tokio::select! {
            () = sleep(jittered(retry)) => {}
            () = stop.cancelled() => return,
        }
        retry = (retry * 2).min(LAST_RETRY);
    }
}

/// Publishes what the node has to say, each message until it is sent, until the queue ends or
/// `stop`. Sent twice does no harm; not sent would leave another node with old data, since the
/// others' connections may be well while only ours is broken.
pub(crate) async fn speak(link: Arc<RedisLink>, mut outbound: Outbound, stop: CancellationToken) {
    let send_all = async {
        while let Some(text) = outbound.recv().await {
            let mut publish = redis::cmd("PUBLISH");
            publish.arg(CHANNEL).arg(text);
            let mut retry = FIRST_RETRY;
            while let Err(error) = link.run(&publish).await {
                metrics::counter!(SEND_FAILURES).increment(1);
                tracing::warn!(%error, "a change could not be sent to other nodes; trying again");
                sleep(jittered(retry)).await;
                retry = (retry * 2).min(LAST_RETRY);
            }
            metrics::counter!(SENT).increment(1);
        }
    };
    tokio::select! {
        () = send_all => {}
        () = stop.cancelled() => {}
    }
}

/// Half to all of it, so that nodes do not come back all at once.
pub(crate) fn jittered(delay: Duration) -> Duration {
    delay.mul_f64(0.5 + rand::random::<f64>() / 2.0)
}
