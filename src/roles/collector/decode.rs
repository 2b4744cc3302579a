//! Content-Encoding: gzip, br, deflate and zstd, at most two stacked, with bounds on what comes out
//! and on what a body can cost without anything coming out.

use std::io::{self, BufRead, Read};

use crate::runtime::http::Headers;
use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};

/// The value of `Accept-Encoding` in an answer that refuses an encoding.
pub(super) const ACCEPTED: &str = "gzip, br, deflate, zstd";
/// Encodings on top of each other.
const MAX_STACKED: usize = 2;
/// Gzip members or zstd frames in one body: each may cost work and bring nothing.
const MAX_FRAMES: usize = 64;
/// What a body may always decode to, however small it was: the ratio speaks past it.
const FREE_BYTES: usize = 64 << 10;
/// The largest zstd window, as a power of two (RFC 9659 says 8 MiB for HTTP).
const ZSTD_WINDOW_LOG: u32 = 23;

/// One way in which a body is encoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Gzip,
    Brotli,
    Deflate,
    Zstd,
}

/// The encodings of a body in the order in which they were applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Encodings([Option<Encoding>; MAX_STACKED]);

/// How far decoding may go.
#[derive(Debug, Clone, Copy)]
pub(super) struct DecodeLimits {
    /// Bytes of the decoded body, and of every stage on the way.
    pub(super) max_bytes: usize,
    /// How many times larger than the encoded body.
    pub(super) max_ratio: usize,
}

/// Why a body was not decoded.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum DecodeError {
    #[error("Content-Encoding {0:?} is not supported; gzip, br, deflate and zstd are")]
    Unsupported(String),
    #[error("at most {MAX_STACKED} content encodings may be stacked")]
    Stacked,
    #[error("decoded body is over {limit} bytes")]
    TooLarge { limit: usize },
    #[error("body has more than {MAX_FRAMES} compressed frames")]
    Frames,
    #[error("body is not valid {encoding}")]
    Broken { encoding: &'static str },
}

impl Encoding {
    const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Brotli => "br",
            Self::Deflate => "deflate",
            Self::Zstd => "zstd",
        }
    }
}

impl Encodings {
    /// Reads the headers; `identity` counts for nothing.
    pub(super) fn of(headers: &impl Headers) -> Result<Self, DecodeError> {
        let mut encodings = Self::default();
        let mut count = 0;
        for value in headers.all("content-encoding") {
            let text = String::from_utf8_lossy(value);
            for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
                let encoding = match name.to_ascii_lowercase().as_str() {
                    "identity" => continue,
                    "gzip" | "x-gzip" => Encoding::Gzip,
                    "br" => Encoding::Brotli,
                    "deflate" => Encoding::Deflate,
                    "zstd" => Encoding::Zstd,
                    _ => return Err(DecodeError::Unsupported(name.chars().take(40).collect())),
                };
                *encodings.0.get_mut(count).ok_or(DecodeError::Stacked)? = Some(encoding);
                count += 1;
            }
        }
        Ok(encodings)
    }

    /// Whether the body is as it was sent.
    pub(super) const fn is_identity(self) -> bool {
        self.0[0].is_none()
    }

    /// Undoes them, the last one first.
    pub(super) fn decode(
        self,
        encoded: &[u8],
        limits: DecodeLimits,
    ) -> Result<Vec<u8>, DecodeError> {
        let by_ratio = encoded.len().saturating_mul(limits.max_ratio).max(FREE_BYTES);
        let limit = limits.max_bytes.min(by_ratio);
        let mut body = None;
        for encoding in self.0.into_iter().rev().flatten() {
            body = Some(decode_one(encoding, body.as_deref().unwrap_or(encoded), limit)?);
        }
        Ok(body.unwrap_or_else(|| encoded.to_vec()))
    }
}

fn decode_one(encoding: Encoding, input: &[u8], limit: usize) -> Result<Vec<u8>, DecodeError> {
    let mut output = Output { bytes: Vec::new(), limit };
    let read = match encoding {
        Encoding::Gzip => gzip(input, &mut output),
        Encoding::Brotli => brotli(input, &mut output),
        Encoding::Deflate => deflate(input, &mut output),
        Encoding::Zstd => zstd(input, &mut output),
    };
    match read {
        Ok(()) => Ok(output.bytes),
        Err(Stop::Full) => Err(DecodeError::TooLarge { limit }),
        Err(Stop::Frames) => Err(DecodeError::Frames),
        Err(Stop::Broken) => Err(DecodeError::Broken { encoding: encoding.name() }),
    }
}

enum Stop {
    Full,
    Frames,
    Broken,
}

impl From<io::Error> for Stop {
    fn from(_: io::Error) -> Self {
        Self::Broken
    }
}

struct Output {
    bytes: Vec<u8>,
    limit: usize,
}

impl Output {
    /// Takes all that a decoder gives, or stops one byte past the limit.
    fn take(&mut self, decoder: impl Read) -> Result<(), Stop> {
        let room = (self.limit - self.bytes.len()) as u64;
        decoder.take(room + 1).read_to_end(&mut self.bytes)?;
        if self.bytes.len() > self.limit { Err(Stop::Full) } else { Ok(()) }
    }
}

fn gzip(mut input: &[u8], output: &mut Output) -> Result<(), Stop> {
    for _ in 0..MAX_FRAMES {
        let mut decoder = flate2::bufread::GzDecoder::new(input);
        output.take(&mut decoder)?;
        input = decoder.into_inner();
        if input.is_empty() {
            return Ok(());
        }
    }
    Err(Stop::Frames)
}

fn deflate(input: &[u8], output: &mut Output) -> Result<(), Stop> {
    // The name means zlib; some clients send the bare stream all the same.
    let is_zlib = input.len() >= 2
        && input[0] & 0x0f == 8
        && (u16::from(input[0]) << 8 | u16::from(input[1])).is_multiple_of(31);
    let rest = if is_zlib {
        let mut decoder = flate2::bufread::ZlibDecoder::new(input);
        output.take(&mut decoder)?;
        decoder.into_inner()
    } else {
        let mut decoder = flate2::bufread::DeflateDecoder::new(input);
        output.take(&mut decoder)?;
        decoder.into_inner()
    };
    if rest.is_empty() { Ok(()) } else { Err(Stop::Broken) }
}

fn brotli(input: &[u8], output: &mut Output) -> Result<(), Stop> {
    let mut state = BrotliState::new(
        StandardAlloc::default(),
        StandardAlloc::default(),
        StandardAlloc::default(),
    );
    // An extension beyond the HTTP coding, with windows of up to a gigabyte.
    state.large_window = false;
    let (mut left, mut at) = (input.len(), 0);
    let mut piece = vec![0_u8; 16 << 10];
    loop {
        let (mut room, mut filled, mut total) = (piece.len(), 0, 0);
        let result = BrotliDecompressStream(
            &mut left,
            &mut at,
            input,
            &mut room,
            &mut filled,
            &mut piece,
            &mut total,
            &mut state,
        );
        output.take(&piece[..filled])?;
        match result {
            BrotliResult::NeedsMoreOutput => {}
            BrotliResult::ResultSuccess if left == 0 => return Ok(()),
            _ => return Err(Stop::Broken),
        }
    }
}

fn zstd(mut input: &[u8], output: &mut Output) -> Result<(), Stop> {
    for _ in 0..MAX_FRAMES {
        if let Some(after) = after_skippable(input)? {
            input = after;
        } else {
            let mut decoder = zstd::stream::read::Decoder::with_buffer(input)?.single_frame();
            decoder.window_log_max(ZSTD_WINDOW_LOG)?;
            output.take(&mut decoder)?;
            input = decoder.finish();
        }
        if input.is_empty() {
            return Ok(());
        }
    }
    Err(Stop::Frames)
}

/// What follows a zstd frame that holds no data; `None` where there is data.
fn after_skippable(mut input: &[u8]) -> Result<Option<&[u8]>, Stop> {
    let Some(head) = input.first_chunk::<8>() else { return Ok(None) };
    let magic = u32::from_le_bytes([head[0], head[1], head[2], head[3]]);
    if magic & 0xffff_fff0 != 0x184d_2a50 {
        return Ok(None);
    }
    let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
    let end = usize::try_from(length).map_err(|_| Stop::Broken)?.saturating_add(8);
    if end > input.len() {
        return Err(Stop::Broken);
    }
    input.consume(end);
    Ok(Some(input))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use hyper::HeaderMap;
    use hyper::header::{CONTENT_ENCODING, HeaderValue};

    use super::*;

    const LIMITS: DecodeLimits = DecodeLimits { max_bytes: 10 << 20, max_ratio: 100 };

    fn encodings(text: &str) -> Result<Encodings, DecodeError> {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_ENCODING, HeaderValue::from_str(text).unwrap());
        Encodings::of(&headers)
    }

    fn encode(name: &str, data: &[u8]) -> Vec<u8> {
        let level = flate2::Compression::best();
        match name {
            "gzip" => {
                let mut writer = flate2::write::GzEncoder::new(Vec::new(), level);
                writer.write_all(data).unwrap();
                writer.finish().unwrap()
            }
            "zlib" => {
                let mut writer = flate2::write::ZlibEncoder::new(Vec::new(), level);
                writer.write_all(data).unwrap();
                writer.finish().unwrap()
            }
            "raw" => {
                let mut writer = flate2::write::DeflateEncoder::new(Vec::new(), level);
                writer.write_all(data).unwrap();
                writer.finish().unwrap()
            }
            "br" => {
                let mut encoded = Vec::new();
                let params = brotli::enc::BrotliEncoderParams::default();
                brotli::BrotliCompress(&mut &data[..], &mut encoded, &params).unwrap();
                encoded
            }
            "zstd" => zstd::encode_all(data, 3).unwrap(),
            other => panic!("{other}"),
        }
    }

    fn decode(header: &str, body: Vec<u8>) -> Result<Vec<u8>, DecodeError> {
        encodings(header)?.decode(&body, LIMITS)
    }

    #[test]
    fn every_encoding_comes_back_and_two_stack() {
        let data = b"{\"event_type\":\"click\"}";
        for (header, how) in [
            ("gzip", "gzip"),
            ("X-GZIP", "gzip"),
            ("br", "br"),
            ("deflate", "zlib"),
            ("deflate", "raw"),
            ("zstd", "zstd"),
            ("identity, gzip", "gzip"),
        ] {
            assert_eq!(decode(header, encode(how, data)).unwrap(), &data[..], "{header} {how}");
        }
        let stacked = encode("br", &encode("gzip", data));
        assert_eq!(decode("gzip, br", stacked).unwrap(), &data[..]);
        let members = [encode("gzip", b"{\"a\":"), encode("gzip", b"1}")].concat();
        assert_eq!(decode("gzip", members).unwrap(), &b"{\"a\":1}"[..]);
    }

    #[test]
    fn other_encodings_and_deep_stacks_are_refused() {
        assert_eq!(encodings("lz4"), Err(DecodeError::Unsupported("lz4".to_owned())));
        assert_eq!(encodings("gzip, gzip, gzip"), Err(DecodeError::Stacked));
    }

    #[test]
    fn bombs_stop_at_the_limit() {
        let zeros = vec![0_u8; 11 << 20];
        for (header, how) in [
            ("gzip", "gzip"),
            ("br", "br"),
            ("deflate", "zlib"),
            ("deflate", "raw"),
            ("zstd", "zstd"),
        ] {
            let bomb = encode(how, &zeros);
            assert!(
                matches!(decode(header, bomb), Err(DecodeError::TooLarge { .. })),
                "{header} {how}"
            );
        }
        let twice = encode("gzip", &encode("gzip", &zeros));
        assert!(matches!(decode("gzip, gzip", twice), Err(DecodeError::TooLarge { .. })));
    }

    #[test]
    fn frames_without_data_are_counted() {
        let mut skippable = 0x184d_2a50_u32.to_le_bytes().to_vec();
        skippable.extend_from_slice(&[0; 4]);
        assert_eq!(decode("zstd", skippable.repeat(100_000)), Err(DecodeError::Frames));
        assert_eq!(decode("gzip", encode("gzip", b"").repeat(1000)), Err(DecodeError::Frames));
        let mut after = skippable.clone();
        after.extend(encode("zstd", b"{}"));
        assert_eq!(decode("zstd", after).unwrap(), &b"{}"[..]);
        let mut too_long = skippable;
        too_long[4] = 1;
        assert_eq!(decode("zstd", too_long), Err(DecodeError::Broken { encoding: "zstd" }));
    }

    #[test]
    fn damaged_bodies_are_named() {
        for (header, how) in [
            ("gzip", "gzip"),
            ("br", "br"),
            ("deflate", "zlib"),
            ("deflate", "raw"),
            ("zstd", "zstd"),
        ] {
            let whole = encode(how, b"{\"event_type\":\"click\",\"user_id\":\"u\"}");
            let cut = whole[..whole.len() - 3].to_vec();
            assert_eq!(
                decode(header, cut),
                Err(DecodeError::Broken { encoding: header }),
                "{header} {how}"
            );
            let mut trailing = whole;
            trailing.extend_from_slice(b"more");
            assert!(decode(header, trailing).is_err(), "{header} {how}");
        }
        assert!(decode("gzip", Vec::new()).is_err());
    }
}
