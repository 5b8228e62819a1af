//! Bodies out of a coding, never larger than they may be.

use std::io::{self, Write};

use http::HeaderMap;
use http::header::CONTENT_ENCODING;

/// The largest window of zstd that is read: 8 MiB, as RFC 8878, 3.1.1.1.2 recommends.
const ZSTD_WINDOW: u32 = 23;
const BROTLI_BUFFER: usize = 4096;

/// A body is not read.
#[derive(Debug, thiserror::Error)]
pub enum DecodeError {
    /// More comes out than may, whatever came in.
    #[error("the body is larger than the limit")]
    TooLarge,
    /// It is not in the coding that its head names, or it broke off.
    #[error("the body is not in its coding")]
    Garbled(#[source] io::Error),
    /// A coding that is not known here, or several.
    #[error("the body's coding is not known")]
    Unknown,
}

/// A coding that can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    Identity,
    Br,
    Zstd,
    Gzip,
    /// zlib (RFC 1950).
    Deflate,
}

impl Stored {
    /// The coding a message is in.
    ///
    /// # Errors
    /// [`DecodeError::Unknown`].
    pub fn of(headers: &HeaderMap) -> Result<Self, DecodeError> {
        let mut values = headers.get_all(CONTENT_ENCODING).iter();
        let Some(value) = values.next() else {
            return Ok(Self::Identity);
        };
        if values.next().is_some() {
            return Err(DecodeError::Unknown);
        }
        let text = value.to_str().map_err(|_| DecodeError::Unknown)?;
        match text.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Identity),
            "br" => Ok(Self::Br),
            "zstd" => Ok(Self::Zstd),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "deflate" => Ok(Self::Deflate),
            _ => Err(DecodeError::Unknown),
        }
    }
}

/// Collects what comes out, up to a limit.
struct Bounded {
    bytes: Vec<u8>,
    limit: usize,
    is_over: bool,
}

impl Write for Bounded {
    fn write(&mut self, part: &[u8]) -> io::Result<usize> {
        if part.len() > self.limit - self.bytes.len() {
            self.is_over = true;
            return Err(io::Error::other("over the limit"));
        }
        self.bytes.extend_from_slice(part);
        Ok(part.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Reads one body.
pub struct Decoder(Kind);

enum Kind {
    Identity(Bounded),
    Br(Box<brotli::DecompressorWriter<Bounded>>),
    Zstd(Box<zstd::stream::write::Decoder<'static, Bounded>>),
    Gzip(Box<flate2::write::MultiGzDecoder<Bounded>>),
    Deflate(Box<flate2::write::ZlibDecoder<Bounded>>),
}

impl Decoder {
    /// `limit`: bytes that may come out.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn new(stored: Stored, limit: usize) -> Result<Self, DecodeError> {
        let out = Bounded {
            bytes: Vec::new(),
            limit,
            is_over: false,
        };
        Ok(Self(match stored {
            Stored::Identity => Kind::Identity(out),
            Stored::Br => Kind::Br(Box::new(brotli::DecompressorWriter::new(
                out,
                BROTLI_BUFFER,
            ))),
            Stored::Zstd => {
                let mut decoder =
                    zstd::stream::write::Decoder::new(out).map_err(DecodeError::Garbled)?;
                decoder
                    .window_log_max(ZSTD_WINDOW)
                    .map_err(DecodeError::Garbled)?;
                Kind::Zstd(Box::new(decoder))
            }
            Stored::Gzip => Kind::Gzip(Box::new(flate2::write::MultiGzDecoder::new(out))),
            Stored::Deflate => Kind::Deflate(Box::new(flate2::write::ZlibDecoder::new(out))),
        }))
    }

    /// Takes a part.
    ///
    /// # Errors
    /// See [`DecodeError`].
    pub fn push(&mut self, part: &[u8]) -> Result<(), DecodeError> {
        let written = match &mut self.0 {
            Kind::Identity(out) => out.write_all(part),
            Kind::Br(decoder) => decoder.write_all(part),
            Kind::Zstd(decoder) => decoder.write_all(part),
            Kind::Gzip(decoder) => decoder.write_all(part),
            Kind::Deflate(decoder) => decoder.write_all(part),
        };
        written.map_err(|error| self.blame(error))
    }

    /// The whole body.
    ///
    /// # Errors
    /// See [`DecodeError`]; also when the body ends too early.
    pub fn finish(mut self) -> Result<Vec<u8>, DecodeError> {
        if let Kind::Zstd(decoder) = &mut self.0 {
            // It holds back what it wrote last, which may be too much.
            if let Err(error) = decoder.flush() {
                return Err(self.blame(error));
            }
        }
        if let Kind::Zstd(decoder) = self.0 {
            let out = decoder.finish().map_err(DecodeError::Garbled)?;
            return Ok(out.bytes);
        }
        let ended = match &mut self.0 {
            Kind::Identity(_) | Kind::Zstd(_) => Ok(()),
            Kind::Br(decoder) => decoder.close(),
            Kind::Gzip(decoder) => decoder.try_finish(),
            Kind::Deflate(decoder) => decoder.try_finish(),
        };
        if let Err(error) = ended {
            return Err(self.blame(error));
        }
        Ok(std::mem::take(&mut self.out().bytes))
    }

    fn blame(&mut self, error: io::Error) -> DecodeError {
        if self.out().is_over {
            DecodeError::TooLarge
        } else {
            DecodeError::Garbled(error)
        }
    }

    fn out(&mut self) -> &mut Bounded {
        match &mut self.0 {
            Kind::Identity(out) => out,
            Kind::Br(decoder) => decoder.get_mut(),
            Kind::Zstd(decoder) => decoder.get_mut(),
            Kind::Gzip(decoder) => decoder.get_mut(),
            Kind::Deflate(decoder) => decoder.get_mut(),
        }
    }
}
