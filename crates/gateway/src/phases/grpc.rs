//! Which API a gRPC call is for, when its address cannot say so: generated clients call
//! `/package.Service/Method`, whatever stands before the service being the connection's business.

use http::uri::PathAndQuery;
use http::{HeaderName, Request, Uri};

use super::locate::is_proxied;
use crate::grpc::Kind;

/// The metadata that names the API, by its id or slug.
static X_APIVERSE_API: HeaderName = HeaderName::from_static("x-apiverse-api");

/// Puts the API that the metadata names before the address of a gRPC call. Without it the call
/// goes to an API without a name, which does not exist: the control plane speaks no gRPC.
pub(crate) fn route_grpc<B>(request: &mut Request<B>) {
    let path = request.uri().path();
    if is_proxied(path) || Kind::of_headers(request.headers()) == Kind::Other {
        return;
    }
    let named = request.headers().get(&X_APIVERSE_API);
    let api = named.and_then(|value| value.to_str().ok()).unwrap_or("");
    // It becomes a part of the path, and must stay one.
    let is_name = api
        .bytes()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let api = if is_name { api } else { "" };
    let target = request
        .uri()
        .path_and_query()
        .map_or("/", PathAndQuery::as_str);
    let Ok(target) = format!("/proxy/{api}{target}").parse::<PathAndQuery>() else {
        return;
    };
    let mut parts = request.uri().clone().into_parts();
    parts.path_and_query = Some(target);
    if let Ok(uri) = Uri::from_parts(parts) {
        *request.uri_mut() = uri;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(path: &str, kind: &str, api: Option<&str>) -> String {
        let mut request = Request::post(path).header("content-type", kind);
        if let Some(api) = api {
            request = request.header("x-apiverse-api", api);
        }
        let mut request = request.body(()).unwrap();
        route_grpc(&mut request);
        request.uri().to_string()
    }

    #[test]
    fn metadata_names_the_api() {
        let grpc = "application/grpc+proto";
        assert_eq!(routed("/a.B/C", grpc, Some("x")), "/proxy/x/a.B/C");
        assert_eq!(routed("/a.B/C", grpc, None), "/proxy//a.B/C");
        assert_eq!(routed("/a.B/C", grpc, Some("x/../y")), "/proxy//a.B/C");
        assert_eq!(routed("/proxy/y/a.B/C", grpc, Some("x")), "/proxy/y/a.B/C");
        assert_eq!(routed("/apis", "application/json", Some("x")), "/apis");
        assert_eq!(
            routed("http://h:1/a.B/C", grpc, Some("x")),
            "http://h:1/proxy/x/a.B/C"
        );
    }
}
