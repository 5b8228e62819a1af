//! The listener that speaks TLS, and certificates that change while it is open.

use std::path::Path;
use std::sync::Arc;

use apiverse_testkit::{App, Engine, eventually, free_port};
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, Empty};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::{CertificateDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};

use crate::options;

/// Writes a new certificate for `localhost` and its key; the certificate.
fn certify(folder: &Path) -> CertificateDer<'static> {
    let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    // Beside, then in place: a reader never sees half of one.
    for (name, text) in [
        ("key.pem", made.signing_key.serialize_pem()),
        ("certificate.pem", made.cert.pem()),
    ] {
        let beside = folder.join("new.pem");
        std::fs::write(&beside, text).unwrap();
        std::fs::rename(&beside, folder.join(name)).unwrap();
    }
    made.cert.der().clone()
}

async fn connect(
    port: u16,
    trusted: &CertificateDer<'static>,
    protocol: &[u8],
) -> Option<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(trusted.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![protocol.to_vec()];
    let socket = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    let stream = TlsConnector::from(Arc::new(config))
        .connect(name, socket)
        .await
        .ok()?;
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(protocol));
    Some(stream)
}

async fn call(stream: &mut TlsStream<TcpStream>, key: &str) -> String {
    let request =
        format!("GET /proxy/sample/x HTTP/1.1\r\nhost: localhost\r\nx-api-key: {key}\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"}") {
        assert!(stream.read_buf(&mut answer).await.unwrap() > 0);
    }
    String::from_utf8(answer).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_certificate_changes_without_closing_a_connection() {
    let folder = tempfile::tempdir().unwrap();
    let first = certify(folder.path());
    let port = free_port();
    let path = |name: &str| folder.path().join(name).display().to_string();
    let app = App::start(
        options(Engine::Sqlite)
            .env("APIVERSE_TLS_ADDR", &format!("127.0.0.1:{port}"))
            .env("APIVERSE_TLS_CERTIFICATE", &path("certificate.pem"))
            .env("APIVERSE_TLS_KEY", &path("key.pem")),
    )
    .await;
    let client = app.admin().await;
    let (_, key) = client.create_key("tls").await;

    let mut open = connect(port, &first, b"http/1.1").await.unwrap();
    let answer = call(&mut open, &key).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    // What the upstream is told about the caller's side.
    assert!(answer.contains("proto=https"), "{answer}");

    let h2 = connect(port, &first, b"h2").await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(h2))
            .await
            .unwrap();
    tokio::spawn(connection);
    let request = Request::get("https://localhost/health")
        .body(Empty::<Bytes>::new())
        .unwrap();
    let answer = sender.send_request(request).await.unwrap();
    assert_eq!(answer.status(), 200);
    answer.into_body().collect().await.unwrap();

    let second = certify(folder.path());
    app.signal("HUP");
    eventually("the new certificate", async || {
        connect(port, &second, b"http/1.1").await.map(drop)
    })
    .await;
    assert!(connect(port, &first, b"http/1.1").await.is_none());
    let answer = call(&mut open, &key).await;
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");

    // A broken certificate changes nothing.
    std::fs::write(folder.path().join("certificate.pem"), "nothing").unwrap();
    app.signal("HUP");
    eventually("the complaint", async || {
        app.stderr().contains("old certificate stays").then_some(())
    })
    .await;
    assert!(connect(port, &second, b"http/1.1").await.is_some());
}
