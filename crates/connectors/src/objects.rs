//! Files that are kept: in a folder, or in a bucket of S3 or of what speaks like it.
//!
//! A bucket is reached through the client of the control plane, so that what an endpoint's name
//! resolves to is judged as everything else is.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use object_store::aws::AmazonS3Builder;
use object_store::client::{HttpClient, HttpConnector};
use object_store::local::LocalFileSystem;
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::prefix::PrefixStore;
use object_store::{ClientOptions, Error, ObjectStore, ObjectStoreExt, RetryConfig};
use url::Url;

use crate::SecretString;

/// A bucket.
#[derive(Clone, Debug)]
pub struct BucketConfig {
    pub bucket: String,
    /// Names begin with it and a slash; may be empty.
    pub prefix: String,
    pub region: String,
    /// Where it is, in place of AWS.
    pub endpoint: Option<Url>,
    pub access_key_id: String,
    pub secret_access_key: SecretString,
}

/// Why a file could not be kept or read. The text is for our log.
#[derive(Debug, thiserror::Error)]
pub enum ObjectError {
    #[error(transparent)]
    Store(#[from] Error),
    #[error("the name is not one of a file")]
    Name(#[from] object_store::path::Error),
    #[error("the folder {folder} cannot be used")]
    Folder {
        folder: String,
        #[source]
        reason: std::io::Error,
    },
}

/// Where files are kept; clones share it.
#[derive(Clone)]
pub struct Objects {
    place: Place,
}

#[derive(Clone)]
enum Place {
    /// Made when the first file is written: commands that write none leave no folder.
    Folder(PathBuf),
    Store(Arc<dyn ObjectStore>),
}

impl fmt::Debug for Objects {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Folder(folder) => f.debug_tuple("Objects").field(folder).finish(),
            Place::Store(store) => write!(f, "Objects({store})"),
        }
    }
}

impl Objects {
    /// In a folder, which need not be there yet.
    #[must_use]
    pub fn folder(folder: PathBuf) -> Self {
        Self {
            place: Place::Folder(folder),
        }
    }

    /// In this process only.
    #[must_use]
    pub fn memory() -> Self {
        Self {
            place: Place::Store(Arc::new(InMemory::new())),
        }
    }

    /// In a bucket. Nothing is connected to yet.
    ///
    /// # Errors
    /// When the configuration makes no sense.
    pub fn bucket(config: BucketConfig, client: crate::http::Client) -> Result<Self, ObjectError> {
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(config.bucket)
            .with_region(config.region)
            .with_access_key_id(config.access_key_id)
            .with_secret_access_key(config.secret_access_key.expose())
            // What speaks like S3 may not know the call that deletes several at once.
            .with_disable_bulk_delete(true)
            .with_retry(RetryConfig {
                max_retries: 2,
                retry_timeout: std::time::Duration::from_secs(20),
                ..RetryConfig::default()
            })
            .with_http_connector(Guarded(client));
        if let Some(endpoint) = config.endpoint {
            let is_plain = endpoint.scheme() == "http";
            builder = builder
                .with_endpoint(endpoint.as_str().trim_end_matches('/'))
                .with_allow_http(is_plain);
        }
        let store = PrefixStore::new(builder.build()?, Path::parse(config.prefix)?);
        Ok(Self {
            place: Place::Store(Arc::new(store)),
        })
    }

    fn open(&self) -> Result<Arc<dyn ObjectStore>, ObjectError> {
        match &self.place {
            Place::Store(store) => Ok(Arc::clone(store)),
            Place::Folder(folder) => {
                let refused = |reason| ObjectError::Folder {
                    folder: folder.display().to_string(),
                    reason,
                };
                private_folder(folder).map_err(refused)?;
                let store = LocalFileSystem::new_with_prefix(folder)?;
                Ok(Arc::new(store.with_automatic_cleanup(true)))
            }
        }
    }

    /// Keeps a file, in the place of one of this name. Nobody sees a part of it.
    ///
    /// # Errors
    /// When it is not kept.
    pub async fn put(&self, name: &str, bytes: Bytes) -> Result<(), ObjectError> {
        let store = self.open()?;
        store.put(&Path::parse(name)?, bytes.into()).await?;
        Ok(())
    }

    /// A file; `None`: there is none of this name.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, ObjectError> {
        let store = self.open()?;
        match store.get(&Path::parse(name)?).await {
            Ok(found) => Ok(Some(found.bytes().await?)),
            Err(Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes a file. One that is not there is as good as deleted.
    ///
    /// # Errors
    /// When it may be there still.
    pub async fn delete(&self, name: &str) -> Result<(), ObjectError> {
        let store = self.open()?;
        match store.delete(&Path::parse(name)?).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// What is in it concerns nobody else on the machine.
fn private_folder(folder: &std::path::Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)
}

/// Hands out the client that keeps to the rules of the network, whatever is asked for.
#[derive(Debug)]
struct Guarded(crate::http::Client);

impl HttpConnector for Guarded {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::EgressPolicy;

    #[tokio::test]
    async fn a_folder_keeps_files() {
        let folder = tempfile::tempdir().unwrap();
        let objects = Objects::folder(folder.path().join("a/b"));
        assert_eq!(objects.get("x/1.html").await.unwrap(), None);
        for text in ["one", "two"] {
            let bytes = Bytes::from_static(text.as_bytes());
            objects.put("x/1.html", bytes).await.unwrap();
        }
        let found = objects.get("x/1.html").await.unwrap();
        assert_eq!(found.as_deref(), Some(b"two".as_slice()));
        for _ in 0..2 {
            objects.delete("x/1.html").await.unwrap();
        }
        assert_eq!(objects.get("x/1.html").await.unwrap(), None);
        // Names that lead elsewhere are none.
        assert!(objects.get("../secrets.toml").await.is_err());
        assert!(objects.get("x//y").await.is_err());
    }

    #[tokio::test]
    async fn a_bucket_in_a_private_network_is_refused() {
        let client = crate::http::client(EgressPolicy::default(), Duration::from_secs(5)).unwrap();
        let config = BucketConfig {
            bucket: "acme".to_owned(),
            prefix: "reports".to_owned(),
            region: "us-east-1".to_owned(),
            endpoint: Some("http://127.0.0.1:9".parse().unwrap()),
            access_key_id: "id".to_owned(),
            secret_access_key: SecretString::from("hunter2"),
        };
        assert!(!format!("{config:?}").contains("hunter2"));
        let objects = Objects::bucket(config, client).unwrap();
        let error = objects.get("x").await.unwrap_err();
        let mut text = String::new();
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(one) = cause {
            text.push_str(&one.to_string());
            cause = one.source();
        }
        assert!(text.contains("not allowed"), "{text}");
    }
}
