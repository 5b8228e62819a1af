//! What a page knows from the request that asked for it.

use apiverse_contract::sign_in::SignInOption;
use apiverse_contract::{KeyId, Problem};
use chrono::{DateTime, Utc};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use crate::ambient;
use crate::rpc::Named;
use crate::zone::Zone;

/// Computed once for a request on the server and handed to the browser with the page, so that
/// hydration sees what the server saw.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct PageSeed {
    /// The server's clock when the page was made; relative times start from it.
    pub now: DateTime<Utc>,
    /// Who is signed in.
    pub me: Option<Who>,
    /// Where consumers reach the gateway, without a trailing slash.
    pub gateway_base: String,
    /// The answer to a form that was posted without JavaScript.
    pub flash: Option<Flash>,
    /// Where one may sign in beside here; known to visitors.
    #[serde(default)]
    pub sign_in: Vec<SignInOption>,
    /// What times are shown in.
    #[serde(default)]
    pub zone: Zone,
}

impl PageSeed {
    /// The request's seed, as the server saw it. It travels as text: the codec of its own type would
    /// bring a parser along.
    #[must_use]
    pub fn shared() -> Self {
        let text = || serde_json::to_string(&ambient::page_seed()).unwrap_or_default();
        ambient::read(&SharedValue::new_str(text).into_inner()).unwrap_or_default()
    }
}

/// Who is signed in, and for whom they act.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Who {
    pub email: String,
    pub full_name: Option<String>,
    /// The one they act in.
    pub organization: String,
    pub organization_id: String,
    /// All they are in.
    pub organizations: Vec<Named>,
    pub role: String,
    /// What their role may do: `apis:read`, …
    pub may: Vec<String>,
    /// The query that Usage opens with.
    #[serde(default)]
    pub usage_view: Option<String>,
}

impl Who {
    /// Whether their role has a permission. What is drawn goes by it; the server decides.
    #[must_use]
    pub fn may(&self, scope: &str) -> bool {
        self.may.iter().any(|own| own == scope)
    }
}

/// A key that was just made: what of [`ApiKeyCreated`](apiverse_contract::keys::ApiKeyCreated) is
/// shown.
#[derive(Clone, Serialize, Deserialize)]
pub struct NewKey {
    pub key: String,
    pub id: KeyId,
    pub name: String,
}

/// What became of a form that was posted as a plain HTML form: the page that answers the post shows
/// it. It is never stored, so a new key's text passes through one response only.
#[derive(Clone, Default, Serialize, Deserialize)]
pub struct Flash {
    /// Name of the form, so that the right one takes it.
    pub form: String,
    /// What was typed, without secrets.
    pub values: Vec<(String, String)>,
    pub problem: Option<Problem>,
    /// A key that was just made.
    pub created: Option<NewKey>,
}

/// The page's view of its seed; cheap to copy into closures.
#[derive(Clone, Copy)]
pub struct Page {
    /// Starts at the server's time and then runs with the browser's clock.
    pub now: RwSignal<DateTime<Utc>>,
    pub me: RwSignal<Option<Who>>,
    gateway_base: StoredValue<String>,
    flash: StoredValue<Option<Flash>>,
    sign_in: StoredValue<Vec<SignInOption>>,
}

impl Page {
    #[must_use]
    pub fn new(seed: PageSeed) -> Self {
        Self {
            now: RwSignal::new(seed.now),
            me: RwSignal::new(seed.me),
            gateway_base: StoredValue::new(seed.gateway_base),
            flash: StoredValue::new(seed.flash),
            sign_in: StoredValue::new(seed.sign_in),
        }
    }

    /// The page's context; the listing of routes runs without one.
    #[must_use]
    pub fn get() -> Self {
        use_context::<Self>().unwrap_or_else(|| Self::new(PageSeed::default()))
    }

    #[must_use]
    pub fn gateway_base(self) -> String {
        self.gateway_base.get_value()
    }

    /// Where one may sign in beside here.
    #[must_use]
    pub fn sign_in(self) -> Vec<SignInOption> {
        self.sign_in.get_value()
    }

    /// The answer to the form of this name, if this page answers it.
    #[must_use]
    pub fn flash(self, form: &str) -> Option<Flash> {
        self.flash
            .with_value(|flash| flash.clone().filter(|flash| flash.form == form))
    }

    /// The answer belongs to the page that was posted to: another page does not show it.
    pub fn forget_flash(self) {
        self.flash.set_value(None);
    }
}
