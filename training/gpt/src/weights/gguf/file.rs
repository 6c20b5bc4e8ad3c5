//! GGUF file of a model, written one tensor at a time.

use std::io::{BufWriter, Write};
use std::path::Path;

use artifact::config::Activation;
use store::{AtomicFile, PathError};

use super::metadata::{Metadata, put_string};
use super::tensors::{GgufTensor, Precision, collect};
use crate::model::Gpt;
use crate::weights::Language;
use crate::weights::error::SaveError;

/// Version of the format.
const VERSION: u32 = 3;
/// Values of a tensor begin at a multiple of it, unless a file says otherwise.
const ALIGNMENT: usize = 32;

/// Writes a model to a GGUF file, with its language if it has one; `name` is what people call it.
///
/// # Errors
/// If the file exists or cannot be written, or llama.cpp would compute something else; then there is no file.
pub fn export(
    model: &Gpt,
    language: Option<Language<'_>>,
    name: &str,
    precision: Precision,
    path: &Path,
) -> Result<(), SaveError> {
    if model.config().activation != Activation::GeluTanh {
        return Err(SaveError::Activation { found: model.config().activation });
    }
    if let Some(Language { tokenizer, .. }) = language
        && tokenizer.pattern().is_none()
    {
        return Err(SaveError::PreTokenizer { found: tokenizer.pre_tokenizer().to_string() });
    }
    if path.exists() {
        return Err(SaveError::Exists { path: path.to_owned() });
    }
    let metadata = Metadata::of(model.config(), language, name, precision)?;
    let tensors = collect(model, precision);
    let mut file = BufWriter::new(AtomicFile::create(path)?);
    let mut write = |bytes: &[u8]| file.write_all(bytes).map_err(PathError::at(path));
    write(&header(&metadata, &tensors))?;
    for tensor in &tensors {
        for values in tensor.values() {
            write(values?.bytes())?;
        }
        write(&vec![0; padding(tensor.bytes())])?;
    }
    let file = file.into_inner().map_err(|error| PathError::at(path)(error.into_error()))?;
    Ok(file.commit()?)
}

/// Everything before the values of the tensors.
fn header(metadata: &Metadata, tensors: &[GgufTensor]) -> Vec<u8> {
    let mut header = b"GGUF".to_vec();
    header.extend(VERSION.to_le_bytes());
    header.extend((tensors.len() as u64).to_le_bytes());
    header.extend(metadata.count.to_le_bytes());
    header.extend(&metadata.bytes);
    let mut offset = 0;
    for tensor in tensors {
        put_string(&tensor.name, &mut header);
        header.extend((tensor.shape.len() as u32).to_le_bytes());
        // The innermost axis first.
        tensor.shape.iter().rev().for_each(|&length| header.extend((length as u64).to_le_bytes()));
        header.extend(tensor.kind().to_le_bytes());
        header.extend((offset as u64).to_le_bytes());
        offset += tensor.bytes() + padding(tensor.bytes());
    }
    header.resize(header.len() + padding(header.len()), 0);
    header
}

/// Bytes from `length` to the next multiple of the alignment.
fn padding(length: usize) -> usize {
    length.next_multiple_of(ALIGNMENT) - length
}
