//! What is known of a result code or of a message: its meaning, its signatures, the causes it speaks for.

use walproof_format::sqlite::error_code::{ERROR_CODES, ErrorCode, primary};
use walproof_judge::logs::{self, Diagnosis, Scan, Scanner, suspects};
use walproof_judge::signatures::{self, Signature};

/// Prints what is known of `5386`, `SQLITE_IOERR_SHMMAP`, `IOERR_SHMMAP` or `locking protocol`; false: nothing is.
pub fn explain(text: &str) -> bool {
    let by_number = text.parse::<u32>().ok().and_then(|number| ERROR_CODES.iter().find(|row| row.code == number));
    if let Some(row) = by_number.or_else(|| logs::code::by_name(text)) {
        explain_code(row);
        return true;
    }
    let scan = scanned(text);
    if scan.kinds.is_empty() {
        return false;
    }
    say!("# `{text}` (message)\n");
    if let Some(row) = scan.kinds.iter().find_map(|kind| ERROR_CODES.iter().find(|row| Some(row.code) == kind.code)) {
        say!("Result code: SQLITE_{} {}, {}.\n", row.name, row.code, row.meaning);
    }
    scan.kinds.iter().for_each(|kind| say_signature(kind.signature));
    say_suspects(&suspects(&scan, &[]));
    true
}

fn explain_code(row: &ErrorCode) {
    say!("# SQLITE_{} {} (result code)\n\n{}.", row.name, row.code, capitalised(row.meaning));
    if row.code > 255 {
        let primary = primary(row.code);
        let name = ERROR_CODES.iter().find(|row| row.code == primary).map_or("", |row| row.name);
        say!(
            "A detail of SQLITE_{name} {primary}: {} | ({} << 8). Drivers that print primary codes print {primary}.",
            primary,
            row.code >> 8
        );
    }
    say!("");
    match signatures::of_code(row.code) {
        Some(signature) => {
            say_signature(signature);
            let scan = scanned(&format!("SQLITE_{}: sqlite error {}", row.name, row.code));
            say_suspects(&suspects(&scan, &[]));
        }
        None => say!("It says nothing about storage, locks or openers; `walproof logs` passes over it.\n"),
    }
    say!("<https://sqlite.org/rescode.html#{}>", row.name.to_ascii_lowercase());
}

fn say_signature(signature: &Signature) {
    let says = signature.explain.split_once("## What it says\n").map_or("", |(_, after)| after);
    let says = says.split("\n## ").next().unwrap_or("").trim();
    say!("Signature `{}` ({}): {}.\n{says}\n", signature.name, signature.gravity.word(), signature.line);
}

fn say_suspects(diagnosis: &Diagnosis<'_>) {
    if diagnosis.suspects.is_empty() {
        return;
    }
    say!("What it may be, from this alone (`walproof explain NAME` for what settles it):");
    for suspect in &diagnosis.suspects {
        say!("  {:<31} {}", suspect.cause.name, suspect.cause.line);
    }
    say!("");
}

fn scanned(text: &str) -> Scan {
    let mut scanner = Scanner::new();
    scanner.feed(text.as_bytes());
    scanner.finish()
}

fn capitalised(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or(String::new(), |first| first.to_uppercase().collect::<String>() + letters.as_str())
}
