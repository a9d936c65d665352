//! Texts that become manifests only after a program has filled them in: Helm charts, Jinja, shell variables.
//!
//! Braces alone are no sign: alert rules, dashboards and workflows have `{{ ... }}` inside of texts that Kubernetes
//! takes as they are. It is a template if its name says so, if it is no YAML and braces stand where YAML has keys or
//! values, or if they stand in a field that names something.
//!
//! What it must not do: fill in, judge. Rendered output is read like any manifest.
//!
//! Where to look next: `documents`, which asks.

use crate::manifest::error::place_at_end;
use crate::manifest::reader::{Reader, shortened};
use crate::manifest::span::{Place, Span, WarningKind};
use crate::manifest::yaml::{Node, Value};

/// Endings of names of templates.
const ENDINGS: &[&str] = &[".tpl", ".j2", ".jinja", ".jinja2", ".tmpl", ".gotmpl", ".erb", ".mustache"];

/// Keys under which braces and dollars are meant for somebody else.
const OPAQUE: &[&str] =
    &["annotations", "args", "command", "data", "env", "labels", "parameters", "stringData", "volumeAttributes"];

/// Whether the file's name says so.
pub(super) fn is_named_so(name: &str) -> bool {
    ENDINGS.iter().any(|ending| name.ends_with(ending))
}

/// Where a text that is no YAML looks like one.
pub(super) fn first_action(text: &str) -> Option<Place> {
    let mut offset = 0;
    for line in text.split_inclusive('\n') {
        let trimmed = line.trim_start();
        let begins = trimmed.starts_with("{{") || trimmed.starts_with("{%");
        const INSIDE: &[&str] = &[": {{", "- {{", ": {%", "{{-", "{{ .", "{{ include", "{{ template", "{{ toYaml"];
        let found = if begins {
            Some(line.len() - trimmed.len())
        } else {
            INSIDE.iter().filter_map(|inside| Some(line.find(inside)? + inside.find('{')?)).min()
        };
        if let Some(at) = found {
            return Some(place_at_end(&text[..offset + at]));
        }
        offset += line.len();
    }
    None
}

/// Where a line of a text has braces of a template. Lines count from 1.
pub(super) fn action_in(text: &str, line: u32) -> Option<Place> {
    let number = line.max(1) as usize;
    let line = text.lines().nth(number - 1)?;
    let at = ["{{", "{%"].into_iter().filter_map(|braces| line.find(braces)).min()?;
    Some(Place::at(number, line[..at].chars().count() + 1))
}

/// The first field of an object that a program is to fill in.
pub(super) fn unfilled(object: &Node) -> Option<Span> {
    match &object.value {
        Value::Scalar(scalar) => (scalar.text.contains("{{") || scalar.text.contains("{%")).then_some(object.span),
        Value::Sequence(items) => items.iter().find_map(unfilled),
        Value::Mapping(entries) => {
            let fields = entries.iter().filter(|entry| !OPAQUE.contains(&entry.key.value.as_str()));
            fields.map(|entry| &entry.value).find_map(unfilled)
        }
    }
}

/// Notices fields with a `${VARIABLE}`, which Flux, `envsubst` and the like put in.
pub(super) fn note_variables(reader: &mut Reader, object: &Node) {
    match &object.value {
        Value::Scalar(scalar) if scalar.text.contains("${") => {
            let message = format!("`{}` is put in by whoever applies this", shortened(&scalar.text));
            reader.warn(WarningKind::NotKnownHere, object.span, message);
        }
        Value::Scalar(_) => {}
        Value::Sequence(items) => items.iter().for_each(|item| note_variables(reader, item)),
        Value::Mapping(entries) => {
            let fields = entries.iter().filter(|entry| !OPAQUE.contains(&entry.key.value.as_str()));
            fields.for_each(|entry| note_variables(reader, &entry.value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn acts(text: &str, expected: impl Into<Option<(u32, u32)>>) {
        let found = first_action(text).map(|place| (place.line, place.column));
        assert_eq!(found, expected.into(), "{text}");
    }

    #[test]
    fn actions_are_found_where_keys_and_values_stand() {
        acts("a: b\n  {{- if .Values.x }}\n", (2, 3));
        acts("a: {{ .Values.x }}\n", (1, 4));
        acts("{% if x %}\n", (1, 1));
        acts("- {{ x }}", (1, 3));
        acts("a: \"{{ $labels.x }}\"\n", None);
        acts("a: b", None);
    }

    #[test]
    fn names_say_what_they_are() {
        assert_eq!(["a.tpl", "x.yaml.j2", "a.yaml", "tpl"].map(is_named_so), [true, true, false, false]);
    }
}
