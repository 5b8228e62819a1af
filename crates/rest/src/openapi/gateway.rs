//! The data plane's one address, for the document.

use apiverse_contract::ErrorCode;
use utoipa::openapi::path::{OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::{
    HttpMethod, ObjectBuilder, OpenApi, PathItem, Required, ResponseBuilder, ResponsesBuilder,
    schema::{SchemaType, Type},
};

use super::problems::responses;
use super::requirement;

/// What the gateway itself may answer; all else is the upstream's.
const CODES: &[ErrorCode] = &[
    ErrorCode::InvalidRequest,
    ErrorCode::InvalidPath,
    ErrorCode::MissingApiKey,
    ErrorCode::InvalidApiKey,
    ErrorCode::ExpiredApiKey,
    ErrorCode::KeyNotAllowed,
    ErrorCode::IpNotAllowed,
    ErrorCode::ApiNotFound,
    ErrorCode::BodyTooLarge,
    ErrorCode::BudgetExceeded,
    ErrorCode::UpstreamUnreachable,
    ErrorCode::UpstreamBlocked,
    ErrorCode::UpstreamAuthFailed,
    ErrorCode::CircuitOpen,
    ErrorCode::ApiDisabled,
    ErrorCode::UpstreamTimeout,
];

const METHODS: [(HttpMethod, &str); 5] = [
    (HttpMethod::Get, "get"),
    (HttpMethod::Post, "post"),
    (HttpMethod::Put, "put"),
    (HttpMethod::Patch, "patch"),
    (HttpMethod::Delete, "delete"),
];

pub fn add(document: &mut OpenApi) {
    let mut item = PathItem::default();
    for (method, name) in METHODS {
        let operation = OperationBuilder::new()
            .operation_id(Some(format!("proxy_{name}")))
            .tag("gateway")
            .summary(Some("Call an API"))
            .description(Some(
                "Any method. What is below the API's name, the query and the body go to the \
                 upstream byte for byte, its answer comes back the same way. An answer of the \
                 gateway's own carries `X-Apiverse-Error` with the code.",
            ))
            .parameter(parameter("api", "Slug or id of the API"))
            .parameter(parameter("path", "Path below the API's base address"))
            .responses(
                ResponsesBuilder::new()
                    .responses_from_iter(responses(&[CODES]))
                    .response(
                        "default",
                        ResponseBuilder::new()
                            .description("The upstream's own answer")
                            .build(),
                    )
                    .build(),
            )
            .security(requirement("consumer_key"))
            .build();
        item.merge_operations(PathItem::new(method, operation));
    }
    document
        .paths
        .paths
        .insert("/proxy/{api}/{path}".to_owned(), item);
}

fn parameter(name: &str, description: &str) -> utoipa::openapi::path::Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Path)
        .required(Required::True)
        .description(Some(description))
        .schema(Some(
            ObjectBuilder::new().schema_type(SchemaType::new(Type::String)),
        ))
        .build()
}
