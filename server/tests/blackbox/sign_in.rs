//! Signing in at a real OpenID Connect provider (npm's `oidc-provider`), the whole way a browser
//! goes.

use std::collections::BTreeMap;
use std::process::{Child, Command, Stdio};

use apiverse_testkit::{
    ADMIN_EMAIL, ADMIN_PASSWORD, Answer, App, Client, Engine, both, eventually,
};
use serde_json::{Value, json};

use crate::options;
use crate::outbox::message;
use crate::two_factor::enrol;

both!(
    somebody_signs_in_and_out_and_in_again,
    an_account_is_linked_by_its_owner_only,
    what_was_tampered_with_is_refused,
    keys_are_rolled_over,
    the_second_factor_counts_unless_the_provider_saw_one,
);

/// A process that ends with its test.
pub struct Peer {
    child: Child,
    pub base: String,
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Peer {
    /// Runs a script of this folder with node; its first argument is the port.
    pub async fn node(script: &str, port: u16, arguments: &[&str]) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/blackbox");
        let child = Command::new("node")
            .arg(format!("{folder}/{script}"))
            .arg(port.to_string())
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("node starts");
        let peer = Self {
            child,
            base: format!("http://127.0.0.1:{port}"),
        };
        eventually("the peer to listen", async || {
            tokio::net::TcpStream::connect(("127.0.0.1", port))
                .await
                .ok()
        })
        .await;
        peer
    }
}

/// A browser as far as these tests need one: it keeps cookies of each site.
pub struct Browser {
    http: Client,
    jars: BTreeMap<String, BTreeMap<String, String>>,
}

impl Browser {
    pub fn new(app: &App) -> Self {
        Self {
            http: Client::new(app.base()),
            jars: BTreeMap::new(),
        }
    }

    pub async fn get(&mut self, url: &str) -> Answer {
        self.send("GET", url, &[]).await
    }

    pub async fn post(&mut self, url: &str, fields: &[(&str, &str)]) -> Answer {
        self.send("POST", url, fields).await
    }

    async fn send(&mut self, method: &str, url: &str, fields: &[(&str, &str)]) -> Answer {
        let site = site(url);
        let jar = self.jars.entry(site.clone()).or_default();
        let cookies: Vec<String> = jar
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        let mut request = self.http.request(method, url);
        if !cookies.is_empty() {
            request = request.header("cookie", cookies.join("; "));
        }
        if method == "POST" {
            request = request.header("origin", &site).form(fields);
        }
        let answer = self.http.send(request.header("accept", "text/html")).await;
        for value in answer.headers.get_all("set-cookie") {
            let text = value.to_str().expect("a cookie");
            let pair = text.split(';').next().unwrap_or_default();
            let (name, value) = pair.split_once('=').expect("a cookie");
            let is_over = value.is_empty() || text.contains("Max-Age=0") || text.contains("1970");
            if is_over {
                jar.remove(name);
            } else {
                jar.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Follows redirects until something else comes, or until one leads to `stop`; where that is.
    pub async fn follow(&mut self, from: &str, stop: &str) -> (String, Option<Answer>) {
        let mut url = from.to_owned();
        for _ in 0..20 {
            if !stop.is_empty() && url.contains(stop) {
                return (url, None);
            }
            let answer = self.get(&url).await;
            let Some(next) = answer.header("location") else {
                return (url, Some(answer));
            };
            url = absolute(&url, next);
        }
        panic!("{from} leads in circles");
    }

    pub fn cookie(&self, url: &str, name: &str) -> Option<String> {
        self.jars.get(&site(url))?.get(name).cloned()
    }

    pub fn keep(&mut self, url: &str, name: &str, value: &str) {
        let jar = self.jars.entry(site(url)).or_default();
        jar.insert(name.to_owned(), value.to_owned());
    }
}

fn site(url: &str) -> String {
    url.splitn(4, '/').take(3).collect::<Vec<_>>().join("/")
}

fn absolute(from: &str, to: &str) -> String {
    if to.starts_with("http") {
        to.to_owned()
    } else {
        format!("{}{to}", site(from))
    }
}

/// The address a page's form is posted to.
fn action(page: &str) -> String {
    let (_, rest) = page.split_once("action=\"").expect("a form");
    let (action, _) = rest.split_once('"').expect("an address");
    action.replace("&amp;", "&")
}

const BACK: &str = "/login/with/oidc/callback";

struct Stage {
    app: App,
    peer_port: u16,
    back: String,
    peer: Peer,
}

impl Stage {
    async fn new(engine: Engine) -> Self {
        let (port, peer_port) = (apiverse_testkit::free_port(), apiverse_testkit::free_port());
        let back = format!("http://127.0.0.1:{port}{BACK}");
        let peer = Peer::node("oidc_peer.mjs", peer_port, &[&back, "one"]).await;
        let options = options(engine)
            .env("APIVERSE_ADDR", &format!("127.0.0.1:{port}"))
            .env("APIVERSE_PUBLIC_URL", &format!("http://127.0.0.1:{port}"))
            .env("OIDC_ISSUER", &peer.base)
            .env("OIDC_CLIENT_ID", "apiverse")
            .env(
                "OIDC_CLIENT_SECRET",
                "a-secret-that-only-the-two-of-them-know",
            )
            .env("OIDC_NAME", "Example ID");
        Self {
            app: App::start(options).await,
            peer_port,
            back,
            peer,
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.app.base())
    }

    /// Goes to the provider from `start`, types a name there, consents; where the provider sends
    /// the browser back to.
    async fn authorize(&self, browser: &mut Browser, start: &str, login: &str) -> String {
        let (at, page) = browser.follow(start, BACK).await;
        let Some(page) = page else {
            return at;
        };
        page.assert_status(200);
        let sent = browser
            .post(
                &absolute(&at, &action(&page.text())),
                &[("prompt", "login"), ("login", login), ("password", "any")],
            )
            .await;
        let next = absolute(&at, sent.header("location").expect("goes on"));
        let (at, page) = browser.follow(&next, BACK).await;
        let Some(page) = page else {
            return at;
        };
        let sent = browser
            .post(
                &absolute(&at, &action(&page.text())),
                &[("prompt", "consent")],
            )
            .await;
        let next = absolute(&at, sent.header("location").expect("goes on"));
        browser.follow(&next, BACK).await.0
    }

    /// Where the callback leads.
    async fn arrive(&self, browser: &mut Browser, back: &str) -> String {
        let answer = browser.get(back).await.expect_status(303);
        answer.header("location").expect("goes on").to_owned()
    }

    async fn sign_in(&self, browser: &mut Browser, login: &str) -> String {
        let start = self.url("/login/with/oidc?next=%2Fconsole%2Fkeys");
        let back = self.authorize(browser, &start, login).await;
        self.arrive(browser, &back).await
    }

    async fn sign_in_here(&self, browser: &mut Browser) {
        let fields = [
            ("form", "login"),
            ("email", ADMIN_EMAIL),
            ("password", ADMIN_PASSWORD),
        ];
        let answer = browser.post(&self.url("/login"), &fields).await;
        answer.assert_status(303);
    }

    /// Asks to link; where that leads by itself.
    async fn begin_linking(&self, browser: &mut Browser) -> String {
        let fields = [("form", "identity-link"), ("slug", "oidc")];
        let security = self.url("/console/settings/security");
        let away = browser.post(&security, &fields).await.expect_status(200);
        let page = away.text();
        let (_, rest) = page.split_once("0;url=").expect("goes on by itself");
        let (to, _) = rest.split_once('"').expect("an address");
        to.replace("&amp;", "&")
    }

    /// Who the browser is signed in as.
    async fn me(&self, browser: &mut Browser) -> Option<Value> {
        let answer = browser.get(&self.url("/api/v1/auth/me")).await;
        (answer.status == 200).then(|| answer.json())
    }
}

async fn somebody_signs_in_and_out_and_in_again(engine: Engine) {
    let stage = Stage::new(engine).await;
    let mut browser = Browser::new(&stage.app);
    for page in ["/login", "/register"] {
        let page = browser.get(&stage.url(page)).await.expect_status(200);
        assert!(page.text().contains("Continue with Example ID"));
    }
    assert_eq!(stage.sign_in(&mut browser, "ada").await, "/console/keys");
    let me = stage.me(&mut browser).await.expect("is signed in");
    assert_eq!(me["email"], "ada@example.com", "{me}");
    assert_eq!(me["full_name"], "Ada Lovelace", "{me}");
    assert_eq!(me["email_verified"], true, "{me}");
    let session = browser.cookie(stage.app.base(), "apiverse_session");
    let first = session.expect("a session");
    assert_eq!(browser.cookie(stage.app.base(), "apiverse_sign_in"), None);

    browser.post(&stage.url("/sign-out"), &[]).await;
    assert!(stage.me(&mut browser).await.is_none());
    // The provider remembers them, so nothing is typed this time.
    let start = stage.url("/login/with/oidc?next=https%3A%2F%2Fevil.example%2F");
    let back = stage.authorize(&mut browser, &start, "ada").await;
    assert_eq!(stage.arrive(&mut browser, &back).await, "/console");
    let again = stage.me(&mut browser).await.expect("is signed in");
    assert_eq!(again["id"], me["id"]);
    assert_ne!(
        browser.cookie(stage.app.base(), "apiverse_session"),
        Some(first)
    );

    // The only way in stays.
    let listed = browser.get(&stage.url("/api/v1/auth/identities")).await;
    let id = listed.json()["data"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let security = stage.url("/console/settings/security");
    let fields = [("form", "identity-remove"), ("id", id.as_str())];
    let refused = browser.post(&security, &fields).await;
    assert_eq!(refused.status, 409);

    // No address of theirs that is vouched for, no account.
    for login in ["unsure", "nameless"] {
        let mut other = Browser::new(&stage.app);
        let led = stage.sign_in(&mut other, login).await;
        assert_eq!(led, "/login?problem=unconfirmed&with=oidc", "{login}");
        let page = other.get(&stage.url(&led)).await.expect_status(200);
        assert!(page.text().contains("Confirm it there"), "{login}");
        assert!(stage.me(&mut other).await.is_none());
    }
}

async fn an_account_is_linked_by_its_owner_only(engine: Engine) {
    let stage = Stage::new(engine).await;
    let mut stranger = Browser::new(&stage.app);
    // The provider vouches for the address, and still it opens nobody's account.
    let led = stage.sign_in(&mut stranger, "admin").await;
    assert_eq!(led, "/login?problem=exists&with=oidc");
    assert!(stage.me(&mut stranger).await.is_none());

    let admin = stage.app.admin().await;
    let mut owner = Browser::new(&stage.app);
    stage.sign_in_here(&mut owner).await;
    let security = stage.url("/console/settings/security");
    let page = owner.get(&security).await.expect_status(200);
    assert!(page.text().contains("Link Example ID"));
    let to = stage.begin_linking(&mut owner).await;
    let back = stage.authorize(&mut owner, &to, "admin").await;
    // Somebody else cannot finish it.
    let mut other = Browser::new(&stage.app);
    let kept = owner.cookie(stage.app.base(), "apiverse_sign_in");
    other.keep(
        stage.app.base(),
        "apiverse_sign_in",
        &kept.expect("is kept"),
    );
    assert_eq!(
        stage.arrive(&mut other, &back).await,
        "/login?problem=stale&with=oidc"
    );
    assert_eq!(
        stage.arrive(&mut owner, &back).await,
        "/console/settings/security?done=linked"
    );
    let page = owner.get(&security).await.text();
    assert!(page.contains("Unlink Example ID"));
    let told = async |subject: &str| {
        eventually("a message to the owner", async || {
            let message = message(&admin, "identity_changed", ADMIN_EMAIL).await;
            (message["subject"] == subject).then_some(())
        })
        .await;
    };
    told("Signing in with Example ID was linked").await;

    // From now on it is a way in, for them.
    assert_eq!(stage.sign_in(&mut stranger, "admin").await, "/console/keys");
    let me = stage.me(&mut stranger).await.expect("is signed in");
    assert_eq!(me["email"], ADMIN_EMAIL);
    let export = owner.get(&stage.url("/api/v1/auth/export")).await.json();
    assert_eq!(export["identities"][0]["provider"], "Example ID");
    let listed = owner.get(&stage.url("/api/v1/auth/identities")).await;
    let id = listed.json()["data"][0]["id"]
        .as_str()
        .expect("an id")
        .to_owned();
    let fields = [("form", "identity-remove"), ("id", id.as_str())];
    owner.post(&security, &fields).await.assert_status(303);
    let listed = owner.get(&stage.url("/api/v1/auth/identities")).await;
    assert_eq!(listed.json()["data"], json!([]));
    told("Signing in with Example ID was unlinked").await;
    let lines = owner.get(&stage.url("/api/v1/audit?limit=50")).await.json();
    let actions: Vec<&str> = lines["data"]
        .as_array()
        .expect("lines")
        .iter()
        .filter_map(|line| line["action"].as_str())
        .collect();
    for action in ["identity.linked", "identity.unlinked", "user.signed_in"] {
        assert!(actions.contains(&action), "{action}: {actions:?}");
    }
}

async fn what_was_tampered_with_is_refused(engine: Engine) {
    let stage = Stage::new(engine).await;
    let begin = stage.url("/login/with/oidc");
    let refused = async |browser: &mut Browser, back: &str, word: &str| {
        let led = stage.arrive(browser, back).await;
        assert_eq!(led, format!("/login?problem={word}&with=oidc"), "{back}");
        assert!(stage.me(browser).await.is_none(), "{back}");
    };
    let change = |url: &str, name: &str, value: &str| {
        let (before, rest) = url.split_once(&format!("{name}=")).expect(name);
        let after = rest.split_once('&').map_or("", |(_, after)| after);
        format!("{before}{name}={value}&{after}")
    };

    // Another state, none, and another browser.
    let mut browser = Browser::new(&stage.app);
    let back = stage.authorize(&mut browser, &begin, "ada").await;
    refused(&mut browser, &change(&back, "state", "other"), "untrusted").await;
    refused(&mut Browser::new(&stage.app), &back, "stale").await;
    let back = stage.authorize(&mut browser, &begin, "ada").await;
    refused(&mut browser, &change(&back, "state", ""), "untrusted").await;

    // Another issuer (RFC 9207), and none though the provider promises to name itself.
    let back = stage.authorize(&mut browser, &begin, "ada").await;
    let other = change(&back, "iss", "https%3A%2F%2Fevil.example");
    refused(&mut browser, &other, "untrusted").await;
    let back = stage.authorize(&mut browser, &begin, "ada").await;
    let (unnamed, _) = back.split_once("&iss=").expect("names itself");
    refused(&mut browser, unnamed, "untrusted").await;

    // Another nonce, another challenge: changed on the way to the provider.
    for (name, word) in [("nonce", "untrusted"), ("code_challenge", "refused")] {
        let answer = browser.get(&begin).await.expect_status(303);
        let to = answer.header("location").expect("goes on");
        let other = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let back = stage
            .authorize(&mut browser, &change(to, name, other), "ada")
            .await;
        refused(&mut browser, &back, word).await;
    }

    // A code that was used.
    let back = stage.authorize(&mut browser, &begin, "ada").await;
    let kept = browser.cookie(stage.app.base(), "apiverse_sign_in");
    assert_eq!(stage.arrive(&mut browser, &back).await, "/console");
    let mut thief = Browser::new(&stage.app);
    thief.keep(
        stage.app.base(),
        "apiverse_sign_in",
        &kept.expect("is kept"),
    );
    refused(&mut thief, &back, "refused").await;

    // The person says no; a service that is not there; a cookie that is none of ours.
    let mut browser = Browser::new(&stage.app);
    let back = stage.authorize(&mut browser, &begin, "ada").await;
    let (head, _) = back.split_once('?').expect("a query");
    let state = back.split_once("state=").expect("a state").1;
    let state = state.split('&').next().expect("a state");
    let iss = stage.peer.base.replace(':', "%3A").replace('/', "%2F");
    let denied = format!("{head}?error=access_denied&state={state}&iss={iss}");
    refused(&mut browser, &denied, "refused").await;
    let unknown = browser.get(&stage.url("/login/with/nobody")).await;
    assert_eq!(unknown.header("location"), Some("/login?problem=unknown"));
    browser.keep(stage.app.base(), "apiverse_sign_in", "AAAA");
    refused(&mut browser, &back, "stale").await;
}

async fn keys_are_rolled_over(engine: Engine) {
    let mut stage = Stage::new(engine).await;
    let mut browser = Browser::new(&stage.app);
    assert_eq!(stage.sign_in(&mut browser, "ada").await, "/console/keys");
    let me = stage.me(&mut browser).await.expect("is signed in");

    // The provider comes back with another key.
    stage.peer.child.kill().expect("ends");
    stage.peer.child.wait().expect("ends");
    let mut away = Browser::new(&stage.app);
    let begun = stage.url("/login/with/oidc");
    let answer = away.get(&begun).await.expect_status(303);
    let to = answer.header("location").expect("goes on");
    assert!(
        to.starts_with(&stage.peer.base),
        "what it published is known"
    );
    stage.peer = Peer::node("oidc_peer.mjs", stage.peer_port, &[&stage.back, "two"]).await;
    let mut again = Browser::new(&stage.app);
    assert_eq!(stage.sign_in(&mut again, "ada").await, "/console/keys");
    assert_eq!(
        stage.me(&mut again).await.expect("is signed in")["id"],
        me["id"]
    );

    // Without the provider nobody comes back from it.
    let back = stage.authorize(&mut away, &begun, "ada").await;
    stage.peer.child.kill().expect("ends");
    stage.peer.child.wait().expect("ends");
    let led = stage.arrive(&mut away, &back).await;
    assert_eq!(led, "/login?problem=away&with=oidc");
}

async fn the_second_factor_counts_unless_the_provider_saw_one(engine: Engine) {
    let stage = Stage::new(engine).await;
    for login in ["admin", "careful"] {
        let mut browser = Browser::new(&stage.app);
        stage.sign_in_here(&mut browser).await;
        let to = stage.begin_linking(&mut browser).await;
        let back = stage.authorize(&mut browser, &to, login).await;
        let led = stage.arrive(&mut browser, &back).await;
        assert_eq!(led, "/console/settings/security?done=linked", "{login}");
    }
    let (_, codes) = enrol(&stage.app.admin().await).await;

    let mut browser = Browser::new(&stage.app);
    let led = stage.sign_in(&mut browser, "admin").await;
    assert_eq!(led, "/login?step=code");
    assert!(stage.me(&mut browser).await.is_none());
    let page = browser.get(&stage.url(&led)).await.expect_status(200);
    let page = page.text();
    let (_, rest) = page
        .split_once("name=\"mfa_token\" value=\"")
        .expect("a token");
    let (token, _) = rest.split_once('"').expect("a token");
    let login = stage.url("/login");
    for (code, status) in [("000000", 401), (codes[0].as_str(), 303)] {
        let fields = [
            ("form", "login-code"),
            ("mfa_token", token),
            ("code", code),
            ("next", "/console/keys"),
        ];
        let answer = browser.post(&login, &fields).await;
        assert_eq!(answer.status, status, "{code}");
    }
    assert!(stage.me(&mut browser).await.is_some());

    // `mfa` in `amr`: it was asked for there.
    let mut browser = Browser::new(&stage.app);
    let led = stage.sign_in(&mut browser, "careful").await;
    assert_eq!(led, "/console/keys");
    let me = stage.me(&mut browser).await.expect("is signed in");
    assert_eq!(me["email"], ADMIN_EMAIL);
}
