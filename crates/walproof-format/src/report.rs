//! What a run hands to other programs: one JSON document, versioned. Here stands what must be readable again: the
//! version and what is needed to run the same once more. The rest of the document is written by
//! `walproof-lab/src/run/report.rs` and only ever grows.

use serde::{Deserialize, Serialize};

use crate::plan::{Chosen, OwnBoundary, StorageKnobs, Strike};
use crate::protocol::{Duty, Workload};

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
    /// What strikes, and how often; `None`: the usual nemeses and those of the world.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nemeses: Option<Vec<Chosen>>,
    /// Strikes one by one, instead of those that the seed draws.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub strikes: Option<Vec<Strike>>,
    /// What the last agent does instead of the workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_duty: Option<Duty>,
    /// Another build of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub agent: Option<String>,
    /// How the world's storage behaves.
    #[serde(default, skip_serializing_if = "StorageKnobs::is_untouched")]
    pub storage: StorageKnobs,
    /// The user's own containers instead of the world; the world is then called `own`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub own: Option<OwnBoundary>,
    /// Containers of the user's that are struck as well.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub targets: Vec<String>,
    /// The user's own image, into which agents are put.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,
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

/// Runs of one call, one for each journal mode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Matrix<Run> {
    /// [`VERSION`].
    pub walproof_matrix: u32,
    /// The exit code of all together.
    pub exit_code: u8,
    /// The report of each run.
    pub runs: Vec<Run>,
}

#[derive(Deserialize)]
struct Version {
    walproof_report: Option<u32>,
    walproof_matrix: Option<u32>,
}

/// Reads the part of a report that is needed to run it again: one header for each run of a matrix.
pub fn read_headers(text: &str) -> Result<Vec<Header>, String> {
    let no_report = |error: serde_json::Error| format!("it is no walproof report: {error}");
    // The version first: another one may have other fields.
    let Version { walproof_report, walproof_matrix } = serde_json::from_str(text).map_err(no_report)?;
    let version = walproof_report.or(walproof_matrix).ok_or("it is no walproof report: it has no version")?;
    if version != VERSION {
        return Err(format!("it has version {version}, this walproof reads {VERSION}"));
    }
    let headers = match walproof_matrix {
        Some(_) => serde_json::from_str::<Matrix<Header>>(text).map_err(no_report)?.runs,
        None => vec![serde_json::from_str::<Header>(text).map_err(no_report)?],
    };
    headers.iter().try_for_each(|header| parse_seed(&header.replay.seed).map(drop))?;
    Ok(headers)
}

/// Reads the part of a report of one run that is needed to run it again.
pub fn read_header(text: &str) -> Result<Header, String> {
    let mut headers = read_headers(text)?;
    match (headers.pop(), headers.is_empty()) {
        (Some(header), true) => Ok(header),
        _ => Err("it holds several runs".into()),
    }
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
