//! The console's server functions, for the document.

use utoipa::openapi::path::OperationBuilder;
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::{
    ContentBuilder, HttpMethod, ObjectBuilder, OpenApi, PathItem, Ref, RefOr, Required,
    ResponseBuilder, ResponsesBuilder, Schema,
};

/// A server function of the console: `POST` with JSON in and out.
#[derive(Clone, Copy, Debug)]
pub struct ServerFunction {
    /// The whole path: `/api/fn/apis/create`.
    pub path: &'static str,
    /// What it does, in a few words.
    pub summary: &'static str,
    /// Name of the request's schema in the document (`CreateApi`); `None` without a body.
    pub input: Option<&'static str>,
    /// Name of the answer's schema; `None` when it answers nothing.
    pub output: Option<&'static str>,
}

/// The console's server functions, which this crate does not know.
#[derive(Clone, Default)]
pub struct ServerFunctions {
    pub functions: Vec<ServerFunction>,
    /// By name: the schemas they use and all that those refer to.
    pub schemas: Vec<(String, RefOr<Schema>)>,
}

impl ServerFunctions {
    /// For a service without a console.
    pub const NONE: &Self = &Self {
        functions: Vec::new(),
        schemas: Vec::new(),
    };
}

// The schemas have no `Debug`.
impl std::fmt::Debug for ServerFunctions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(&self.functions).finish()
    }
}

pub fn add(document: &mut OpenApi, console: &ServerFunctions) {
    let components = document.components.get_or_insert_default();
    for (name, schema) in &console.schemas {
        // A type that the REST API has too stays as it is there.
        let place = components.schemas.entry(name.clone());
        place.or_insert_with(|| schema.clone());
    }
    for function in &console.functions {
        let input = function.input.map(|name| schema(document, name));
        let output = function.output.map(|name| schema(document, name));
        let name = function
            .path
            .trim_start_matches("/api/fn/")
            .replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let mut answer = ResponseBuilder::new().description("Done");
        if let Some(schema) = output {
            answer = answer.content("application/json", content(schema));
        }
        let problem = schema(document, "Problem");
        let operation = OperationBuilder::new()
            .operation_id(Some(format!("console_{name}")))
            .tag("console")
            .summary(Some(function.summary))
            .request_body(input.map(|schema| {
                RequestBodyBuilder::new()
                    .content("application/json", content(schema))
                    .required(Some(Required::True))
                    .build()
            }))
            .responses(
                ResponsesBuilder::new()
                    .response("200", answer.build())
                    .response(
                        "default",
                        ResponseBuilder::new()
                            .description("A problem")
                            .content("application/problem+json", content(problem))
                            .build(),
                    )
                    .build(),
            )
            .build();
        document.paths.paths.insert(
            function.path.to_owned(),
            PathItem::new(HttpMethod::Post, operation),
        );
    }
}

fn content(schema: RefOr<Schema>) -> utoipa::openapi::Content {
    ContentBuilder::new().schema(Some(schema)).build()
}

/// A reference if the document has the schema, else any object.
fn schema(document: &OpenApi, name: &str) -> RefOr<Schema> {
    let known = document
        .components
        .as_ref()
        .is_some_and(|components| components.schemas.contains_key(name));
    if known {
        return Ref::from_schema_name(name).into();
    }
    ObjectBuilder::new()
        .schema_type(SchemaType::new(Type::Object))
        .build()
        .into()
}
