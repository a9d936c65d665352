//! The answer as one JSON document on one line, written by hand: a JSON library would double the dependency tree.
//!
//! ```text
//! {"walproof_guard":1,"verdict":"safe","may_use_wal":true,"journal_mode":"wal","path":"/srv/app.db","probed":true,
//!  "filesystem":{"type":"ext4","mount_point":"/srv","source":"/dev/sda1","ground":"local"},
//!  "reasons":[{"name":"...","verdict":"safe","certainty":"measured","says":"...","try":null,"source":null}]}
//! ```
//!
//! Paths that are not UTF-8 hold replacement characters. New fields may come; none changes its meaning while
//! `walproof_guard` stays 1.
//! Where to look next: docs/guard.md.

use crate::{Assessment, Filesystem, Reason};

impl Assessment {
    /// The answer as JSON, on one line.
    pub fn to_json(&self) -> String {
        let reasons: Vec<String> = self.reasons.iter().map(reason).collect();
        object(&[
            ("walproof_guard", "1".to_owned()),
            ("verdict", string(self.verdict.word())),
            ("may_use_wal", self.may_use_wal().to_string()),
            ("journal_mode", string(self.journal_mode.word())),
            ("path", string(&self.path.to_string_lossy())),
            ("probed", self.probed.to_string()),
            ("filesystem", self.filesystem.as_ref().map_or("null".to_owned(), filesystem)),
            ("reasons", format!("[{}]", reasons.join(","))),
        ])
    }
}

fn filesystem(filesystem: &Filesystem) -> String {
    object(&[
        ("type", string(&filesystem.fstype)),
        ("mount_point", string(&filesystem.mount_point.to_string_lossy())),
        ("source", string(&filesystem.source)),
        ("ground", or_null(filesystem.ground.map(|ground| ground.word()))),
    ])
}

fn reason(reason: &Reason) -> String {
    object(&[
        ("name", string(reason.name)),
        ("verdict", string(reason.verdict.word())),
        ("certainty", string(reason.certainty.word())),
        ("says", string(&reason.says)),
        ("try", or_null(reason.remedy)),
        ("source", or_null(reason.source)),
    ])
}

fn object(fields: &[(&str, String)]) -> String {
    let fields: Vec<String> = fields.iter().map(|(name, value)| format!("{}:{value}", string(name))).collect();
    format!("{{{}}}", fields.join(","))
}

fn or_null(text: Option<&str>) -> String {
    text.map_or("null".to_owned(), string)
}

fn string(text: &str) -> String {
    let mut quoted = String::with_capacity(text.len() + 2);
    quoted.push('"');
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            // U+007F and the line separators are allowed in JSON and break what reads it line by line.
            control if control.is_control() || matches!(control, '\u{2028}' | '\u{2029}') => {
                quoted.push_str(&format!("\\u{:04x}", u32::from(control)));
            }
            plain => quoted.push(plain),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn quotes(text: &str, quoted: &str) {
        assert_eq!(string(text), quoted);
    }

    #[test]
    fn every_text_is_quoted_on_one_line() {
        quotes("plain ö", "\"plain ö\"");
        quotes("a\"b\\c\nd\u{7f}\u{2028}", "\"a\\\"b\\\\c\\u000ad\\u007f\\u2028\"");
    }
}
