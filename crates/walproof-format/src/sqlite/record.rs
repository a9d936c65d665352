//! A record: the row of a table, the key of an index.
//!
//! ```text
//! varint        bytes of the header, this varint included
//! varint ...    one serial type for each column
//! ...           the values, one after the other, without gaps
//!
//! serial type   value                                   bytes
//! 0             NULL                                        0
//! 1 to 6        integer, big-endian, signed     1 2 3 4 6 8
//! 7             IEEE 754 double, big-endian                 8
//! 8, 9          the integers 0 and 1                        0
//! 10, 11        not used
//! n >= 12 even  blob                             (n - 12) / 2
//! n >= 13 odd   text in the database's encoding  (n - 13) / 2
//!
//! varint: up to nine bytes, seven bits each from the highest, bit 0x80 says that more follow; the ninth has eight
//! ```
//!
//! Valid when (1) the header lies within the payload, (2) its varints end where it ends, (3) no type is 10 or 11,
//! (4) the values lie within the payload. Reading stops at the first that is not, and says so.

use super::db_header::TextEncoding;

/// A value of a record.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Value<'a> {
    /// NULL.
    Null,
    /// Serial types 1 to 6, 8, 9.
    Integer(i64),
    /// Serial type 7.
    Real(f64),
    /// Text as stored.
    Text(&'a [u8]),
    /// A blob.
    Blob(&'a [u8]),
}

/// A varint and its length; `None`: the bytes end before it does.
pub fn varint(bytes: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0u64;
    for (index, byte) in bytes.iter().take(9).enumerate() {
        if index == 8 {
            return Some(((value << 8) | u64::from(*byte), 9));
        }
        value = (value << 7) | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            return Some((value, index + 1));
        }
    }
    None
}

/// The columns of a record, one after the other.
#[derive(Clone, Debug)]
pub struct Columns<'a> {
    types: &'a [u8],
    values: &'a [u8],
    damaged: bool,
}

impl<'a> Columns<'a> {
    /// `payload` may end early: the columns that are whole are read.
    pub fn of(payload: &'a [u8]) -> Self {
        let none = Self { types: &[], values: &[], damaged: true };
        let Some((header_bytes, length)) = varint(payload) else { return none };
        let header_bytes = usize::try_from(header_bytes).unwrap_or(usize::MAX);
        match payload.get(length..header_bytes) {
            Some(types) => Self { types, values: &payload[header_bytes..], damaged: false },
            None => none,
        }
    }

    /// Whether reading stopped at something that is not valid, or at the end of the payload.
    pub const fn damaged(&self) -> bool {
        self.damaged
    }

    fn take(&mut self) -> Option<Value<'a>> {
        let (serial, length) = varint(self.types)?;
        let bytes = match serial {
            0 | 8 | 9 => 0,
            1..=4 => serial as usize,
            5 => 6,
            6 | 7 => 8,
            10 | 11 => return None,
            _ => usize::try_from((serial - 12) / 2).ok()?,
        };
        let value = self.values.get(..bytes)?;
        (self.types, self.values) = (&self.types[length..], &self.values[bytes..]);
        Some(match serial {
            0 => Value::Null,
            1..=6 => Value::Integer(signed(value)),
            7 => Value::Real(f64::from_bits(signed(value) as u64)),
            8 | 9 => Value::Integer(serial as i64 - 8),
            _ if serial % 2 == 0 => Value::Blob(value),
            _ => Value::Text(value),
        })
    }
}

impl<'a> Iterator for Columns<'a> {
    type Item = Value<'a>;

    fn next(&mut self) -> Option<Value<'a>> {
        if self.damaged || self.types.is_empty() {
            return None;
        }
        let value = self.take();
        self.damaged = value.is_none();
        value
    }
}

/// One to eight bytes.
fn signed(bytes: &[u8]) -> i64 {
    let sign = if bytes.first().is_some_and(|first| first & 0x80 != 0) { -1 } else { 0 };
    bytes.iter().fold(sign, |value, byte| (value << 8) | i64::from(*byte))
}

impl TextEncoding {
    /// Text as stored, with U+FFFD for what is none.
    pub fn decode(self, bytes: &[u8]) -> String {
        let pair = match self {
            Self::Utf8 => return String::from_utf8_lossy(bytes).into_owned(),
            Self::Utf16Little => u16::from_le_bytes,
            Self::Utf16Big => u16::from_be_bytes,
        };
        let units = bytes.chunks_exact(2).map(|two| pair([two[0], two[1]]));
        char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn varints_of_every_length() {
        assert_eq!(varint(&[0x7f]), Some((127, 1)));
        assert_eq!(varint(&[0x81, 0x00]), Some((128, 2)));
        assert_eq!(varint(&[0xff; 9]), Some((u64::MAX, 9)));
        assert_eq!(varint(&[0x80; 8]), None);
        assert_eq!(varint(&[]), None);
    }

    #[test]
    fn every_serial_type_is_read() {
        let header = [13, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 15, 16];
        let mut payload = header.to_vec();
        payload.extend([0xff, 0x80, 0x00, 0xff, 0xff, 0xfe, 0, 0, 1, 0, 0, 0, 0, 0, 1, 0]);
        payload.extend((-5i64).to_be_bytes());
        payload.extend(1.5f64.to_be_bytes());
        payload.extend([b'a', 1, 2]);
        let mut columns = Columns::of(&payload);
        let values: Vec<Value> = columns.by_ref().collect();
        let integers = [-1, -32768, -2, 256, 256, -5].map(Value::Integer);
        assert_eq!(values[0], Value::Null);
        assert_eq!(values[1..7], integers);
        assert_eq!(values[7..10], [Value::Real(1.5), Value::Integer(0), Value::Integer(1)]);
        assert_eq!(values[10..], [Value::Text(b"a"), Value::Blob(&[1, 2])]);
        assert!(!columns.damaged());
    }

    #[test]
    fn a_record_that_ends_early_gives_what_is_whole() {
        let payload = [4, 1, 15, 1, 7, b'x', 9];
        for length in 0..=payload.len() {
            let mut columns = Columns::of(&payload[..length]);
            let count = columns.by_ref().count();
            assert_eq!(count, length.saturating_sub(4), "{length} bytes");
            assert_eq!(columns.damaged(), length < payload.len());
        }
        assert!(Columns::of(&[3, 10, 1]).count() == 0 && Columns::of(&[0]).damaged());
    }

    #[test]
    fn text_in_all_three_encodings() {
        assert_eq!(TextEncoding::Utf8.decode("größe\u{1f600}".as_bytes()), "größe\u{1f600}");
        let units: Vec<u16> = "größe\u{1f600}".encode_utf16().collect();
        let little: Vec<u8> = units.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let big: Vec<u8> = units.iter().flat_map(|unit| unit.to_be_bytes()).collect();
        assert_eq!(TextEncoding::Utf16Little.decode(&little), "größe\u{1f600}");
        assert_eq!(TextEncoding::Utf16Big.decode(&big), "größe\u{1f600}");
        assert_eq!(TextEncoding::Utf16Big.decode(&[0xd8, 0, 0]), "\u{fffd}");
    }
}
