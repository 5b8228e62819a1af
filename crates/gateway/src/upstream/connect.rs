//! A new connection: address, TCP, TLS, and the protocol both sides speak.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use apiverse_connectors::{EgressError, egress};
use apiverse_contract::ErrorCode;
use apiverse_contract::policies::upstream::HttpVersion;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::pki_types::ServerName;

use super::Origin;
use super::pool::{Http1, Http2};
use crate::body::RequestBody;
use crate::config::GatewayConfig;
use crate::local::LocalExecutor;

/// Largest head of an answer.
const MAX_HEAD: usize = 256 * 1024;
/// Flow-control window for one answer, and for all of a connection: enough for a fast link with
/// 100 ms of delay.
const STREAM_WINDOW: u32 = 1 << 20;
const CONNECTION_WINDOW: u32 = 4 << 20;

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConnectError {
    #[error("no connection to the upstream")]
    Egress(#[from] EgressError),
    #[error("the sample upstream is switched off")]
    NoSample,
    #[error("no connection to the upstream")]
    Tcp(#[source] io::Error),
    #[error("the tls handshake failed")]
    Tls(#[source] io::Error),
    #[error("the http handshake failed")]
    Http(#[source] hyper::Error),
    #[error("the upstream does not speak http/2")]
    NoHttp2,
    #[error("connecting took too long")]
    Timeout,
}

impl ConnectError {
    pub(crate) const fn code(&self) -> ErrorCode {
        match self {
            Self::Egress(EgressError::Blocked { .. }) => ErrorCode::UpstreamBlocked,
            Self::Egress(EgressError::Timeout) | Self::Timeout => ErrorCode::UpstreamTimeout,
            Self::Egress(EgressError::Resolve(_) | EgressError::Connect(_))
            | Self::NoSample
            | Self::NoHttp2
            | Self::Tcp(_)
            | Self::Tls(_)
            | Self::Http(_) => ErrorCode::UpstreamUnreachable,
        }
    }

    /// What a consumer may know; names, addresses and causes stay in the log.
    pub(crate) const fn external(&self) -> &'static str {
        match self {
            Self::Egress(EgressError::Blocked { .. }) => {
                "The upstream's address is in a range that is not allowed."
            }
            Self::Egress(EgressError::Resolve(_)) => "The upstream's name could not be resolved.",
            Self::Egress(EgressError::Connect(_)) | Self::Tcp(_) => {
                "The upstream did not accept the connection."
            }
            Self::Egress(EgressError::Timeout) | Self::Timeout => {
                "The upstream did not accept the connection in time."
            }
            Self::NoSample => "The built-in sample upstream is switched off.",
            Self::Tls(_) => "The TLS handshake with the upstream failed.",
            Self::NoHttp2 => "The upstream does not speak HTTP/2, which gRPC needs.",
            Self::Http(_) => "The upstream does not speak HTTP.",
        }
    }
}

/// A connection in the protocol that was agreed on.
pub(crate) enum Connected {
    Http1(Http1),
    Http2(Http2, Option<SocketAddr>),
}

/// What the connection may be used for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    Calls,
    /// Calls that need HTTP/2; without TLS the upstream is known to speak it (RFC 9113, 3.3).
    Http2,
    /// One HTTP/1.1 call that may turn into another protocol.
    Upgrade,
}

pub(crate) async fn connect(
    origin: &Origin,
    config: &GatewayConfig,
    timeout: Duration,
    purpose: Purpose,
) -> Result<Connected, ConnectError> {
    let whole = async {
        let tcp = dial(origin, config, timeout).await?;
        let peer = tcp.peer_addr().ok();
        if !origin.tls && purpose == Purpose::Http2 {
            let http2 = handshake_http2(tcp).await?;
            return Ok(Connected::Http2(http2, peer));
        }
        if !origin.tls {
            if purpose == Purpose::Calls && origin.http() == HttpVersion::Http2 {
                let http2 = handshake_http2(tcp).await?;
                return Ok(Connected::Http2(http2, peer));
            }
            return handshake_http1(tcp, purpose, peer)
                .await
                .map(Connected::Http1);
        }
        let stream = handshake_tls(origin, config, tcp, purpose).await?;
        if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
            let http2 = handshake_http2(stream).await?;
            Ok(Connected::Http2(http2, peer))
        } else if purpose == Purpose::Http2 {
            Err(ConnectError::NoHttp2)
        } else {
            handshake_http1(stream, purpose, peer)
                .await
                .map(Connected::Http1)
        }
    };
    tokio::time::timeout(timeout, whole)
        .await
        .unwrap_or(Err(ConnectError::Timeout))
}

/// A TCP connection to where the egress policy allows.
pub(crate) async fn dial(
    origin: &Origin,
    config: &GatewayConfig,
    timeout: Duration,
) -> Result<TcpStream, ConnectError> {
    if let (Some(profile), false) = (&origin.profile, origin.is_sample) {
        let refresh = profile.dns_refresh;
        let resolved = origin
            .names
            .addresses(&config.egress, &origin.host, origin.port, refresh);
        let addresses = tokio::time::timeout(timeout, resolved)
            .await
            .map_err(|_elapsed| EgressError::Timeout)??;
        return Ok(egress::connect_to(&config.egress, &origin.host, &addresses, timeout).await?);
    }
    if !origin.is_sample {
        return Ok(egress::connect(&config.egress, &origin.host, origin.port, timeout).await?);
    }
    // The sample is our own server on a loopback port, which the policy would refuse.
    let address = config.sample_upstream.ok_or(ConnectError::NoSample)?;
    let tcp = TcpStream::connect(address)
        .await
        .map_err(ConnectError::Tcp)?;
    tcp.set_nodelay(true).map_err(ConnectError::Tcp)?;
    Ok(tcp)
}

pub(crate) async fn handshake_tls(
    origin: &Origin,
    config: &GatewayConfig,
    tcp: TcpStream,
    purpose: Purpose,
) -> Result<tokio_rustls::client::TlsStream<TcpStream>, ConnectError> {
    let profile = origin.profile.as_deref();
    let name = match profile.and_then(|profile| profile.server_name.clone()) {
        Some(name) => name,
        None => ServerName::try_from(origin.host_name().to_owned()).map_err(|error| {
            ConnectError::Tls(io::Error::new(io::ErrorKind::InvalidInput, error))
        })?,
    };
    let tls = profile.and_then(|profile| profile.tls.as_ref());
    let tls = tls.unwrap_or(&config.tls);
    let tls = match (purpose, origin.http()) {
        (Purpose::Upgrade, _) | (Purpose::Calls, HttpVersion::Http1) => &tls.upgrades,
        (Purpose::Http2, _) | (Purpose::Calls, HttpVersion::Auto | HttpVersion::Http2) => {
            &tls.calls
        }
    };
    TlsConnector::from(Arc::clone(tls))
        .connect(name, tcp)
        .await
        .map_err(ConnectError::Tls)
}

async fn handshake_http1<S>(
    stream: S,
    purpose: Purpose,
    peer: Option<SocketAddr>,
) -> Result<Http1, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http1::Builder::new()
        .max_header_size(MAX_HEAD)
        .handshake::<_, RequestBody>(TokioIo::new(stream))
        .await
        .map_err(ConnectError::Http)?;
    // Errors reach the call that is under way, which tells them better.
    let task = match purpose {
        Purpose::Calls | Purpose::Http2 => tokio::task::spawn_local(async move {
            let _ = connection.await;
        }),
        Purpose::Upgrade => tokio::task::spawn_local(async move {
            let _ = connection.with_upgrades().await;
        }),
    };
    Ok(Http1::new(sender, task.abort_handle(), peer))
}

async fn handshake_http2<S>(stream: S) -> Result<Http2, ConnectError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (sender, connection) = http2::Builder::new(LocalExecutor)
        .timer(TokioTimer::new())
        .keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEAD as u32)
        .handshake::<_, RequestBody>(TokioIo::new(stream))
        .await
        .map_err(ConnectError::Http)?;
    tokio::task::spawn_local(async move {
        let _ = connection.await;
    });
    Ok(sender)
}
