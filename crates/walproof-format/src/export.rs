//! A history for other programs: JSON lines, one record a line.
//!
//! Fields are named as in [`crate::history::Record`]. `token` and `hash` are 16 hex digits, since JSON's readers often
//! keep 53 bits; `flags` are words; `end_ns` is null where the operation did not return. docs/history.md lists them.

use serde_json::json;

use crate::history::{
    FLAG_CELLS_DISAGREE, FLAG_CHAIN_BROKEN, FLAG_FOLD_REFUSED, FLAG_FRESH_CONNECTION, FLAG_IN_TRANSACTION,
    FLAG_INVARIANT_BROKEN, FLAG_LEDGER_DISAGREES, FLAG_SPILLED, Place, Record,
};

const FLAGS: &[(u16, &str)] = &[
    (FLAG_LEDGER_DISAGREES, "ledger-disagrees"),
    (FLAG_CELLS_DISAGREE, "cells-disagree"),
    (FLAG_CHAIN_BROKEN, "chain-broken"),
    (FLAG_INVARIANT_BROKEN, "invariant-broken"),
    (FLAG_FRESH_CONNECTION, "fresh-connection"),
    (FLAG_SPILLED, "spilled"),
    (FLAG_IN_TRANSACTION, "in-transaction"),
    (FLAG_FOLD_REFUSED, "fold-refused"),
];

/// One record as one line, with its end.
pub fn json_line(record: &Record) -> String {
    let flags = FLAGS.iter().filter(|(flag, _)| record.flags & flag != 0).map(|(_, word)| *word);
    let value = json!({
        "agent": record.agent,
        "life": record.incarnation,
        "operation": record.operation.word(),
        "phase": record.phase.word(),
        "start_ns": record.start_ns,
        "end_ns": (record.end_ns != 0).then_some(record.end_ns),
        "key": record.key,
        "number": record.number,
        "hash": format!("{:016x}", record.hash),
        "token": format!("{:016x}", record.token),
        "counter": record.counter,
        "wait_us": record.wait.us(),
        "wal_frames": record.wal_frames,
        "extended_code": record.extended_code,
        "place": record.place.map(Place::word),
        "flags": flags.collect::<Vec<_>>(),
    });
    format!("{value}\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::history::{Operation, Phase};

    #[test]
    fn a_record_is_one_line_of_json() {
        let record = Record { hash: u64::MAX, flags: FLAG_SPILLED, phase: Phase::Done, ..Record::BLANK };
        let line = json_line(&Record { operation: Operation::Fold, number: 7, ..record });
        let value: serde_json::Value = serde_json::from_str(&line).expect("it is JSON");
        assert_eq!(line.matches('\n').count(), 1);
        assert_eq!((&value["hash"], &value["operation"]), (&json!("ffffffffffffffff"), &json!("fold")));
        assert_eq!((&value["flags"], &value["end_ns"]), (&json!(["spilled"]), &json!(null)));
    }

    #[test]
    fn every_flag_has_its_word_once() {
        assert_eq!(FLAGS.iter().fold(0, |all, (flag, _)| all ^ flag), 0b1111_1111);
    }
}
