//! Pictures: what they are by their content. None is ever decoded here.

use super::problem::Problem;
use imagesize::ImageType;

/// Largest picture, in bytes.
pub(super) const BYTES_MAX: u64 = 25 << 20;
/// Most pixels: a browser that shows it needs four bytes for each.
const PIXELS_MAX: usize = 50_000_000;
/// Longest side, in pixels.
const SIDE_MAX: usize = 16_384;

/// What a picture is: its extension, if it is one that every browser shows.
pub(super) fn look(bytes: &[u8]) -> Result<&'static str, Problem> {
    let kind = imagesize::image_type(bytes).ok();
    let extension = match kind {
        Some(ImageType::Jpeg) => "jpg",
        Some(ImageType::Png) => "png",
        Some(ImageType::Gif) => "gif",
        Some(ImageType::Webp) => "webp",
        _ => {
            let detail = "The file is not a picture in a format that every browser shows.";
            return Err(Problem::unprocessable("not_an_image", detail)
                .remedy("Upload a JPEG, PNG, GIF or WebP."));
        }
    };
    let size = imagesize::blob_size(bytes).map_err(|_| truncated())?;
    let pixels = size.width.saturating_mul(size.height);
    if pixels == 0 {
        return Err(truncated());
    }
    if pixels > PIXELS_MAX || size.width.max(size.height) > SIDE_MAX {
        let detail = format!("The picture has {} x {} pixels.", size.width, size.height);
        return Err(Problem::unprocessable("image_too_large", detail)
            .remedy(format!("Use at most {SIDE_MAX} on a side, and 50 million in all.")));
    }
    if ends(extension, bytes) { Ok(extension) } else { Err(truncated()) }
}

fn truncated() -> Problem {
    Problem::unprocessable(
        "image_damaged",
        "The picture is not whole: its end is missing, or its head is damaged.",
    )
    .remedy("Open it on your side; if it looks whole there, save it anew and upload that.")
}

/// Whether the file has the end that its format asks for.
fn ends(extension: &str, bytes: &[u8]) -> bool {
    let tail = &bytes[bytes.len().saturating_sub(64 << 10)..];
    let holds = |mark: &[u8]| tail.windows(mark.len()).any(|w| w == mark);
    match extension {
        "jpg" => holds(&[0xff, 0xd9]),
        "png" => holds(b"IEND\xae\x42\x60\x82"),
        "gif" => tail.iter().rev().find(|b| **b != 0) == Some(&0x3b),
        // RIFF: the length stands in the head.
        _ => {
            let length = bytes.get(4..8).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            length.is_some_and(|n| bytes.len() as u64 >= u64::from(n) + 8)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A PNG head that says how large it is, and an end.
    fn png(width: u32, height: u32) -> Vec<u8> {
        let mut bytes = b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR".to_vec();
        bytes.extend(width.to_be_bytes());
        bytes.extend(height.to_be_bytes());
        bytes.extend(b"\x08\x06\0\0\0\0\0\0\0");
        bytes.extend(b"\0\0\0\0IEND\xae\x42\x60\x82");
        bytes
    }

    #[test]
    fn pictures_are_known_by_their_content() {
        assert_eq!(look(&png(800, 600)).unwrap(), "png");
        let code = |bytes: &[u8]| look(bytes).unwrap_err().code;
        assert_eq!(code(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "not_an_image");
        assert_eq!(code(b"<html>"), "not_an_image");
        assert_eq!(code(b""), "not_an_image");
        let whole = png(800, 600);
        assert_eq!(code(&whole[..whole.len() - 6]), "image_damaged");
    }

    #[test]
    fn a_bomb_is_known_by_its_head() {
        for (width, height) in [(100_000, 100_000), (50_000, 10), (16_000, 16_000)] {
            assert_eq!(look(&png(width, height)).unwrap_err().code, "image_too_large");
        }
    }
}
