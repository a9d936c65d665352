//! Rules whose findings are not changed by a program, and why.
//!
//! What it must not do: name a rule that has a change. A test compares with the slice of rules.
//!
//! Where to look next: the remedy in the page of each rule.

/// The rule and the reason, sorted by the rule.
pub static BY_HAND: &[(&str, &str)] = &[
    ("attribute-cache", "with the caches off the storage is still a network file system: choose another one"),
    (
        "read-only-reader",
        "choose: give the reader the directory to write, or a copy made by `VACUUM INTO`; both are right for somebody",
    ),
];
