//! `walproof runtimes`: what agents can run in here, found out by starting something in each.

use serde::Serialize;
use walproof_lab::error::LabError;
use walproof_lab::runtimes::{Abilities, RUNTIMES};

/// One runtime, as JSON.
#[derive(Serialize)]
struct Listed {
    name: &'static str,
    serves: bool,
    version: Option<String>,
    isolation: Option<String>,
    abilities: Vec<&'static str>,
    missing: Vec<String>,
    notes: Vec<String>,
}

impl Listed {
    fn all() -> impl Iterator<Item = Listed> {
        RUNTIMES.iter().map(|entry| match entry.detect() {
            Ok(runtime) => {
                let found = runtime.abilities();
                Listed {
                    name: entry.name,
                    serves: true,
                    version: found.version.clone(),
                    isolation: Some(found.isolation.clone()),
                    abilities: words(found),
                    missing: found.missing.clone(),
                    notes: found.notes.clone(),
                }
            }
            Err(error) => Listed {
                name: entry.name,
                serves: false,
                version: None,
                isolation: None,
                abilities: Vec::new(),
                missing: vec![error.because()],
                notes: Vec::new(),
            },
        })
    }

    fn show(&self) {
        match &self.isolation {
            Some(isolation) => {
                say!("{:<9} {isolation}", self.name);
                say!("          can: {}", self.abilities.join(", "));
            }
            None => say!("{:<9} cannot serve here", self.name),
        }
        self.missing.iter().for_each(|line| say!("          missing: {line}"));
        self.notes.iter().for_each(|line| say!("          note: {line}"));
    }
}

fn words(abilities: &Abilities) -> Vec<&'static str> {
    let all = [
        (abilities.containers, "containers"),
        (abilities.bind_mounts, "bind mounts"),
        (abilities.overlay_mounts, "overlay mounts"),
        (abilities.limits, "limits of memory and tasks"),
        (abilities.volumes, "named volumes"),
        (abilities.volumes, "your own images and containers"),
    ];
    let able: Vec<&str> = all.into_iter().filter_map(|(can, word)| can.then_some(word)).collect();
    if able.is_empty() { vec!["plain processes"] } else { able }
}

/// Prints them; that some cannot serve is no failure.
pub fn run(json: bool) -> Result<i32, LabError> {
    if json {
        let all: Vec<Listed> = Listed::all().collect();
        say!("{}", serde_json::to_string_pretty(&all).expect("a list is plain data"));
    } else {
        Listed::all().for_each(|one| one.show());
    }
    Ok(0)
}
