//! The last account: what agents saw when everybody had stopped and the database was opened again.
//!
//! Every acknowledged commit that is still remembered must be there, nothing else may be, and a maybe is settled by
//! its token. What a fold has added up is covered by the horizon's count and chain hash only: a row that was
//! replaced below the horizon shows in the hash, but not which.
//!
//! Cells that disagree with the head after a clean re-read are `torn-read`, not `structural-damage`: the file is
//! well-formed, its content matches no single commit. `structural-damage` is what integrity_check says.

use walproof_format::history::{Operation, Phase, Record};
use walproof_format::ledger::{FinalState, LedgerRow, chain};
use walproof_format::sqlite::error_code;

use super::anomaly::{AnomalyKind, WitnessLine};
use super::ledger::{LedgerChecker, known, line, name};
use super::past::{NOBODY, RING_SIZE, Standing};
use crate::finding::Certainty;

/// How many lines of one witness name lost commits or unknown rows.
const LINES_MAX: usize = 8;

impl LedgerChecker {
    pub(super) fn account(&mut self, state: &FinalState) {
        if !state.integrity.is_empty() {
            self.damaged(state);
        }
        if let Some((code, message)) = &state.error {
            return self.unreadable(state, *code, message);
        }
        if !state.cells_agree {
            self.torn_final(state, "the cells do not belong to the head row".to_owned());
        }
        for broken in &state.broken {
            self.torn_final(state, format!("an invariant does not hold: {broken}"));
        }
        self.account_for_the_head(state);
        self.account_for_the_horizon(state);
        self.account_for_the_rows(state);
    }

    fn damaged(&mut self, state: &FinalState) {
        self.found.add(AnomalyKind::StructuralDamage, Certainty::Proven, state.start_ns, || {
            let said = state.integrity.first().cloned().unwrap_or_default();
            let summary = format!("integrity_check says after a clean re-read: {said}");
            let lines = state.integrity.iter().take(LINES_MAX);
            (summary, lines.map(|said| WitnessLine::of_final(state, said.clone())).collect())
        });
    }

    fn unreadable(&mut self, state: &FinalState, code: u32, message: &str) {
        if matches!(error_code::primary(code), error_code::CORRUPT | error_code::NOTADB) {
            self.sides.note_damage();
        }
        self.found.add(AnomalyKind::UnexpectedError, Certainty::Measured, state.start_ns, || {
            let summary = format!(
                "agent {} could not read the database after everybody had stopped: {} ({message})",
                state.agent,
                error_code::quoted(code)
            );
            (summary, vec![WitnessLine::of_final(state, message)])
        });
    }

    fn torn_final(&mut self, state: &FinalState, what: String) {
        self.found.add(AnomalyKind::TornRead, Certainty::Proven, state.start_ns, || {
            let line = WitnessLine::of_final(state, what.clone());
            (format!("at the end agent {} sees that {what}", state.agent), vec![line])
        });
    }

    fn account_for_the_head(&mut self, state: &FinalState) {
        self.settle_cut(state.number, state.hash, &as_read(state));
        let tip = *self.past.tip();
        if (state.number, state.hash) == (tip.record.number, tip.record.hash) {
            return;
        }
        if state.number < tip.record.number {
            return self.head_is_behind(state);
        }
        match self.path_to(state.number, state.hash) {
            Some(path) => self.walk(path, &as_read(state)),
            None if state.number > tip.record.number => self.phantom_final(state, Vec::new(), || {
                format!("the head says commit {}, and nobody tried to make it", state.number)
            }),
            None => self.lost_final(state, &[tip.record], || {
                format!("under number {} stands something else than {}", state.number, name(&tip.record))
            }),
        }
    }

    fn head_is_behind(&mut self, state: &FinalState) {
        let (lost, count) = self.past.acknowledged_above(state.number, LINES_MAX);
        let tip = self.past.tip().record;
        let lost = if lost.is_empty() { vec![tip] } else { lost };
        self.lost_final(state, &lost, || {
            format!(
                "the head says commit {}, {count} acknowledged commits up to {} are not there",
                state.number, tip.number
            )
        });
    }

    fn account_for_the_horizon(&mut self, state: &FinalState) {
        if state.horizon_count != state.horizon_number {
            self.lost_final(state, &[], || {
                format!("{} rows were folded up to number {}", state.horizon_count, state.horizon_number)
            });
        }
        if state.horizon_number > state.number {
            let what = format!("the horizon {} lies above the head {}", state.horizon_number, state.number);
            return self.torn_final(state, what);
        }
        let Some(commit) = self.past.get(state.horizon_number).copied() else { return };
        if commit.record.hash != state.horizon_hash && !commit.contested {
            self.lost_final(state, &[commit.record], || {
                format!("the rows folded up to {} are not those that were committed", state.horizon_number)
            });
        }
    }

    fn account_for_the_rows(&mut self, state: &FinalState) {
        let mut rows = state.rows.clone();
        rows.sort_by_key(|row| row.number);
        let mut reading = Reading {
            expected: state.horizon_number.saturating_add(1),
            hash: state.horizon_hash,
            ..Reading::default()
        };
        for row in &rows {
            self.account_for_a_row(row, state, &mut reading);
        }
        reading.skip_to(state.number.saturating_add(1));
        self.tell(state, reading);
    }

    fn account_for_a_row(&self, row: &LedgerRow, state: &FinalState, reading: &mut Reading) {
        if row.number < reading.expected || row.number > state.number {
            return reading.odd.push((*row, self.anybody(row.token)));
        }
        let contiguous = row.number == reading.expected;
        reading.skip_to(row.number);
        let follows = chain(reading.hash, row.number, row.writer, row.counter, row.token) == row.hash;
        reading.expected = row.number.saturating_add(1);
        reading.hash = row.hash;
        if !self.is_accounted_for(row, reading) && contiguous && !follows {
            reading.broken.get_or_insert(row.number);
        }
    }

    /// Whether the row is judged by what the history says of its number; older ones are judged by the chain alone.
    fn is_accounted_for(&self, row: &LedgerRow, reading: &mut Reading) -> bool {
        let Some(commit) = self.past.get(row.number) else {
            let above = row.number > self.past.tip().record.number;
            if above {
                reading.odd.push((*row, self.anybody(row.token)));
            }
            return above;
        };
        if commit.record.token == row.token {
            return commit.record.hash == row.hash;
        }
        if self.rivals.with_token(row.token).is_some() && commit.contested {
            return true; // two commits of one number: reported, and one of them has to be gone
        }
        if commit.standing == Standing::Acknowledged {
            reading.replaced.push(commit.record);
        }
        if self.not_landed.with_token(row.token).is_none() && self.rivals.with_token(row.token).is_none() {
            reading.odd.push((*row, self.anybody(row.token)));
        }
        true
    }

    /// Whoever tried to commit under this token without a promise that it stays.
    fn anybody(&self, token: u64) -> Option<Record> {
        self.unpromised.with_token(token).or_else(|| self.not_landed.with_token(token))
    }

    fn tell(&mut self, state: &FinalState, reading: Reading) {
        let quiet = reading.missing_count == 0 && reading.replaced.is_empty() && reading.odd.is_empty();
        if reading.missing_count > 0 {
            self.missing(state, &reading);
        }
        if let Some(first) = reading.replaced.first() {
            self.lost_final(state, &reading.replaced, || {
                format!("another row stands where {} was acknowledged", name(first))
            });
        }
        if let Some((first, _)) = reading.odd.first() {
            let lines = reading.odd.iter().take(LINES_MAX).flat_map(|(row, attempt)| odd_lines(state, row, attempt));
            let lines = lines.collect();
            self.phantom_final(state, lines, || {
                format!("{} rows match no commit, the first has number {}", reading.odd.len(), first.number)
            });
        }
        if let Some(number) = reading.broken
            && quiet
        {
            self.torn_final(state, format!("ledger row {number} does not chain to the one before"));
        }
    }

    fn missing(&mut self, state: &FinalState, reading: &Reading) {
        let lost: Vec<_> = reading
            .missing
            .iter()
            .flat_map(|(from, to)| (*from..*to).take(RING_SIZE))
            .filter_map(|number| self.past.get(number))
            .map(|commit| commit.record)
            .take(LINES_MAX)
            .collect();
        let first = reading.missing.first().map_or(0, |(from, _)| *from);
        self.lost_final(state, &lost, || {
            format!("{} ledger rows are missing, the first has number {first}", reading.missing_count)
        });
    }

    fn lost_final(&mut self, state: &FinalState, lost: &[Record], summary: impl FnOnce() -> String) {
        self.found.add(AnomalyKind::LostCommit, Certainty::Proven, state.start_ns, || {
            let lines = lost.iter().filter_map(known).take(LINES_MAX);
            let mut witness: Vec<_> = lines.map(|lost| line(lost, "was told that it committed")).collect();
            witness.push(WitnessLine::of_final(state, "does not find it"));
            (format!("at the end for agent {}: {}", state.agent, summary()), witness)
        });
    }

    fn phantom_final(&mut self, state: &FinalState, lines: Vec<WitnessLine>, summary: impl FnOnce() -> String) {
        self.found.add(AnomalyKind::PhantomRow, Certainty::Proven, state.start_ns, || {
            let mut witness = lines;
            witness.push(WitnessLine::of_final(state, "finds it"));
            (format!("at the end for agent {}: {}", state.agent, summary()), witness)
        });
    }
}

/// What walking the rows has found so far.
#[derive(Default)]
struct Reading {
    expected: u64,
    hash: u64,
    /// Ranges of absent numbers, the end not included; the first few.
    missing: Vec<(u64, u64)>,
    missing_count: u64,
    replaced: Vec<Record>,
    odd: Vec<(LedgerRow, Option<Record>)>,
    broken: Option<u64>,
}

impl Reading {
    fn skip_to(&mut self, number: u64) {
        if number > self.expected {
            self.missing_count += number - self.expected;
            if self.missing.len() < LINES_MAX {
                self.missing.push((self.expected, number));
            }
            self.expected = number;
        }
    }
}

fn odd_lines(state: &FinalState, row: &LedgerRow, attempt: &Option<Record>) -> Vec<WitnessLine> {
    let found = WitnessLine {
        number: Some(row.number),
        token: Some(row.token),
        operation: "ledger row",
        ..WitnessLine::of_final(state, "stands in the ledger")
    };
    let mut lines = vec![found];
    lines.extend(attempt.as_ref().map(|attempt| line(attempt, "is the attempt of that token")));
    lines
}

/// The last look as a record, to stand in a witness.
fn as_read(state: &FinalState) -> Record {
    Record {
        start_ns: state.start_ns,
        end_ns: state.start_ns,
        number: state.number,
        hash: state.hash,
        agent: state.agent,
        operation: Operation::Read,
        phase: Phase::Done,
        ..NOBODY
    }
}
