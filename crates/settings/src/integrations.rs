//! Outside services. Mailgun and Twilio send messages, people sign in through Clerk; of the others
//! this version recognises the settings, checks their shape and keeps them.

use std::time::Duration;

use url::Url;

use crate::parse::{self, Complaint, Parsed};
use crate::problem::SettingProblem;
use crate::read::Reader;
use crate::secret::Secret;

/// Credentials of outside services, a struct each.
#[derive(Clone, Debug)]
pub struct IntegrationSettings {
    pub clerk: ClerkSettings,
    pub stripe: StripeSettings,
    pub mailgun: MailgunSettings,
    pub twilio: TwilioSettings,
    pub clio: ClioSettings,
    pub aws: AwsSettings,
}

/// Identity through Clerk.
#[derive(Clone, Debug)]
pub struct ClerkSettings {
    pub enabled: bool,
    pub secret_key: Option<Secret>,
    pub publishable_key: Option<String>,
    pub webhook_secret: Option<Secret>,
    /// Origins whose tokens are taken beside our own; `None` when none was named.
    pub authorized_parties: Option<Vec<String>>,
    /// Where the Frontend API is, in place of what the publishable key says.
    pub frontend_api_url: Option<Url>,
    /// Where the Backend API is.
    pub api_url: Option<Url>,
    /// The hosted sign-in page, in place of the Account Portal's.
    pub sign_in_url: Option<Url>,
}

/// Payments through Stripe.
#[derive(Clone, Debug)]
pub struct StripeSettings {
    pub enabled: bool,
    pub secret_key: Option<Secret>,
    pub publishable_key: Option<String>,
    pub webhook_secret: Option<Secret>,
    /// Largest age of a signed webhook.
    pub webhook_tolerance: Duration,
    pub price_id: Option<String>,
}

/// Mail through Mailgun; sent when there are a key and a domain.
#[derive(Clone, Debug)]
pub struct MailgunSettings {
    pub api_key: Option<Secret>,
    pub domain: Option<String>,
    pub from_email: Option<String>,
    pub region: MailgunRegion,
    /// Where the API is, in place of the region's address.
    pub url: Option<Url>,
    /// Signs what Mailgun reports.
    pub webhook_signing_key: Option<Secret>,
}

/// Where a sending domain lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailgunRegion {
    Us,
    Eu,
}

/// Text messages through Twilio; sent when there are account, token and number.
#[derive(Clone, Debug)]
pub struct TwilioSettings {
    pub account_sid: Option<String>,
    pub auth_token: Option<Secret>,
    pub from_number: Option<String>,
    /// `ie1`, `au1`; without it the United States.
    pub region: Option<String>,
    /// Where Twilio's network is entered: `dublin`.
    pub edge: Option<String>,
    /// Where the API is, in place of the region's address.
    pub url: Option<Url>,
}

/// Clio's OAuth client.
#[derive(Clone, Debug)]
pub struct ClioSettings {
    pub client_id: Option<String>,
    pub client_secret: Option<Secret>,
}

/// Amazon Web Services.
#[derive(Clone, Debug)]
pub struct AwsSettings {
    pub secrets_name: Option<String>,
    pub secrets_arn: Option<String>,
    pub region: Option<String>,
    /// Where S3 is, in place of the region's address.
    pub endpoint: Option<Url>,
    pub access_key_id: Option<String>,
    pub secret_access_key: Option<Secret>,
}

pub(crate) fn read(reader: &mut Reader<'_>) -> IntegrationSettings {
    let clerk = ClerkSettings {
        enabled: reader.required("CLERK_ENABLED", false, parse::boolean),
        secret_key: reader.optional("CLERK_SECRET_KEY", secret(&["sk_"])),
        publishable_key: reader.optional("CLERK_PUBLISHABLE_KEY", prefixed(&["pk_"])),
        webhook_secret: reader.optional("CLERK_WEBHOOK_SECRET", secret(&["whsec_"])),
        authorized_parties: reader.optional("CLERK_AUTHORIZED_PARTIES", parse::origins),
        frontend_api_url: reader.optional("CLERK_FRONTEND_API_URL", parse::public_url),
        api_url: reader.optional("CLERK_API_URL", parse::public_url),
        sign_in_url: reader.optional("CLERK_SIGN_IN_URL", page),
    };
    if clerk.enabled {
        need(
            reader,
            "CLERK_ENABLED",
            &["CLERK_SECRET_KEY", "CLERK_PUBLISHABLE_KEY"],
        );
    }
    let tolerance = parse::number(1..=86_400);
    let stripe = StripeSettings {
        enabled: reader.required("STRIPE_ENABLED", false, parse::boolean),
        secret_key: reader.optional("STRIPE_SECRET_KEY", secret(&["sk_", "rk_"])),
        publishable_key: reader.optional("STRIPE_PUBLISHABLE_KEY", prefixed(&["pk_"])),
        webhook_secret: reader.optional("STRIPE_WEBHOOK_SECRET", secret(&["whsec_"])),
        webhook_tolerance: Duration::from_secs(reader.required(
            "STRIPE_WEBHOOK_TOLERANCE",
            300,
            tolerance,
        )),
        price_id: reader.optional("STRIPE_PRICE_ID", prefixed(&["price_"])),
    };
    if stripe.enabled {
        need(
            reader,
            "STRIPE_ENABLED",
            &["STRIPE_SECRET_KEY", "STRIPE_WEBHOOK_SECRET"],
        );
    }
    let mailgun = MailgunSettings {
        api_key: reader.optional("MAILGUN_API_KEY", secret(&[""])),
        domain: reader.optional("MAILGUN_DOMAIN", domain),
        from_email: reader.optional("MAILGUN_FROM_EMAIL", email),
        region: reader.required("MAILGUN_REGION", MailgunRegion::Us, mailgun_region),
        url: reader.optional("MAILGUN_URL", parse::public_url),
        webhook_signing_key: reader.optional("MAILGUN_WEBHOOK_SIGNING_KEY", secret(&[""])),
    };
    let twilio = TwilioSettings {
        account_sid: reader.optional("TWILIO_ACCOUNT_SID", account_sid),
        auth_token: reader.optional("TWILIO_AUTH_TOKEN", secret(&[""])),
        from_number: reader.optional("TWILIO_FROM_NUMBER", phone_number),
        region: reader.optional("TWILIO_REGION", label),
        edge: reader.optional("TWILIO_EDGE", label),
        url: reader.optional("TWILIO_URL", parse::public_url),
    };
    let clio = ClioSettings {
        client_id: reader.optional("CLIO_CLIENT_ID", prefixed(&[""])),
        client_secret: reader.optional("CLIO_CLIENT_SECRET", secret(&[""])),
    };
    IntegrationSettings {
        clerk,
        stripe,
        mailgun,
        twilio,
        clio,
        aws: aws(reader),
    }
}

fn aws(reader: &mut Reader<'_>) -> AwsSettings {
    if reader.required("AWS_SECRETS_ENABLED", false, parse::boolean) {
        reader.problems.push(SettingProblem::new(
            "AWS_SECRETS_ENABLED",
            "loading from AWS Secrets Manager is not supported by this version",
            "set it to false, and give the secrets as variables or as NAME_FILE",
        ));
    }
    AwsSettings {
        secrets_name: reader.optional("AWS_SECRETS_NAME", prefixed(&[""])),
        secrets_arn: reader.optional("SECRETS_ARN", arn),
        region: reader.optional("AWS_REGION", region),
        endpoint: reader.optional("AWS_ENDPOINT_URL", parse::public_url),
        access_key_id: reader.optional("AWS_ACCESS_KEY_ID", prefixed(&[""])),
        secret_access_key: reader.optional("AWS_SECRET_ACCESS_KEY", secret(&[""])),
    }
}

/// A problem for each of `variables` that is not set though `switch` is on.
fn need(reader: &mut Reader<'_>, switch: &'static str, variables: &[&'static str]) {
    for variable in variables {
        if !reader.is_set(variable) {
            reader.problems.push(SettingProblem::new(
                *variable,
                format!("is not set, and {switch} is true"),
                format!("set it, or set {switch} to false"),
            ));
        }
    }
}

/// The address of a page.
fn page(text: &str) -> Parsed<Url> {
    let url = Url::parse(text).ok();
    let fits = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    url.filter(fits).ok_or_else(|| {
        Complaint::new(
            "is not the address of a page",
            "set an address such as https://accounts.example.com/sign-in",
        )
    })
}

fn mailgun_region(text: &str) -> Parsed<MailgunRegion> {
    match text {
        "us" => Ok(MailgunRegion::Us),
        "eu" => Ok(MailgunRegion::Eu),
        _ => Err(Complaint::new("is no region of Mailgun", "set us or eu")),
    }
}

/// One label of a host name.
fn label(text: &str) -> Parsed<String> {
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
    if !text.is_empty() && text.len() <= 63 && text.bytes().all(plain) {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(
        "is not one word of lower-case letters and digits",
        "set a name such as ie1 or dublin, or leave it out",
    ))
}

fn prefixed(prefixes: &'static [&'static str]) -> impl Fn(&str) -> Parsed<String> {
    move |text| {
        if !prefixes.iter().any(|prefix| text.starts_with(prefix)) {
            return Err(Complaint::new(
                format!("does not begin with {}", prefixes.join(" or ")),
                "copy it from the service's dashboard; another key may have got into its place",
            ));
        }
        if text.bytes().any(|b| !b.is_ascii_graphic()) {
            return Err(Complaint::new(
                "has a space or a special character in it",
                "copy it again",
            ));
        }
        Ok(text.to_owned())
    }
}

fn secret(prefixes: &'static [&'static str]) -> impl Fn(&str) -> Parsed<Secret> {
    let prefixed = prefixed(prefixes);
    move |text| prefixed(text).map(Secret::new)
}

fn domain(text: &str) -> Parsed<String> {
    if parse::is_host(text) && text.contains('.') {
        return Ok(text.to_ascii_lowercase());
    }
    Err(Complaint::new(
        "is not a domain",
        "set a domain such as mail.example.com",
    ))
}

pub(crate) fn email(text: &str) -> Parsed<String> {
    if apiverse_contract::validation::is_email(text) {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(
        "is not an e-mail address",
        "set an address such as admin@example.com",
    ))
}

fn account_sid(text: &str) -> Parsed<String> {
    let digits = text.strip_prefix("AC").unwrap_or_default();
    if digits.len() == 32 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(
        "is not AC and 32 hex characters",
        "copy the account SID from Twilio's console",
    ))
}

fn phone_number(text: &str) -> Parsed<String> {
    let digits = text.strip_prefix('+').unwrap_or_default();
    let numeric = digits.bytes().all(|b| b.is_ascii_digit());
    if (7..=15).contains(&digits.len()) && numeric && !digits.starts_with('0') {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(
        "is not an E.164 number",
        "set a number such as +15551234567",
    ))
}

fn arn(text: &str) -> Parsed<String> {
    if text.starts_with("arn:") && text.contains(":secretsmanager:") && !text.contains(' ') {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(
        "is not the ARN of a secret",
        "set arn:aws:secretsmanager:REGION:ACCOUNT:secret:NAME",
    ))
}

fn region(text: &str) -> Parsed<String> {
    let plain = text
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if plain && text.contains('-') {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(
        "is not a region",
        "set a region such as eu-central-1",
    ))
}
