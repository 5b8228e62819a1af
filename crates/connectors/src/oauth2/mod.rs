//! OAuth 2.0 client credentials (RFC 6749, 4.4): how the gateway gets its own tokens for an
//! upstream.

mod answer;
mod cache;
mod fetch;
#[cfg(test)]
mod test_server;

pub use cache::TokenCache;
pub use fetch::{AccessToken, ClientCredentials, TokenError, fetch_token};
