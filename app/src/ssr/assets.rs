//! The site's files: their names with hashes, and serving them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::extract::Request;
use axum::middleware::{Next, from_fn};
use axum::response::Response;
use http::{HeaderValue, header};
use leptos::config::LeptosOptions;
use tower_http::services::{ServeDir, ServeFile};

/// A file whose name changes with its content.
const FOREVER: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");
/// A file that changes with a release only.
const A_DAY: HeaderValue = HeaderValue::from_static("public, max-age=86400");

/// Addresses of what a page loads first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Assets {
    pub js: String,
    pub wasm: String,
    pub css: String,
    /// Imported by `js`: what fetches the areas.
    pub split: String,
    /// For the name of an area, the files it is made of.
    areas: HashMap<String, Vec<String>>,
}

impl Assets {
    /// Reads the hashes that the build left next to the binary (`hash.txt`); without them names are
    /// plain.
    #[must_use]
    pub fn find(options: &LeptosOptions) -> Self {
        let hashes = options.hash_files.then(|| hash_file(options)).flatten();
        let hashes = hashes.unwrap_or_default();
        let hash_of = |kind: &str| {
            hashes
                .lines()
                .filter_map(|line| line.split_once(':'))
                .find(|(other, _)| other.trim() == kind)
                .map(|(_, hash)| format!(".{}", hash.trim()))
        };
        let name = |kind: &str| {
            format!(
                "{}{}",
                options.output_name,
                hash_of(kind).unwrap_or_default()
            )
        };
        // cargo-leptos' own names.
        let split = hash_of("split").unwrap_or_else(|| ".______________________".to_owned());
        let manifest = hash_of("manifest").unwrap_or_default();
        let pkg = &options.site_pkg_dir;
        let mut wasm = format!("{}.wasm", name("wasm"));
        let folder = Path::new(options.site_root.as_ref()).join(pkg.as_ref());
        let plain = format!("{}_bg.wasm", options.output_name);
        if !folder.join(&wasm).exists() && folder.join(&plain).exists() {
            // wasm-bindgen's own name, when the file was not renamed.
            wasm = plain;
        }
        Self {
            js: format!("/{pkg}/{}.js", name("js")),
            wasm: format!("/{pkg}/{wasm}"),
            css: format!("/{pkg}/{}.css", name("css")),
            split: format!("/{pkg}/__wasm_split{split}.js"),
            areas: areas(
                &folder.join(format!("__wasm_split_manifest{manifest}.json")),
                pkg,
            ),
        }
    }

    /// The files that an area is made of, none for the main module's pages.
    #[must_use]
    pub fn of_area(&self, name: Option<&str>) -> &[String] {
        let files = name.and_then(|name| self.areas.get(name));
        files.map(Vec::as_slice).unwrap_or_default()
    }
}

/// Reads which files belong to which area. Without it they are fetched a moment later.
fn areas(manifest: &Path, pkg: &str) -> HashMap<String, Vec<String>> {
    let text = std::fs::read_to_string(manifest).unwrap_or_default();
    let mut areas: HashMap<String, Vec<String>> = serde_json::from_str(&text).unwrap_or_default();
    for file in areas.values_mut().flatten() {
        *file = format!("/{pkg}/{file}.wasm");
    }
    areas
}

fn hash_file(options: &LeptosOptions) -> Option<String> {
    let binary = std::env::current_exe().ok()?;
    let path: PathBuf = binary.parent()?.join(options.hash_file.as_ref());
    match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "the site's file names are not known; the console will have no style and no script");
            None
        }
    }
}

/// The static files, compressed where the build left compressed ones.
pub fn routes(options: &LeptosOptions) -> Router {
    let root = Path::new(options.site_root.as_ref());
    let folder = |name: &str| {
        ServeDir::new(root.join(name))
            .precompressed_br()
            .precompressed_gzip()
            .append_index_html_on_directories(false)
    };
    let pkg = options.site_pkg_dir.as_ref();
    let keep = if options.hash_files {
        FOREVER
    } else {
        HeaderValue::from_static("no-cache")
    };
    Router::new()
        .nest_service(&format!("/{pkg}"), folder(pkg))
        .layer(from_fn(move |request, next| {
            cached(keep.clone(), request, next)
        }))
        .merge(
            // Its name stays the same, so a browser asks whether it has changed.
            Router::new()
                .route_service("/passkeys.js", ServeFile::new(root.join("passkeys.js")))
                .layer(from_fn(|request, next| {
                    cached(HeaderValue::from_static("no-cache"), request, next)
                })),
        )
        .merge(
            Router::new()
                .nest_service("/fonts", folder("fonts"))
                .route_service("/favicon.svg", ServeFile::new(root.join("favicon.svg")))
                // What browsers ask for where a page names no icon.
                .route_service("/favicon.ico", ServeFile::new(root.join("favicon.svg")))
                .route_service("/robots.txt", ServeFile::new(root.join("robots.txt")))
                .layer(from_fn(|request, next| cached(A_DAY, request, next))),
        )
}

/// Only what was found is kept: a missing file may be there a moment later.
async fn cached(keep: HeaderValue, request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    if response.status().is_success() || response.status() == http::StatusCode::NOT_MODIFIED {
        response.headers_mut().insert(header::CACHE_CONTROL, keep);
    }
    response.headers_mut().insert(
        header::X_CONTENT_TYPE_OPTIONS,
        HeaderValue::from_static("nosniff"),
    );
    response
}
