//! Secrets inside policies: encrypted before a document is stored, and never shown otherwise.

use apiverse_connectors::tls::{OwnTls, own_config};
use apiverse_contract::policies::UpstreamPolicy;
use apiverse_contract::policies::upstream::SEALED;
use apiverse_contract::{FieldError, OrganizationId};
use apiverse_settings::vault::Vault;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const CLIENT_KEY: &str = "tls.client_key";

/// Checks the certificates of a policy, and encrypts the client's key. One that is encrypted
/// already stays as it is; and so does the stored one (`known`) when it is the same key, so that
/// the same document changes nothing.
///
/// # Errors
/// Fields that are not acceptable.
pub(crate) fn seal_client_key(
    document: &mut UpstreamPolicy,
    known: Option<&str>,
    organization_id: OrganizationId,
    vault: &Vault,
) -> Result<(), FieldError> {
    let Some(tls) = &mut document.tls else {
        return Ok(());
    };
    let context = context(organization_id);
    let key = match &tls.client_key {
        None => None,
        Some(text) => match text.strip_prefix(SEALED) {
            None => Some(Zeroizing::new(text.clone())),
            Some(_) => Some(open(text, &context, vault).ok_or_else(|| {
                FieldError::new(CLIENT_KEY, "was not encrypted here; send the key itself")
            })?),
        },
    };
    let client = match (&tls.client_certificate, &key) {
        (Some(chain), Some(key)) => Some((chain.as_str(), key.as_str())),
        _ => None,
    };
    let own = OwnTls {
        ca: tls.ca.as_deref(),
        client,
        accepts_any: !tls.verify,
    };
    own_config(&own, &[]).map_err(|error| FieldError::new("tls", error.to_string()))?;
    let (Some(text), Some(key)) = (&mut tls.client_key, key) else {
        return Ok(());
    };
    if text.starts_with(SEALED) {
        return Ok(());
    }
    let is_same = |known: &&str| open(known, &context, vault).is_some_and(|known| known == key);
    *text = match known.filter(is_same) {
        Some(known) => known.to_owned(),
        None => {
            let sealed = vault.seal(context.as_bytes(), key.as_bytes());
            format!("{SEALED}{}", STANDARD.encode(sealed))
        }
    };
    Ok(())
}

/// As the gateway opens it.
fn context(organization_id: OrganizationId) -> String {
    format!("policies.upstream.tls:{organization_id}")
}

fn open(text: &str, context: &str, vault: &Vault) -> Option<Zeroizing<String>> {
    let sealed = STANDARD.decode(text.strip_prefix(SEALED)?).ok()?;
    let opened = vault.open(context.as_bytes(), &sealed).ok()?;
    let text = std::str::from_utf8(&opened).ok()?;
    Some(Zeroizing::new(text.to_owned()))
}
