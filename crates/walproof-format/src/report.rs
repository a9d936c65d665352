//! What a run hands to other programs: one JSON document, versioned. Here stands what must be readable again: the
//! version and what is needed to run the same once more. The rest of the document is written by
//! `walproof-lab/src/run/report.rs` and only ever grows.

use serde::{Deserialize, Serialize};

use crate::protocol::Workload;

/// Version of the report; in its first field, `walproof_report`.
pub const VERSION: u32 = 1;

/// What a run was asked to do: enough to do it again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Replay {
    /// The seed, 16 hex digits.
    pub seed: String,
    /// Length of the stress in milliseconds.
    pub time_ms: u64,
    /// Number of agents.
    pub agents: u16,
    /// Name of the world.
    pub world: String,
    /// Name of the runtime that was used.
    pub runtime: String,
    /// Whether the stress goes on after the first anomaly.
    pub keep_going: bool,
    /// The workload.
    pub workload: Workload,
}

/// The part of a report that is read again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Header {
    /// [`VERSION`].
    pub walproof_report: u32,
    /// The directory that was tested.
    pub directory: String,
    /// What was asked.
    pub replay: Replay,
}

#[derive(Deserialize)]
struct Version {
    walproof_report: u32,
}

/// Reads the part of a report that is needed to run it again.
pub fn read_header(text: &str) -> Result<Header, String> {
    let no_report = |error: serde_json::Error| format!("it is no walproof report: {error}");
    // The version first: another one may have other fields.
    let Version { walproof_report: version } = serde_json::from_str(text).map_err(no_report)?;
    if version != VERSION {
        return Err(format!("it has version {version}, this walproof reads {VERSION}"));
    }
    let header: Header = serde_json::from_str(text).map_err(no_report)?;
    parse_seed(&header.replay.seed).map(|_| header)
}

/// A seed of 1 to 16 hex digits.
pub fn parse_seed(text: &str) -> Result<u64, String> {
    u64::from_str_radix(text, 16).map_err(|_| format!("`{text}` is not a seed of 1 to 16 hex digits"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_an_error_with_a_reason() {
        assert!(read_header("{}").unwrap_err().contains("no walproof report"));
        assert!(read_header("{\"walproof_report\":99}").unwrap_err().contains("version 99"));
        assert!(parse_seed("xyz").is_err());
        assert_eq!(parse_seed("7f3a91c2"), Ok(0x7f3a_91c2));
    }
}
