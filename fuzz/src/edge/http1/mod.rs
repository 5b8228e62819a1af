#[path = "../../../../crates/gateway/src/edge/http1/answer.rs"]
mod answer;
#[path = "../../../../crates/gateway/src/edge/http1/checks.rs"]
pub mod checks;
#[path = "../../../../crates/gateway/src/edge/http1/chunked.rs"]
mod chunked;
#[path = "../../../../crates/gateway/src/edge/http1/field.rs"]
mod field;
#[path = "../../../../crates/gateway/src/edge/http1/lines.rs"]
mod lines;
#[path = "../../../../crates/gateway/src/edge/http1/request.rs"]
mod request;
#[path = "../../../../crates/gateway/src/edge/http1/scan.rs"]
mod scan;
