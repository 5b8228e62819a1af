//! Puts the rooms together.

use std::sync::Arc;
use std::time::Duration;

use apiverse_cluster::Bus;
use apiverse_connectors::SecretString;
use apiverse_connectors::clerk::{Clerk, ClerkConfig};
use apiverse_connectors::egress::EgressPolicy;
use apiverse_connectors::messages::{
    Mailgun, MailgunConfig, MailgunRegion, Twilio, TwilioConfig, WebhookClient,
};
use apiverse_connectors::objects::{BucketConfig, Objects};
use apiverse_connectors::oidc::{Provider, ProviderConfig};
use apiverse_platform::{
    AccountsConfig, BreachedPasswords, Clock, MessagesConfig, Platform, PlatformConfig,
    ReportsConfig, SignInConfig, ThrottleConfig,
};
use apiverse_rest::{ServerFunction, ServerFunctions};
use apiverse_settings::{ReportStoreSettings, Secret, Settings, Vault};
use apiverse_store::{ConnectOptions, Store};

use crate::cli::Outcome;

type Error = Box<dyn std::error::Error + Send + Sync>;

/// The database, waited for and migrated.
pub async fn store(settings: &Settings) -> Result<Store, Error> {
    let store = Store::connect(settings.database.url.expose(), &ConnectOptions::default()).await?;
    store.migrate().await?;
    Ok(store)
}

pub fn vault(settings: &Settings) -> Arc<Vault> {
    Arc::new(settings.security.vault())
}

pub fn egress(settings: &Settings) -> EgressPolicy {
    EgressPolicy::new(settings.egress.allow_private_upstreams.clone())
}

/// Whether people reach the service by HTTPS only.
pub fn is_secure(settings: &Settings) -> bool {
    settings
        .server
        .public_url
        .as_ref()
        .is_some_and(|url| url.scheme() == "https")
}

pub fn platform(
    settings: &Settings,
    store: Store,
    vault: Arc<Vault>,
    bus: Bus,
) -> Result<Platform, Error> {
    let security = &settings.security;
    let config = PlatformConfig {
        jwt_secret: security.jwt_secret.clone(),
        jwt_secret_previous: security.jwt_secret_previous.clone(),
        jwt_refresh_secret: security.jwt_refresh_secret.clone(),
        jwt_lifetime: security.jwt_expiration,
        refresh_lifetime: Duration::from_secs(30 * 86_400),
        session_lifetime: SESSION_LIFETIME,
        unified_api_key: security.unified_api_key.clone(),
        egress: egress(settings),
        sample_enabled: settings.sample,
        secure_cookies: is_secure(settings),
        calls_kept: settings.usage.retention,
        minutes_kept: settings.usage.minutes,
        questions: settings.usage.questions,
        throttle: ThrottleConfig::default(),
        messages: messages(settings)?,
        sign_in: sign_in(settings)?,
        accounts: accounts(settings)?,
        reports: reports(settings)?,
    };
    Ok(Platform::new(config, store, vault, bus, Clock::system()))
}

/// What protects accounts.
fn accounts(settings: &Settings) -> Result<AccountsConfig, Error> {
    let breached = match &settings.security.breached_passwords_file {
        Some(path) => Some(BreachedPasswords::open(path).map_err(|error| {
            format!(
                "BREACHED_PASSWORDS_FILE {} cannot be used: {error}",
                path.display()
            )
        })?),
        None => None,
    };
    Ok(AccountsConfig {
        breached,
        audit_kept: settings.security.audit_retention,
    })
}

/// Where reports are kept.
fn reports(settings: &Settings) -> Result<ReportsConfig, Error> {
    let objects = match &settings.reports.store {
        ReportStoreSettings::Folder(folder) => Objects::folder(folder.clone()),
        ReportStoreSettings::S3 { bucket, prefix } => {
            let of = &settings.integrations.aws;
            let (Some(id), Some(secret)) = (&of.access_key_id, &of.secret_access_key) else {
                return Err("REPORT_STORE is a bucket, and there are no keys for it".into());
            };
            let config = BucketConfig {
                bucket: bucket.clone(),
                prefix: prefix.clone(),
                region: of.region.clone().unwrap_or_else(|| "us-east-1".to_owned()),
                endpoint: of.endpoint.clone(),
                access_key_id: id.clone(),
                secret_access_key: SecretString::from(secret.expose()),
            };
            let client = apiverse_connectors::http::client(egress(settings), BUCKET_TIMEOUT)?;
            Objects::bucket(config, client)
                .map_err(|error| format!("REPORT_STORE cannot be used: {error}"))?
        }
    };
    Ok(ReportsConfig {
        objects,
        kept: settings.reports.retention,
    })
}

/// How addresses of organizations are called: not for long, since others' messages wait.
fn webhooks(settings: &Settings) -> Result<WebhookClient, Error> {
    let policy = egress(settings);
    let client = apiverse_connectors::http::client(policy.clone(), WEBHOOK_TIMEOUT)?;
    Ok(WebhookClient::new(policy, client))
}

/// How e-mail and text messages leave: through the providers that are set up.
fn messages(settings: &Settings) -> Result<MessagesConfig, Error> {
    let client = apiverse_connectors::http::client(egress(settings), MESSAGE_TIMEOUT)?;
    let secret = |secret: &Secret| SecretString::from(secret.expose());
    let of = &settings.integrations.mailgun;
    let mailgun = match (&of.api_key, &of.domain) {
        (Some(api_key), Some(domain)) => {
            let region = match of.region {
                apiverse_settings::MailgunRegion::Us => MailgunRegion::Us,
                apiverse_settings::MailgunRegion::Eu => MailgunRegion::Eu,
            };
            let from = match &of.from_email {
                Some(from) => from.clone(),
                None => format!("APIverse <no-reply@{domain}>"),
            };
            let config = MailgunConfig {
                base: match &of.url {
                    Some(url) => url.clone(),
                    None => region.base().parse()?,
                },
                api_key: secret(api_key),
                domain: domain.clone(),
                from,
                signing_key: of.webhook_signing_key.as_ref().map(secret),
            };
            Some(Mailgun::new(config, client.clone()))
        }
        _ => None,
    };
    let of = &settings.integrations.twilio;
    let twilio = match (&of.account_sid, &of.auth_token, &of.from_number) {
        (Some(account_sid), Some(auth_token), Some(from)) => {
            let config = TwilioConfig {
                base: match &of.url {
                    Some(url) => url.clone(),
                    None => {
                        TwilioConfig::base_of(of.region.as_deref(), of.edge.as_deref()).parse()?
                    }
                },
                account_sid: account_sid.clone(),
                auth_token: secret(auth_token),
                from: from.clone(),
            };
            Some(Twilio::new(config, client))
        }
        _ => None,
    };
    let by_mail = settings.security.registration_by_email;
    Ok(MessagesConfig {
        register_by_mail: by_mail.unwrap_or(mailgun.is_some()),
        mailgun,
        twilio,
        webhooks: Some(webhooks(settings)?),
        show_content: !settings.environment.is_production(),
    })
}

/// Where people may sign in beside here.
fn sign_in(settings: &Settings) -> Result<SignInConfig, Error> {
    let client = apiverse_connectors::http::client(egress(settings), SIGN_IN_TIMEOUT)?;
    let secret = |secret: &Secret| SecretString::from(secret.expose());
    let providers = settings.oidc.iter().map(|of| {
        let config = ProviderConfig {
            slug: of.slug.to_owned(),
            name: of.name.clone(),
            issuer: of.issuer.clone(),
            client_id: of.client_id.clone(),
            client_secret: of.client_secret.as_ref().map(secret),
            scopes: of.scopes.clone(),
        };
        Provider::new(config, client.clone())
    });
    Ok(SignInConfig {
        providers: providers.collect(),
        clerk: clerk(settings)?.map(|config| Clerk::new(config, client.clone())),
    })
}

fn clerk(settings: &Settings) -> Result<Option<ClerkConfig>, Error> {
    let of = &settings.integrations.clerk;
    let (Some(secret_key), Some(key)) = (&of.secret_key, &of.publishable_key) else {
        return Ok(None);
    };
    if !of.enabled {
        return Ok(None);
    }
    let host = ClerkConfig::host_of(key).ok_or("CLERK_PUBLISHABLE_KEY holds no address")?;
    let issuer = match &of.frontend_api_url {
        Some(url) => url.origin().ascii_serialization(),
        None => format!("https://{host}"),
    };
    let page = || format!("https://{}/sign-in", ClerkConfig::accounts_host(&host));
    Ok(Some(ClerkConfig {
        issuer,
        api: match &of.api_url {
            Some(url) => url.clone(),
            None => "https://api.clerk.com".parse()?,
        },
        secret_key: SecretString::from(secret_key.expose()),
        webhook_secret: of
            .webhook_secret
            .as_ref()
            .map(|secret| SecretString::from(secret.expose())),
        authorized_parties: of.authorized_parties.clone(),
        sign_in_url: match &of.sign_in_url {
            Some(url) => url.clone(),
            None => page().parse()?,
        },
    }))
}

/// Longest wait for a bucket: files of reports are small.
const BUCKET_TIMEOUT: Duration = Duration::from_secs(15);

/// Longest wait for the answer of a service people sign in with: they look at an empty page.
const SIGN_IN_TIMEOUT: Duration = Duration::from_secs(10);

/// Longest wait for the answer of an organization's address.
const WEBHOOK_TIMEOUT: Duration = Duration::from_secs(5);
/// Longest wait for a provider's answer.
const MESSAGE_TIMEOUT: Duration = Duration::from_secs(15);

/// How long a browser session lives after its last use.
pub const SESSION_LIFETIME: Duration = Duration::from_secs(14 * 86_400);

/// The services without a gateway beside them, for commands. Other nodes are told of changes
/// through the database.
pub async fn platform_alone(settings: &Settings) -> Result<Platform, Error> {
    let store = store(settings).await?;
    platform(settings, store, vault(settings), Bus::local())
}

/// The console's server functions for the OpenAPI document.
pub fn server_functions() -> &'static ServerFunctions {
    use std::sync::LazyLock;
    static ALL: LazyLock<ServerFunctions> = LazyLock::new(|| ServerFunctions {
        functions: apiverse_app::ssr::server_functions()
            .iter()
            .map(|function| ServerFunction {
                path: function.path,
                summary: function.summary,
                input: function.input,
                output: function.output,
            })
            .collect(),
        schemas: apiverse_app::ssr::schemas(),
    });
    &ALL
}

/// # Errors
/// When the document cannot be written.
pub fn print_openapi() -> Outcome {
    let document = apiverse_rest::openapi(server_functions());
    println!("{}", document.to_pretty_json()?);
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    #[test]
    fn what_server_functions_take_and_answer_is_in_the_document() {
        let document =
            serde_json::to_value(apiverse_rest::openapi(server_functions())).expect("a document");
        for function in &server_functions().functions {
            for name in [function.input, function.output].into_iter().flatten() {
                let schema = &document["components"]["schemas"][name];
                assert!(schema.is_object(), "{}: {name} is missing", function.path);
            }
        }
        every_reference_leads_somewhere(&document, &document);
    }

    fn every_reference_leads_somewhere(document: &Value, value: &Value) {
        match value {
            Value::Object(map) => {
                if let Some(Value::String(reference)) = map.get("$ref") {
                    let target = document.pointer(reference.trim_start_matches('#'));
                    assert!(target.is_some(), "{reference} leads nowhere");
                }
                for inner in map.values() {
                    every_reference_leads_somewhere(document, inner);
                }
            }
            Value::Array(list) => {
                for inner in list {
                    every_reference_leads_somewhere(document, inner);
                }
            }
            _ => {}
        }
    }
}
