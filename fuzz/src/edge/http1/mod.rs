#[path = "../../../../crates/gateway/src/edge/http1/answer.rs"]
mod answer;
#[path = "../../../../crates/gateway/src/edge/http1/checks.rs"]
pub mod checks;
#[path = "../../../../crates/gateway/src/edge/http1/chunked.rs"]
mod chunked;
#[path = "../../../../crates/gateway/src/edge/http1/field.rs"]
mod field;
#[path = "../../../../crates/gateway/src/edge/http1/request.rs"]
mod request;
#[path = "../../../../crates/gateway/src/edge/http1/scan.rs"]
mod scan;

/// The one function of the gateway's file that these need.
mod prepare {
    pub(in crate::edge) fn push_field(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}
