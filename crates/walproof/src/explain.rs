//! `walproof explain`: the documentation of any alarm, anomaly, cause, nemesis, rule, signature, workload or world, of
//! result codes and of messages.
//!
//! What it must not do: read anything. Pages are compiled in; `explain/code.rs` puts together what is known of a code.

mod code;

use walproof_agent::workloads::{self, WORKLOADS};
use walproof_judge::causes::{self, CAUSES};
use walproof_judge::checkers::AnomalyKind;
use walproof_judge::logs::SQLITE_LOGGING;
use walproof_judge::rules::{self, Ground, RULES, Rule};
use walproof_judge::signatures::{self, SIGNATURES};
use walproof_judge::watch::{self, alarms::ALARMS};
use walproof_lab::error::LabError;
use walproof_lab::nemeses::NEMESES;
use walproof_lab::worlds::WORLDS;

/// Prints the pages of a name, or the list.
pub fn run(name: Option<&str>) -> Result<i32, LabError> {
    let Some(name) = name else {
        list();
        return Ok(0);
    };
    let pages = pages(name);
    for (what, page) in &pages {
        // Anomalies bring their own heading.
        let page = page.trim().trim_start_matches(&format!("# {name}\n")).trim();
        say!("# {name} ({what})\n\n{page}\n");
        if let Some(rule) = rules::find(name).filter(|_| *what == "rule") {
            say!("Ground: {}\n", ground(rule));
        }
    }
    if pages.is_empty() && !code::explain(name) {
        return Err(LabError::new(
            format!("nothing is called `{name}`"),
            "it is no alarm, anomaly, cause, nemesis, rule, signature, workload or world, and no code or message of SQLite",
            "`walproof explain` for the list",
        ));
    }
    Ok(0)
}

/// What a rule stands on, in a line.
fn ground(rule: &Rule) -> String {
    let sure = rule.ground.certainty().word();
    match rule.ground {
        Ground::World(name) => format!("{sure} in the world `{name}` (`walproof bang --world {name}`)"),
        Ground::Measured(what) => format!("{sure}: {what}"),
        Ground::Documented(address) | Ground::Elsewhere(address) => format!("{sure}: {address}"),
        Ground::Cases(ids) => format!("{sure} from {} public cases: {}", ids.len(), ids.join(", ")),
        Ground::Suspected => sure.to_owned(),
    }
}

/// A nemesis and a world may share a name: what strikes one side for a while, and what all sides have. So may a rule and
/// a cause, and an alarm: what one finds in manifests, in logs, and in what runs.
fn pages(name: &str) -> Vec<(&'static str, &'static str)> {
    let alarm = watch::find(name).map(|alarm| ("alarm", alarm.explain));
    let anomaly = AnomalyKind::from_name(name).map(|kind| ("anomaly", kind.explain()));
    let cause = causes::find(name).map(|cause| ("cause", cause.explain));
    let nemesis = NEMESES.iter().find(|nemesis| nemesis.name == name).map(|nemesis| ("nemesis", nemesis.explain));
    let rule = rules::find(name).map(|rule| ("rule", rule.explain));
    let signature = signatures::find(name).map(|signature| ("signature", signature.explain));
    let world = WORLDS.iter().find(|world| world.name == name).map(|world| ("world", world.explain));
    let workload = workloads::find(name).map(|kind| ("workload", kind.explain));
    let logging = (name == "sqlite-logging").then_some(("how to turn it on", SQLITE_LOGGING));
    [alarm, anomaly, rule, cause, nemesis, signature, world, workload, logging].into_iter().flatten().collect()
}

fn list() {
    say!("alarms, as `walproof watch` raises them");
    ALARMS.iter().for_each(|alarm| say!("  {:<31} {}", alarm.name, alarm.line));
    say!("anomalies");
    AnomalyKind::ALL.iter().for_each(|kind| say!("  {}", kind.name()));
    say!("causes, as `walproof logs` suspects them");
    CAUSES.iter().for_each(|cause| say!("  {:<31} {}", cause.name, cause.line));
    say!("nemeses                           WAL                DELETE             on a sound boundary");
    for nemesis in NEMESES {
        let usual = if nemesis.usual { "in every run" } else { "" };
        say!("  {:<31} {:<18} {:<18} {usual}", nemesis.name, nemesis.wal.word(), nemesis.rollback.word());
    }
    say!("rules, as `walproof check` finds them");
    RULES.iter().for_each(|rule| say!("  {:<31} {}", rule.name, rule.line));
    say!("signatures, as `walproof logs` recognises them");
    SIGNATURES.iter().for_each(|signature| say!("  {:<31} {}", signature.name, signature.line));
    say!("workloads");
    WORKLOADS.iter().for_each(|kind| say!("  {:<31} {}", kind.name, kind.line));
    say!("worlds                            WAL                DELETE");
    for world in WORLDS {
        say!("  {:<31} {:<18} {}", world.name, world.wal.word(), world.rollback.word());
    }
    say!("also: a code (`5386`, `SQLITE_BUSY`), a message (`\"locking protocol\"`), `sqlite-logging`");
}
