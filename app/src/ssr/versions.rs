//! Versions as the pages show them, and making them.

use apiverse_contract::patch::Patch;
use apiverse_contract::versions::{CallersQuery, CreateVersion, PatchVersion};
use apiverse_contract::{ApiId, FieldError, Problem};
use chrono::{DateTime, Utc};

use super::call::{Member, fail, invalid, problem_of};
use crate::format::parse_input_minute;
use crate::forms::Fields;
use crate::rpc::Rpc;
use crate::rpc::versions::{SaveVersion, VersionDetail, VersionRef, Versions};

/// # Errors
/// What the platform refuses.
pub async fn list(member: &Member, api_id: ApiId) -> Rpc<Versions> {
    let Member { platform, actor } = member;
    let versions = platform.version_list(actor, api_id).await.map_err(fail)?;
    let versioning = platform.versioning_get(actor, api_id).await.map_err(fail)?;
    Ok(Versions {
        versions,
        versioning,
    })
}

/// # Errors
/// What the platform refuses.
pub async fn one(member: &Member, which: VersionRef) -> Rpc<VersionDetail> {
    let Member { platform, actor } = member;
    let VersionRef { api_id, id } = which;
    let api = platform.api_get(actor, api_id).await.map_err(fail)?;
    let version = platform
        .version_get(actor, api_id, id)
        .await
        .map_err(fail)?;
    let versioning = platform.versioning_get(actor, api_id).await.map_err(fail)?;
    let callers = platform
        .version_callers(actor, api_id, id, CallersQuery::default())
        .await
        .map_err(fail)?;
    Ok(VersionDetail {
        api_name: api.name,
        api_slug: api.slug,
        version,
        versioning,
        callers,
    })
}

/// # Errors
/// Fields that are not acceptable, and what the platform refuses.
pub async fn save(member: &Member, input: SaveVersion) -> Result<VersionRef, Problem> {
    let Member { platform, actor } = member;
    let SaveVersion { api_id, id, fields } = input;
    let fields = Fields(fields);
    let saved = match id {
        Some(id) => {
            let patch = patch(&fields).map_err(invalid)?;
            let patched = platform.version_patch(actor, api_id, id, patch).await;
            patched.map_err(problem_of)?
        }
        None => {
            let version = create(&fields).map_err(invalid)?;
            let created = platform.version_create(actor, api_id, version).await;
            created.map_err(problem_of)?
        }
    };
    Ok(VersionRef {
        api_id,
        id: saved.id,
    })
}

/// Fields that hold no value of their kind are told. All else is the service's to check.
fn create(fields: &Fields) -> Result<CreateVersion, Vec<FieldError>> {
    let End {
        deprecated_at,
        sunset_at,
    } = end(fields)?;
    Ok(CreateVersion {
        name: fields.text("name"),
        base_url: fields.text("base_url"),
        deprecated_at,
        sunset_at,
        refuse_after_sunset: fields.flag("refuse_after_sunset"),
        link: fields.optional("link"),
    })
}

/// Of the version `default` the form has no name and no base URL.
fn patch(fields: &Fields) -> Result<PatchVersion, Vec<FieldError>> {
    let End {
        deprecated_at,
        sunset_at,
    } = end(fields)?;
    Ok(PatchVersion {
        name: fields.optional("name"),
        base_url: fields.optional("base_url"),
        deprecated_at: whole(deprecated_at),
        sunset_at: whole(sunset_at),
        refuse_after_sunset: Some(fields.flag("refuse_after_sunset")),
        link: whole(fields.optional("link")),
    })
}

/// An empty field takes the value away.
fn whole<T>(value: Option<T>) -> Patch<T> {
    value.map_or(Patch::Null, Patch::Value)
}

struct End {
    deprecated_at: Option<DateTime<Utc>>,
    sunset_at: Option<DateTime<Utc>>,
}

fn end(fields: &Fields) -> Result<End, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut time = |name: &str| {
        fields.optional(name)?;
        let time = parse_input_minute(fields.raw(name));
        if time.is_none() {
            errors.push(FieldError::new(name, "must be a date and a time"));
        }
        time
    };
    let end = End {
        deprecated_at: time("deprecated_at"),
        sunset_at: time("sunset_at"),
    };
    if errors.is_empty() {
        Ok(end)
    } else {
        Err(errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn an_empty_time_is_taken_away_and_a_wrong_one_is_told() {
        let patch = patch(&fields(&[("sunset_at", ""), ("link", "https://a.example")])).unwrap();
        assert_eq!(patch.sunset_at, Patch::Null);
        assert_eq!(patch.link, Patch::Value("https://a.example".to_owned()));
        assert_eq!(patch.name, None);
        let errors = create(&fields(&[("deprecated_at", "soon")])).unwrap_err();
        assert_eq!(errors[0].field, "deprecated_at");
    }
}
