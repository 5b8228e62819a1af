//! A network that can be cut.

use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// A TCP proxy in front of a service. Dropping it ends it.
pub struct Faults {
    address: SocketAddr,
    is_cut: watch::Sender<bool>,
    server: tokio::task::JoinHandle<()>,
}

impl Faults {
    /// Passes connections on to `target`, `host:port`.
    ///
    /// # Panics
    /// When no port is free.
    pub async fn start(target: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("has an address");
        let (is_cut, watched) = watch::channel(false);
        let server = tokio::spawn(async move {
            while let Ok((inbound, _)) = listener.accept().await {
                tokio::spawn(pass_on(inbound, target.clone(), watched.clone()));
            }
        });
        Self {
            address,
            is_cut,
            server,
        }
    }

    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Breaks all connections, and every new one.
    pub fn cut(&self) {
        self.is_cut.send_replace(true);
    }

    pub fn heal(&self) {
        self.is_cut.send_replace(false);
    }
}

async fn pass_on(mut inbound: TcpStream, target: String, mut is_cut: watch::Receiver<bool>) {
    let passing = async {
        if let Ok(mut outbound) = TcpStream::connect(target).await {
            // Either side may break off: that is what this is for.
            let _ = tokio::io::copy_bidirectional(&mut inbound, &mut outbound).await;
        }
    };
    tokio::select! {
        _ = is_cut.wait_for(|is_cut| *is_cut) => {}
        () = passing => {}
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.server.abort();
    }
}
