//! `immutable-uri` and `nolock-uri`: the parameter goes from the address.
//!
//! What it must not do: change the rest of the address.
//!
//! Where to look next: `crate::sharing::lower::databases`, which reads addresses.

use super::question::Question;
use super::{Change, Edit, Fix};

pub(super) static IMMUTABLE: Change = Change {
    rule: "immutable-uri",
    line: "takes `immutable` from an address",
    make: |question| make(question, "immutable"),
};
pub(super) static NOLOCK: Change =
    Change { rule: "nolock-uri", line: "takes `nolock` from an address", make: |question| make(question, "nolock") };

fn make(question: &Question<'_>, name: &str) -> Result<Fix, String> {
    let id = question.finding.about.database.ok_or("the finding names no database")?;
    let database = question.graph.database(id);
    let option = database.option(name).ok_or_else(|| format!("`{name}` is not found in the address"))?;
    let written = question.own(option.value.span)?;
    let (start, end) =
        parameter(written.text, name).ok_or_else(|| format!("`{name}` is not written once in one place"))?;
    let edit = Edit {
        file: written.file.to_owned(),
        start: written.start + start,
        end: written.start + end,
        text: String::new(),
    };
    let who = question.graph.workload(database.workload).shown();
    Ok(question.fix(format!("{who} opens {} without `{name}`", database.shown()), vec![edit]))
}

/// The bytes that go: the parameter with the sign before it, or the one after it if it is the first of several.
fn parameter(text: &str, name: &str) -> Option<(usize, usize)> {
    let lower = text.to_ascii_lowercase();
    let mut found = lower.match_indices(name).map(|(at, _)| at).filter(|at| {
        let before = lower[..*at].chars().next_back();
        let after = lower[at + name.len()..].chars().next();
        before.is_some_and(|c| matches!(c, '?' | '&' | ';'))
            && after.is_none_or(|c| !c.is_ascii_alphanumeric() && c != '_')
    });
    let at = found.next()?;
    if found.next().is_some() || text[at..].starts_with('$') {
        return None;
    }
    let rest = &text[at..];
    let length = rest.find(['&', ';', '"', '\'', ' ', '#', '\r', '\n', ',', ']', '}']).unwrap_or(rest.len());
    let first = text[..at].ends_with('?');
    let more = rest[length..].starts_with(['&', ';']);
    Some(if first && more { (at, at + length + 1) } else { (at - 1, at + length) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn leaves(text: &str, expected: Option<&str>) {
        let left = parameter(text, "immutable").map(|(start, end)| format!("{}{}", &text[..start], &text[end..]));
        assert_eq!(left.as_deref(), expected, "{text}");
    }

    #[test]
    fn the_parameter_goes_and_the_rest_stays() {
        leaves("\"file:/d/a.db?immutable=1\"", Some("\"file:/d/a.db\""));
        leaves("file:/d/a.db?immutable=1&mode=ro", Some("file:/d/a.db?mode=ro"));
        leaves("file:/d/a.db?mode=ro&immutable=true", Some("file:/d/a.db?mode=ro"));
        leaves("file:/d/a.db?mode=ro&immutable=1&x=y", Some("file:/d/a.db?mode=ro&x=y"));
        leaves("file:/immutable/a.db?mode=ro", None);
        leaves("a?immutable=1 b?immutable=1", None);
    }
}
