//! Parquet: the texts of one column, page by page.

use std::collections::VecDeque;
use std::fs::File;
use std::path::{Path, PathBuf};

use parquet::basic::{Compression, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{ByteArray, ByteArrayType};
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::ColumnDescPtr;

use super::records::{Pieces, Records, Step};
use crate::corpus::error::CorpusError;

/// Values that are asked for at once: of one page, which is in memory in any case.
const BATCH: usize = 64;

/// Names of other columns in an error.
const MAX_NAMES: usize = 8;

/// Reads each value of a column as a record. A missing value is an empty record.
pub struct ParquetColumn {
    path: PathBuf,
    file: SerializedFileReader<File>,
    column: usize,
    /// Definition level of a value that is there.
    level: i16,
    next_row_group: usize,
    reader: Option<ColumnReaderImpl<ByteArrayType>>,
    values: VecDeque<Option<ByteArray>>,
    /// Rows that have been handed out.
    rows: u64,
    record: Pieces,
}

impl ParquetColumn {
    /// Opens a file, whose texts are in the column `name`.
    ///
    /// # Errors
    /// If it cannot be read, or has no such column of texts.
    pub fn open(path: &Path, name: &str) -> Result<Self, CorpusError> {
        let file = File::open(path).map_err(CorpusError::io(path))?;
        let file = SerializedFileReader::new(file).map_err(|error| damaged(path, &error))?;
        let columns = file.metadata().file_metadata().schema_descr().columns();
        let is_text = |column: &ColumnDescPtr| {
            column.physical_type() == Type::BYTE_ARRAY && column.max_rep_level() == 0
        };
        let found = columns.iter().position(|column| column.path().string() == name && is_text(column));
        let column = found.ok_or_else(|| CorpusError::Record {
            path: path.to_owned(),
            place: "its columns".to_owned(),
            reason: missing(columns, name),
        })?;
        for group in file.metadata().row_groups() {
            check_compression(path, group.column(column).compression())?;
        }
        let level = columns[column].max_def_level();
        Ok(Self {
            path: path.to_owned(),
            file,
            column,
            level,
            next_row_group: 0,
            reader: None,
            values: VecDeque::new(),
            rows: 0,
            record: Pieces::default(),
        })
    }

    /// Reads values ahead; false at the end of the file.
    fn read_batch(&mut self) -> Result<bool, CorpusError> {
        loop {
            let reader = match &mut self.reader {
                Some(reader) => reader,
                none if self.next_row_group < self.file.num_row_groups() => {
                    let group = self.file.get_row_group(self.next_row_group);
                    let reader = group.and_then(|group| group.get_column_reader(self.column));
                    self.next_row_group += 1;
                    match reader.map_err(|error| damaged(&self.path, &error))? {
                        ColumnReader::ByteArrayColumnReader(reader) => none.insert(reader),
                        _ => {
                            return Err(damaged(&self.path, &"a column has another type than its file says"));
                        }
                    }
                }
                _ => return Ok(false),
            };
            let (mut levels, mut values) = (Vec::new(), Vec::new());
            let (records, ..) = reader
                .read_records(BATCH, (self.level > 0).then_some(&mut levels), None, &mut values)
                .map_err(|error| damaged(&self.path, &error))?;
            if records == 0 {
                self.reader = None;
                continue;
            }
            let mut values = values.into_iter();
            // A column in which no value can be missing has no levels.
            let is_there = |index: usize| levels.get(index).is_none_or(|level| *level == self.level);
            self.values.extend((0..records).map(|index| if is_there(index) { values.next() } else { None }));
            return Ok(true);
        }
    }
}

impl Records for ParquetColumn {
    fn read(&mut self, text: &mut String) -> Result<Step, CorpusError> {
        loop {
            if let Some(step) = self.record.next(text) {
                return Ok(step);
            }
            let Some(value) = self.values.pop_front() else {
                if self.read_batch()? {
                    continue;
                }
                return Ok(Step::End);
            };
            self.rows += 1;
            let bytes = value.as_ref().map_or(&[][..], ByteArray::data);
            let record = std::str::from_utf8(bytes).map_err(|error| CorpusError::Record {
                path: self.path.clone(),
                place: format!("row {}", self.rows),
                reason: format!(
                    "byte {} of the text is not valid UTF-8; is it a column of texts?",
                    error.valid_up_to()
                ),
            })?;
            self.record.begin(record.to_owned());
        }
    }
}

/// Refuses compression that is rare and takes a decoder of its own.
fn check_compression(path: &Path, compression: Compression) -> Result<(), CorpusError> {
    let name = match compression {
        Compression::BROTLI(_) => "Brotli",
        Compression::LZO => "LZO",
        _ => return Ok(()),
    };
    let reason = format!(
        "compressed with {name}, expected Snappy, Zstandard, gzip or LZ4; write it so with \
         pandas.read_parquet(FILE).to_parquet(NEW_FILE)"
    );
    Err(CorpusError::Record { path: path.to_owned(), place: "its column".to_owned(), reason })
}

fn damaged(path: &Path, error: &dyn std::fmt::Display) -> CorpusError {
    CorpusError::Parquet { path: path.to_owned(), reason: error.to_string() }
}

fn missing(columns: &[ColumnDescPtr], name: &str) -> String {
    let names: Vec<String> =
        columns.iter().take(MAX_NAMES).map(|column| format!("`{}`", column.path().string())).collect();
    let others = columns.len() - names.len();
    let more = if others > 0 { format!(" and {others} more") } else { String::new() };
    format!(
        "expected a column `{name}` of texts, found {}{more}; name the column of the text: --text-field NAME",
        names.join(", ")
    )
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use parquet::basic::{BrotliLevel, ZstdLevel};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::super::records::read_all;
    use super::*;

    /// Writes a column `content` of texts and one of numbers, in row groups of two.
    pub(crate) fn write(path: &Path, texts: &[Option<&str>]) {
        write_compressed(path, texts, Compression::SNAPPY);
    }

    fn write_compressed(path: &Path, texts: &[Option<&str>], compression: Compression) {
        let schema = "message schema { required int32 id; optional binary content (UTF8); }";
        let schema = Arc::new(parse_message_type(schema).unwrap());
        let properties = WriterProperties::builder().set_compression(compression).build();
        let file = File::create(path).unwrap();
        let mut writer = SerializedFileWriter::new(file, schema, Arc::new(properties)).unwrap();
        for group in texts.chunks(2) {
            let mut row_group = writer.next_row_group().unwrap();
            let mut column = row_group.next_column().unwrap().unwrap();
            let ids: Vec<i32> = (0..group.len() as i32).collect();
            column.typed::<parquet::data_type::Int32Type>().write_batch(&ids, None, None).unwrap();
            column.close().unwrap();
            let mut column = row_group.next_column().unwrap().unwrap();
            let levels: Vec<i16> = group.iter().map(|text| i16::from(text.is_some())).collect();
            let values: Vec<ByteArray> = group.iter().flatten().map(|text| ByteArray::from(*text)).collect();
            column.typed::<ByteArrayType>().write_batch(&values, Some(&levels), None).unwrap();
            column.close().unwrap();
            row_group.close().unwrap();
        }
        writer.close().unwrap();
    }

    fn read(path: &Path, name: &str) -> Result<Vec<String>, String> {
        ParquetColumn::open(path, name).and_then(read_all).map_err(|error| error.to_string())
    }

    #[test]
    fn each_row_of_each_row_group_is_a_record() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        let long = "é".repeat(100_000);
        let zstd = Compression::ZSTD(ZstdLevel::default());
        for compression in
            [Compression::UNCOMPRESSED, Compression::SNAPPY, zstd, Compression::GZIP(Default::default())]
        {
            write_compressed(&path, &[Some("one"), None, Some("two"), Some("two"), Some(&long)], compression);
            assert_eq!(read(&path, "content").unwrap(), ["one", "", "two", "two", &long]);
        }
    }

    #[test]
    fn rare_compression_is_named_with_the_remedy() {
        let check = |compression| check_compression(Path::new("a.parquet"), compression);
        check(Compression::SNAPPY).unwrap();
        let error = check(Compression::BROTLI(BrotliLevel::default())).unwrap_err().to_string();
        assert!(error.contains("a.parquet") && error.contains("compressed with Brotli"), "{error}");
        assert!(error.contains("to_parquet"), "{error}");
    }

    #[test]
    fn what_is_wrong_with_a_file_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.parquet");
        write_compressed(&path, &[Some("one")], Compression::UNCOMPRESSED);
        for name in ["text", "id"] {
            let error = read(&path, name).unwrap_err();
            let expected =
                format!("expected a column `{name}` of texts, found `id`, `content`; name the column");
            assert!(error.contains("a.parquet: its columns: ") && error.contains(&expected), "{error}");
        }
        let bytes = std::fs::read(&path).unwrap();
        std::fs::write(&path, &bytes[..bytes.len() / 2]).unwrap();
        let error = read(&path, "content").unwrap_err();
        assert!(error.contains("a.parquet") && error.contains("get it again"), "{error}");
    }
}
