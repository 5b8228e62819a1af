//! Events of one thread until they are handed over.

use std::ops::Range;

use apiverse_contract::{ApiId, ErrorCode, KeyId, OrganizationId, UsageEventId};
use apiverse_store::UsageRow;
use http::Method;

/// Longest path that is kept; the rest is cut off.
const MAX_PATH: usize = 2048;

/// One call, as it is over.
pub(crate) struct Event<'a> {
    pub(crate) id: UsageEventId,
    pub(crate) organization_id: OrganizationId,
    pub(crate) api_id: Option<ApiId>,
    pub(crate) key_id: Option<KeyId>,
    pub(crate) request_id: &'a str,
    /// Microseconds since 1970.
    pub(crate) started_at_us: i64,
    pub(crate) method: &'a Method,
    /// Below the API, without the query.
    pub(crate) path: &'a str,
    pub(crate) status: u16,
    pub(crate) error: Option<ErrorCode>,
    pub(crate) latency_us: i64,
    pub(crate) upstream_us: Option<i64>,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) refused: bool,
}

/// Events with their texts side by side in one buffer: taking one down allocates nothing, and
/// pins none of the buffers that requests were read into.
#[derive(Default)]
pub(crate) struct Batch {
    rows: Vec<Compact>,
    text: String,
}

struct Compact {
    id: UsageEventId,
    organization_id: OrganizationId,
    api_id: Option<ApiId>,
    key_id: Option<KeyId>,
    started_at_us: i64,
    latency_us: i64,
    upstream_us: Option<i64>,
    bytes_in: u64,
    bytes_out: u64,
    request_id: Range<u32>,
    path: Range<u32>,
    method: Method,
    status: u16,
    error: Option<ErrorCode>,
    refused: bool,
}

impl Batch {
    pub(crate) fn len(&self) -> usize {
        self.rows.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    pub(crate) fn push(&mut self, event: Event<'_>) {
        let request_id = self.keep(event.request_id);
        let path = self.keep(cut(event.path, MAX_PATH));
        self.rows.push(Compact {
            id: event.id,
            organization_id: event.organization_id,
            api_id: event.api_id,
            key_id: event.key_id,
            started_at_us: event.started_at_us,
            latency_us: event.latency_us,
            upstream_us: event.upstream_us,
            bytes_in: event.bytes_in,
            bytes_out: event.bytes_out,
            request_id,
            path,
            method: event.method.clone(),
            status: event.status,
            error: event.error,
            refused: event.refused,
        });
    }

    /// The events in the form they are stored in, in the order they came.
    pub(crate) fn into_rows(self) -> impl Iterator<Item = UsageRow> {
        let text = self.text;
        self.rows.into_iter().map(move |row| {
            let get =
                |range: &Range<u32>| text[range.start as usize..range.end as usize].to_owned();
            UsageRow {
                id: row.id,
                organization_id: row.organization_id,
                api_id: row.api_id,
                key_id: row.key_id,
                request_id: get(&row.request_id),
                started_at_us: row.started_at_us,
                method: row.method.as_str().to_owned(),
                path: get(&row.path),
                status: i32::from(row.status),
                error_code: row.error.map(|code| code.as_str().to_owned()),
                latency_us: row.latency_us,
                upstream_us: row.upstream_us,
                bytes_in: i64::try_from(row.bytes_in).unwrap_or(i64::MAX),
                bytes_out: i64::try_from(row.bytes_out).unwrap_or(i64::MAX),
                refused: row.refused,
            }
        })
    }

    fn keep(&mut self, text: &str) -> Range<u32> {
        // A batch is handed over long before its texts have 4 GiB.
        let at = |len: usize| u32::try_from(len).unwrap_or(u32::MAX);
        let start = at(self.text.len());
        self.text.push_str(text);
        start..at(self.text.len())
    }
}

/// At most `max` bytes of `text`, ending between characters.
fn cut(text: &str, max: usize) -> &str {
    &text[..text.floor_char_boundary(max)]
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    #[test]
    fn texts_come_back_as_they_went_in() {
        let mut batch = Batch::default();
        let long = "ä".repeat(MAX_PATH);
        for (number, path) in ["/a", "", &long].into_iter().enumerate() {
            batch.push(Event {
                id: UsageEventId(Uuid::from_u128(number as u128)),
                organization_id: OrganizationId(Uuid::nil()),
                api_id: None,
                key_id: None,
                request_id: &format!("r-{number}"),
                started_at_us: 5,
                method: &Method::GET,
                path,
                status: 502,
                error: Some(ErrorCode::UpstreamUnreachable),
                latency_us: 1,
                upstream_us: None,
                bytes_in: u64::MAX,
                bytes_out: 2,
                refused: false,
            });
        }
        assert_eq!(batch.len(), 3);
        let rows: Vec<UsageRow> = batch.into_rows().collect();
        assert_eq!(rows[0].path, "/a");
        assert_eq!(rows[0].error_code.as_deref(), Some("upstream_unreachable"));
        assert_eq!(rows[0].bytes_in, i64::MAX);
        assert_eq!(
            (rows[1].path.as_str(), rows[1].request_id.as_str()),
            ("", "r-1")
        );
        assert_eq!(rows[2].path, "ä".repeat(MAX_PATH / 2));
    }
}
