//! Signing in elsewhere: OpenID Connect providers.

use url::Url;

use crate::parse::{Complaint, Parsed};
use crate::problem::SettingProblem;
use crate::read::Reader;
use crate::secret::Secret;

/// An OpenID Connect provider whose people may sign in here.
#[derive(Clone, Debug)]
pub struct OidcSettings {
    /// Its place among them, and part of the redirect address: `oidc`, `oidc-2`, `oidc-3`.
    pub slug: &'static str,
    /// What people call it.
    pub name: String,
    /// Its issuer identifier, as it is written there.
    pub issuer: String,
    pub client_id: String,
    /// Without it this is a public client.
    pub client_secret: Option<Secret>,
    /// Beside `openid`.
    pub scopes: Vec<String>,
}

/// The variables of one provider.
struct Names {
    slug: &'static str,
    issuer: &'static str,
    client_id: &'static str,
    client_secret: &'static str,
    name: &'static str,
    scopes: &'static str,
}

const PROVIDERS: [Names; 3] = [
    Names {
        slug: "oidc",
        issuer: "OIDC_ISSUER",
        client_id: "OIDC_CLIENT_ID",
        client_secret: "OIDC_CLIENT_SECRET",
        name: "OIDC_NAME",
        scopes: "OIDC_SCOPES",
    },
    Names {
        slug: "oidc-2",
        issuer: "OIDC_2_ISSUER",
        client_id: "OIDC_2_CLIENT_ID",
        client_secret: "OIDC_2_CLIENT_SECRET",
        name: "OIDC_2_NAME",
        scopes: "OIDC_2_SCOPES",
    },
    Names {
        slug: "oidc-3",
        issuer: "OIDC_3_ISSUER",
        client_id: "OIDC_3_CLIENT_ID",
        client_secret: "OIDC_3_CLIENT_SECRET",
        name: "OIDC_3_NAME",
        scopes: "OIDC_3_SCOPES",
    },
];

const SCOPES: [&str; 2] = ["email", "profile"];

pub(crate) fn read(reader: &mut Reader<'_>) -> Vec<OidcSettings> {
    let mut providers = Vec::new();
    for names in &PROVIDERS {
        let issuer = reader.optional(names.issuer, issuer);
        let client_id = reader.optional(names.client_id, graphic);
        let client_secret =
            reader.optional(names.client_secret, |text| graphic(text).map(Secret::new));
        let name = reader.optional(names.name, name);
        let scopes = reader.optional(names.scopes, scopes);
        let (issuer, client_id) = match (issuer, client_id) {
            (Some(issuer), Some(client_id)) => (issuer, client_id),
            (Some(_), None) => {
                missing(reader, names.client_id, names.issuer);
                continue;
            }
            (None, Some(_)) => {
                missing(reader, names.issuer, names.client_id);
                continue;
            }
            // The rest of a provider without these two says nothing.
            (None, None) => continue,
        };
        let host = Url::parse(&issuer).ok();
        let host = host.as_ref().and_then(Url::host_str).unwrap_or_default();
        providers.push(OidcSettings {
            slug: names.slug,
            name: name.unwrap_or_else(|| host.to_owned()),
            issuer,
            client_id,
            client_secret,
            scopes: scopes.unwrap_or_else(|| SCOPES.map(str::to_owned).to_vec()),
        });
    }
    providers
}

/// A setting whose value could not be read has its problem already.
fn missing(reader: &mut Reader<'_>, variable: &'static str, because: &str) {
    if reader.is_set(variable) {
        return;
    }
    reader.problems.push(SettingProblem::new(
        variable,
        format!("is not set, and {because} is"),
        "set OIDC_ISSUER and OIDC_CLIENT_ID together, or neither",
    ));
}

/// Kept as it is written: it is compared with what the provider says, letter by letter.
fn issuer(text: &str) -> Parsed<String> {
    let fits = |url: &Url| {
        matches!(url.scheme(), "http" | "https")
            && url.has_host()
            && url.query().is_none()
            && url.fragment().is_none()
            && url.username().is_empty()
            && url.password().is_none()
    };
    if Url::parse(text).ok().as_ref().is_some_and(fits) {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(
        "is not an issuer",
        "set the address that /.well-known/openid-configuration is under, such as \
         https://accounts.google.com",
    ))
}

fn graphic(text: &str) -> Parsed<String> {
    if !text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic()) {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(
        "has a space or a special character in it",
        "copy it from the provider again",
    ))
}

fn name(text: &str) -> Parsed<String> {
    let text = text.trim();
    if !text.is_empty() && text.chars().count() <= 40 && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err(Complaint::new(
        "is no name of a provider",
        "set what people call it, at most 40 characters",
    ))
}

/// Scopes with spaces or commas between them (RFC 6749, 3.3); `openid` is always asked for.
fn scopes(text: &str) -> Parsed<Vec<String>> {
    let plain = |b: u8| b.is_ascii_graphic() && !matches!(b, b'"' | b'\\');
    let items: Vec<&str> = text
        .split([' ', ','])
        .filter(|item| !item.is_empty() && *item != "openid")
        .collect();
    if items.iter().all(|item| item.bytes().all(plain)) {
        return Ok(items.into_iter().map(str::to_owned).collect());
    }
    Err(Complaint::new(
        "has a special character in it",
        "set scopes with spaces between them, such as email profile",
    ))
}
