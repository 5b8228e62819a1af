//! `authorize`: what the key may do, and whether the API is there for anyone.

use http::Method;

use super::identify::Identified;
use super::refusal::Refusal;

pub(crate) fn authorize(identified: &Identified, method: &Method) -> Result<(), Refusal> {
    let Identified { key, api, .. } = identified;
    if !key.allows_api(api.id) {
        return Err(Refusal::KeyNotForApi);
    }
    if !key.allows_method(method) {
        return Err(Refusal::KeyNotForMethod);
    }
    if !api.is_active {
        return Err(Refusal::ApiDisabled);
    }
    Ok(())
}
