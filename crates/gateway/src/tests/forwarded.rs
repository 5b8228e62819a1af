//! What must hold whatever proxies say of a caller's address.

use std::net::IpAddr;
use std::sync::Arc;

use crate::peer::Peer;

/// A list of addresses of which some are our proxies'.
pub fn forwarded(bytes: &[u8]) {
    let Some((which, text)) = bytes.split_first() else {
        return;
    };
    let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
    let socket = "10.0.0.1:80".parse().unwrap();
    let peer = Peer::new(socket, false, &trusted, Arc::default());
    let mut headers = http::HeaderMap::new();
    for part in text.split(|byte| *byte == b'\n') {
        let Ok(value) = http::HeaderValue::from_bytes(part) else {
            return;
        };
        let name = if which & 1 == 0 {
            "x-forwarded-for"
        } else {
            "forwarded"
        };
        headers.append(name, value);
    }
    let client: IpAddr = peer.client_address(&headers, &trusted);
    if client != peer.address {
        // Somebody wrote it: its last part stands in what was sent.
        let said = client.to_string();
        let last = said.rsplit(['.', ':']).next().unwrap_or_default();
        let sent = String::from_utf8_lossy(text).to_ascii_lowercase();
        assert!(
            client.is_ipv6() || sent.contains(last),
            "{client} was not named in {sent}"
        );
    }
    let host =
        http::HeaderValue::from_bytes(text.split(|byte| *byte == b'\n').next().unwrap_or_default());
    if let Ok(host) = host {
        let element = peer.forwarded(Some(host.as_bytes()));
        // Nothing of the host gets out of its quotes.
        assert!(matches!(
            element
                .as_bytes()
                .iter()
                .filter(|byte| **byte == b'"')
                .count(),
            0 | 2
        ));
    }
}

#[cfg(test)]
#[test]
fn what_the_fuzzer_kept_still_holds() {
    let folder = "../../fuzz/corpus/forwarded";
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        forwarded(&std::fs::read(entry.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count > 0);
}
