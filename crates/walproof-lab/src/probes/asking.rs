//! Asking the parties of a probe: one line of steps, one line of answers, under the probe's own wall clock.
//!
//! What this file must not do: wait for a party that does not answer. It is killed and asked no more; whether it can
//! die at once is the kernel's affair, and nobody waits for that either.

use std::cell::RefCell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use walproof_format::probe_step::{ProbeAnswer, ProbeStep};
use walproof_format::protocol::{Command, Reply};
use walproof_judge::probe::Answer;

use crate::run::fleet::Fleet;

/// How long one line of steps may take before the storage counts as silent.
const CALL_TIMEOUT: Duration = Duration::from_secs(5);

/// Less than this is no silence of the storage but the end of the probe's own time.
const SILENCE_MIN: Duration = Duration::from_secs(1);

/// The parties of a probe.
pub struct Asking<'a> {
    /// Who is asked.
    pub fleet: &'a Fleet<'a>,
    deadline: Instant,
    interrupted: &'a AtomicBool,
    /// Who did not answer, and why as far as it was seen.
    silent: RefCell<Vec<(u16, Answer)>>,
}

impl<'a> Asking<'a> {
    /// Asks until the deadline, or until somebody interrupts, and no longer.
    pub fn until(fleet: &'a Fleet<'a>, deadline: Instant, interrupted: &'a AtomicBool) -> Self {
        Self { fleet, deadline, interrupted, silent: RefCell::default() }
    }

    /// What is left of the probe's time.
    pub fn time_left(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Whether everybody who was asked has answered.
    pub fn all_answered(&self) -> bool {
        self.silent.borrow().is_empty()
    }

    /// One step.
    pub fn one(&self, party: u16, step: ProbeStep) -> Result<ProbeAnswer, Answer> {
        let mut answers = self.all(party, vec![step])?;
        answers.pop().unwrap_or(Err(Answer::not_asked()))
    }

    /// Several steps in one line; an errno stays with its step.
    pub fn all(&self, party: u16, steps: Vec<ProbeStep>) -> Result<Vec<Result<ProbeAnswer, Answer>>, Answer> {
        let reply = self.hear(party, steps)?;
        Ok(reply.into_iter().map(by_errno).collect())
    }

    /// Two parties at the same moment.
    pub fn both(
        &self,
        (one, step): (u16, ProbeStep),
        (other, others_step): (u16, ProbeStep),
    ) -> [Result<ProbeAnswer, Answer>; 2] {
        if let Some(no) = self.not_to_be_asked(one).or_else(|| self.not_to_be_asked(other)) {
            return [Err(no.clone()), Err(no)];
        }
        let timeout = self.time_left().min(CALL_TIMEOUT);
        let ask = |party, step| self.fleet.ask(party, &Command::Probe { steps: vec![step] }, timeout);
        let replies = std::thread::scope(|scope| {
            let first = scope.spawn(|| ask(one, step));
            let second = ask(other, others_step);
            [(one, first.join().expect("asking does not panic")), (other, second)]
        });
        replies.map(|(party, reply)| {
            let mut answers = self.understand(party, timeout, reply)?;
            answers.pop().map_or(Err(Answer::not_asked()), by_errno)
        })
    }

    fn hear(&self, party: u16, steps: Vec<ProbeStep>) -> Result<Vec<ProbeAnswer>, Answer> {
        if let Some(no) = self.not_to_be_asked(party) {
            return Err(no);
        }
        let timeout = self.time_left().min(CALL_TIMEOUT);
        let reply = self.fleet.ask(party, &Command::Probe { steps }, timeout);
        self.understand(party, timeout, reply)
    }

    fn not_to_be_asked(&self, party: u16) -> Option<Answer> {
        if let Some((_, why)) = self.silent.borrow().iter().find(|(silent, _)| *silent == party) {
            return Some(why.clone());
        }
        if self.interrupted.load(Ordering::Relaxed) {
            return Some(Answer::Unknown("interrupted".into()));
        }
        self.time_left().is_zero().then(|| Answer::Unknown("the probe's time was over".into()))
    }

    fn understand(
        &self,
        party: u16,
        timeout: Duration,
        reply: Result<Reply, crate::error::LabError>,
    ) -> Result<Vec<ProbeAnswer>, Answer> {
        match reply {
            Ok(Reply::Probe { answers }) => Ok(answers),
            Ok(other) => Err(Answer::Unknown(format!("the agent answered `{other:?}`"))),
            Err(error) if error.blind => {
                let why = Answer::Unknown(silence(timeout, self.fleet.state_of(party)));
                self.silent.borrow_mut().push((party, why.clone()));
                self.fleet.give_up_on(party);
                Err(why)
            }
            Err(_) => Err(Answer::Unknown("this party has ended".into())),
        }
    }
}

/// Why nothing came, as far as the process shows it.
fn silence(timeout: Duration, state: Option<(char, String)>) -> String {
    let seconds = timeout.as_secs_f64();
    match state {
        _ if timeout < SILENCE_MIN => "the probe's time was over before an answer came".into(),
        Some(('T' | 't', _)) => format!("the party is stopped, and did not answer within {seconds:.1} s"),
        Some((_, place)) if !["", "0"].contains(&place.trim()) => {
            format!(
                "the storage did not answer within {seconds:.1} s: the party waits in the kernel at `{}`",
                place.trim()
            )
        }
        _ => format!("the storage did not answer within {seconds:.1} s"),
    }
}

fn by_errno(answer: ProbeAnswer) -> Result<ProbeAnswer, Answer> {
    match answer.errno {
        Some(errno) => Err(Answer::Errno(errno)),
        None => Ok(answer),
    }
}

/// Yes, when it was done.
pub fn yes(answer: Result<ProbeAnswer, Answer>) -> Answer {
    answer.map_or_else(|failure| failure, |_| Answer::Yes)
}

/// Yes, when it gave this.
pub fn is(answer: Result<ProbeAnswer, Answer>, expected: u64) -> Answer {
    match answer {
        Ok(answer) if answer.value == expected => Answer::Yes,
        Ok(_) => Answer::No,
        Err(failure) => failure,
    }
}

/// How long it took, in microseconds.
pub fn microseconds(answer: &Result<ProbeAnswer, Answer>) -> Option<f64> {
    answer.as_ref().ok().map(|answer| answer.took_ns as f64 / 1e3)
}
