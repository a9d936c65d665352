//! Makes `include/walproof_guard.h` from `src/c_abi.rs`, and checks that the one in the repository is the same.
//!
//! After a change there: `WALPROOF_WRITE_HEADER=1 cargo test -p walproof-guard header`.
//! What this file must not do: grow a parser. Documentation, one constant a line, and functions whose types it knows.
//! Where to look next: `src/c_abi.rs`.

use std::fmt::Write;

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/c_abi.rs");
const HEADER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/include/walproof_guard.h");

const START: &str = "\
/* walproof_guard.h: may this path use SQLite's WAL mode?
 *
 * Made from crates/walproof-guard/src/c_abi.rs by its test `header`; do not change it here.
 * All functions may be called from any thread; an assessment is not changed after it was made. Texts are UTF-8, with
 * replacement characters where a path is not.
 */
#ifndef WALPROOF_GUARD_H
#define WALPROOF_GUARD_H

#include <stddef.h>

#ifdef __cplusplus
extern \"C\" {
#endif
";
const END: &str = "
#ifdef __cplusplus
}
#endif

#endif
";

fn header(source: &str) -> String {
    let mut text = START.to_owned();
    let mut doc: Vec<&str> = Vec::new();
    let mut lines = source.lines().take_while(|line| *line != "#[cfg(test)]");
    while let Some(line) = lines.next() {
        if let Some(sentence) = line.strip_prefix("///") {
            doc.push(sentence.trim());
        } else if let Some(constant) = line.strip_prefix("pub const ") {
            let (name, value) = constant.split_once(": ").expect("typed");
            let value = value.split_once(" = ").expect("a value").1.trim_end_matches(';');
            write!(text, "\n{}#define {name} {value}\n", comment(&doc)).expect("memory");
            doc.clear();
        } else if let Some(name) = line.strip_prefix("pub struct ") {
            let name = name.trim_end_matches(" {");
            write!(text, "\n{}typedef struct {name} {name};\n", comment(&doc)).expect("memory");
            doc.clear();
        } else if let Some(start) = line.strip_prefix("pub unsafe extern \"C\" fn ") {
            let mut signature = start.to_owned();
            while !signature.ends_with('{') {
                signature.push_str(lines.next().expect("a body").trim());
            }
            write!(text, "\n{}{};\n", comment(&doc), declaration(&signature)).expect("memory");
            doc.clear();
        } else if !line.starts_with("#[") {
            doc.clear();
        }
    }
    text + END
}

fn comment(doc: &[&str]) -> String {
    let said: Vec<&str> = doc.iter().copied().take_while(|line| *line != "# Safety").collect();
    let said = said.join("\n").trim().replace('`', "'");
    format!("/* {} */\n", said.replace('\n', "\n * "))
}

fn declaration(signature: &str) -> String {
    let (name, rest) = signature.split_once('(').expect("arguments");
    let (arguments, answer) = rest.rsplit_once(')').expect("arguments end");
    let answer = answer.trim().trim_start_matches("->").trim_end_matches('{').trim();
    let arguments: Vec<String> =
        arguments.split(',').filter(|argument| !argument.trim().is_empty()).map(argument).collect();
    join(&type_in_c(answer), &format!("{name}({})", arguments.join(", ")))
}

fn argument(argument: &str) -> String {
    let (name, kind) = argument.trim().split_once(": ").expect("typed");
    join(&type_in_c(kind), name)
}

fn join(kind: &str, name: &str) -> String {
    if kind.ends_with('*') { format!("{kind}{name}") } else { format!("{kind} {name}") }
}

fn type_in_c(kind: &str) -> String {
    match kind {
        "" => "void".to_owned(),
        "c_int" => "int".to_owned(),
        "c_uint" => "unsigned int".to_owned(),
        "c_char" => "char".to_owned(),
        "usize" => "size_t".to_owned(),
        "walproof_assessment" => kind.to_owned(),
        _ => match (kind.strip_prefix("*const "), kind.strip_prefix("*mut ")) {
            (Some(to), _) => format!("const {} *", type_in_c(to)),
            (_, Some(to)) => format!("{} *", type_in_c(to)),
            _ => panic!("no type in C for `{kind}`"),
        },
    }
}

#[test]
fn the_header_is_fresh() {
    let source = std::fs::read_to_string(SOURCE).expect("the source");
    let fresh = header(&source);
    if std::env::var_os("WALPROOF_WRITE_HEADER").is_some() {
        std::fs::write(HEADER, &fresh).expect("written");
    }
    let kept = std::fs::read_to_string(HEADER).unwrap_or_default();
    assert!(kept == fresh, "stale: WALPROOF_WRITE_HEADER=1 cargo test -p walproof-guard header\n{fresh}");
}

#[test]
fn every_exported_function_stands_in_it() {
    let source = std::fs::read_to_string(SOURCE).expect("the source");
    assert_eq!(source.matches("unsafe(no_mangle)").count(), header(&source).matches("(const ").count() + 1);
}
