//! Bodies into a coding, part by part.

use std::io::{self, Write};

use apiverse_contract::policies::compression::Coding;

/// brotli: about gzip's speed, and smaller.
const BROTLI_QUALITY: u32 = 4;
/// brotli's window: 256 KiB, so that a stream takes little memory.
const BROTLI_WINDOW: u32 = 18;
const BROTLI_BUFFER: usize = 4096;
const ZSTD_LEVEL: i32 = 3;
/// zstd's window: 512 KiB.
const ZSTD_WINDOW: u32 = 19;
const GZIP_LEVEL: u32 = 6;

/// Writes one body.
pub struct Encoder(Kind);

enum Kind {
    Br(Box<brotli::CompressorWriter<Vec<u8>>>),
    Zstd(Box<zstd::stream::write::Encoder<'static, Vec<u8>>>),
    Gzip(Box<flate2::write::GzEncoder<Vec<u8>>>),
}

impl Encoder {
    /// # Errors
    /// When there is no memory for it.
    pub fn new(coding: Coding) -> io::Result<Self> {
        Ok(Self(match coding {
            Coding::Br => Kind::Br(Box::new(brotli::CompressorWriter::new(
                Vec::new(),
                BROTLI_BUFFER,
                BROTLI_QUALITY,
                BROTLI_WINDOW,
            ))),
            Coding::Zstd => {
                let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), ZSTD_LEVEL)?;
                encoder.window_log(ZSTD_WINDOW)?;
                Kind::Zstd(Box::new(encoder))
            }
            Coding::Gzip => Kind::Gzip(Box::new(flate2::write::GzEncoder::new(
                Vec::new(),
                flate2::Compression::new(GZIP_LEVEL),
            ))),
        }))
    }

    /// Takes a part; what there is to send by then, which may be nothing.
    ///
    /// # Errors
    /// When the library fails; the body cannot be finished then.
    pub fn push(&mut self, part: &[u8]) -> io::Result<Vec<u8>> {
        self.writer().write_all(part)?;
        Ok(self.taken())
    }

    /// Everything taken so far, in a form the other side can read before more comes.
    ///
    /// # Errors
    /// See [`Encoder::push`].
    pub fn flush(&mut self) -> io::Result<Vec<u8>> {
        self.writer().flush()?;
        Ok(self.taken())
    }

    /// The end.
    ///
    /// # Errors
    /// See [`Encoder::push`].
    pub fn finish(self) -> io::Result<Vec<u8>> {
        match self.0 {
            // Ends the stream when it is taken apart.
            Kind::Br(encoder) => Ok(encoder.into_inner()),
            Kind::Zstd(encoder) => encoder.finish(),
            Kind::Gzip(encoder) => encoder.finish(),
        }
    }

    fn writer(&mut self) -> &mut dyn Write {
        match &mut self.0 {
            Kind::Br(encoder) => encoder,
            Kind::Zstd(encoder) => encoder,
            Kind::Gzip(encoder) => encoder,
        }
    }

    fn taken(&mut self) -> Vec<u8> {
        std::mem::take(match &mut self.0 {
            Kind::Br(encoder) => encoder.get_mut(),
            Kind::Zstd(encoder) => encoder.get_mut(),
            Kind::Gzip(encoder) => encoder.get_mut(),
        })
    }
}
