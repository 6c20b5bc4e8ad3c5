//! Outline of an ONNX file: the same model, with large weights as external data in the file that they are in.
//!
//! ONNX Runtime reads a file whole, takes it apart and copies every weight out of it, three times the file's size
//! for a moment. External data it memory-maps instead (<https://onnx.ai/onnx/repo-docs/ExternalData.html>). The
//! outline says that large weights are external, and names the file itself. Everything else is copied as it is,
//! whether this module knows it or not; the weights are not even read.

use std::fs::File;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

/// Smaller weights are copied.
const MIN_BYTES: u64 = 4096;

// Numbers of fields in `onnx.proto`.
const MODEL_GRAPH: u32 = 7;
const GRAPH_INITIALIZER: u32 = 5;
const TENSOR_DATA_TYPE: u32 = 2;
const TENSOR_RAW_DATA: u32 = 9;
const TENSOR_EXTERNAL_DATA: u32 = 13;
const TENSOR_DATA_LOCATION: u32 = 14;
const ENTRY_KEY: u32 = 1;
const ENTRY_VALUE: u32 = 2;

/// Type of bytes, which may lie anywhere; wider numbers would have to be aligned.
const UINT8: u64 = 2;
/// The data location of weights in another file.
const EXTERNAL: u64 = 1;

/// The most bytes of a field's number and length: two varints.
const MAX_HEADER_BYTES: u64 = 20;

/// The outline of the model at `path`, to be loaded with its folder as that of external data.
///
/// None if the file cannot be read, or is not a message of protobuf.
pub(crate) fn outline(path: &Path) -> Option<Vec<u8>> {
    let file = File::open(path).ok()?;
    let model = Message { file: &file, range: 0..file.metadata().ok()?.len() };
    let name = path.file_name()?.to_str()?;
    model.rewritten(MODEL_GRAPH, |graph| graph.rewritten(GRAPH_INITIALIZER, |tensor| tensor.moved_out(name)))
}

/// A message of protobuf in a file.
struct Message<'a> {
    file: &'a File,
    range: Range<u64>,
}

impl<'a> Message<'a> {
    /// A copy with each of its messages `number` replaced.
    fn rewritten(&self, number: u32, replace: impl Fn(Message<'a>) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
        let mut copy = Vec::new();
        for field in self.fields() {
            match field? {
                Field { number: found, value: Value::Bytes(range), .. } if found == number => {
                    put_bytes(number, &replace(Message { file: self.file, range })?, &mut copy);
                }
                Field { whole, .. } => self.read(whole, &mut copy)?,
            }
        }
        Some(copy)
    }

    /// A tensor with its weights as external data in the file `name`, if they are large and bytes; else a copy.
    fn moved_out(&self, name: &str) -> Option<Vec<u8>> {
        let (mut data_type, mut raw_data) = (None, None);
        for field in self.fields() {
            match field? {
                Field { number: TENSOR_DATA_TYPE, value: Value::Number(number), .. } => {
                    data_type = Some(number)
                }
                Field { number: TENSOR_RAW_DATA, value: Value::Bytes(range), .. } => raw_data = Some(range),
                _ => {}
            }
        }
        let mut tensor = Vec::new();
        let is_large = |range: &Range<u64>| range.end - range.start >= MIN_BYTES;
        let Some(raw_data) = raw_data.filter(|range| data_type == Some(UINT8) && is_large(range)) else {
            self.read(self.range.clone(), &mut tensor)?;
            return Some(tensor);
        };
        for field in self.fields() {
            let Field { number, whole, .. } = field?;
            if number != TENSOR_RAW_DATA {
                self.read(whole, &mut tensor)?;
            }
        }
        let (offset, length) = (raw_data.start.to_string(), (raw_data.end - raw_data.start).to_string());
        for (key, value) in [("location", name), ("offset", &offset), ("length", &length)] {
            let mut entry = Vec::new();
            put_bytes(ENTRY_KEY, key.as_bytes(), &mut entry);
            put_bytes(ENTRY_VALUE, value.as_bytes(), &mut entry);
            put_bytes(TENSOR_EXTERNAL_DATA, &entry, &mut tensor);
        }
        encode_key(TENSOR_DATA_LOCATION, WireType::Varint, &mut tensor);
        encode_varint(EXTERNAL, &mut tensor);
        Some(tensor)
    }

    fn fields(&self) -> Fields<'a> {
        Fields { file: self.file, rest: self.range.clone() }
    }

    /// Appends a part of the file, which lies within it.
    fn read(&self, range: Range<u64>, copy: &mut Vec<u8>) -> Option<()> {
        let start = copy.len();
        copy.resize(start + usize::try_from(range.end - range.start).ok()?, 0);
        self.file.read_exact_at(&mut copy[start..], range.start).ok()
    }
}

fn put_bytes(number: u32, bytes: &[u8], message: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, message);
    encode_varint(bytes.len() as u64, message);
    message.extend_from_slice(bytes);
}

/// A field of a message.
struct Field {
    number: u32,
    value: Value,
    /// With its number and its length.
    whole: Range<u64>,
}

enum Value {
    Number(u64),
    Bytes(Range<u64>),
    /// Of fixed width, which nobody asks for here.
    Fixed,
}

/// The fields of a message, one after the other; of each, only the header is read.
struct Fields<'a> {
    file: &'a File,
    rest: Range<u64>,
}

impl Fields<'_> {
    fn take(&mut self) -> Option<Field> {
        let start = self.rest.start;
        let mut buffer = [0; MAX_HEADER_BYTES as usize];
        let length = (self.rest.end - start).min(MAX_HEADER_BYTES) as usize;
        self.file.read_exact_at(&mut buffer[..length], start).ok()?;
        let mut header = &buffer[..length];
        let (number, wire_type) = decode_key(&mut header).ok()?;
        let varint = match wire_type {
            WireType::Varint | WireType::LengthDelimited => decode_varint(&mut header).ok()?,
            WireType::ThirtyTwoBit => 4,
            WireType::SixtyFourBit => 8,
            // Groups, which ONNX has none of.
            WireType::StartGroup | WireType::EndGroup => return None,
        };
        let after_header = start + (length - header.len()) as u64;
        let end =
            if wire_type == WireType::Varint { Some(after_header) } else { after_header.checked_add(varint) };
        let end = end.filter(|&end| end <= self.rest.end)?;
        let value = match wire_type {
            WireType::Varint => Value::Number(varint),
            WireType::LengthDelimited => Value::Bytes(after_header..end),
            _ => Value::Fixed,
        };
        self.rest.start = end;
        Some(Field { number, value, whole: start..end })
    }
}

impl Iterator for Fields<'_> {
    /// None where it is not a message.
    type Item = Option<Field>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.take();
        if field.is_none() {
            self.rest.start = self.rest.end;
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const LARGE: usize = MIN_BYTES as usize;

    /// The outline of a file with these bytes, and its name.
    fn outline_of(bytes: &[u8]) -> (Option<Vec<u8>>, String) {
        let mut file = tempfile::NamedTempFile::with_suffix(".onnx").unwrap();
        file.write_all(bytes).unwrap();
        let name = file.path().file_name().unwrap().to_str().unwrap().to_owned();
        (outline(file.path()), name)
    }

    fn message(fields: &[(u32, &[u8])]) -> Vec<u8> {
        let mut message = Vec::new();
        fields.iter().for_each(|(number, bytes)| put_bytes(*number, bytes, &mut message));
        message
    }

    fn tensor(data_type: u64, data: &[u8]) -> Vec<u8> {
        let mut tensor = Vec::new();
        encode_key(TENSOR_DATA_TYPE, WireType::Varint, &mut tensor);
        encode_varint(data_type, &mut tensor);
        put_bytes(8, b"name", &mut tensor);
        put_bytes(TENSOR_RAW_DATA, data, &mut tensor);
        tensor
    }

    /// A large weight of bytes stays where it is; a small one, one of another type, and fields that mean
    /// nothing here are copied.
    #[test]
    fn says_where_large_weights_are() {
        let weights: Vec<u8> = (0..LARGE).map(|i| i as u8).collect();
        let (large, small, floats) = (tensor(UINT8, &weights), tensor(UINT8, &[1, 2]), tensor(1, &weights));
        let graph = message(&[(2, b"gpt"), (5, &large), (5, &small), (5, &floats), (99, b"?")]);
        let file = message(&[(2, b"producer"), (7, &graph), (98, b"!")]);

        let offset = file.windows(LARGE).position(|window| window == weights).unwrap().to_string();
        let (found, name) = outline_of(&file);
        let moved = [
            &large[..large.len() - LARGE - 3], // its number and two bytes of length
            &message(&[
                (13, &message(&[(1, b"location"), (2, name.as_bytes())])),
                (13, &message(&[(1, b"offset"), (2, offset.as_bytes())])),
                (13, &message(&[(1, b"length"), (2, LARGE.to_string().as_bytes())])),
            ]),
            &[14 << 3, 1], // number and type of the data location, which is external
        ];
        let graph = message(&[(2, b"gpt"), (5, &moved.concat()), (5, &small), (5, &floats), (99, b"?")]);
        let expected = message(&[(2, b"producer"), (7, &graph), (98, b"!")]);
        assert_eq!(found.unwrap(), expected);
    }

    #[test]
    fn a_message_that_ends_early_has_no_outline() {
        let file = message(&[(2, b"producer"), (7, &message(&[(5, &tensor(UINT8, &[0; LARGE]))]))]);
        assert_eq!(outline_of(&file[..file.len() - 1]).0, None);
        assert_eq!(outline_of(b"not a model at all").0, None);
        assert_eq!(outline(Path::new("/no/such/file.onnx")), None);
    }
}
