//! An ONNX file's outline: the same model, with large weights left where they are.
//!
//! ONNX Runtime reads a file whole, takes it apart and copies every weight out of it, three times the
//! file's size for a moment. Weights that lie in another file it maps instead
//! (<https://onnx.ai/onnx/repo-docs/ExternalData.html>). The outline says that they do, and means the file
//! that they are in. Everything else is copied as it is, whether this module knows it or not.

use prost::encoding::{WireType, decode_key, decode_varint, encode_key, encode_varint};

/// Smaller weights are copied.
const MIN_BYTES: usize = 4096;

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

/// The outline of `file`, which lies beside it under the name `name`.
///
/// None if it is not a message of protobuf.
pub(crate) fn outline(file: &[u8], name: &str) -> Option<Vec<u8>> {
    let offset = |part: &[u8]| part.as_ptr() as usize - file.as_ptr() as usize;
    rewritten(file, MODEL_GRAPH, |graph| {
        rewritten(graph, GRAPH_INITIALIZER, |tensor| {
            let (mut data_type, mut raw_data) = (None, None);
            for field in Fields(tensor) {
                match field? {
                    Field { number: TENSOR_DATA_TYPE, value: Value::Number(number), .. } => {
                        data_type = Some(number)
                    }
                    Field { number: TENSOR_RAW_DATA, value: Value::Bytes(bytes), .. } => {
                        raw_data = Some(bytes)
                    }
                    _ => {}
                }
            }
            let Some(raw_data) = raw_data.filter(|data| data_type == Some(UINT8) && data.len() >= MIN_BYTES)
            else {
                return Some(tensor.to_vec());
            };
            let mut moved = Vec::new();
            for field in Fields(tensor) {
                let field = field?;
                if field.number != TENSOR_RAW_DATA {
                    moved.extend_from_slice(field.whole);
                }
            }
            let place = [
                ("location", name),
                ("offset", &offset(raw_data).to_string()),
                ("length", &raw_data.len().to_string()),
            ];
            for (key, value) in place {
                let mut entry = Vec::new();
                put_bytes(ENTRY_KEY, key.as_bytes(), &mut entry);
                put_bytes(ENTRY_VALUE, value.as_bytes(), &mut entry);
                put_bytes(TENSOR_EXTERNAL_DATA, &entry, &mut moved);
            }
            encode_key(TENSOR_DATA_LOCATION, WireType::Varint, &mut moved);
            encode_varint(EXTERNAL, &mut moved);
            Some(moved)
        })
    })
}

/// `message` with each of its messages `number` replaced.
fn rewritten(message: &[u8], number: u32, replace: impl Fn(&[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let mut copy = Vec::new();
    for field in Fields(message) {
        match field? {
            Field { number: found, value: Value::Bytes(bytes), .. } if found == number => {
                put_bytes(number, &replace(bytes)?, &mut copy);
            }
            Field { whole, .. } => copy.extend_from_slice(whole),
        }
    }
    Some(copy)
}

fn put_bytes(number: u32, bytes: &[u8], message: &mut Vec<u8>) {
    encode_key(number, WireType::LengthDelimited, message);
    encode_varint(bytes.len() as u64, message);
    message.extend_from_slice(bytes);
}

/// A field of a message.
struct Field<'a> {
    number: u32,
    value: Value<'a>,
    /// With its number and its length.
    whole: &'a [u8],
}

enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// Of fixed width, which nobody asks for here.
    Other,
}

/// The fields of a message, one after the other.
struct Fields<'a>(&'a [u8]);

impl<'a> Fields<'a> {
    fn take(&mut self) -> Option<Field<'a>> {
        let start = self.0;
        let (number, wire_type) = decode_key(&mut self.0).ok()?;
        let value = match wire_type {
            WireType::Varint => Value::Number(decode_varint(&mut self.0).ok()?),
            WireType::LengthDelimited => {
                let length = decode_varint(&mut self.0).ok()?;
                Value::Bytes(self.skip(usize::try_from(length).unwrap_or(usize::MAX))?)
            }
            WireType::ThirtyTwoBit => self.skip(4).map(|_| Value::Other)?,
            WireType::SixtyFourBit => self.skip(8).map(|_| Value::Other)?,
            // Groups, which ONNX has none of.
            WireType::StartGroup | WireType::EndGroup => return None,
        };
        Some(Field { number, value, whole: &start[..start.len() - self.0.len()] })
    }

    fn skip(&mut self, length: usize) -> Option<&'a [u8]> {
        let (skipped, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(skipped)
    }
}

impl<'a> Iterator for Fields<'a> {
    /// None where it is not a message.
    type Item = Option<Field<'a>>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let field = self.take();
        if field.is_none() {
            self.0 = &[];
        }
        Some(field)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let weights: Vec<u8> = (0..MIN_BYTES).map(|i| i as u8).collect();
        let (large, small, floats) = (tensor(UINT8, &weights), tensor(UINT8, &[1, 2]), tensor(1, &weights));
        let graph = message(&[(2, b"gpt"), (5, &large), (5, &small), (5, &floats), (99, b"?")]);
        let file = message(&[(2, b"producer"), (7, &graph), (98, b"!")]);

        let offset = file.windows(MIN_BYTES).position(|window| window == weights).unwrap().to_string();
        let moved = [
            &large[..large.len() - MIN_BYTES - 3], // its number and two bytes of length
            &message(&[
                (13, &message(&[(1, b"location"), (2, b"model.onnx")])),
                (13, &message(&[(1, b"offset"), (2, offset.as_bytes())])),
                (13, &message(&[(1, b"length"), (2, MIN_BYTES.to_string().as_bytes())])),
            ]),
            &[14 << 3, 1], // number and type of the data location, which is external
        ];
        let graph = message(&[(2, b"gpt"), (5, &moved.concat()), (5, &small), (5, &floats), (99, b"?")]);
        let expected = message(&[(2, b"producer"), (7, &graph), (98, b"!")]);
        assert_eq!(outline(&file, "model.onnx").unwrap(), expected);
    }

    #[test]
    fn what_ends_early_is_no_model() {
        let file = message(&[(2, b"producer"), (7, &message(&[(5, &tensor(UINT8, &[0; MIN_BYTES]))]))]);
        assert_eq!(outline(&file[..file.len() - 1], "x"), None);
        assert_eq!(outline(b"not a model at all", "x"), None);
    }
}
