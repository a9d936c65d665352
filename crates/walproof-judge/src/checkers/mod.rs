//! Histories in, anomalies out.
//!
//! What this room is: [`merge`] puts the agents' records into commit order, [`ledger`] walks them once in bounded
//! memory, [`keyed`] does both where there are several ledgers, [`checker`] is either, [`conduct`] tells who failed how,
//! [`anomaly`] names what it finds, [`exposures`] counts what was tried, [`fairness`] who got a turn,
//! [`sound_history`] makes histories
//! that must never give an anomaly.
//!
//! What it must not do: read files or clocks; keep anything that grows with the length of the history.
//!
//! Where to look next: `walproof_format::history` and `walproof_format::ledger` are the contract with the agents.

pub mod anomaly;
pub mod checker;
pub mod conduct;
pub mod exposures;
pub mod fairness;
mod finals;
mod found;
pub mod keyed;
pub mod ledger;
pub mod merge;
mod past;
mod power_cut;
pub mod sound_history;

pub use anomaly::{Anomaly, AnomalyKind, WitnessLine};
pub use checker::{Checker, RunMerge};
pub use conduct::{Conduct, Manner, Side};
pub use exposures::Exposures;
pub use fairness::{Fairness, FairnessReport};
pub use keyed::{KeyedChecker, KeyedMerge};
pub use ledger::{CheckerOptions, LedgerChecker};
pub use merge::{Merge, Next, Source, Step};
pub use power_cut::PowerLoss;
