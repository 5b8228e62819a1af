//! One token from one token endpoint.

use std::time::Duration;

use apiverse_contract::ErrorCode;
use reqwest::header;
use url::{Url, form_urlencoded};
use zeroize::Zeroizing;

use super::answer::{error_code, parse_token};
use crate::egress::EgressPolicy;
use crate::http::{self, UrlError};
use crate::secret::SecretString;

/// Longest answer of a token endpoint that is read. Tokens with many claims have some 10 KiB.
const MAX_ANSWER_BYTES: usize = 64 * 1024;

/// What a client needs for a token of its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCredentials {
    /// The token endpoint.
    pub token_url: String,
    pub client_id: String,
    pub client_secret: SecretString,
    /// Scopes, separated by spaces (RFC 6749, 3.3).
    pub scope: Option<String>,
    /// The `audience` parameter that some servers want beside the scope.
    pub audience: Option<String>,
}

/// A bearer token (RFC 6750).
#[derive(Clone, Debug)]
pub struct AccessToken {
    pub token: SecretString,
    /// How long it lives from the moment of the answer, when the server says so.
    pub expires_in: Option<Duration>,
}

/// Why there is no token.
///
/// The text is for our log: it holds no secret and nothing a stranger chose. What may be told to
/// others is [`TokenError::external`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// The token URL is not one.
    #[error("the token url cannot be read")]
    InvalidUrl,
    /// The token URL is one we do not call.
    #[error("the token url is not allowed: {0}")]
    Url(#[from] UrlError),
    /// The token endpoint's name resolves to addresses that are refused.
    #[error("the token endpoint's address is in a range that is not allowed")]
    Blocked,
    /// No connection, or it broke before the answer was complete.
    #[error("the token endpoint cannot be reached: {0}")]
    Unreachable(String),
    /// No complete answer within the client's time limit.
    #[error("the token endpoint did not answer in time")]
    Timeout,
    /// The server answered with an error.
    #[error("the token endpoint answered {status} ({code})")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The error code of RFC 6749, 5.2; `unknown` when it is none of those.
        code: &'static str,
    },
    /// More than 64 KiB.
    #[error("the token endpoint's answer is too large")]
    TooLarge,
    /// A success that does not carry a usable token.
    #[error("the token endpoint's answer is not understood: {0}")]
    InvalidAnswer(&'static str),
}

impl TokenError {
    /// The code a proxied call is answered with.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        match self {
            Self::Url(_) | Self::Blocked => ErrorCode::UpstreamBlocked,
            Self::Timeout => ErrorCode::UpstreamTimeout,
            Self::InvalidUrl
            | Self::Unreachable(_)
            | Self::Refused { .. }
            | Self::TooLarge
            | Self::InvalidAnswer(_) => ErrorCode::UpstreamAuthFailed,
        }
    }

    /// What a consumer may know. Hosts, statuses and causes stay with the operator.
    #[must_use]
    pub const fn external(&self) -> &'static str {
        match self {
            Self::InvalidUrl => "The API's token URL is not valid.",
            Self::Url(_) | Self::Blocked => "The API's token endpoint is not allowed.",
            Self::Unreachable(_) => "The API's token endpoint could not be reached.",
            Self::Timeout => "The API's token endpoint did not answer in time.",
            Self::Refused { .. } => "The API's token endpoint refused the credentials.",
            Self::TooLarge | Self::InvalidAnswer(_) => {
                "The API's token endpoint gave an answer that is not understood."
            }
        }
    }
}

/// How the client says who it is (RFC 6749, 2.3.1).
#[derive(Clone, Copy)]
enum ClientAuth {
    /// `Authorization: Basic`, which every server must understand.
    Basic,
    /// `client_id` and `client_secret` in the body, for servers that do not.
    Post,
}

/// Asks the token endpoint for a token: with HTTP Basic, and once more with the credentials in
/// the body when the server answers `invalid_client` to that.
///
/// The time limit is `client`'s, for each of the two requests.
///
/// # Errors
/// See [`TokenError`].
pub async fn fetch_token(
    client: &reqwest::Client,
    policy: &EgressPolicy,
    cfg: &ClientCredentials,
) -> Result<AccessToken, TokenError> {
    let url = Url::parse(&cfg.token_url).map_err(|_| TokenError::InvalidUrl)?;
    http::check_url(policy, &url)?;
    match request(client, &url, cfg, ClientAuth::Basic).await {
        // 401 by RFC 6749, 5.2; servers that only read the body tend to answer 400.
        Err(TokenError::Refused {
            status: 400 | 401,
            code: "invalid_client",
        }) => request(client, &url, cfg, ClientAuth::Post).await,
        result => result,
    }
}

async fn request(
    client: &reqwest::Client,
    url: &Url,
    cfg: &ClientCredentials,
    auth: ClientAuth,
) -> Result<AccessToken, TokenError> {
    let mut form = vec![("grant_type", "client_credentials")];
    if let Some(scope) = &cfg.scope {
        form.push(("scope", scope));
    }
    if let Some(audience) = &cfg.audience {
        form.push(("audience", audience));
    }
    let mut request = client
        .post(url.clone())
        .header(header::ACCEPT, "application/json");
    match auth {
        ClientAuth::Basic => {
            // Encoded before they are joined, or an id with a colon would be cut there.
            let secret = Zeroizing::new(encode(cfg.client_secret.expose()));
            request = request.basic_auth(encode(&cfg.client_id), Some(secret.as_str()));
        }
        ClientAuth::Post => {
            form.push(("client_id", &cfg.client_id));
            form.push(("client_secret", cfg.client_secret.expose()));
        }
    }
    let mut response = request.form(&form).send().await.map_err(failure)?;
    let status = response.status();

    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(failure)? {
        if body.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(TokenError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
    if !status.is_success() {
        return Err(TokenError::Refused {
            status: status.as_u16(),
            code: error_code(&body),
        });
    }
    parse_token(&body)
}

fn encode(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

fn failure(error: reqwest::Error) -> TokenError {
    if http::is_blocked(&error) {
        return TokenError::Blocked;
    }
    if error.is_timeout() {
        return TokenError::Timeout;
    }
    // The URL may carry a secret in its query.
    let error = error.without_url();
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(&error);
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    TokenError::Unreachable(text)
}

#[cfg(test)]
mod tests {
    use super::super::test_server::{self, TestServer};
    use super::*;

    #[tokio::test]
    async fn the_request_is_that_of_the_rfc() {
        let server = TestServer::start(|_| test_server::token("t0ken", "3600")).await;
        let cfg = ClientCredentials {
            client_id: "my app:1".into(),
            client_secret: "p@ss/wörd+%".into(),
            scope: Some("read write".into()),
            audience: Some("https://api.example.com/".into()),
            ..server.credentials()
        };
        let token = fetch_token(&server.client(), &test_server::policy(), &cfg)
            .await
            .unwrap();
        assert_eq!(token.token.expose(), "t0ken");
        assert_eq!(token.expires_in, Some(Duration::from_secs(3600)));

        let requests = server.requests();
        let request = &requests[0];
        assert_eq!(requests.len(), 1);
        assert!(
            request.head.starts_with("POST /token HTTP/1.1\r\n"),
            "{}",
            request.head
        );
        let head = request.head.to_ascii_lowercase();
        assert!(
            head.contains("content-type: application/x-www-form-urlencoded\r\n"),
            "{head}"
        );
        assert!(head.contains("accept: application/json\r\n"), "{head}");
        // my+app%3A1:p%40ss%2Fw%C3%B6rd%2B%25
        let basic = "Basic bXkrYXBwJTNBMTpwJTQwc3MlMkZ3JUMzJUI2cmQlMkIlMjU=\r\n";
        assert!(request.head.contains(basic), "{}", request.head);
        assert_eq!(
            request.body,
            "grant_type=client_credentials&scope=read+write\
             &audience=https%3A%2F%2Fapi.example.com%2F"
        );
    }

    #[tokio::test]
    async fn a_server_that_does_not_know_basic_gets_the_credentials_in_the_body() {
        for status in ["401 Unauthorized", "400 Bad Request"] {
            let server = TestServer::start(move |request| {
                if request.body.contains("client_secret=") {
                    return test_server::token("from-post", "60");
                }
                test_server::answer(status, r#"{"error":"invalid_client"}"#)
            })
            .await;
            let cfg = server.credentials();
            let token = fetch_token(&server.client(), &test_server::policy(), &cfg)
                .await
                .unwrap();
            assert_eq!(token.token.expose(), "from-post");
            let requests = server.requests();
            assert_eq!(requests.len(), 2);
            assert!(!requests[0].body.contains("secret"));
            assert!(
                !requests[1]
                    .head
                    .to_ascii_lowercase()
                    .contains("authorization:")
            );
            assert!(
                requests[1]
                    .body
                    .ends_with("&client_id=id&client_secret=s3cret")
            );
        }
    }

    #[tokio::test]
    async fn refusals_keep_the_status_and_known_codes_only() {
        let cases = [
            (
                "401 Unauthorized",
                r#"{"error":"invalid_client"}"#,
                401,
                "invalid_client",
                2,
            ),
            (
                "400 Bad Request",
                r#"{"error":"invalid_scope"}"#,
                400,
                "invalid_scope",
                1,
            ),
            (
                "401 Unauthorized",
                r#"{"error":"s3cret is wrong"}"#,
                401,
                "unknown",
                1,
            ),
            ("403 Forbidden", "<html>s3cret</html>", 403, "unknown", 1),
            ("503 Service Unavailable", "", 503, "unknown", 1),
            ("302 Found", "", 302, "unknown", 1),
        ];
        for (line, body, status, code, requests) in cases {
            let server = TestServer::start(move |_| test_server::answer(line, body)).await;
            let cfg = server.credentials();
            let error = fetch_token(&server.client(), &test_server::policy(), &cfg).await;
            let error = error.unwrap_err();
            assert_eq!(error, TokenError::Refused { status, code });
            assert_eq!(error.code(), ErrorCode::UpstreamAuthFailed);
            assert_eq!(server.requests().len(), requests, "{line} {body}");
            let shown = format!("{error} {error:?} {} {cfg:?}", error.external());
            assert!(!shown.contains("s3cret"), "{shown}");
        }
    }

    #[tokio::test]
    async fn bad_answers_are_errors_and_bounded() {
        let cases = [
            ("", "not the json of a token"),
            ("[1,2]", "not the json of a token"),
            (r#"{"access_token":7}"#, "not the json of a token"),
            (r#"{"token_type":"bearer"}"#, "no access_token"),
            (
                r#"{"access_token":""}"#,
                "the access_token is not a bearer token",
            ),
            (
                r#"{"access_token":"a\r\nx: y"}"#,
                "the access_token is not a bearer token",
            ),
            (
                r#"{"access_token":"a","token_type":"mac"}"#,
                "the token_type is not bearer",
            ),
        ];
        for (body, reason) in cases {
            let server = TestServer::start(move |_| test_server::answer("200 OK", body)).await;
            let result = fetch_token(
                &server.client(),
                &test_server::policy(),
                &server.credentials(),
            )
            .await;
            assert_eq!(
                result.unwrap_err(),
                TokenError::InvalidAnswer(reason),
                "{body}"
            );
        }
        let server =
            TestServer::start(|_| test_server::answer("200 OK", &"x".repeat(MAX_ANSWER_BYTES + 1)))
                .await;
        let result = fetch_token(
            &server.client(),
            &test_server::policy(),
            &server.credentials(),
        )
        .await;
        assert_eq!(result.unwrap_err(), TokenError::TooLarge);
    }

    #[tokio::test]
    async fn urls_are_judged_before_and_while_connecting() {
        let server = TestServer::start(|_| test_server::token("t", "60")).await;
        let strict = EgressPolicy::default();
        let strict_client = http::client(strict.clone(), Duration::from_secs(5)).unwrap();
        let cfg = |token_url: &str| ClientCredentials {
            token_url: token_url.to_owned(),
            ..server.credentials()
        };
        let literal = fetch_token(&strict_client, &strict, &cfg(&server.url))
            .await
            .unwrap_err();
        assert!(
            matches!(literal, TokenError::Url(UrlError::Blocked { .. })),
            "{literal:?}"
        );
        // A client with a stricter policy than the check: the name passes, its address does not.
        let name = server.url.replace("127.0.0.1", "localhost");
        let open = test_server::policy();
        let resolved = fetch_token(&strict_client, &open, &cfg(&name))
            .await
            .unwrap_err();
        assert_eq!(resolved, TokenError::Blocked);
        assert_eq!(resolved.code(), ErrorCode::UpstreamBlocked);
        let scheme = fetch_token(&strict_client, &strict, &cfg("ftp://x/"))
            .await
            .unwrap_err();
        assert_eq!(scheme, TokenError::Url(UrlError::Scheme));
        let garbage = fetch_token(&strict_client, &strict, &cfg("::"))
            .await
            .unwrap_err();
        assert_eq!(garbage, TokenError::InvalidUrl);
        assert!(server.requests().is_empty());
    }

    #[tokio::test]
    async fn an_endpoint_that_is_away_is_unreachable_and_its_url_is_not_told() {
        let server = TestServer::start(|_| String::new()).await;
        let mut cfg = server.credentials();
        cfg.token_url.push_str("?key=s3cret");
        let client = server.client();
        let hung_up = fetch_token(&client, &test_server::policy(), &cfg)
            .await
            .unwrap_err();
        server.stop().await;
        let gone = fetch_token(&client, &test_server::policy(), &cfg)
            .await
            .unwrap_err();
        for error in [hung_up, gone] {
            assert!(matches!(&error, TokenError::Unreachable(_)), "{error:?}");
            assert!(!format!("{error:?}").contains("s3cret"), "{error:?}");
        }
    }
}
