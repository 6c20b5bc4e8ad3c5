//! Files that are no text, by their first bytes and names, and how to get the text out of them.

use std::fmt;

use super::encoding::Encoding;

/// A kind of file that is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The kind, such as `a PDF`.
    pub what: &'static str,
    /// What to do with it.
    pub remedy: &'static str,
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}; {}", self.what, self.remedy)
    }
}

const fn kind(what: &'static str, remedy: &'static str) -> Unreadable {
    Unreadable { what, remedy }
}

const BINARY: Unreadable = kind("not a text: it has bytes that no text has", "only texts can be trained on");
const HTML: Unreadable = kind(
    "an HTML page",
    "take its text: pandoc -f html -t plain --wrap=none PAGE.html -o PAGE.txt (to train on the tags too, put pages \
     into JSON Lines)",
);
const TABLE: Unreadable = kind(
    "a table",
    "save the column of texts as JSON Lines or Parquet (to train on the table itself, give it a name ending in .txt)",
);
const WORD: Unreadable =
    kind("a Word document", "take its text: pandoc FILE.docx -t plain --wrap=none -o FILE.txt");
const BOOK: Unreadable =
    kind("an EPUB book", "take its text: pandoc BOOK.epub -t plain --wrap=none -o BOOK.txt");
const OFFICE: Unreadable =
    kind("an office document", "take its text: soffice --headless --convert-to txt:Text:UTF8 FILE");
const ZIP: Unreadable = kind("a ZIP archive", "unpack it and name the folder: unzip FILE.zip -d FOLDER");
const TAR: Unreadable = kind("a tar archive", "unpack it and name the folder: tar -xf FILE -C FOLDER");
const COMPRESSED: Unreadable =
    kind("compressed in a way that is not read", "unpack it, or compress it with gzip or zstd instead");
const TWICE: Unreadable = kind("compressed twice", "unpack it once");
const IMAGE: Unreadable = kind("an image", "a text has to be recognized in it first: tesseract FILE FILE");
const MEDIA: Unreadable = kind("a recording", "it has to be transcribed first");
const ARROW: Unreadable =
    kind("an Arrow file", "save the data set as Parquet or JSON Lines: to_parquet or to_json");
pub(super) const ARRAY: Unreadable =
    kind("one JSON array", "make it JSON Lines: jq -c '.[]' FILE.json > FILE.jsonl");
pub(super) const NO_PARQUET: Unreadable =
    kind("named .parquet, but not Parquet", "it may be incomplete, or a page that says why: get it again");
pub(super) const PACKED_PARQUET: Unreadable =
    kind("a Parquet file that was compressed once more", "unpack it: gunzip or zstd -d");

/// First bytes, from an offset on, of files that are no text.
const SIGNATURES: [(usize, &[u8], Unreadable); 4] = [
    (0, b"%PDF-", kind("a PDF", "take its text: pdftotext FILE.pdf FILE.txt")),
    (0, b"{\\rtf", OFFICE),
    (0, b"%!PS", kind("PostScript", "take its text: ps2txt FILE.ps FILE.txt")),
    (
        0,
        b"version https://git-lfs.github.com/spec/",
        kind("a pointer of Git LFS instead of the file", "get the file itself: git lfs pull"),
    ),
];

/// The same of files that have control characters, too, which no text has: a text may begin so.
const BINARY_SIGNATURES: [(usize, &[u8], Unreadable); 33] = [
    (30, b"mimetypeapplication/epub+zip", BOOK),
    (30, b"mimetypeapplication/vnd.oasis", OFFICE),
    (0, b"PK\x03\x04", ZIP),
    (0, b"PK\x05\x06", ZIP),
    (0, b"PARE", kind("an encrypted Parquet file", "save it without encryption")),
    (0, b"ARROW1", ARROW),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", OFFICE),
    (0, b"\xfd7zXZ\0", COMPRESSED),
    (0, b"BZh", COMPRESSED),
    (0, b"7z\xbc\xaf\x27\x1c", COMPRESSED),
    (0, b"Rar!\x1a\x07", COMPRESSED),
    (0, b"\x04\x22\x4d\x18", COMPRESSED),
    (0, b"\x1f\x9d", COMPRESSED),
    (0, b"\x1f\x8b", TWICE),
    (0, b"\x28\xb5\x2f\xfd", TWICE),
    (257, b"ustar", TAR),
    (0, b"\x89PNG\r\n", IMAGE),
    (0, b"\xff\xd8\xff", IMAGE),
    (0, b"GIF8", IMAGE),
    (0, b"II*\0", IMAGE),
    (0, b"MM\0*", IMAGE),
    (8, b"WEBP", IMAGE),
    (0, b"AT&TFORM", kind("a DjVu document", "take its text: djvutxt FILE.djvu FILE.txt")),
    (0, b"ID3", MEDIA),
    (0, b"OggS", MEDIA),
    (0, b"fLaC", MEDIA),
    (8, b"WAVE", MEDIA),
    (4, b"ftyp", MEDIA),
    (60, b"BOOKMOBI", kind("a Kindle book", "take its text: ebook-convert BOOK.mobi BOOK.txt")),
    (0, b"SQLite format 3\0", kind("an SQLite database", "save the texts in it as JSON Lines")),
    (0, b"\x93NUMPY", BINARY),
    (0, b"\x7fELF", BINARY),
    (0, b"GGUF", kind("weights of a model", "only texts can be trained on")),
];

/// What a name says, where the first bytes say no more than that it may be a text.
const EXTENSIONS: [(&[&str], Unreadable); 5] = [
    (&["html", "htm", "xhtml", "mhtml"], HTML),
    (&["csv", "tsv"], TABLE),
    (&["xml"], XML),
    (&["tar", "tgz"], TAR),
    (&["arrow", "feather"], ARROW),
];
const XML: Unreadable = kind(
    "an XML document",
    "take its text (of a dump of Wikipedia: wikiextractor --json), as .txt or JSON Lines",
);

impl Unreadable {
    /// The kind of a file that begins so, with this name without `.gz` or `.zst`; none if it can be read.
    pub(super) fn of(head: &[u8], name: &str) -> Option<Self> {
        let begins = |(offset, bytes, _): &&(usize, &[u8], _)| {
            head.get(*offset..).is_some_and(|rest| rest.starts_with(bytes))
        };
        let extension = extension(name);
        let is_control = |byte: &u8| matches!(byte, 0..=8 | 14..=26);
        let binary = BINARY_SIGNATURES.iter().filter(|_| head.iter().any(is_control));
        if let Some((_, _, found)) = SIGNATURES.iter().chain(binary).find(begins) {
            return Some(match extension.as_str() {
                "docx" if *found == ZIP => WORD,
                "epub" if *found == ZIP => BOOK,
                "xlsx" | "pptx" | "odt" | "ods" | "pages" if *found == ZIP => OFFICE,
                _ => *found,
            });
        }
        let markup = markup(head);
        let by_name = EXTENSIONS.iter().find(|(extensions, _)| extensions.contains(&extension.as_str()));
        let is_binary = Encoding::of(head) == Encoding::Utf8 && head.contains(&0);
        markup.or(by_name.map(|(_, found)| *found)).or(is_binary.then_some(BINARY))
    }
}

/// HTML and XML by their beginnings, in whatever encoding.
fn markup(head: &[u8]) -> Option<Unreadable> {
    let ascii: String = head.iter().filter(|byte| **byte != 0).take(1024).map(|&byte| byte as char).collect();
    let text = ascii.trim_start_matches(|c: char| !c.is_ascii() || c.is_whitespace()).to_ascii_lowercase();
    let is_html = |text: &str| text.starts_with("<!doctype html") || text.starts_with("<html");
    if is_html(&text) || (text.starts_with("<?xml") || text.starts_with("<!--")) && text.contains("<html") {
        return Some(HTML);
    }
    text.starts_with("<?xml").then_some(XML)
}

/// The extension of a name, in lower case.
pub(super) fn extension(name: &str) -> String {
    name.rsplit_once('.').map(|(_, extension)| extension.to_ascii_lowercase()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_is_known_by_its_first_bytes_or_its_name() {
        let mut tar = vec![0; 300];
        tar[257..262].copy_from_slice(b"ustar");
        let epub = [b"PK\x03\x04" as &[u8], &[0; 26], b"mimetypeapplication/epub+zip"].concat();
        let utf16 = super::super::encoding::tests::encode(
            "<!DOCTYPE html>",
            Encoding::Utf16(super::super::encoding::ByteOrder::Little),
        );
        for (head, name, expected) in [
            (&b"%PDF-1.7\n"[..], "a.txt", "a PDF; take its text: pdftotext"),
            (b"PK\x03\x04....", "a.zip", "a ZIP archive; unpack it"),
            (b"PK\x03\x04....", "a.docx", "a Word document"),
            (&epub, "book", "an EPUB book"),
            (b"\xef\xbb\xbf \n<!DOCTYPE HTML>\n<p>", "a.txt", "an HTML page; take its text: pandoc"),
            (b"<?xml version=\"1.0\"?><!-- --><html>", "a", "an HTML page"),
            (b"<?xml version=\"1.0\"?><feed>", "a.txt", "an XML document"),
            (b"Just text", "a.HTM", "an HTML page"),
            (&utf16, "a.txt", "an HTML page"),
            (b"a,b\n1,2\n", "a.csv", "a table"),
            (b"\x1f\x8b\x08\x01", "a.txt", "compressed twice"),
            (b"BZh91AY\x01", "a.txt", "compressed in a way that is not read"),
            (&tar, "a.txt", "a tar archive"),
            (b"version https://git-lfs.github.com/spec/v1\n", "a.txt", "a pointer of Git LFS"),
            (b"text\0\x01\x02\xff", "a.txt", "not a text"),
        ] {
            let found = Unreadable::of(head, name).unwrap().to_string();
            assert!(found.starts_with(expected), "{name}: {found}");
        }
        for (head, name) in [
            (&b"A text."[..], "a.txt"),
            (b"", "a.txt"),
            (b"# Title\n<p>", "a.md"),
            (b"ID3 and GGUF begin files", "a.txt"),
            (b"GGUF is a format", "a.txt"),
            (b"BZh", "a.txt"),
            (b"1 < 2 and <html is> a tag", "a.txt"),
            (b"caf\xe9", "a.txt"),
        ] {
            assert_eq!(Unreadable::of(head, name), None, "{name}");
        }
    }
}
