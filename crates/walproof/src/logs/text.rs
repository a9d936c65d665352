//! What is no text, by its first bytes: compressed files, journald's own, UTF-16, databases.
//!
//! Nothing would be recognised in them, so their silence would be taken for health. Each is refused by name, with the
//! command that makes text of it.
//! What it must not do: decompress, refuse text that is damaged.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use walproof_lab::error::LabError;

use crate::render::quoted;

/// Something that is no text.
struct Form {
    what: &'static str,
    instead: Instead,
}

/// How text is made of it.
enum Instead {
    /// By a command that reads standard input.
    Through(&'static str),
    /// By what is done with the file, whose name stands for `{}`; and what to say where there is none.
    Named(&'static str, &'static str),
}
use Instead::{Named, Through};

/// By their first bytes.
const FORMS: &[(&[u8], Form)] = &[
    (b"\x1f\x8b", Form { what: "it is compressed by gzip", instead: Through("zcat") }),
    (b"\x1f\x9d", Form { what: "it is compressed by compress", instead: Through("zcat") }),
    (b"\x28\xb5\x2f\xfd", Form { what: "it is compressed by zstd", instead: Through("zstdcat") }),
    (b"\xfd7zXZ", Form { what: "it is compressed by xz", instead: Through("xzcat") }),
    (b"\x5d\x00\x00", Form { what: "it is compressed by lzma", instead: Through("xzcat") }),
    (b"BZh", Form { what: "it is compressed by bzip2", instead: Through("bzcat") }),
    (b"\x04\x22\x4d\x18", Form { what: "it is compressed by lz4", instead: Through("lz4cat") }),
    (
        b"PK\x03\x04",
        Form {
            what: "it is a zip archive",
            instead: Named("unzip -p {} | walproof logs", "`... | funzip | walproof logs`, for its first file"),
        },
    ),
    (
        b"LPKSHHRH",
        Form {
            what: "it is journald's own binary file",
            instead: Named(
                "journalctl --file {} -o json | walproof logs",
                "`journalctl -o json | walproof logs`, with `--file` and the name of the file",
            ),
        },
    ),
    (
        b"SQLite format 3\0",
        Form {
            what: "it is a database",
            instead: Named("walproof inspect {}", "`walproof inspect` with the name of the file"),
        },
    ),
    (b"\xff\xfe", Form { what: "it is UTF-16", instead: Through("iconv -f utf-16 -t utf-8") }),
    (b"\xfe\xff", Form { what: "it is UTF-16", instead: Through("iconv -f utf-16 -t utf-8") }),
];
const WIDE_LITTLE_ENDIAN: Form = Form { what: "it looks like UTF-16", instead: Through("iconv -f utf-16le -t utf-8") };
const WIDE_BIG_ENDIAN: Form = Form { what: "it looks like UTF-16", instead: Through("iconv -f utf-16be -t utf-8") };

/// Refuses it by its first bytes; `-` has no name that could be given to a command.
pub fn refuse_what_is_no_text(path: &Path, start: &[u8]) -> Result<(), LabError> {
    let found = FORMS.iter().find(|(magic, _)| start.starts_with(magic)).map(|(_, form)| form);
    let Some(form) = found.or_else(|| wide_letters(start)) else { return Ok(()) };
    Err(LabError::path("cannot read", path, form.what, &form.instead.of(path)))
}

/// The same of a file of which only the end is read.
pub fn refuse_by_head(path: &Path, file: &mut File) -> Result<(), LabError> {
    let mut head = Vec::new();
    let read = file.by_ref().take(4096).read_to_end(&mut head).and_then(|_| file.seek(SeekFrom::Start(0)));
    read.map_err(|error| LabError::path("cannot read", path, error, "a file, not a directory"))?;
    refuse_what_is_no_text(path, &head)
}

impl Instead {
    fn of(&self, path: &Path) -> String {
        let name = (path != Path::new("-")).then(|| quoted(path));
        match (self, name) {
            (Through(command), Some(name)) => format!("`{command} < {name} | walproof logs`"),
            (Through(command), None) => format!("`... | {command} | walproof logs`"),
            (Named(command, _), Some(name)) => format!("`{}`", command.replace("{}", &name)),
            (Named(_, without), None) => without.to_string(),
        }
    }
}

/// UTF-16 without a mark: every other byte of what people write in it is zero.
fn wide_letters(start: &[u8]) -> Option<&'static Form> {
    let pairs = start[..start.len().min(4096)].as_chunks::<2>().0;
    let with_zero = |at: usize| {
        pairs.len() >= 8
            && pairs.iter().filter(|pair| pair[at] == 0 && pair[1 - at] != 0).count() * 10 >= pairs.len() * 7
    };
    match (with_zero(1), with_zero(0)) {
        (true, _) => Some(&WIDE_LITTLE_ENDIAN),
        (_, true) => Some(&WIDE_BIG_ENDIAN),
        _ => None,
    }
}
