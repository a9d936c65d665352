//! Records of what was seen on a machine may hold anything: every one of the fixtures, broken at random, is lowered and
//! judged without a panic. The same records every time.

use std::fs;
use std::path::Path;

use serde_json::Value;
use walproof_judge::check;
use walproof_judge::sharing::live::Live;
use walproof_judge::sharing::lower::{self, Builder};
use walproof_judge::sharing::{Applications, DatabaseId, Host};

/// Records tried.
const ROUNDS: u64 = 4000;

/// Numbers that look random and are the same every time (splitmix64).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % limit.max(1) as u64).expect("less than a usize")
    }
}

fn records() -> Vec<Value> {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/manifests");
    let folders = |path: &Path| -> Vec<_> {
        let mut found: Vec<_> = fs::read_dir(path).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        found.sort();
        found
    };
    let all = folders(&rules).into_iter().flat_map(|rule| folders(&rule));
    let texts = all.filter_map(|folder| fs::read_to_string(folder.join("live.json")).ok());
    texts.map(|text| serde_json::from_str(&text).expect("JSON")).collect()
}

/// Breaks a value somewhere: each part of it with one chance in `rarity`.
fn broken(numbers: &mut Numbers, value: &mut Value, rarity: usize) {
    match value {
        Value::Array(list) => {
            if !list.is_empty() && numbers.below(rarity) == 0 {
                let copy = list[numbers.below(list.len())].clone();
                let at = numbers.below(list.len());
                match numbers.below(3) {
                    0 => list.push(copy),
                    1 => list[at] = copy,
                    _ => drop(list.remove(at)),
                }
            }
            list.iter_mut().for_each(|value| broken(numbers, value, rarity));
        }
        Value::Object(fields) => {
            let drop_one = numbers.below(rarity) == 0;
            let at = numbers.below(fields.len());
            if let Some(name) = fields.keys().nth(at).filter(|_| drop_one).cloned() {
                fields.remove(&name);
            }
            fields.values_mut().for_each(|value| broken(numbers, value, rarity));
        }
        Value::Number(_) if numbers.below(rarity) == 0 => {
            let choices = [0, 1, 2, 128, 0o777, u64::from(u32::MAX), u64::MAX];
            *value = Value::from(choices[numbers.below(choices.len())]);
        }
        Value::String(text) if numbers.below(rarity) == 0 => {
            let choices = ["", "/", "//", ":", "ä/", "-wal", "overlay", "3.7", "lowerdir=", "/proc/1/root/x", "wal"];
            let choice = choices[numbers.below(choices.len())];
            match numbers.below(2) {
                0 => *text = choice.to_owned(),
                _ => text.push_str(choice),
            }
        }
        _ => {}
    }
}

#[test]
fn any_record_is_lowered_and_judged() {
    let records = records();
    assert!(records.len() > 20, "{} records", records.len());
    let applications = Applications::built_in();
    let mut numbers = Numbers(7);
    let (mut read, mut findings) = (0_u64, 0);
    for round in 0..ROUNDS {
        let mut value = records[numbers.below(records.len())].clone();
        let rarity = 5 + usize::try_from(round % 60).expect("small");
        broken(&mut numbers, &mut value, rarity);
        let Ok(live) = serde_json::from_value::<Live>(value) else { continue };
        read += 1;
        let mut builder = Builder::new(Host::Linux, &applications, &[]);
        lower::live::add(&mut builder, &live);
        if round % 3 == 0 {
            lower::live::add(&mut builder, &live);
        }
        let graph = builder.finish();
        findings += check::judge(&graph, None).len();
        for index in 0..graph.databases.len() {
            let id = DatabaseId(index);
            let _ = (graph.sharers(id), graph.reachers(id), graph.storage_of(id), graph.place_of(id));
        }
    }
    assert!(read > ROUNDS / 4 && findings > 500, "{read} records, {findings} findings");
}
