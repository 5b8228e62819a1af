//! The console's session cookie.

use apiverse_platform::Platform;
use tower_sessions::cookie::SameSite;
use tower_sessions::{Expiry, SessionManagerLayer};

use crate::RestState;

/// Name of the session cookie.
pub const COOKIE_NAME: &str = "apiverse_session";

/// Reads and writes the cookie; the store is asked only by those who look into the session.
pub fn layer(
    state: &RestState,
) -> SessionManagerLayer<impl tower_sessions::SessionStore + Clone + use<>> {
    let settings = &state.shared.settings;
    let lifetime = i64::try_from(settings.session_lifetime.as_secs()).unwrap_or(i64::MAX);
    SessionManagerLayer::new(Platform::session_store(&state.platform))
        .with_name(COOKIE_NAME)
        .with_http_only(true)
        .with_same_site(SameSite::Lax)
        .with_secure(settings.secure_cookies)
        .with_expiry(Expiry::OnInactivity(time::Duration::seconds(lifetime)))
}
