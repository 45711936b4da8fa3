//! How much memory the codebooks of a Vorbis header ask for.
//!
//! A few hundred bytes can describe books of gigabytes. They are walked here before the decoder
//! unpacks them: Vorbis I specification, 3.2.1.

/// What the unpacked books of a song may take, in bytes. libvorbis's own come to about 2 MB.
pub(super) const UNPACKED_BYTES_MAX: u64 = 64 << 20;

/// Bits, the lowest of a byte first.
struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: u32) -> Option<u32> {
        let mut value = 0;
        for n in 0..count {
            let byte = self.bytes.get(self.at / 8)?;
            value |= u32::from(byte >> (self.at % 8) & 1) << n;
            self.at += 1;
        }
        Some(value)
    }

    fn skip(&mut self, count: u64) -> Option<()> {
        let at = self.at.checked_add(usize::try_from(count).ok()?)?;
        self.at = at;
        (at <= self.bytes.len() * 8).then_some(())
    }
}

/// The bytes that the books of this setup header unpack to; `None` if they make no sense.
pub(super) fn unpacked_bytes(setup: &[u8]) -> Option<u64> {
    let books = setup.strip_prefix(b"\x05vorbis")?;
    let mut bits = Bits { bytes: books, at: 0 };
    let count = bits.take(8)? + 1;
    let mut bytes: u64 = 0;
    for _ in 0..count {
        bytes = bytes.saturating_add(book(&mut bits)?);
    }
    Some(bytes)
}

fn book(bits: &mut Bits<'_>) -> Option<u64> {
    if bits.take(24)? != 0x56_4342 {
        return None;
    }
    let dimensions = u64::from(bits.take(16)?);
    let entries = u64::from(bits.take(24)?);
    lengths(bits, entries)?;
    // An entry costs its code and its place in a table, at least.
    let scalar = entries * 16;
    let values = match bits.take(4)? {
        0 => return Some(scalar),
        1 => lookup1_values(entries, dimensions)?,
        2 => entries * dimensions,
        _ => return None,
    };
    bits.skip(64)?;
    let value_bits = u64::from(bits.take(4)?) + 1;
    bits.skip(1)?;
    bits.skip(values.checked_mul(value_bits)?)?;
    Some(scalar + entries * dimensions * 4 + values * 2)
}

fn lengths(bits: &mut Bits<'_>, entries: u64) -> Option<()> {
    if bits.take(1)? == 0 {
        if bits.take(1)? == 0 {
            return bits.skip(entries * 5);
        }
        for _ in 0..entries {
            if bits.take(1)? == 1 {
                bits.skip(5)?;
            }
        }
        return Some(());
    }
    bits.skip(5)?;
    let mut entry = 0;
    // Each length has a count of its own, and there are 32 lengths.
    for _ in 0..32 {
        if entry >= entries {
            break;
        }
        let width = u64::BITS - (entries - entry).leading_zeros();
        entry += u64::from(bits.take(width)?);
    }
    (entry == entries).then_some(())
}

/// The greatest number whose power by `dimensions` is at most `entries`.
fn lookup1_values(entries: u64, dimensions: u64) -> Option<u64> {
    let dimensions = u32::try_from(dimensions).ok().filter(|d| *d > 0)?;
    let fits = |n: u64| n.checked_pow(dimensions).is_some_and(|p| p <= entries);
    // Entries have 24 bits: the root of one dimension is at most 2^24.
    let (mut low, mut high) = (0_u64, 1_u64 << 24);
    while low < high {
        let middle = (low + high).div_ceil(2);
        if fits(middle) { low = middle } else { high = middle - 1 }
    }
    Some(low)
}
