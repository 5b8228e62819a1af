//! The HTTP client of the control plane: everything but proxied calls goes out through it.

use std::error::Error;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use std::time::Duration;

pub use reqwest::Client;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use crate::egress::{self, EgressError, EgressPolicy};
use crate::tls;

/// Longest wait for a connection, within the time limit of the whole call.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Stands for a URL that the policy refuses. `invalid` is never a real name (RFC 6761, 6.4), and
/// the resolver below refuses it before asking anyone.
const REFUSED_HOST: &str = "refused.invalid";

/// Why a URL is not called.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum UrlError {
    /// Neither `http` nor `https`.
    #[error("the scheme must be http or https")]
    Scheme,
    /// There is no host in it.
    #[error("the url has no host")]
    NoHost,
    /// The host is an address that the policy refuses.
    #[error("the address {host} is in a range that is not allowed")]
    Blocked {
        /// The host as the URL has it, in its normal spelling.
        host: String,
    },
}

/// A client that connects to nothing `policy` refuses, whatever the URL says: names are judged by
/// what they resolve to, addresses as they are. Each call has `timeout` from its start to the end
/// of the answer's body. No proxy is taken from the environment (it would make the policy judge
/// the proxy), and redirects are answers, not instructions.
///
/// A refused call fails as [`is_blocked`] tells.
///
/// # Errors
/// When the client cannot be built from its TLS configuration, which is a fault of ours.
pub fn client(policy: EgressPolicy, timeout: Duration) -> Result<reqwest::Client, reqwest::Error> {
    let tls = tls::client_config(true);
    let policy = Arc::new(policy);
    let resolver = PolicyResolver {
        policy: Arc::clone(&policy),
    };
    // An address in a URL never meets the resolver, so it is turned into a name that does. This
    // is what makes the client safe also where a caller forgets `check_url`.
    let refuse_literals = reqwest::Proxy::custom(move |url| {
        check_url(&policy, url)
            .is_err()
            .then(|| format!("http://{REFUSED_HOST}"))
    });
    reqwest::Client::builder()
        .tls_backend_preconfigured((*tls).clone())
        .dns_resolver(Arc::new(resolver))
        .no_proxy()
        .proxy(refuse_literals)
        .redirect(reqwest::redirect::Policy::none())
        .referer(false)
        .connect_timeout(CONNECT_TIMEOUT.min(timeout))
        .timeout(timeout)
        .user_agent(concat!("apiverse/", env!("CARGO_PKG_VERSION")))
        .build()
}

/// Refuses what can be refused without a look-up: other schemes than HTTP's, addresses outside
/// `policy` in every spelling a URL knows (`127.1`, `0x7f000001`, `[::ffff:127.0.0.1]`), and
/// `localhost` (RFC 6761, 6.3). Other names are judged when they are connected to.
///
/// # Errors
/// See [`UrlError`].
pub fn check_url(policy: &EgressPolicy, url: &Url) -> Result<(), UrlError> {
    if !matches!(url.scheme(), "http" | "https") {
        return Err(UrlError::Scheme);
    }
    let permitted = match url.host() {
        None => return Err(UrlError::NoHost),
        Some(Host::Ipv4(address)) => policy.permits(IpAddr::V4(address)),
        Some(Host::Ipv6(address)) => policy.permits(IpAddr::V6(address)),
        Some(Host::Domain(name)) => {
            !is_localhost(name)
                || policy.permits(IpAddr::V4(Ipv4Addr::LOCALHOST))
                || policy.permits(IpAddr::V6(Ipv6Addr::LOCALHOST))
        }
    };
    if !permitted {
        return Err(UrlError::Blocked {
            host: url.host_str().unwrap_or_default().to_owned(),
        });
    }
    Ok(())
}

/// Whether the call failed because the policy refuses its address.
#[must_use]
pub fn is_blocked(error: &reqwest::Error) -> bool {
    let mut cause = error.source();
    while let Some(error) = cause {
        if matches!(error.downcast_ref(), Some(EgressError::Blocked { .. })) {
            return true;
        }
        cause = error.source();
    }
    false
}

fn is_localhost(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name);
    let last = name.rsplit('.').next().unwrap_or(name);
    last.eq_ignore_ascii_case("localhost")
}

struct PolicyResolver {
    policy: Arc<EgressPolicy>,
}

impl Resolve for PolicyResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let policy = Arc::clone(&self.policy);
        Box::pin(async move {
            let host = name.as_str();
            if host == REFUSED_HOST {
                let refused = EgressError::Blocked {
                    host: "this url".to_owned(),
                };
                return Err(refused.into());
            }
            // Port 0 becomes the URL's port, or the scheme's.
            let addresses = egress::resolve(&policy, host, 0).await?;
            Ok(Box::new(addresses.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(5);

    fn loopback() -> EgressPolicy {
        EgressPolicy::new(vec!["127.0.0.0/8".parse().unwrap()])
    }

    /// Every way to write 127.0.0.1 that reaches the same listener.
    const SPELLINGS: &[&str] = &[
        "127.0.0.1",
        "localhost",
        "LOCALHOST",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0177.0.0.01",
        "%31%32%37.0.0.1",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
    ];

    /// Answers every connection with a redirect to itself, until the test ends.
    async fn listener() -> u16 {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut request = [0; 4096];
                let _ = stream.read(&mut request).await;
                let answer = b"HTTP/1.1 302 Found\r\nlocation: /\r\ncontent-length: 0\r\n\
                    connection: close\r\n\r\n";
                let _ = stream.write_all(answer).await;
            }
        });
        port
    }

    #[test]
    fn literal_private_addresses_are_refused_in_every_spelling() {
        for host in SPELLINGS {
            let url = Url::parse(&format!("http://{host}:8080/x")).unwrap();
            let result = check_url(&EgressPolicy::default(), &url);
            assert!(
                matches!(result, Err(UrlError::Blocked { .. })),
                "{host}: {result:?}"
            );
            assert_eq!(check_url(&loopback(), &url), Ok(()), "{host}");
        }
        for text in [
            "http://[::1]/",
            "http://a.localhost/",
            "https://169.254.169.254/latest",
        ] {
            let url = Url::parse(text).unwrap();
            let result = check_url(&EgressPolicy::default(), &url);
            assert!(
                matches!(result, Err(UrlError::Blocked { .. })),
                "{text}: {result:?}"
            );
        }
    }

    #[test]
    fn only_http_is_spoken() {
        let policy = EgressPolicy::default();
        for text in [
            "https://example.com/",
            "http://8.8.8.8",
            "http://[2606:4700::1]:8080",
        ] {
            assert_eq!(
                check_url(&policy, &Url::parse(text).unwrap()),
                Ok(()),
                "{text}"
            );
        }
        for text in [
            "ftp://example.com/",
            "file:///etc/passwd",
            "data:,x",
            "gopher://example.com",
        ] {
            let result = check_url(&policy, &Url::parse(text).unwrap());
            assert_eq!(result, Err(UrlError::Scheme), "{text}");
        }
    }

    #[tokio::test]
    async fn the_client_itself_refuses_what_the_policy_refuses() {
        let port = listener().await;
        let strict = client(EgressPolicy::default(), TIMEOUT).unwrap();
        let open = client(loopback(), TIMEOUT).unwrap();
        for host in SPELLINGS {
            for scheme in ["http", "https"] {
                let url = format!("{scheme}://{host}:{port}/");
                let error = strict.get(&url).send().await.unwrap_err();
                assert!(is_blocked(&error), "{url}: {error:?}");
            }
            let answer = open
                .get(format!("http://{host}:{port}/"))
                .send()
                .await
                .unwrap();
            // Not followed: a redirect could lead anywhere.
            assert_eq!(answer.status().as_u16(), 302, "{host}");
        }
    }

    #[tokio::test]
    async fn other_failures_are_not_told_as_blocked() {
        let port = TcpListener::bind("127.0.0.1:0")
            .await
            .unwrap()
            .local_addr()
            .unwrap()
            .port();
        let client = client(loopback(), TIMEOUT).unwrap();
        let error = client
            .get(format!("http://127.0.0.1:{port}/"))
            .send()
            .await
            .unwrap_err();
        assert!(error.is_connect() && !is_blocked(&error), "{error:?}");
    }
}
