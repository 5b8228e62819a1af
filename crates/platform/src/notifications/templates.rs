//! The texts of messages: one template for each event, two layouts around it.
//!
//! A template's first line is the subject, its second the label of the link; after an empty line
//! come the paragraphs. It is written as plain text; the HTML layout escapes what it is given.

use std::collections::BTreeMap;

use apiverse_contract::notifications::NotificationEvent;
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, Value};

const LAYOUT_TEXT: &str = include_str!("../../templates/layout.txt");
const LAYOUT_HTML: &str = include_str!("../../templates/layout.html");

const fn source(event: NotificationEvent) -> &'static str {
    use NotificationEvent as E;
    match event {
        E::EmailVerification => include_str!("../../templates/email_verification.j2"),
        E::AccountExists => include_str!("../../templates/account_exists.j2"),
        E::PasswordReset => include_str!("../../templates/password_reset.j2"),
        E::PasswordChanged => include_str!("../../templates/password_changed.j2"),
        E::EmailChange => include_str!("../../templates/email_change.j2"),
        E::EmailChanged => include_str!("../../templates/email_changed.j2"),
        E::AccountDeleted => include_str!("../../templates/account_deleted.j2"),
        E::SignInFromNewPlace => include_str!("../../templates/sign_in_from_new_place.j2"),
        E::RefreshTokenReused => include_str!("../../templates/refresh_token_reused.j2"),
        E::TwoFactorChanged => include_str!("../../templates/two_factor_changed.j2"),
        E::IdentityChanged => include_str!("../../templates/identity_changed.j2"),
        E::SecondFactorCode => include_str!("../../templates/second_factor_code.j2"),
        E::Invitation => include_str!("../../templates/invitation.j2"),
        E::InvitationAccepted => include_str!("../../templates/invitation_accepted.j2"),
        E::RoleChanged => include_str!("../../templates/role_changed.j2"),
        E::Alert => include_str!("../../templates/alert.j2"),
        E::BudgetReached => include_str!("../../templates/budget_reached.j2"),
        E::Finding => include_str!("../../templates/finding.j2"),
        E::ReportReady => include_str!("../../templates/report_ready.j2"),
    }
}

/// All templates, read once.
pub struct Templates {
    environment: Environment<'static>,
    /// What is wrong with one of them; no message is sent then.
    broken: Option<String>,
}

/// A message as it is sent.
#[derive(Debug)]
pub struct Rendered {
    pub subject: String,
    pub text: String,
    pub html: String,
    /// The text without what is around it: a text message.
    pub short: String,
}

impl Default for Templates {
    fn default() -> Self {
        let mut environment = Environment::new();
        // A value that was forgotten must not become a gap in a sentence; `if` may still ask.
        environment.set_undefined_behavior(UndefinedBehavior::SemiStrict);
        let mut broken = None;
        let layouts = [("layout.txt", LAYOUT_TEXT), ("layout.html", LAYOUT_HTML)];
        let events = NotificationEvent::ALL
            .iter()
            .map(|event| (event.as_str(), source(*event)));
        for (name, source) in layouts.into_iter().chain(events) {
            if let Err(error) = environment.add_template(name, source) {
                broken = Some(format!("{name}: {error}"));
            }
        }
        Self {
            environment,
            broken,
        }
    }
}

impl Templates {
    /// Writes the message of an event.
    ///
    /// # Errors
    /// When a value is missing that the template names: a fault of ours.
    pub fn render(
        &self,
        event: NotificationEvent,
        base_url: &str,
        link: Option<&str>,
        values: Vec<(&'static str, String)>,
    ) -> Result<Rendered, Error> {
        if let Some(broken) = &self.broken {
            return Err(Error::new(ErrorKind::SyntaxError, broken.clone()));
        }
        let values: BTreeMap<&str, Value> = values
            .into_iter()
            .map(|(name, value)| (name, Value::from(plain(&value))))
            .collect();
        let written = self
            .environment
            .get_template(event.as_str())?
            .render(Value::from(values))?;
        let mut lines = written.lines();
        let subject = lines.next().unwrap_or_default().trim().to_owned();
        let action = lines.next().unwrap_or_default().trim().to_owned();
        let rest: Vec<&str> = lines.collect();
        let rest = rest.join("\n");
        let paragraphs = rest.split("\n\n").map(str::trim);
        let paragraphs: Vec<&str> = paragraphs
            .filter(|paragraph| !paragraph.is_empty())
            .collect();
        let short = paragraphs.join("\n");
        let mut around: BTreeMap<&str, Value> = BTreeMap::new();
        around.insert("subject", Value::from(subject.as_str()));
        around.insert("action", Value::from(action));
        around.insert(
            "paragraphs",
            paragraphs.into_iter().map(Value::from).collect(),
        );
        around.insert("link", link.map_or(Value::UNDEFINED, Value::from));
        around.insert("base_url", Value::from(base_url));
        let around = Value::from(around);
        Ok(Rendered {
            subject,
            text: self
                .environment
                .get_template("layout.txt")?
                .render(&around)?,
            html: self
                .environment
                .get_template("layout.html")?
                .render(&around)?,
            short,
        })
    }
}

/// Names are chosen by strangers: one line, and not so long that it becomes the message. Addresses
/// are broken up, so that no mail program makes a link of a name.
fn plain(value: &str) -> String {
    let one_line: String = value
        .chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(200)
        .collect();
    one_line.replace("://", ": //")
}

/// An example of every value any template names, for looking at messages before one is sent.
pub fn samples() -> Vec<(&'static str, String)> {
    [
        ("ip", "192.0.2.1"),
        ("at", "21 November 2026, 14:00 UTC"),
        ("expires", "22 November 2026, 14:00 UTC"),
        ("email", "ada@example.com"),
        ("device", "Firefox on Linux"),
        ("state", "on"),
        ("change", "linked"),
        ("provider", "Google"),
        ("account", "ada@example.com"),
        ("code", "123456"),
        ("inviter", "Ada Lovelace"),
        ("organization", "Acme & Sons"),
        ("role", "admin"),
        ("before", "viewer"),
        ("member", "Bob"),
        ("actor", "Ada"),
        ("title", "Firing: slow"),
        ("rule", "slow"),
        ("summary", "p95 latency is 412 ms"),
        ("budget", "All of it"),
        ("percent", "80"),
        ("spent", "80.00 EUR"),
        ("amount", "100.00 EUR"),
        ("report", "Weekly report"),
        ("range", "16 – 22 November 2026 (Europe/Berlin)"),
        ("calls", "12,345 calls (+4.2 % against the time before)"),
        ("errors", "1.20 % of them errors (before: 0.90 %)"),
        ("latency", "p95 212 ms (before: 198 ms)"),
    ]
    .into_iter()
    .map(|(name, value)| (name, value.to_owned()))
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// With a name that is no name.
    fn values() -> Vec<(&'static str, String)> {
        let mut values = samples();
        for (name, value) in &mut values {
            if *name == "inviter" {
                *value = "Ada <b>L</b>".to_owned();
            }
        }
        values
    }

    #[test]
    fn every_event_has_a_subject_and_text() {
        let templates = Templates::default();
        for event in NotificationEvent::ALL {
            let link = "https://a.example.com/x?token=1&b=2";
            let out = templates
                .render(*event, "https://a.example.com", Some(link), values())
                .unwrap_or_else(|error| panic!("{event:?}: {error:#}"));
            assert!(
                !out.subject.is_empty() && out.subject.len() < 100,
                "{out:?}"
            );
            assert!(out.text.contains(link), "{out:?}");
            assert!(out.text.lines().count() > 3, "{out:?}");
            assert!(out.html.contains("x?token=1&amp;b=2"), "{out:?}");
            assert!(
                !out.html.contains("{{") && !out.text.contains("{%"),
                "{out:?}"
            );
            assert!(!out.html.contains("<b>"), "{out:?}");
        }
    }

    #[test]
    fn what_strangers_chose_stays_text() {
        let templates = Templates::default();
        let mut values = samples();
        for (name, value) in &mut values {
            if *name == "inviter" {
                *value = "x\r\nBcc: y@z.example\n\nhttps://evil.example".to_owned();
            }
        }
        let event = NotificationEvent::Invitation;
        let out = templates
            .render(event, "https://a.example.com", None, values)
            .expect("renders");
        assert!(out.subject.starts_with("x  Bcc: y@z.example"), "{out:?}");
        assert!(!out.text.contains("https://evil.example"), "{out:?}");
    }

    #[test]
    fn a_forgotten_value_is_an_error() {
        let event = NotificationEvent::Invitation;
        let out = Templates::default().render(event, "https://a.example.com", None, Vec::new());
        assert!(out.is_err(), "{out:?}");
    }
}
