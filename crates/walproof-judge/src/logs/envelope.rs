//! What log drivers put around a message: docker json-file, JSON lines, journald's export and JSON, Kubernetes CRI.
//!
//! Nothing is parsed as a whole: a line may be cut, and half a JSON object still holds its message. Escapes are undone,
//! colours are removed, bytes that are no UTF-8 become `U+FFFD`.
//! What it must not do: fail. What is not understood is a plain line.

use memchr::memmem;

use super::time::{self, Time};

/// How a line is wrapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Format {
    /// Plain text, syslog and journald's short format included.
    Plain,
    /// `{"log":"...","stream":"stderr","time":"..."}`.
    DockerJson,
    /// `journalctl -o json`.
    JournaldJson,
    /// `journalctl -o export`.
    JournaldExport,
    /// One JSON object a line, of whatever logger.
    JsonLines,
    /// `TIME stdout|stderr F|P message`.
    KubernetesCri,
}

impl Format {
    /// The word for people and JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::DockerJson => "docker json-file",
            Self::JournaldJson => "journald json",
            Self::JournaldExport => "journald export",
            Self::JsonLines => "json lines",
            Self::KubernetesCri => "kubernetes cri",
        }
    }
}

/// A line without its wrapping.
pub struct Opened {
    /// How it was wrapped.
    pub format: Format,
    /// When it was written, if the line says so.
    pub time: Option<Time>,
    /// The message for people: escapes undone, no colours.
    pub message: String,
    /// All of the line in lower case, escapes undone: what is searched.
    pub text: String,
}

/// Takes a line out of its wrapping.
pub fn open(line: &[u8]) -> Opened {
    let line = line.trim_ascii();
    if line.starts_with(b"{") {
        return open_json(line);
    }
    if let Some(rest) = line.strip_prefix(b"MESSAGE=") {
        return opened(Format::JournaldExport, None, rest);
    }
    let time = time::of_line(line);
    match cri_message(line) {
        Some(message) => opened(Format::KubernetesCri, time, message),
        None => opened(Format::Plain, time, line),
    }
}

/// The time that [`open`] finds in a line, of which the beginning is enough; what an application wrote inside of another
/// wrapping is not opened for it.
pub fn time_of(line: &[u8]) -> Option<Time> {
    let line = line.trim_ascii();
    if line.starts_with(b"{\"log\":\"") {
        return last_string(line, b"\"time\":\"").and_then(|text| time::of_line(text.as_bytes()));
    }
    if line.starts_with(b"{") {
        let since_1970 = value_of(line, b"\"__REALTIME_TIMESTAMP\"");
        return since_1970.map_or_else(|| json_time(line), |number| time::since_1970(&number));
    }
    if line.starts_with(b"MESSAGE=") { None } else { time::of_line(line) }
}

/// What a line says, still in its wrapping, and when it was written: enough to tell that the same was said before.
pub struct Outline<'l> {
    /// Lines of two wrappings are not the same.
    pub format: Format,
    /// What [`open`] makes a message and its text of, and nothing else.
    pub says: &'l [u8],
    /// A time in it: where it begins.
    pub time_at: Option<usize>,
    /// The time that [`open`] finds.
    pub time: Option<Time>,
}

/// The outline of a line; `None`: it has to be opened. Escapes by number are opened, because digits are part of them.
pub fn outline(line: &[u8]) -> Option<Outline<'_>> {
    let line = line.trim_ascii();
    if memmem::find(line, b"\\u").is_some() {
        return None;
    }
    if line.starts_with(b"{") {
        return outline_json(line);
    }
    if let Some(says) = line.strip_prefix(b"MESSAGE=") {
        return Some(Outline { format: Format::JournaldExport, says, time_at: None, time: None });
    }
    let found = time::with_place(line);
    let (time_at, time) = found.map_or((None, None), |(at, time)| (Some(at), Some(time)));
    // Kubernetes' wrapping is part of the line, so it need not be told apart here.
    Some(Outline { format: Format::Plain, says: line, time_at, time })
}

fn outline_json(line: &[u8]) -> Option<Outline<'_>> {
    if let Some(says) = string_after(line, b"{\"log\":\"") {
        let time = last_string(line, b"\"time\":\"").and_then(|text| time::of_line(text.as_bytes()))?;
        let time_at = time::with_place(says).map(|(at, _)| at);
        return Some(Outline { format: Format::DockerJson, says, time_at, time: Some(time) });
    }
    if memmem::find(line, b"\"__REALTIME_TIMESTAMP\"").is_some() {
        let time = value_of(line, b"\"__REALTIME_TIMESTAMP\"").and_then(|number| time::since_1970(&number));
        let after = &line[memmem::find(line, b"\"MESSAGE\":\"")? + 11..];
        let says = until_quote(after);
        // The first `"MESSAGE"` must be this one.
        let is_first = memmem::find(line, b"\"MESSAGE\"").is_some_and(|at| line.len() - at - 11 == after.len());
        let time_at = time::with_place(says).map(|(at, _)| at);
        return is_first.then_some(Outline { format: Format::JournaldJson, says, time_at, time });
    }
    Some(Outline { format: Format::JsonLines, says: line, time_at: json_time_at(line), time: json_time(line) })
}

/// Where the text of a JSON line's time begins.
fn json_time_at(line: &[u8]) -> Option<usize> {
    let key = TIME_KEYS.iter().find_map(|key| memmem::find(line, key.as_bytes()).map(|at| at + key.len()))?;
    let quote = line[key..].iter().take(4).position(|byte| *byte == b'"')?;
    Some(key + quote + 1)
}

/// The time that a line of journald's export holds alone.
pub fn export_time(line: &[u8]) -> Option<Time> {
    let number = line.strip_prefix(b"__REALTIME_TIMESTAMP=")?.trim_ascii_end();
    time::since_1970(std::str::from_utf8(number).ok()?)
}

/// Whether journald wrote the message as a list of numbers, as it does where there are colours or bytes beyond UTF-8.
pub const NUMBERED_MESSAGE: &str = "\"message\":[";

fn opened(format: Format, time: Option<Time>, message: &[u8]) -> Opened {
    // Docker and CRI carry JSON lines of the application; what stands in them may be escaped again.
    let message = without_colours(&String::from_utf8_lossy(message));
    let text = message.to_ascii_lowercase();
    Opened { format, time, message, text }
}

fn cri_message(line: &[u8]) -> Option<&[u8]> {
    let after = line.get(line.iter().take(40).position(|byte| *byte == b' ')? + 1..)?;
    let rest = after.strip_prefix(b"stdout ").or_else(|| after.strip_prefix(b"stderr "))?;
    rest.strip_prefix(b"F ").or_else(|| rest.strip_prefix(b"P "))
}

fn open_json(line: &[u8]) -> Opened {
    if let Some(inner) = string_after(line, b"{\"log\":\"") {
        let time = last_string(line, b"\"time\":\"").and_then(|text| time::of_line(text.as_bytes()));
        let inner = unescape(inner);
        let inner = inner.trim();
        // What the application wrote may itself be JSON.
        let mut open = if inner.starts_with('{') { open_json(inner.as_bytes()) } else { plain_json(inner) };
        open.time = time.or(open.time);
        open.format = Format::DockerJson;
        return open;
    }
    if memmem::find(line, b"\"__REALTIME_TIMESTAMP\"").is_some() {
        return open_journald_json(line);
    }
    let time = json_time(line);
    let whole = unescape(line);
    let message = ["\"msg\"", "\"message\"", "\"error\"", "\"err\"", "\"@m\"", "\"@mt\"", "\"Message\""]
        .iter()
        .find_map(|key| value_of(line, key.as_bytes()))
        .unwrap_or_else(|| whole.to_string());
    let text = without_colours(&whole).to_ascii_lowercase();
    Opened { format: Format::JsonLines, time, message: without_colours(&message), text }
}

fn plain_json(message: &str) -> Opened {
    opened(Format::DockerJson, time::of_line(message.as_bytes()), message.as_bytes())
}

fn open_journald_json(line: &[u8]) -> Opened {
    let time = value_of(line, b"\"__REALTIME_TIMESTAMP\"").and_then(|number| time::since_1970(&number));
    let message = value_of(line, b"\"MESSAGE\"").or_else(|| numbered(line)).unwrap_or_default();
    opened(Format::JournaldJson, time, message.as_bytes())
}

/// `"MESSAGE":[104,105]` as text.
fn numbered(line: &[u8]) -> Option<String> {
    let begin = memmem::find(line, b"\"MESSAGE\":[")? + 11;
    let end = memchr::memchr(b']', &line[begin..]).map_or(line.len(), |end| begin + end);
    let numbers = line[begin..end].split(|byte| *byte == b',');
    let bytes: Vec<u8> = numbers.map_while(|part| std::str::from_utf8(part).ok()?.trim().parse().ok()).collect();
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

const TIME_KEYS: [&str; 8] =
    ["\"time\"", "\"ts\"", "\"timestamp\"", "\"@timestamp\"", "\"@t\"", "\"date\"", "\"Timestamp\"", "\"t\""];

fn json_time(line: &[u8]) -> Option<Time> {
    let value = TIME_KEYS.iter().find_map(|key| value_of(line, key.as_bytes()))?;
    time::of_line(value.as_bytes())
}

/// The string or number after a key, escapes undone.
fn value_of(line: &[u8], key: &[u8]) -> Option<String> {
    let after = &line[memmem::find(line, key)? + key.len()..];
    let after = after.trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    if let Some(string) = after.strip_prefix(b"\"") {
        return Some(unescape(until_quote(string)).into_owned());
    }
    let length = after.iter().take_while(|byte| byte.is_ascii_digit() || **byte == b'.').count();
    (length > 0).then(|| String::from_utf8_lossy(&after[..length]).into_owned())
}

fn string_after<'l>(line: &'l [u8], start: &[u8]) -> Option<&'l [u8]> {
    line.strip_prefix(start).map(until_quote)
}

fn last_string(line: &[u8], start: &[u8]) -> Option<String> {
    let begin = memmem::rfind(line, start)? + start.len();
    Some(unescape(until_quote(&line[begin..])).into_owned())
}

/// Up to the quote that ends a JSON string; a cut line ends it too.
fn until_quote(text: &[u8]) -> &[u8] {
    let mut from = 0;
    while let Some(found) = memchr::memchr2(b'"', b'\\', &text[from..]) {
        if text[from + found] == b'"' {
            return &text[..from + found];
        }
        from = (from + found + 2).min(text.len());
    }
    text
}

/// JSON's escapes undone; what is no escape stays.
fn unescape(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    if !text.contains('\\') {
        return text;
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest: &str = &text;
    while let Some(at) = rest.find('\\') {
        plain.push_str(&rest[..at]);
        let mut after = rest[at + 1..].chars();
        match after.next() {
            Some('n' | 'r' | 't') => plain.push(' '),
            Some('u') => match after.as_str().get(..4).and_then(|hex| u32::from_str_radix(hex, 16).ok()) {
                Some(number) => {
                    plain.push(char::from_u32(number).unwrap_or('\u{fffd}'));
                    rest = &after.as_str()[4..];
                    continue;
                }
                None => plain.push('u'),
            },
            Some(other) => plain.push(other),
            None => {}
        }
        rest = after.as_str();
    }
    plain.push_str(rest);
    plain.into()
}

/// Without terminal colours (`ESC [ ... m`) and other control characters.
fn without_colours(text: &str) -> String {
    if !text.bytes().any(|byte| byte < 0x20) {
        return text.to_owned();
    }
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('\u{1b}') {
        plain.push_str(&rest[..at]);
        rest = behind_sequence(&rest[at + 1..]);
    }
    plain.push_str(rest);
    plain.chars().map(|letter| if letter.is_control() { ' ' } else { letter }).collect()
}

/// What follows a sequence whose escape was read; a lone escape swallows nothing.
fn behind_sequence(text: &str) -> &str {
    let Some(sequence) = text.strip_prefix('[') else { return text };
    let length = sequence.bytes().take(16).take_while(|byte| byte.is_ascii_digit() || b";?:".contains(byte)).count();
    let ends = sequence.as_bytes().get(length).is_some_and(u8::is_ascii_alphabetic);
    if ends { &sequence[length + 1..] } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn opens(line: &str, format: Format, message: &str, time: Option<&str>) {
        let opened = open(line.as_bytes());
        assert_eq!(opened.format, format, "{line}");
        assert_eq!(opened.message, message, "{line}");
        assert_eq!(opened.time.map(|time| time.text), time.map(str::to_owned), "{line}");
    }

    #[test]
    fn messages_come_out_of_their_wrapping() {
        let docker = r#"{"log":"Error: \"database is locked\"\n","stream":"stderr","time":"2024-01-02T03:04:05.1Z"}"#;
        opens(docker, Format::DockerJson, "Error: \"database is locked\"", Some("2024-01-02T03:04:05.1Z"));
        let cri = "2024-01-02T03:04:05.1Z stderr F database is locked";
        opens(cri, Format::KubernetesCri, "database is locked", Some("2024-01-02T03:04:05.1Z"));
        let journald = r#"{"__REALTIME_TIMESTAMP":"1704164645123000","MESSAGE":"disk I/O error"}"#;
        opens(journald, Format::JournaldJson, "disk I/O error", Some("1704164645123000"));
        let numbers = r#"{"MESSAGE":[104,105],"__REALTIME_TIMESTAMP":"1704164645123000"}"#;
        opens(numbers, Format::JournaldJson, "hi", Some("1704164645123000"));
        let pino = r#"{"level":50,"time":1704164645123,"pid":1,"msg":"SQLITE_BUSY: database is locked"}"#;
        opens(pino, Format::JsonLines, "SQLITE_BUSY: database is locked", Some("1704164645123"));
        opens("MESSAGE=disk I/O error", Format::JournaldExport, "disk I/O error", None);
        opens("\u{1b}[31mError\u{1b}[0m: x", Format::Plain, "Error: x", None);
    }

    #[test]
    fn json_inside_docker_is_opened_too() {
        let line = r#"{"log":"{\"level\":\"error\",\"msg\":\"disk I/O error (5386)\"}\n","stream":"stderr","time":"2024-01-02T03:04:05Z"}"#;
        opens(line, Format::DockerJson, "disk I/O error (5386)", Some("2024-01-02T03:04:05Z"));
    }

    #[test]
    fn what_is_cut_still_holds_its_message() {
        opens(r#"{"log":"database is loc"#, Format::DockerJson, "database is loc", None);
        opens(r#"{"level":"error","msg":"disk I/O er"#, Format::JsonLines, "disk I/O er", None);
        opens(r#"{"msg":"a\"#, Format::JsonLines, "a", None);
        opens(r#"{"msg":"\u00"#, Format::JsonLines, "u00", None);
        opens("{", Format::JsonLines, "{", None);
    }
}
