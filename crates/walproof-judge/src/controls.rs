//! Planted anomalies.

use serde::Serialize;

use crate::checkers::AnomalyKind;

/// Whether the checker named a planted anomaly.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PlantedOutcome {
    /// The kind that was planted.
    pub kind: AnomalyKind,
    /// Whether a new anomaly of that kind touches the planted record.
    pub named: bool,
    /// What was done to which record.
    pub how: String,
    /// Why nothing could be planted; that counts as missed.
    pub cannot: Option<String>,
}

impl PlantedOutcome {
    /// It was named.
    pub fn named(kind: AnomalyKind, how: impl Into<String>) -> Self {
        Self { kind, named: true, how: how.into(), cannot: None }
    }
}
