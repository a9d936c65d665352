//! Stories of one database, told as looks.

use walproof_format::sqlite::checksum;
use walproof_format::sqlite::db_header::DB_MAGIC;
use walproof_format::sqlite::wal_header::{WAL_MAGIC, WAL_VERSION};

use super::look::{Beside, Failed, Gone, Openers, Why};
use super::*;

const PAGE: usize = 4096;

/// A header of three pages.
fn header(version: u8) -> Vec<u8> {
    let mut bytes = vec![0; 100];
    bytes[..16].copy_from_slice(&DB_MAGIC);
    bytes[16..24].copy_from_slice(&[16, 0, version, version, 0, 64, 32, 32]);
    for (offset, word) in [(24, 7_u32), (28, 3), (44, 4), (56, 1), (92, 7), (96, 3_051_003)] {
        bytes[offset..offset + 4].copy_from_slice(&word.to_be_bytes());
    }
    bytes
}

fn wal(salt: u32, frames: u64) -> Beside {
    let words = [WAL_MAGIC, WAL_VERSION, PAGE as u32, 0, salt, 8];
    let mut bytes: Vec<u8> = words.into_iter().flat_map(u32::to_be_bytes).collect();
    let sum = checksum::serial(&bytes, false, (0, 0));
    bytes.extend([sum.0, sum.1].into_iter().flat_map(u32::to_be_bytes));
    Beside { inode: 2, size_bytes: 32 + frames * (24 + PAGE as u64), bytes }
}

fn shm(salt: u32, frames: u32, copied: u32) -> Beside {
    let mut copy: Vec<u8> = [WAL_VERSION, 0, 5].into_iter().flat_map(u32::to_le_bytes).collect();
    copy.extend([1, 0]);
    copy.extend((PAGE as u16).to_le_bytes());
    copy.extend([frames, 3, 1, 2].into_iter().flat_map(u32::to_le_bytes));
    copy.extend([salt, 8].into_iter().flat_map(u32::to_be_bytes));
    let sum = checksum::serial(&copy, false, (0, 0));
    copy.extend([sum.0, sum.1].into_iter().flat_map(u32::to_le_bytes));
    let mut bytes = [copy.clone(), copy].concat();
    bytes.extend([copied, 0, 0, 0, 0, 0, 0, 0, copied, 0].into_iter().flat_map(u32::to_le_bytes));
    Beside { inode: 3, size_bytes: 32_768, bytes }
}

/// A database in WAL mode that somebody has open, with nine frames of which four are in the file.
fn live() -> Look {
    Look {
        path: "/data/app.db".to_owned(),
        size_bytes: 3 * PAGE as u64,
        untouched_ms: Some(60_000),
        header: header(2),
        shm: Some(shm(7, 9, 4)),
        wal: Some(wal(7, 9)),
        shm_after: Some(shm(7, 9, 4)),
        shm_is_held: true,
        free_bytes: Some(1 << 30),
        free_inodes: Some(1000),
        read_only: Some(false),
        ..Look::default()
    }
}

fn with_index(look: &Look, index: &Beside) -> Look {
    Look { shm: Some(index.clone()), shm_after: Some(index.clone()), ..look.clone() }
}

fn ready() -> Question {
    Question { settle_ms_max: 450, ..Question::default() }
}

/// The answers to both questions, and the first finding that made them.
fn answers(look: &Look) -> (Answer, Answer, String) {
    let ask = |asked| weigh(std::slice::from_ref(look), &Question { asked, ..ready() }).expect("a look");
    let name = ask(Asked::Ready).findings.first().map_or(String::new(), |finding| finding.name.clone());
    (ask(Asked::Ready).answer, ask(Asked::Live).answer, name)
}

#[track_caller]
fn healthy(look: &Look) {
    let (ready, live, name) = answers(look);
    assert_eq!((ready, live), (Answer::Healthy, Answer::Healthy), "{name}");
}

/// Not ready, and not for a restart to mend.
#[track_caller]
fn unhealthy(look: &Look, name: &str) {
    assert_eq!(answers(look), (Answer::Unhealthy, Answer::Healthy, name.to_owned()));
}

#[track_caller]
fn unknown(look: &Look, name: &str) {
    let (ready, live, found) = answers(look);
    assert_eq!((ready, found.as_str()), (Answer::Unknown, name));
    assert_eq!(live.exit_code(Asked::Live), 0);
}

#[test]
fn a_database_at_work_is_healthy() {
    healthy(&live());
    assert_eq!(weigh(&[live()], &ready()).expect("a look").frames_waiting, Some(5));
    assert_eq!(another_look_after_ms(&[live()], &ready(), 0), None);
}

#[test]
fn what_a_writer_does_on_its_way_is_healthy() {
    // A new generation stands in -shm, without frames, before it stands in -wal.
    healthy(&with_index(&live(), &shm(8, 0, 0)));
    // A commit, a checkpoint and a restart between the two looks at -shm.
    healthy(&Look { shm_after: Some(shm(7, 12, 4)), ..live() });
    healthy(&Look { shm_after: Some(shm(8, 2, 0)), ..live() });
    // The last one closes: -shm goes first.
    healthy(&Look { wal: None, shm_after: None, shm_is_held: false, ..live() });
    healthy(&Look { wal: None, shm: None, shm_after: None, shm_is_held: false, ..live() });
    // A checkpoint has written page 1, and not yet the pages that it names.
    healthy(&Look { size_bytes: PAGE as u64, ..live() });
    // The same in DELETE mode, and in MEMORY mode, which leaves no journal.
    let rollback = Look { header: header(1), wal: None, shm: None, shm_after: None, ..live() };
    let journal = Some(Beside { inode: 4, size_bytes: 512, bytes: vec![0xd9] });
    healthy(&Look { size_bytes: 4096, journal, ..rollback.clone() });
    healthy(&Look { size_bytes: 4096, untouched_ms: Some(900), ..rollback.clone() });
    unhealthy(&Look { size_bytes: 4096, ..rollback }, "file-too-short");
}

#[test]
fn a_log_that_is_not_the_one_of_the_index() {
    unhealthy(&Look { wal: None, ..live() }, "log-is-gone");
    unhealthy(&Look { wal: Some(wal(6, 9)), ..live() }, "index-of-another-log");
    unhealthy(&Look { wal: Some(wal(7, 8)), ..live() }, "log-shorter-than-index");
    unhealthy(&Look { wal: Some(Beside { bytes: vec![0; 32], ..wal(7, 9) }), ..live() }, "index-of-another-log");
    // Everything is in the file already: nothing is stranded.
    healthy(&Look { wal: None, ..with_index(&live(), &shm(7, 9, 9)) });
    // Nobody is seen to live by that -shm: the next opener makes it anew.
    healthy(&Look { wal: Some(wal(6, 9)), shm_is_held: false, ..live() });
    healthy(&Look { wal: None, shm_from_before_boot: true, ..live() });
}

#[test]
fn a_torn_index_has_time_to_settle() {
    let mut torn = shm(7, 9, 4);
    torn.bytes[16] += 1;
    let look = with_index(&live(), &torn);
    unknown(&look, "index-unsettled");
    let looks = vec![look.clone(); 20];
    assert_eq!(another_look_after_ms(&looks[..1], &ready(), 0), Some(4));
    assert!(another_look_after_ms(&looks, &ready(), 300).is_some());
    assert_eq!(another_look_after_ms(&looks, &ready(), 440), None);
    // A writer that goes on leaves nothing behind.
    let settled = weigh(&[look.clone(), live()], &ready()).expect("looks");
    assert_eq!((settled.answer, settled.findings), (Answer::Healthy, vec![]));
    healthy(&Look { shm_is_held: false, ..look });
}

#[test]
fn what_one_look_shows_is_asked_again() {
    let short = Look { wal: Some(wal(7, 8)), ..live() };
    let looks = vec![short.clone(); LOOKS_MIN];
    assert!(another_look_after_ms(&looks[..1], &ready(), 0).is_some());
    assert_eq!(another_look_after_ms(&looks, &ready(), 0), None);
    assert_eq!(weigh(&[short, live()], &ready()).expect("looks").answer, Answer::Healthy);
}

#[test]
fn a_file_that_is_not_a_database() {
    let alone = Look { wal: None, shm: None, shm_after: None, ..live() };
    let bytes = |header: Vec<u8>| Look { header, ..alone.clone() };
    unhealthy(&bytes(vec![0; 100]), "zeroed-page-one");
    healthy(&Look { untouched_ms: Some(10), ..bytes(vec![0; 100]) });
    unknown(&bytes(vec![9; 100]), "no-sqlite-header");
    let mut damaged = header(2);
    damaged[16] = 3;
    unhealthy(&bytes(damaged), "damaged-header");
    unhealthy(&Look { size_bytes: 0, ..bytes(vec![]) }, "missing");
    unhealthy(&Look { size_bytes: 0, header: vec![], ..live() }, "log-beside-empty-database");
    for length in 0..100 {
        answers(&bytes(header(2)[..length].to_vec()));
    }
}

#[test]
fn what_cannot_be_read() {
    let failed = |why| Look { failed: Some(Failed { why, because: "so".to_owned() }), ..Look::default() };
    unhealthy(&failed(Why::Missing), "missing");
    unhealthy(&failed(Why::Storage), "storage-fails");
    unknown(&failed(Why::Forbidden), "not-readable");
    unknown(&failed(Why::NoFile), "no-regular-file");
    let later = Question { may_be_missing: true, ..ready() };
    assert_eq!(weigh(&[failed(Why::Missing)], &later).expect("a look").answer, Answer::Healthy);
}

#[test]
fn room_is_measured_by_what_is_needed_next() {
    unhealthy(&Look { read_only: Some(true), ..live() }, "read-only-mount");
    // 991 more frames until SQLite checkpoints by itself.
    let needed = 991 * 4120 - 32;
    unhealthy(&Look { free_bytes: Some(needed - 1), ..live() }, "disk-full");
    healthy(&Look { free_bytes: Some(needed), ..live() });
    // A log that has grown is written over.
    healthy(&Look { free_bytes: Some(0), wal: Some(wal(7, 1000)), ..live() });
    unhealthy(&Look { free_inodes: Some(0), wal: None, shm: None, shm_after: None, ..live() }, "no-inodes");
    let reader = Question { reads_only: true, ..ready() };
    let full = Look { read_only: Some(true), free_bytes: Some(0), ..live() };
    assert_eq!(weigh(&[full], &reader).expect("a look").answer, Answer::Healthy);
}

#[test]
fn limits_count_only_where_they_were_given() {
    let name =
        |question: Question| weigh(&[live()], &question).expect("a look").findings.first().map(|one| one.name.clone());
    assert_eq!(name(Question { wal_bytes_max: Some(40_000), ..ready() }), None);
    assert_eq!(name(Question { wal_bytes_max: Some(30_000), ..ready() }), Some("log-too-large".to_owned()));
    assert_eq!(name(Question { frames_waiting_max: Some(5), ..ready() }), None);
    assert_eq!(name(Question { frames_waiting_max: Some(4), ..ready() }), Some("checkpoint-behind".to_owned()));
    assert_eq!(name(Question { free_bytes_min: Some(2 << 30), ..ready() }), Some("disk-full".to_owned()));
}

fn holds_gone(pid: u32, inode: u64) -> Openers {
    Openers { gone: vec![Gone { pid, file: "app.db-wal".to_owned(), inode }], ..Openers::default() }
}

/// Whoever opens and closes all the time is caught between the two now and then, each time with another file.
#[test]
fn a_file_that_lies_there_no_more_is_the_same_at_every_look() {
    let look = |pid, inode| Look { openers: Some(holds_gone(pid, inode)), ..live() };
    let answer = |looks: &[Look]| weigh(looks, &ready()).expect("a look").answer;
    assert_eq!(answer(&[look(4, 7), look(4, 8), look(4, 9), look(5, 9)]), Answer::Healthy);
    assert_eq!(answer(&[look(4, 7), live(), look(4, 7)]), Answer::Healthy);
    let same = [look(4, 7), look(4, 7), look(4, 7), look(4, 7), look(4, 7)];
    assert_eq!(answer(&same), Answer::Unhealthy);
    // It has as long as there is.
    assert!(another_look_after_ms(&same, &ready(), 100).is_some());
    assert!(another_look_after_ms(&same, &ready(), ready().settle_ms_max).is_none());
}

#[test]
fn only_a_stopped_writer_fails_liveness() {
    let openers = |openers| Look { openers: Some(openers), ..live() };
    unhealthy(&openers(holds_gone(4, 7)), "deleted-file-held");
    let stopped = openers(Openers { stopped_writers: vec![4], ..Openers::default() });
    assert_eq!(answers(&stopped), (Answer::Unhealthy, Answer::Unhealthy, "stopped-writer".to_owned()));
    healthy(&openers(Openers { not_seen: 3, ..Openers::default() }));
}
