//! The gateway's parsers, from their own files.
#![allow(dead_code, unused_imports, reason = "the gateway uses more of these files than the targets do")]

pub mod edge {
    pub mod http1 {
        #[path = "../../../../crates/gateway/src/edge/http1/answer.rs"]
        mod answer;
        #[path = "../../../../crates/gateway/src/edge/http1/checks.rs"]
        pub mod checks;
        #[path = "../../../../crates/gateway/src/edge/http1/chunked.rs"]
        mod chunked;
        #[path = "../../../../crates/gateway/src/edge/http1/field.rs"]
        mod field;
        #[path = "../../../../crates/gateway/src/edge/http1/request.rs"]
        mod request;
        #[path = "../../../../crates/gateway/src/edge/http1/scan.rs"]
        mod scan;

        /// The one function of the gateway's file that these need.
        mod prepare {
            pub(in crate::edge) fn push_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
                out.extend_from_slice(name);
                out.extend_from_slice(b": ");
                out.extend_from_slice(value);
                out.extend_from_slice(b"\r\n");
            }
        }
    }
}

mod phases {
    #[path = "../../../crates/gateway/src/phases/locate.rs"]
    mod locate;
    pub(crate) use locate::is_proxied;
}

mod limits {
    /// No limits: what they add to an answer is the gateway's own.
    pub(crate) struct Fields;

    impl Fields {
        pub(crate) fn replace(_name: &[u8]) -> bool {
            false
        }

        pub(crate) fn each(&self, _push: impl FnMut(&[u8], &[u8])) {}
    }
}

#[path = "../../crates/gateway/src/peer.rs"]
mod peer;

/// A list of addresses of which some are our proxies'.
pub fn forwarded(bytes: &[u8]) {
    use std::net::IpAddr;
    use std::sync::Arc;

    let Some((which, text)) = bytes.split_first() else { return };
    let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
    let socket = "10.0.0.1:80".parse().unwrap();
    let peer = peer::Peer::new(socket, false, &trusted, Arc::default());
    let mut headers = http::HeaderMap::new();
    for part in text.split(|byte| *byte == b'\n') {
        let Ok(value) = http::HeaderValue::from_bytes(part) else { return };
        let name = if which & 1 == 0 { "x-forwarded-for" } else { "forwarded" };
        headers.append(name, value);
    }
    let client: IpAddr = peer.client_address(&headers, &trusted);
    if client != peer.address {
        // Somebody wrote it: its last part stands in what was sent.
        let said = client.to_string();
        let last = said.rsplit(['.', ':']).next().unwrap_or_default();
        let sent = String::from_utf8_lossy(text).to_ascii_lowercase();
        assert!(client.is_ipv6() || sent.contains(last), "{client} was not named in {sent}");
    }
    let host = http::HeaderValue::from_bytes(text.split(|byte| *byte == b'\n').next().unwrap_or_default());
    if let Ok(host) = host {
        let element = peer.forwarded(Some(host.as_bytes()));
        // Nothing of the host gets out of its quotes.
        assert!(matches!(element.as_bytes().iter().filter(|byte| **byte == b'"').count(), 0 | 2));
    }
}
