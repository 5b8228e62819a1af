//! Where reports are kept.

use std::time::Duration;

use crate::inputs::Inputs;
use crate::parse::{self, Complaint, Parsed};
use crate::problem::SettingProblem;
use crate::read::Reader;
use crate::settings::{ReportSettings, ReportStoreSettings};

pub(crate) fn read(reader: &mut Reader<'_>, inputs: &Inputs) -> ReportSettings {
    let unread = Place::Folder(String::new());
    let store = match reader.required("REPORT_STORE", unread, place) {
        Place::Folder(path) => ReportStoreSettings::Folder(inputs.path(&path)),
        Place::S3 { bucket, prefix } => {
            for variable in ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
                if !reader.is_set(variable) {
                    reader.problems.push(SettingProblem::new(
                        variable,
                        "is not set, and REPORT_STORE is a bucket",
                        format!("set {variable}, or a folder as REPORT_STORE"),
                    ));
                }
            }
            ReportStoreSettings::S3 { bucket, prefix }
        }
    };
    let days = reader.required("REPORT_RETENTION_DAYS", 400, parse::number(1..=36_500));
    ReportSettings {
        store,
        retention: Duration::from_secs(days * 86_400),
    }
}

#[derive(Debug, PartialEq)]
enum Place {
    Folder(String),
    S3 { bucket: String, prefix: String },
}

/// A folder, or `s3://bucket/prefix`.
fn place(text: &str) -> Parsed<Place> {
    let Some(rest) = text.strip_prefix("s3://") else {
        if text.contains("://") {
            return Err(Complaint::new(
                "is neither a folder nor a bucket",
                "set a path such as data/reports, or s3://bucket/prefix",
            ));
        }
        return Ok(Place::Folder(text.to_owned()));
    };
    let (bucket, prefix) = rest.split_once('/').unwrap_or((rest, ""));
    let prefix = prefix.trim_matches('/');
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'.');
    let part = |part: &str| {
        !part.is_empty()
            && part != "."
            && part != ".."
            && part
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.=".contains(&b))
    };
    let fits = (3..=63).contains(&bucket.len())
        && bucket.bytes().all(plain)
        && (prefix.is_empty() || prefix.split('/').all(part));
    if !fits {
        return Err(Complaint::new(
            "is not the address of a bucket",
            "set s3://bucket or s3://bucket/prefix, the prefix of letters, digits, - _ . = and /",
        ));
    }
    Ok(Place::S3 {
        bucket: bucket.to_owned(),
        prefix: prefix.to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_or_a_bucket() {
        let s3 = |bucket: &str, prefix: &str| {
            Ok(Place::S3 {
                bucket: bucket.to_owned(),
                prefix: prefix.to_owned(),
            })
        };
        assert_eq!(
            place("var/reports"),
            Ok(Place::Folder("var/reports".to_owned()))
        );
        assert_eq!(place("s3://acme"), s3("acme", ""));
        assert_eq!(place("s3://acme/a/b/"), s3("acme", "a/b"));
        for bad in [
            "s3://",
            "s3://ab",
            "s3://Acme",
            "s3://acme/../x",
            "s3://acme/a//b",
            "s3://acme/ä",
            "gs://acme",
        ] {
            assert!(place(bad).is_err(), "{bad}");
        }
    }
}
