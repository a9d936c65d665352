//! Where something stands in which file, and what was noticed there.
//!
//! What it must not do: hold text of the files. A span points; whoever shows it has the text.
//!
//! Where to look next: `error` for what ends the reading, [`Warning`] for what does not.

use serde::Serialize;

/// A file's text under the name that people know it by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Source<'a> {
    /// The path, as shown to people and as other files' paths are joined to.
    pub name: &'a str,
    /// The whole text.
    pub text: &'a str,
}

/// A file that was read, in the order of reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct SourceFile {
    /// The path, as shown to people.
    pub name: String,
    /// The directory that relative paths written in this file start from.
    pub directory: String,
}

/// A point in a text. Both numbers start at 1; columns count characters, not bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Place {
    /// The line, from 1.
    pub line: u32,
    /// The character in the line, from 1.
    pub column: u32,
}

impl Place {
    /// The beginning of a text.
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// A place from numbers that start at 1; no text that is read is long enough to pass the bounds.
    pub(super) fn at(line: usize, column: usize) -> Self {
        let bounded = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        Self { line: bounded(line), column: bounded(column) }
    }
}

/// A stretch of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Span {
    /// Which file: an index into the model's list of files.
    pub source: usize,
    /// The first character.
    pub start: Place,
    /// The place after the last character.
    pub end: Place,
}

#[cfg(test)]
impl Span {
    /// `line:column-line:column`, for assertions.
    pub(super) fn shown(self) -> String {
        let Self { start, end, .. } = self;
        format!("{}:{}-{}:{}", start.line, start.column, end.line, end.column)
    }

    /// Whether it begins and ends within this text, in this order.
    pub(crate) fn lies_in(self, text: &str) -> bool {
        let line_count = text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).count();
        let Self { start, end, .. } = self;
        start.line >= 1 && start.column >= 1 && end.line as usize <= line_count + 1 && start <= end
    }
}

/// A value with the place where it was written.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// Where it stands.
    pub span: Span,
}

impl<T> Spanned<T> {
    /// A value at a place.
    pub const fn new(value: T, span: Span) -> Self {
        Self { value, span }
    }
}

/// What kind of thing was noticed; the message says it in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum WarningKind {
    /// A variable without a value and without a default: it became empty text.
    UnsetVariable,
    /// A variable that the file requires (`${X:?...}`) has no value: Compose would refuse to start.
    RequiredVariable,
    /// A `$` that begins no variable: it stayed as written, and Compose refuses the file.
    BrokenVariable,
    /// A key stands twice in one mapping, or a target twice in one service: the last one counts. Or an object stands
    /// twice in a set of files.
    Duplicate,
    /// A key that neither begins with `x-` nor is known to Compose: it was left out.
    UnknownKey,
    /// A value of the wrong type or form: it was left out.
    WrongValue,
    /// Something that only the machine knows (a shell's variable, what a command prints, a specifier of systemd): it
    /// stays as written.
    NotKnownHere,
    /// Something that this reader does not follow, so that the model may differ from what is made of it.
    NotFollowed,
}

/// Something noticed that did not end the reading.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Warning {
    /// Which kind.
    pub kind: WarningKind,
    /// Lower-case, values in backticks.
    pub message: String,
    /// Where.
    pub span: Span,
}

impl Warning {
    /// A warning from its parts.
    pub(super) fn new(kind: WarningKind, span: Span, message: impl Into<String>) -> Self {
        Self { kind, message: message.into(), span }
    }
}
