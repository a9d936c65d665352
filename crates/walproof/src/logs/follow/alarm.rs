//! Alarms of `--follow`: lines for people, JSON lines, and a command of the user's that is told.
//!
//! What it must not do: decide what is an alarm (`walproof_judge::logs::Alarms` does), wait for the user's command.

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use walproof_judge::logs::{Alarm, Answer, Why};

use super::super::show;
use super::end_group;
use crate::arguments::LogsFlags;
use crate::interrupt;

/// The version of a line.
pub const VERSION: u32 = 1;
/// How long the user's command may take.
const EXEC: Duration = Duration::from_secs(30);
/// How long it may still take after Ctrl-C.
const AFTER_INTERRUPT: Duration = Duration::from_secs(2);

/// Tells alarms.
pub struct Teller {
    sources: Vec<String>,
    json: bool,
    exec: Option<String>,
    running: Vec<JoinHandle<()>>,
}

impl Teller {
    pub fn new(sources: Vec<String>, flags: &LogsFlags) -> Self {
        if !flags.json {
            say!("walproof logs --follow {}", sources.join(" "));
        }
        Self { sources, json: flags.json, exec: flags.exec.clone(), running: Vec::new() }
    }

    /// One alarm.
    pub fn tell(&mut self, alarm: &Alarm<'_>) {
        let document = self.document(alarm);
        if self.json {
            say!("{document}");
        } else {
            show::alarm(&self.sources, alarm);
        }
        if let Some(exec) = self.exec.clone() {
            let cause = alarm.cause.name.to_owned();
            self.running.push(thread::spawn(move || run(&exec, &cause, &document)));
        }
    }

    /// Waits for commands that were told.
    pub fn finish(&mut self) {
        for running in self.running.drain(..) {
            let _ = running.join();
        }
    }

    fn document(&self, alarm: &Alarm<'_>) -> Value {
        let Alarm { cause, why, certainty, answer, damage, is_beside, kind } = alarm;
        let place = &kind.first;
        let (reason, overtakes) = match why {
            Why::First => ("first", None),
            Why::Overtakes(before) => ("overtakes", Some(*before)),
            Why::NamedByDefinition => ("named-by-definition", None),
            Why::PointsAtDamage => ("points-at-damage", None),
        };
        json!({
            "walproof_logs_follow": VERSION,
            "event": "alarm",
            "cause": cause.name,
            "says": cause.line,
            "why": reason,
            "overtakes": overtakes,
            "certainty": certainty,
            "is_told": *answer == Answer::Told,
            "loses_data": cause.loses,
            "points_at_damage": damage,
            "is_beside": is_beside,
            "signature": kind.signature.name,
            "code": kind.code,
            "source": self.sources.get(place.source as usize),
            "line": place.line,
            "time": place.time.as_ref().map(|time| &time.text),
            "unix_ms": place.unix_ms(),
            "example": kind.example,
            "settle": cause.points("Settle it"),
            "what_to_do": cause.points("What to do"),
            "what_not_to_do": cause.points("What not to do"),
        })
    }
}

/// Runs the user's command with the alarm on its standard input; the cause also stands in `WALPROOF_CAUSE`.
fn run(exec: &str, cause: &str, document: &Value) {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", exec]).env("WALPROOF_CAUSE", cause).stdin(Stdio::piped()).stdout(Stdio::null());
    let mut child = match command.process_group(0).spawn() {
        Ok(child) => child,
        Err(error) => {
            eprintln!("walproof: cannot run `{exec}`\nbecause: {error}\ntry: a command that `sh -c` runs");
            return;
        }
    };
    // Whoever does not read it gets it not.
    let _ = child.stdin.take().map(|mut input| writeln!(input, "{document}"));
    let (mut end, mut is_short) = (Instant::now() + EXEC, false);
    loop {
        if interrupt::came() && !is_short {
            (end, is_short) = (end.min(Instant::now() + AFTER_INTERRUPT), true);
        }
        match child.try_wait() {
            Ok(Some(status)) if status.success() => return,
            Ok(Some(status)) => {
                eprintln!("walproof: `{exec}` failed\nbecause: {status}\ntry: `echo '{{}}' | sh -c '{exec}'`");
                return;
            }
            Ok(None) if Instant::now() < end => thread::sleep(Duration::from_millis(50)),
            _ => {
                end_group(child.id().cast_signed());
                let _ = child.wait();
                let because = match is_short {
                    true => "walproof was interrupted, and it did not end soon".to_owned(),
                    false => format!("it took {} s", EXEC.as_secs()),
                };
                eprintln!("walproof: `{exec}` was ended\nbecause: {because}\ntry: a shorter one");
                return;
            }
        }
    }
}
