//! Facts and histories in, findings and verdicts out.
#![forbid(unsafe_code)]
