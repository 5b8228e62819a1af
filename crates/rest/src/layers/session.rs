//! The console's session cookie.

use apiverse_platform::Platform;
use tower_sessions::cookie::SameSite;
use tower_sessions::{Expiry, SessionManagerLayer};

use crate::RestState;

/// Name of the session cookie over plain HTTP.
pub const COOKIE_NAME: &str = "apiverse_session";
/// Its name over HTTPS: browsers take a cookie with this prefix from this very host only, never from
/// a neighbour in the same domain (RFC 6265bis, 4.1.3.2).
pub const HOST_COOKIE_NAME: &str = "__Host-apiverse_session";

/// Reads and writes the cookie; the store is asked only by those who look into the session.
pub fn layer(
    state: &RestState,
) -> SessionManagerLayer<impl tower_sessions::SessionStore + Clone + use<>> {
    let settings = &state.shared.settings;
    let lifetime = i64::try_from(settings.session_lifetime.as_secs()).unwrap_or(i64::MAX);
    SessionManagerLayer::new(Platform::session_store(&state.platform))
        .with_name(if settings.secure_cookies {
            HOST_COOKIE_NAME
        } else {
            COOKIE_NAME
        })
        .with_path("/")
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_secure(settings.secure_cookies)
        .with_expiry(Expiry::OnInactivity(time::Duration::seconds(lifetime)))
}
