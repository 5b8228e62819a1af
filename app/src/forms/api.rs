//! The form of an API.

use apiverse_contract::FieldError;
use apiverse_contract::apis::{ApiLimits, AuthType, CreateApi, PatchApi};
use apiverse_contract::patch::Patch;
use serde_json::{Map, Value};

use super::Fields;

/// The fields of each authentication type; secrets may stay empty when an API is edited.
const AUTH_FIELDS: [(AuthType, &[&str]); 5] = [
    (AuthType::None, &[]),
    (AuthType::ApiKey, &["name", "value", "in"]),
    (AuthType::Bearer, &["token"]),
    (AuthType::Basic, &["username", "password"]),
    (
        AuthType::Oauth2,
        &[
            "token_url",
            "client_id",
            "client_secret",
            "scope",
            "audience",
        ],
    ),
];

/// # Errors
/// Fields that hold no value of their kind. All else is the service's to check.
pub fn create(fields: &Fields) -> Result<CreateApi, Vec<FieldError>> {
    let (auth_type, auth_config) = auth(fields)?;
    Ok(CreateApi {
        name: fields.text("name"),
        slug: fields.optional("slug"),
        description: fields.optional("description"),
        base_url: fields.text("base_url"),
        auth_type,
        auth_config,
        is_active: true,
        allow_query_key: fields.flag("allow_query_key"),
        limits: limits(fields)?,
    })
}

/// # Errors
/// As for [`create`].
pub fn patch(fields: &Fields) -> Result<PatchApi, Vec<FieldError>> {
    let (auth_type, auth_config) = auth(fields)?;
    Ok(PatchApi {
        name: Some(fields.text("name")),
        slug: Some(fields.text("slug")),
        description: fields
            .optional("description")
            .map_or(Patch::Null, Patch::Value),
        base_url: Some(fields.text("base_url")),
        auth_type: Some(auth_type),
        auth_config,
        is_active: None,
        allow_query_key: Some(fields.flag("allow_query_key")),
        limits: Some(limits(fields)?),
    })
}

fn auth(fields: &Fields) -> Result<(AuthType, Option<Value>), Vec<FieldError>> {
    let text = fields.text("auth_type");
    let auth_type = if text.is_empty() {
        AuthType::None
    } else {
        AuthType::parse(&text)
            .ok_or_else(|| vec![FieldError::new("auth_type", "must be one of the five")])?
    };
    let names = AUTH_FIELDS
        .iter()
        .find(|(other, _)| *other == auth_type)
        .map_or(&[][..], |(_, names)| names);
    let mut config = Map::new();
    for name in names {
        // A secret is taken as typed: white space at its ends may belong to it.
        let value = fields.raw(&format!("auth_config.{name}"));
        if !value.trim().is_empty() {
            config.insert((*name).to_owned(), Value::String(value.to_owned()));
        }
    }
    let config = (auth_type != AuthType::None).then_some(Value::Object(config));
    Ok((auth_type, config))
}

fn limits(fields: &Fields) -> Result<ApiLimits, Vec<FieldError>> {
    let mut errors = Vec::new();
    let mut ms = |name: &str| match fields.number::<u32>(name) {
        Ok(number) => number,
        Err(error) => {
            errors.push(error);
            None
        }
    };
    let mut limits = ApiLimits {
        connect_timeout_ms: ms("limits.connect_timeout_ms"),
        first_byte_timeout_ms: ms("limits.first_byte_timeout_ms"),
        idle_timeout_ms: ms("limits.idle_timeout_ms"),
        max_body_bytes: None,
    };
    match fields.number::<u64>("limits.max_body_bytes") {
        Ok(number) => limits.max_body_bytes = number,
        Err(error) => errors.push(error),
    }
    if errors.is_empty() {
        Ok(limits)
    } else {
        Err(errors)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields(pairs: &[(&str, &str)]) -> Fields {
        Fields(
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
        )
    }

    #[test]
    fn only_the_fields_of_the_chosen_type_are_read() {
        let api = create(&fields(&[
            ("name", " Weather "),
            ("base_url", "https://w.example"),
            ("slug", ""),
            ("auth_type", "bearer"),
            ("auth_config.token", "t"),
            ("auth_config.username", "left over"),
        ]))
        .expect("a form that can be read");
        assert_eq!(api.name, "Weather");
        assert_eq!(api.slug, None);
        assert_eq!(api.auth_config, Some(json!({ "token": "t" })));
        assert!(!api.allow_query_key);
    }

    #[test]
    fn an_empty_secret_is_left_to_the_service() {
        let api = patch(&fields(&[
            ("name", "W"),
            ("auth_type", "basic"),
            ("auth_config.username", "u"),
            ("auth_config.password", ""),
        ]))
        .expect("a form that can be read");
        assert_eq!(api.auth_config, Some(json!({ "username": "u" })));
    }

    #[test]
    fn every_bad_number_is_told() {
        let errors = create(&fields(&[
            ("limits.connect_timeout_ms", "soon"),
            ("limits.max_body_bytes", "1 MB"),
        ]))
        .expect_err("two errors");
        let names: Vec<&str> = errors.iter().map(|e| e.field.as_str()).collect();
        assert_eq!(
            names,
            ["limits.connect_timeout_ms", "limits.max_body_bytes"]
        );
    }
}
