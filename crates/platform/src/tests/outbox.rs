//! The outbox with a provider that is there, away, slow to say so, or gone in the middle.

use std::sync::Arc;
use std::sync::Mutex;
use std::time::Duration;

use apiverse_connectors::egress::EgressPolicy;
use apiverse_connectors::messages::{Mailgun, MailgunConfig};
use apiverse_contract::notifications::{
    Channel, NotificationEvent, NotificationStatus, PreferenceChoice, UpdatePreferences,
};
use apiverse_contract::{ErrorCode, ListQuery};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Bench, bench_with};
use crate::notifications::Notice;
use crate::{Actor, Fault, MessagesConfig};

/// What the provider does with the next messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mood {
    Takes,
    /// Takes the message, and the connection breaks before the answer.
    TakesSilently,
    /// The connection breaks before anything was taken.
    Breaks,
    Answers(u16),
}

/// Mailgun, as far as sending and looking up go.
struct Provider {
    address: std::net::SocketAddr,
    mood: Arc<Mutex<Mood>>,
    /// The `Message-Id` of everything it took.
    taken: Arc<Mutex<Vec<String>>>,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Provider {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
        let address = listener.local_addr().expect("has an address");
        let mood = Arc::new(Mutex::new(Mood::Takes));
        let taken: Arc<Mutex<Vec<String>>> = Arc::default();
        let (moods, record) = (Arc::clone(&mood), Arc::clone(&taken));
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let mood = *moods.lock().expect("no panic");
                serve(stream, mood, &record).await;
            }
        });
        Self {
            address,
            mood,
            taken,
            server,
        }
    }

    fn becomes(&self, mood: Mood) {
        *self.mood.lock().expect("no panic") = mood;
    }

    fn taken(&self) -> Vec<String> {
        self.taken.lock().expect("no panic").clone()
    }

    fn config(&self) -> Mailgun {
        let loopback = EgressPolicy::new(vec!["127.0.0.0/8".parse().expect("a network")]);
        let client = apiverse_connectors::http::client(loopback, Duration::from_secs(15));
        let config = MailgunConfig {
            base: format!("http://{}", self.address).parse().expect("a url"),
            api_key: "key-1".into(),
            domain: "mail.example.com".to_owned(),
            from: "no-reply@mail.example.com".to_owned(),
            signing_key: None,
        };
        Mailgun::new(config, client.expect("a client"))
    }
}

async fn serve(mut stream: tokio::net::TcpStream, mood: Mood, taken: &Mutex<Vec<String>>) {
    let Some((head, body)) = read_request(&mut stream).await else {
        return;
    };
    assert!(head.contains("authorization: Basic YXBpOmtleS0x"), "{head}");
    let (status, answer) = if head.starts_with("GET /v3/mail.example.com/events?message-id=") {
        let asked = head
            .split("message-id=")
            .nth(1)
            .and_then(|rest| rest.split('&').next());
        let asked = asked.unwrap_or_default().replace("%40", "@");
        let known = taken.lock().expect("no panic").contains(&asked);
        let items = if known {
            r#"[{"event":"accepted"}]"#
        } else {
            "[]"
        };
        (200, format!(r#"{{"items":{items},"paging":{{}}}}"#))
    } else {
        assert!(
            head.starts_with("POST /v3/mail.example.com/messages"),
            "{head}"
        );
        let id = body
            .split("name=\"h:Message-Id\"\r\n\r\n<")
            .nth(1)
            .expect("has an id");
        let id = id.split('>').next().unwrap_or_default().to_owned();
        match mood {
            Mood::Breaks => return,
            Mood::Answers(status) => (status, r#"{"message":"not now"}"#.to_owned()),
            Mood::Takes | Mood::TakesSilently => {
                taken.lock().expect("no panic").push(id.clone());
                if mood == Mood::TakesSilently {
                    return;
                }
                (
                    200,
                    format!(r#"{{"id":"<{id}>","message":"Queued. Thank you."}}"#),
                )
            }
        }
    };
    let answer = format!(
        "HTTP/1.1 {status} X\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}",
        answer.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}

/// Head and body of a request with a `Content-Length`.
pub(super) async fn read_request(stream: &mut tokio::net::TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head
                .lines()
                .find_map(|line| line.strip_prefix("content-length: "))
                .and_then(|length| length.parse().ok())
                .unwrap_or(0);
            if body.len() >= length {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        let mut chunk = [0; 4096];
        let count = stream
            .read(&mut chunk)
            .await
            .ok()
            .filter(|count| *count > 0)?;
        bytes.extend_from_slice(&chunk[..count]);
    }
}

async fn with(provider: &Provider) -> Bench {
    bench_with(|config| {
        config.messages = MessagesConfig {
            mailgun: Some(provider.config()),
            twilio: None,
            webhooks: None,
            show_content: false,
            register_by_mail: false,
        };
    })
    .await
}

async fn owe(bench: &Bench, actor: &Actor, cause: &str) {
    let notice = Notice {
        event: NotificationEvent::PasswordChanged,
        channel: Channel::Email,
        to: "ada@example.com",
        user_id: actor.user_id,
        organization_id: None,
        cause: cause.to_owned(),
        link: None,
        values: vec![("ip", "192.0.2.1".to_owned()), ("at", "today".to_owned())],
    };
    bench.platform.tell(notice).await;
}

async fn dispatch(bench: &Bench) -> usize {
    let stop = CancellationToken::new();
    bench.platform.dispatch_due(&stop).await.expect("works")
}

/// Of the messages of the test, how many have each status.
async fn statuses(bench: &Bench, actor: &Actor) -> Vec<NotificationStatus> {
    let page = bench
        .platform
        .outbox_list(actor, ListQuery::default())
        .await;
    let ours = |message: &&apiverse_contract::notifications::NotificationView| {
        message.event == "password_changed"
    };
    let page = page.expect("lists");
    page.data
        .iter()
        .filter(ours)
        .map(|message| message.status)
        .collect()
}

#[tokio::test]
async fn a_provider_that_is_away_for_an_hour_loses_nothing_and_gets_nothing_twice() {
    let provider = Provider::start().await;
    let bench = with(&provider).await;
    let actor = bench.actor("ada").await;
    dispatch(&bench).await;
    let before = provider.taken().len();
    let moods = [
        Mood::Breaks,
        Mood::Answers(503),
        Mood::Answers(500),
        Mood::Answers(401),
    ];
    for n in 0..20 {
        owe(&bench, &actor, &format!("{n}")).await;
    }
    let mut minutes = 0;
    while minutes < 60 {
        provider.becomes(moods[minutes % moods.len()]);
        dispatch(&bench).await;
        bench.clock.advance(Duration::from_secs(60));
        minutes += 1;
    }
    assert_eq!(provider.taken().len(), before);
    provider.becomes(Mood::Takes);
    // The longest pause is over for all of them.
    bench.clock.advance(Duration::from_secs(20 * 60));
    assert_eq!(dispatch(&bench).await, 20);
    assert_eq!(dispatch(&bench).await, 0);
    let taken = provider.taken();
    assert_eq!(taken.len() - before, 20);
    let mut unique = taken.clone();
    unique.sort();
    unique.dedup();
    assert_eq!(unique.len(), taken.len());
    assert_eq!(
        statuses(&bench, &actor).await,
        [NotificationStatus::Sent; 20]
    );
}

#[tokio::test]
async fn an_answer_that_is_lost_does_not_make_a_second_message() {
    let provider = Provider::start().await;
    let bench = with(&provider).await;
    let actor = bench.actor("ada").await;
    dispatch(&bench).await;
    let before = provider.taken().len();
    provider.becomes(Mood::TakesSilently);
    owe(&bench, &actor, "1").await;
    dispatch(&bench).await;
    assert_eq!(
        statuses(&bench, &actor).await,
        [NotificationStatus::Uncertain]
    );
    assert_eq!(provider.taken().len(), before + 1);
    assert_eq!(
        dispatch(&bench).await,
        0,
        "the provider's list is not complete yet"
    );
    bench.clock.advance(Duration::from_secs(120));
    dispatch(&bench).await;
    assert_eq!(statuses(&bench, &actor).await, [NotificationStatus::Sent]);
    assert_eq!(provider.taken().len(), before + 1);
}

#[tokio::test]
async fn a_node_that_dies_while_sending_does_not_make_a_second_message() {
    let provider = Provider::start().await;
    let bench = with(&provider).await;
    let actor = bench.actor("ada").await;
    dispatch(&bench).await;
    let before = provider.taken().len();
    owe(&bench, &actor, "1").await;
    // What a node does up to the moment it dies, the message being on its way.
    let (lease, now) = (uuid::Uuid::from_u128(9), bench.platform.now());
    let until = now + chrono::TimeDelta::seconds(90);
    let claimed = bench.store.notification_claim(lease, now, until).await;
    let claimed = claimed.expect("claims").expect("is due");
    assert!(
        bench
            .store
            .notification_begin(claimed.id, lease, now)
            .await
            .expect("begins")
    );
    let id = format!("{}@mail.example.com", claimed.id);
    provider.taken.lock().expect("no panic").push(id);

    assert_eq!(dispatch(&bench).await, 0, "its lease still holds");
    bench.clock.advance(Duration::from_secs(90));
    assert_eq!(dispatch(&bench).await, 1);
    assert_eq!(statuses(&bench, &actor).await, [NotificationStatus::Sent]);
    assert_eq!(provider.taken().len(), before + 1);
}

#[tokio::test]
async fn a_message_that_is_refused_for_good_is_given_up() {
    let provider = Provider::start().await;
    let bench = with(&provider).await;
    let actor = bench.actor("ada").await;
    dispatch(&bench).await;
    provider.becomes(Mood::Answers(400));
    owe(&bench, &actor, "1").await;
    dispatch(&bench).await;
    let page = bench
        .platform
        .outbox_list(&actor, ListQuery::default())
        .await;
    let page = page.expect("lists");
    let message = &page.data[0];
    assert_eq!(message.status, NotificationStatus::Failed);
    let error = message.last_error.as_deref().unwrap_or_default();
    assert!(error.contains("400 not now"), "{error}");
    let shown = bench
        .platform
        .outbox_get(&actor, message.id)
        .await
        .expect("shows");
    assert_eq!((shown.text, shown.html, shown.link), (None, None, None));
}

#[tokio::test]
async fn without_a_provider_the_outbox_is_where_messages_end() {
    let bench = bench_with(|_| ()).await;
    let actor = bench.actor("ada").await;
    let other = bench.actor("bob").await;
    owe(&bench, &actor, "1").await;
    owe(&bench, &actor, "1").await;
    dispatch(&bench).await;
    assert_eq!(statuses(&bench, &actor).await, [NotificationStatus::Kept]);
    let page = bench
        .platform
        .outbox_list(&actor, ListQuery::default())
        .await;
    let page = page.expect("lists");
    let ours = page
        .data
        .iter()
        .find(|message| message.event == "password_changed");
    let ours = ours.expect("is there").clone();
    let shown = bench
        .platform
        .outbox_get(&actor, ours.id)
        .await
        .expect("shows");
    assert!(shown.text.expect("is shown").contains("192.0.2.1"));
    assert!(shown.html.expect("is shown").contains("<h1"));
    let foreign = bench.platform.outbox_get(&other, ours.id).await;
    assert_eq!(
        foreign.expect_err("is not his").code(),
        ErrorCode::NotificationNotFound
    );
    let hers = bench
        .platform
        .suppressions(&other, ListQuery::default())
        .await;
    assert_eq!(hers.expect_err("not his").code(), ErrorCode::Forbidden);
}

#[tokio::test]
async fn what_is_switched_off_is_not_sent() {
    let bench = bench_with(|_| ()).await;
    let actor = bench.actor("ada").await;
    let user_id = actor.user_id.expect("a user");
    let event = NotificationEvent::InvitationAccepted;
    let wants = async || {
        bench
            .platform
            .wants(user_id, event, Channel::Email)
            .await
            .expect("reads")
    };
    assert!(wants().await);
    let choice = |event| UpdatePreferences {
        preferences: vec![PreferenceChoice {
            event,
            channel: Channel::Email,
            enabled: false,
        }],
    };
    let put = bench
        .platform
        .preferences_put(&actor, choice(event))
        .await
        .expect("changes");
    let of = put
        .iter()
        .find(|view| view.event == event)
        .expect("is listed");
    assert!(!of.enabled && !of.required);
    assert!(!wants().await);
    let refused = bench
        .platform
        .preferences_put(&actor, choice(NotificationEvent::PasswordReset))
        .await;
    assert_eq!(
        refused.expect_err("is required").code(),
        ErrorCode::ValidationFailed
    );
}
