//! `walproof probe`: what it says where everything is sound, where something is broken, and when a party is lost.
//!
//! Where to look next: `selftest.rs` has the probe of every world and every crippled party beside the stress.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::Value;
use walproof_lab::clients::{Client, ClientOptions, Pages, Server};

use crate::support::{Bench, Ended, clients, containers, skip};

/// The document that `--json` prints.
fn document(ended: &Ended) -> Value {
    serde_json::from_str(&ended.out).unwrap_or_else(|error| panic!("{error}\n{ended}"))
}

fn kind<'a>(document: &'a Value, mode: &str) -> &'a str {
    let verdicts = document["verdicts"].as_array().expect("verdicts");
    verdicts.iter().find(|verdict| verdict["mode"] == mode).expect(mode)["kind"].as_str().expect("a word")
}

/// Probes the bench's directory.
fn probe(bench: &Bench, more: &[&str]) -> Ended {
    let tested = bench.tested().display().to_string();
    let words: Vec<&str> = ["probe"].into_iter().chain(more.iter().copied()).chain([tested.as_str()]).collect();
    bench.run(&words)
}

#[test]
fn a_shared_directory_answers_every_question_as_it_must() {
    if let Err(why) = containers() {
        return skip("containers", "the probe", &why);
    }
    let bench = Bench::new();
    let ended = probe(&bench, &["--json", "--with-host"]);
    ended.assert_code(0);
    let document = document(&ended);
    assert_eq!(document["walproof_probe"], 1);
    for mode in ["wal", "wal-exclusive", "delete", "truncate", "persist"] {
        assert_eq!(kind(&document, mode), "safe", "{ended}");
    }
    assert_eq!(document["same_kernel"]["answer"], "yes");
    let pairs = document["pairs"].as_array().expect("pairs");
    assert_eq!(pairs.len(), 3, "two containers and the host");
    assert!(pairs.iter().all(|pair| pair["decisions"][0]["mode"] == "wal" && pair["decisions"][0]["kind"] == "safe"));
    for side in pairs.iter().flat_map(|pair| [&pair["facts"]["a_to_b"], &pair["facts"]["b_to_a"]]) {
        assert_eq!(side["locks"]["pairs_tried"], 400);
        assert_eq!(side["locks"]["wrong"], Value::Array(Vec::new()));
        for held in ["upgrade_refused", "upgrade_granted", "held_while_paused", "open_file_locks"] {
            assert_eq!(side["locks"][held]["answer"], "yes", "{held}");
        }
        for release in ["released_on_close", "released_on_exit", "released_on_kill"] {
            assert_eq!(side["locks"][release]["released"]["answer"], "yes", "{release}");
        }
        for seen in ["truncation_seen", "unlink_seen", "rename_seen", "truncation_seen_in_mapping"] {
            assert_eq!(side[seen]["answer"], "yes", "{seen}");
        }
        let races = side["litmus"].as_array().expect("races");
        assert!(races.len() >= 6, "{races:?}");
        // How much is seen depends on who else wants the two cores.
        assert!(races.iter().all(|race| race["wrong"] == 0), "{races:?}");
        assert!(races.iter().any(|race| race["observed"].as_u64() > Some(0)), "{races:?}");
    }
    // From its pid namespace a container names nobody, the host names the child of the container by its own number.
    let holder = |pair: usize, side: &str| pairs[pair]["facts"][side]["locks"]["holder_pid"].as_i64();
    assert_eq!(holder(0, "a_to_b"), Some(0));
    assert!(holder(1, "a_to_b") > Some(0), "{ended}");
    assert_eq!(document["guards"][0]["verdict"], "safe");
    bench.assert_nothing_left();
}

#[test]
fn a_quick_probe_decides_the_same() {
    if let Err(why) = containers() {
        return skip("containers", "the quick probe", &why);
    }
    let bench = Bench::new();
    let ended = probe(&bench, &["--json", "--quick"]);
    ended.assert_code(0);
    let document = document(&ended);
    assert_eq!((document["depth"].as_str(), kind(&document, "wal")), (Some("quick"), "safe"));
    assert!(document["pairs"][0]["facts"]["a_to_b"]["locks"].is_null());
    let words = probe(&bench, &["--quick"]);
    assert!(words.out.contains("SAFE       WAL: ") && words.out.contains("settle     walproof verify "), "{words}");
    bench.assert_nothing_left();
}

#[test]
fn the_exit_code_is_about_the_mode_that_was_asked_for() {
    if let Err(why) = clients() {
        return skip("clients", "the probe of networked storage", &why);
    }
    let bench = Bench::new();
    let on = |more: &[&str]| probe(&bench, &[&["--quick", "--world", "two-clients-no-cache"], more].concat());
    let wal = on(&[]);
    wal.assert_code(1);
    // Who syncs meanwhile brings a store to light, and no other.
    assert!(wal.out.contains("does not see stores of") || wal.out.contains("late, by a write-back"), "{wal}");
    on(&["--journal", "DELETE"]).assert_code(0);
    on(&["--journal", "delete", "--fail-on", "risky"]).assert_code(1);
    let refused = probe(&bench, &["--quick", "--world", "two-clients-direct-io"]);
    refused.assert_code(1);
    assert!(refused.out.contains("REFUSES    WAL") && refused.out.contains("IOERR_SHMMAP 5386"), "{refused}");
    bench.assert_nothing_left();
}

#[test]
fn a_race_shows_what_no_single_question_does() {
    if let Err(why) = clients() {
        return skip("clients", "the probe of a client that reopens", &why);
    }
    let bench = Bench::new();
    let ended = probe(&bench, &["--quick", "--json", "--world", "one-client-reopening"]);
    ended.assert_code(1);
    let document = document(&ended);
    assert_eq!((kind(&document, "wal"), kind(&document, "delete")), ("unsafe", "unsafe"));
    assert!(ended.out.contains("write-against-reopen"), "{ended}");
}

#[test]
fn a_store_that_a_write_back_brought_is_not_shared_memory() {
    if let Err(why) = clients() {
        return skip("clients", "the probe of clients that write back", &why);
    }
    let bench = Bench::new();
    let (over, tested) = (AtomicBool::new(false), bench.tested());
    let ended = std::thread::scope(|scope| {
        // Somebody else's `sync`, of these clients alone: whatever is dirty is written back, again and again.
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                clients_in(&tested).iter().for_each(|client| write_back(client));
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        });
        let ended = probe(&bench, &["--quick", "--json", "--world", "two-clients-no-cache"]);
        over.store(true, Ordering::Relaxed);
        ended
    });
    ended.assert_code(1);
    let document = document(&ended);
    assert_eq!((kind(&document, "wal"), kind(&document, "delete")), ("unsafe", "risky"), "{ended}");
    let facts = &document["pairs"][0]["facts"]["a_to_b"];
    if facts["store_seen"]["answer"] == "yes" {
        assert_eq!(facts["stores_seen_in_turn"]["answer"], "no", "{ended}");
    }
    bench.assert_nothing_left();
}

/// Where a probe of this directory has its clients mounted.
fn clients_in(tested: &Path) -> Vec<PathBuf> {
    let runs = std::fs::read_dir(tested).into_iter().flatten().flatten();
    runs.flat_map(|run| ["client-0", "client-1"].map(|client| run.path().join("probe").join(client))).collect()
}

fn write_back(directory: &Path) {
    if let Ok(opened) = File::open(directory) {
        // SAFETY: a plain system call on a descriptor of ours.
        unsafe { libc::syncfs(opened.as_raw_fd()) };
    }
}

#[test]
fn a_party_that_is_lost_before_it_did_anything_is_no_alarm() {
    if let Err(why) = containers() {
        return skip("containers", "the probe of a lost party", &why);
    }
    let bench = Bench::new();
    for after in ["10ms", "40ms", "90ms", "250ms", "700ms"] {
        let ended = probe(&bench, &["--json", "--cripple", "kill-party", "--cripple-after", after]);
        let document = document(&ended);
        for mode in ["wal", "delete", "truncate", "persist"] {
            assert!(["unknown", "safe"].contains(&kind(&document, mode)), "{mode} after {after}\n{ended}");
        }
    }
    bench.assert_nothing_left();
}

#[test]
fn a_probe_that_was_cut_short_is_never_safe() {
    if let Err(why) = containers() {
        return skip("containers", "a probe that is cut short", &why);
    }
    let bench = Bench::new();
    for time in ["300ms", "700ms"] {
        let ended = probe(&bench, &["--json", "--timeout", time]);
        ended.assert_code(3);
        assert_eq!(kind(&document(&ended), "wal"), "unknown", "{time}\n{ended}");
    }
    bench.assert_nothing_left();
}

#[test]
fn many_parties_have_cells_of_their_own() {
    if let Err(why) = containers() {
        return skip("containers", "a probe of many parties", &why);
    }
    let bench = Bench::new();
    // The races read cells, too: the fifth party's once lay on one of theirs.
    let ended = probe(&bench, &["--json", "--parties", "5", "--timeout", "170s"]);
    ended.assert_code(0);
    assert_eq!(kind(&document(&ended), "wal"), "safe", "{ended}");
    bench.assert_nothing_left();
}

#[test]
fn storage_that_hangs_ends_a_probe_in_time() {
    if let Err(why) = clients() {
        return skip("clients", "the probe of a frozen server", &why);
    }
    let bench = Bench::new();
    let frozen = ["--cripple", "freeze-server", "--world", "one-client-shared", "--timeout", "2s"];
    let began = std::time::Instant::now();
    let ended = probe(&bench, &frozen);
    // The server stays frozen for a minute.
    assert!(began.elapsed().as_secs() < 30, "{ended}");
    ended.assert_code(3);
    assert!(ended.out.contains("the storage did not answer within "), "{ended}");
    bench.assert_nothing_left();
}

#[test]
fn storage_that_hung_before_is_not_even_touched() {
    if let Err(why) = clients() {
        return skip("clients", "the probe of a server that is frozen already", &why);
    }
    let bench = Bench::new();
    let (served, mounted) = (bench.beside("served"), bench.beside("mounted"));
    for folder in [&served, &mounted] {
        std::fs::create_dir(folder).expect("a folder");
    }
    let server = Arc::new(Server::new(&served, false));
    let client =
        Client::mount(server, &mounted, ClientOptions::believing(Pages::CachedAlways, 0), 1).expect("it mounts");
    client.knobs().stall(std::time::Duration::from_secs(60));
    let began = std::time::Instant::now();
    let ended = bench.run(&["probe", "--timeout", "1s", &mounted.display().to_string()]);
    assert!(began.elapsed().as_secs() < 30, "{ended}");
    ended.assert_code(3);
    assert!(ended.error.contains("the storage did not answer") && ended.error.contains("\ntry: "), "{ended}");
    client.knobs().release();
    drop(client);
    bench.assert_nothing_left();
}

#[test]
fn an_interrupt_ends_it_and_a_kill_leaves_what_clean_removes() {
    if let Err(why) = containers() {
        return skip("containers", "an interrupted probe", &why);
    }
    let bench = Bench::new();
    let tested = bench.tested().display().to_string();
    let long = ["probe", "--parties", "8", &tested];
    let begun = |bench: &Bench| {
        let began = std::time::Instant::now();
        while !bench.leavings().iter().any(|line| line.starts_with("scratch")) {
            assert!(began.elapsed().as_secs() < 60, "no scratch");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
        std::thread::sleep(std::time::Duration::from_millis(300));
    };
    let running = bench.start_walproof(&long);
    begun(&bench);
    running.signal(libc::SIGINT);
    running.ended().assert_code(3);
    bench.assert_nothing_left();
    let running = bench.start_walproof(&long);
    begun(&bench);
    running.signal(libc::SIGKILL);
    running.ended();
    bench.run(&["clean"]).assert_code(0);
    bench.assert_nothing_left();
}

#[test]
fn plain_processes_ask_each_other_as_well() {
    let bench = Bench::new();
    let ended = probe(&bench, &["--quick", "--json", "--runtime", "process"]);
    ended.assert_code(0);
    assert_eq!(kind(&document(&ended), "wal"), "safe");
    bench.assert_nothing_left();
}

#[test]
fn what_cannot_be_asked_is_said_before_anything_is_made() {
    let bench = Bench::new();
    let fails = |more: &[&str], what: &str| {
        let ended = probe(&bench, more);
        ended.assert_code(2);
        assert!(ended.error.contains(what) && ended.error.contains("\ntry: "), "{ended}");
    };
    fails(&["--cripple", "amputate"], "there is no cripple `amputate`");
    fails(&["--cripple", "freeze-server", "--runtime", "process"], "cannot freeze the server");
    fails(&["--database", "/db/app.db"], "cannot use `--database` here");
    fails(&["--latency", "1ms", "--runtime", "process"], "cannot slow the storage");
    fails(&["--cripple", "read-only", "--runtime", "process"], "cannot make a party's mount read-only");
    fails(&["--world", "nowhere"], "there is no world `nowhere`");
    bench.run(&["probe", "/nonexistent-directory"]).assert_code(2);
    bench.assert_nothing_left();
}
