//! The forms of an API key: making, changing, rotating.

use apiverse_contract::keys::{CreateApiKey, Environment, PatchApiKey, RotateApiKey};
use apiverse_contract::patch::Patch;
use apiverse_contract::{ApiId, FieldError};
use chrono::{DateTime, Duration, Utc};

use super::{Fields, words};
use crate::format::parse_input_minute;

/// Days a new key may be chosen to live; the form also offers a time of one's own, and for ever.
pub const LIFETIMES: [(&str, &str); 5] = [
    ("7", "7 days"),
    ("30", "30 days"),
    ("90", "90 days"),
    ("180", "180 days"),
    ("365", "1 year"),
];

/// Seconds the old secret may go on working after a rotation.
pub const GRACES: [(&str, &str); 4] = [
    ("0", "Stop at once"),
    ("3600", "1 hour"),
    ("86400", "1 day"),
    ("604800", "7 days"),
];

/// # Errors
/// Fields that hold no value of their kind. All else is the service's to check.
pub fn create(fields: &Fields, now: DateTime<Utc>) -> Result<CreateApiKey, Vec<FieldError>> {
    let environment = match fields.text("environment").as_str() {
        "" => Environment::default(),
        text => Environment::parse(text)
            .ok_or_else(|| vec![FieldError::new("environment", "must be live or test")])?,
    };
    let expires_at = match fields.text("lifetime").as_str() {
        "" | "never" => None,
        "custom" => Some(
            parse_input_minute(fields.raw("expires_at"))
                .ok_or_else(|| vec![FieldError::new("expires_at", "must be a date and a time")])?,
        ),
        days => match days.parse::<u16>() {
            Ok(days) => Some(now + Duration::days(i64::from(days))),
            Err(_) => {
                return Err(vec![FieldError::new(
                    "expires_at",
                    "must be one of the list",
                )]);
            }
        },
    };
    Ok(CreateApiKey {
        name: fields.text("name"),
        environment,
        expires_at,
        api_ids: api_ids(fields)?,
        methods: fields.all("methods").map(str::to_owned).collect(),
        scopes: words(fields.raw("scopes")),
        allowed_ips: words(fields.raw("allowed_ips")),
    })
}

/// # Errors
/// As for [`create`].
pub fn patch(fields: &Fields) -> Result<PatchApiKey, Vec<FieldError>> {
    let expires = fields.text("expires_at");
    let expires_at = if expires == fields.text("expires_was") {
        // The field holds minutes only: an untouched one must not cut the seconds off.
        Patch::Absent
    } else if expires.is_empty() {
        Patch::Null
    } else {
        Patch::Value(
            parse_input_minute(&expires)
                .ok_or_else(|| vec![FieldError::new("expires_at", "must be a date and a time")])?,
        )
    };
    Ok(PatchApiKey {
        name: Some(fields.text("name")),
        expires_at,
        api_ids: Some(api_ids(fields)?),
        methods: Some(fields.all("methods").map(str::to_owned).collect()),
        scopes: Some(words(fields.raw("scopes"))),
        allowed_ips: Some(words(fields.raw("allowed_ips"))),
    })
}

/// # Errors
/// When the grace is not a number.
pub fn rotate(fields: &Fields) -> Result<RotateApiKey, Vec<FieldError>> {
    Ok(RotateApiKey {
        grace_seconds: fields
            .number("grace_seconds")
            .map_err(|error| vec![error])?,
    })
}

/// With "all APIs" chosen, ticks of the list below it do not count.
fn api_ids(fields: &Fields) -> Result<Vec<ApiId>, Vec<FieldError>> {
    if fields.raw("api_scope") != "some" {
        return Ok(Vec::new());
    }
    let mut ids = Vec::new();
    for text in fields.all("api_ids") {
        match text.parse() {
            Ok(id) => ids.push(id),
            Err(_) => return Err(vec![FieldError::new("api_ids", "must be ids of APIs")]),
        }
    }
    if ids.is_empty() {
        // An empty list means "all" to the service: the opposite of what was chosen.
        return Err(vec![FieldError::new("api_ids", "choose at least one API")]);
    }
    Ok(ids)
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

    fn now() -> DateTime<Utc> {
        "2025-11-05T14:03:22Z".parse().expect("a time")
    }

    #[test]
    fn lifetimes_count_from_now() {
        let key = create(&fields(&[("name", "k"), ("lifetime", "30")]), now()).expect("a key");
        assert_eq!(
            key.expires_at,
            "2025-12-05T14:03:22Z".parse::<DateTime<Utc>>().ok()
        );
        let key = create(&fields(&[("name", "k"), ("lifetime", "never")]), now()).expect("a key");
        assert_eq!(key.expires_at, None);
        let bad = create(
            &fields(&[("lifetime", "custom"), ("expires_at", "")]),
            now(),
        );
        assert_eq!(bad.expect_err("no date")[0].field, "expires_at");
    }

    #[test]
    fn some_apis_without_a_tick_is_not_all_apis() {
        let bad = create(&fields(&[("name", "k"), ("api_scope", "some")]), now());
        assert_eq!(bad.expect_err("no API")[0].field, "api_ids");
        let all = create(
            &fields(&[("api_scope", "all"), ("api_ids", "left over")]),
            now(),
        );
        assert!(all.expect("a key").api_ids.is_empty());
    }

    #[test]
    fn an_untouched_expiry_stays() {
        let same = [
            ("name", "k"),
            ("expires_at", "2025-12-05T14:03"),
            ("expires_was", "2025-12-05T14:03"),
        ];
        assert!(
            patch(&fields(&same))
                .expect("a patch")
                .expires_at
                .is_absent()
        );
        let cleared = [("expires_at", ""), ("expires_was", "2025-12-05T14:03")];
        let patch = patch(&fields(&cleared)).expect("a patch");
        assert!(patch.expires_at == Patch::Null);
    }
}
