//! `refuse`: the answer of a call that ends here, and what its record says.

use apiverse_contract::ErrorCode;
use http::{HeaderValue, Response, header};
use http_body::Body;

use super::refusal::Refusal;
use crate::body::GatewayBody;
use crate::call::CallRecord;
use crate::grpc;
use crate::limits::add_fields;
use crate::transform::refusal_cors;

pub(super) fn refuse(
    mut record: Box<CallRecord>,
    refusal: &Refusal,
    has_body: bool,
) -> Response<GatewayBody> {
    let response = note_refusal(&mut record, refusal);
    if has_body {
        record.peer.linger();
    }
    response
}

/// Notes on the record why the call ends, and makes the answer that says so.
pub(crate) fn note_refusal(record: &mut CallRecord, refusal: &Refusal) -> Response<GatewayBody> {
    let code = refusal.code();
    if refusal.is_upstream_fault() {
        tracing::info!(
            request_id = ?record.request_id,
            api_id = record.api.as_ref().map(|api| tracing::field::display(api.id)),
            code = code.as_str(),
            error = %causes(refusal),
            "a call was not answered by its upstream"
        );
    }
    record.status = code.status();
    record.error = Some(code);
    record.refused = refusal.is_before_upstream();
    if let Refusal::Limited(refusal) = refusal {
        record.notes.refused_levels.clone_from(&refusal.levels);
    }
    let mut response = refusal.answer(&record.request_id, &record.method);
    if let Some(grant) = &record.grant {
        add_fields(&grant.fields, response.headers_mut());
    }
    if record.grpc != grpc::Kind::Other {
        grpc::refuse(&mut response, code, &refusal.external(), record.grpc);
    }
    if record.applied.is_none() {
        refusal_cors(record, response.headers_mut());
    }
    record.bytes_out = response.body().size_hint().lower();
    if code == ErrorCode::MethodNotAllowed {
        let allowed = "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS, TRACE";
        response
            .headers_mut()
            .insert(header::ALLOW, HeaderValue::from_static(allowed));
    }
    response
}

/// An error and what led to it.
fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
