//! Opening of a file as records, whatever its format.

use std::io::Read;
use std::path::Path;

use super::detect::{Format, Kind};
use super::encoding::Encoding;
use super::json_lines::JsonLines;
use super::parquet::ParquetColumn;
use super::plain::PlainText;
use super::records::Records;
use crate::corpus::error::CorpusError;

/// Opens a file of text or JSON as a stream of UTF-8, unpacked; none of a table.
///
/// # Errors
/// If it cannot be opened.
pub fn open_stream(path: &Path, format: Format) -> Result<Option<Box<dyn Read>>, CorpusError> {
    match format.kind {
        Kind::Text(encoding) | Kind::JsonLines(encoding) => {
            Ok(Some(encoding.transcode(format.compression.open(path)?)))
        }
        Kind::Parquet => Ok(None),
    }
}

/// Opens a file of this format, whose text is in the field or column `text_field` if it has any.
///
/// # Errors
/// If it cannot be opened, or has no such column.
pub fn open(path: &Path, format: Format, text_field: &str) -> Result<Box<dyn Records>, CorpusError> {
    let stream = |encoding: Encoding| -> Result<Box<dyn Read>, CorpusError> {
        Ok(encoding.transcode(format.compression.open(path)?))
    };
    Ok(match format.kind {
        Kind::Text(encoding) => Box::new(PlainText::new(path, stream(encoding)?)),
        Kind::JsonLines(encoding) => Box::new(JsonLines::new(path, stream(encoding)?, text_field)),
        Kind::Parquet => Box::new(ParquetColumn::open(path, text_field)?),
    })
}
