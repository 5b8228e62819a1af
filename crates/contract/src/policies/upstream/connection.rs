//! How targets are spoken to.

use serde::{Deserialize, Serialize};

use crate::Validation;
use crate::redacted::redacted_debug;

/// What a client key begins with when it is encrypted: so it is stored, shown and exported.
pub const SEALED: &str = "sealed:";
/// Longest certificates or key, in bytes.
const LONGEST: usize = 64 * 1024;

redacted_debug! {
    UpstreamTls { ca, client_certificate, server_name, verify }
}

/// Limits of the parts of a call; what is absent is the API's own, or the gateway's.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTimeouts {
    /// Milliseconds to connect, TLS included; 50 to 60,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connect_ms: Option<u32>,
    /// Milliseconds until the answer begins, 50 to 3,600,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_byte_ms: Option<u32>,
    /// Milliseconds of silence inside a body, 50 to 3,600,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u32>,
    /// Milliseconds for the whole call, all tries and the answer's last byte included; 50 to
    /// 86,400,000. No limit when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_ms: Option<u32>,
}

impl UpstreamTimeouts {
    pub(super) fn validate(&self, v: &mut Validation) {
        let within = |ms: Option<u32>, max: u32| ms.is_none_or(|ms| (50..=max).contains(&ms));
        v.check(
            within(self.connect_ms, 60_000),
            "timeouts.connect_ms",
            "must be between 50 and 60000",
        );
        v.check(
            within(self.first_byte_ms, 3_600_000),
            "timeouts.first_byte_ms",
            "must be between 50 and 3600000",
        );
        v.check(
            within(self.idle_ms, 3_600_000),
            "timeouts.idle_ms",
            "must be between 50 and 3600000",
        );
        v.check(
            within(self.total_ms, 86_400_000),
            "timeouts.total_ms",
            "must be between 50 and 86400000",
        );
    }
}

/// Which HTTP targets are spoken to in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum HttpVersion {
    /// Over TLS what both sides prefer (RFC 7301), else HTTP/1.1.
    #[default]
    Auto,
    Http1,
    /// Without TLS by prior knowledge (RFC 9113, 3.3). Calls that switch protocols stay HTTP/1.1.
    Http2,
}

/// TLS towards `https` targets.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct UpstreamTls {
    /// PEM: certificates that are trusted instead of the system's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// PEM: the certificate that the gateway shows, with what leads to its root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_certificate: Option<String>,
    /// PEM: its private key. It is stored encrypted, and given back only so (`sealed:…`); that
    /// text is accepted in its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_key: Option<String>,
    /// The name that is asked for and verified; the target's host when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server_name: Option<String>,
    /// False accepts any certificate: whoever is on the way can read and change what is sent.
    #[cfg_attr(feature = "openapi", schema(default = true))]
    pub verify: bool,
}

impl Default for UpstreamTls {
    fn default() -> Self {
        Self {
            ca: None,
            client_certificate: None,
            client_key: None,
            server_name: None,
            verify: true,
        }
    }
}

impl UpstreamTls {
    pub(super) fn validate(&self, v: &mut Validation) {
        let fits = |pem: &Option<String>| pem.as_ref().is_none_or(|pem| pem.len() <= LONGEST);
        for (field, pem) in [
            ("tls.ca", &self.ca),
            ("tls.client_certificate", &self.client_certificate),
            ("tls.client_key", &self.client_key),
        ] {
            v.check(fits(pem), field, "must have at most 65536 characters");
        }
        v.check(
            self.client_certificate.is_some() == self.client_key.is_some(),
            "tls.client_key",
            "and `client_certificate` belong together",
        );
        let is_name = |name: &String| {
            (1..=253).contains(&name.len())
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b".-:".contains(&byte))
        };
        v.check(
            self.server_name.as_ref().is_none_or(is_name),
            "tls.server_name",
            "must be a host's name",
        );
    }
}
