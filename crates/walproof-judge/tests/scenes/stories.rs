//! What happens in the small world: for each alarm a story that raises it and sound ones that must not.
//!
//! In a story that raises, the fault begins after four looks. `raised-...` must raise its alarm; `notice-...` must raise
//! it and nothing above a notice; `quiet-...` must not raise it, and nothing above a notice.
//!
//! What it must not do: know how an alarm is found.
//! Where to look next: `tests/alarms.rs`, which records them under `fixtures/watch/`.

use walproof_format::sqlite::lock_bytes::Lock;
use walproof_judge::sharing::live::JournalFamilyWord;
use walproof_judge::watch::moment::{Event, Runs, WatchedOpener};

use super::{PAGE_BYTES, Scene, file, mount};

/// Looks before a fault.
pub const CALM: u64 = 4;
const MIB: u64 = 1 << 20;

/// The alarm that it is about, its name, what happens.
pub type Story = (&'static str, &'static str, fn(&mut Scene));

pub const STORIES: &[Story] = &[
    ("database-replaced", "raised-restored-over", restored_over),
    ("database-replaced", "quiet-restored-while-stopped", restored_while_stopped),
    ("deleted-sidecar-held", "raised-deleted", |s| {
        s.calm(CALM).looks(5, |s, time| {
            if time == 0 {
                s.delete_sidecars()
            }
        });
    }),
    ("deleted-sidecar-held", "notice-inherited-by-fork", inherited_then_deleted),
    ("deleted-sidecar-held", "quiet-last-close", |s| {
        s.calm(CALM).looks(6, |s, time| {
            if time < 2 {
                s.close([101, 202][time as usize])
            }
        });
    }),
    ("database-replaced", "raised-renamed-with-its-log-left-behind", |s| {
        s.calm(CALM).looks(6, |s, time| {
            if time == 0 {
                s.opener(202).renamed_to = Some("/data/app.db.old".into());
            }
        });
    }),
    ("database-replaced", "raised-renamed-away", |s| {
        s.calm(CALM).looks(6, |s, time| {
            if time == 0 {
                s.db().file = None;
            }
        });
    }),
    ("disk-filling", "raised-log-fills-it", log_fills_the_disk),
    ("disk-filling", "raised-by-steps-of-checkpoints", checkpoints_fill_the_disk),
    ("disk-filling", "raised-full-while-nobody-is-seen-with-it", |s| full_for_who_opens_for_each_request(s, true)),
    ("disk-filling", "notice-full-and-nobody-is-seen", |s| full_for_who_opens_for_each_request(s, false)),
    ("disk-filling", "quiet-something-was-copied-there", something_was_copied_there),
    ("disk-filling", "quiet-noise-and-a-burst", noise_and_a_burst),
    ("disk-filling", "quiet-full-by-nature", full_by_nature),
    ("frozen-lock-holder", "raised-paused-writer", |s| {
        s.calm(CALM).looks(5, |s, time| {
            if time == 0 {
                s.lock(202, Lock::Write, true);
                s.halt(202, Runs::Frozen);
            }
            s.now.events.push(Event::LockRefused {
                database: "/srv/app.db".into(),
                lock: Lock::Write,
                pid: 101,
                container: Some("web".into()),
                times: 40,
            });
        });
    }),
    ("frozen-lock-holder", "notice-paused-reader", paused_reader),
    ("frozen-lock-holder", "quiet-paused-holder-of-nothing", |s| {
        s.calm(CALM).looks(20, |s, _| {
            s.halt(202, Runs::Frozen);
            s.traffic(200);
        });
    }),
    ("frozen-lock-holder", "quiet-waits-for-its-disk", waits_for_its_disk),
    ("file-cut-off", "raised-log-emptied", |s| {
        s.commit(40);
        s.calm(CALM).looks(6, |s, time| {
            if time == 0 {
                s.db().wal.as_mut().expect("a log").size_bytes = 0;
            }
        });
    }),
    ("file-cut-off", "raised-database-emptied", |s| {
        s.commit(40);
        s.calm(CALM).looks(6, |s, time| {
            if time == 0 {
                s.db().file.as_mut().expect("a file").size_bytes = 0;
            }
        });
    }),
    ("file-cut-off", "quiet-log-that-grows-after-it-was-looked-at", |s| {
        s.calm(CALM).looks(20, |s, _| {
            s.commit(300);
            // Its size was asked for before the index was read.
            let frames_before = u64::from(s.index().max_frame - 300);
            s.db().wal.as_mut().expect("a log").size_bytes = 32 + frames_before * u64::from(PAGE_BYTES + 24);
        });
    }),
    ("index-damaged", "raised-zeroed", |s| {
        s.calm(CALM).looks(6, |s, _| {
            s.db().index = None;
            s.db().index_damage = Some("both header copies are zero".into());
        });
    }),
    ("index-damaged", "quiet-recovery", recovery),
    ("journal-mode-flapping", "raised-to-and-fro", |s| {
        s.calm(CALM).looks(6, |s, time| family(s, time % 2 == 0));
    }),
    ("journal-mode-flapping", "quiet-changed-once", |s| {
        s.calm(CALM).looks(6, |s, _| family(s, true));
    }),
    ("journal-mode-flapping", "quiet-persistent-journal", |s| {
        s.rollback();
        s.db().journal = Some(file(60, 512));
        s.calm(CALM + 6);
    }),
    ("missing-locks", "raised-cancelled-by-close", cancelled_by_close),
    ("missing-locks", "notice-forked-child", forked_child),
    ("missing-locks", "quiet-opens-for-each-request", opens_for_each_request),
    ("missing-locks", "quiet-locks-not-shown", |s| {
        s.now.databases[0].openers.iter_mut().for_each(|one| (one.locks, one.locks_when_mapped) = (None, None));
        s.calm(CALM + 30);
    }),
    ("missing-locks", "quiet-rollback-reader", |s| {
        s.rollback();
        s.calm(CALM).looks(10, |s, time| {
            if time % 3 == 0 { s.lock(101, Lock::Shared, false) } else { s.unlock(101, Lock::Shared) }
        });
    }),
    ("out-of-memory-kill", "raised-worker-killed", worker_killed),
    ("out-of-memory-kill", "raised-container-gone-with-its-cgroup", |s| container_gone(s, 90, true)),
    ("out-of-memory-kill", "notice-it-used-little", |s| container_gone(s, 20, true)),
    ("out-of-memory-kill", "quiet-nothing-of-ours-ended", |s| container_gone(s, 90, false)),
    ("out-of-memory-kill", "quiet-of-two-that-ended", two_containers_gone),
    ("out-of-memory-kill", "quiet-kills-of-before", |s| {
        s.now.containers[1].oom_kills = Some(7);
        s.calm(CALM + 4);
    }),
    ("pinned-checkpoint", "raised-open-cursor", |s| pinned(s, 1500, 6)),
    ("pinned-checkpoint", "raised-for-a-minute", |s| pinned(s, 1500, 120)),
    ("pinned-checkpoint", "notice-read-of-seconds", |s| {
        pinned(s, 1500, 8);
        s.unlock(202, Lock::Read1);
        s.looks(8, |s, _| s.traffic(1500));
    }),
    ("pinned-checkpoint", "quiet-nobody-checkpoints", |s| {
        s.calm(CALM).looks(40, |s, _| s.commit(300));
    }),
    ("pinned-checkpoint", "quiet-short-reads", short_reads),
    ("restart-loop", "raised-crashing-worker", |s| {
        s.calm(CALM).looks(20, |s, time| {
            if time % 2 == 0 {
                restart(s, 202 + time as u32 / 2)
            }
        });
    }),
    ("restart-loop", "notice-job-of-every-minute", |s| {
        s.calm(CALM).looks(540, |s, time| {
            if time % 120 == 0 {
                restart(s, 202 + time as u32 / 120)
            }
        });
        s.seen.retain(|moment| moment.elapsed_ms % 10_000 == 30);
    }),
    ("restart-loop", "quiet-rolling-restart", |s| {
        s.calm(CALM).looks(12, |s, time| if time == 1 { restart(s, 202) } else { s.traffic(20) });
    }),
    ("split-generation", "raised-deleted-and-made-anew", |s| {
        s.calm(CALM).looks(5, |s, time| {
            if time == 0 {
                s.new_sidecars();
                s.recover();
                s.open(303, None, "sqlite3 /srv/app.db");
            }
            s.commit(10);
        });
    }),
    ("split-generation", "raised-file-mounted-by-itself", file_mounted_by_itself),
    ("split-generation", "quiet-closed-and-opened-again", |s| {
        s.calm(CALM).looks(12, |s, time| {
            if time % 3 == 0 {
                let last = s.db().openers.iter().map(|one| one.pid).collect::<Vec<u32>>();
                last.into_iter().for_each(|pid| s.close(pid));
                s.open_first(300 + time as u32, Some(0), "node task.js");
                s.opener(300 + time as u32).pid_inside = Some(40);
            }
        });
    }),
    ("split-generation", "quiet-another-device", another_device),
    ("split-generation", "quiet-start-first-rollout", |s| {
        s.calm(CALM).looks(12, |s, time| match time {
            2 => s.open(303, Some(1), "python3 worker.py"),
            6 => s.close(202),
            _ => s.traffic(30),
        });
    }),
    ("split-generation", "quiet-exclusive-without-shm", exclusive_without_shm),
    ("storage-silent", "raised-server-away", |s| {
        s.calm(CALM).looks(12, |s, time| s.db().silent_ms = Some(500 * (time + 1)));
    }),
    ("storage-silent", "quiet-slow-once", |s| {
        s.calm(CALM).looks(6, |s, time| s.db().silent_ms = (time == 2).then_some(600));
    }),
    ("stuck-in-kernel", "raised-fuse-server-away", |s| {
        s.calm(CALM).looks(6, |s, time| {
            s.halt(202, Runs::InKernel { at: Some("request_wait_answer".into()) });
            s.db().silent_ms = Some(500 * (time + 1));
        });
    }),
    ("stuck-in-kernel", "notice-long-read-of-a-slow-disk", |s| {
        s.calm(CALM).looks(40, |s, _| s.halt(202, Runs::InKernel { at: Some("folio_wait_bit_common".into()) }));
    }),
    ("stuck-in-kernel", "quiet-busy-disk", |s| {
        s.calm(CALM).looks(20, |s, _| {
            s.halt(202, Runs::InKernel { at: Some("jbd2_log_wait_commit".into()) });
            s.traffic(150);
        });
    }),
    ("wal-grows", "raised-nobody-checkpoints", |s| {
        s.calm(CALM).looks(26, |s, time| s.commit(if time == 0 { 80_000 } else { 2_000 }));
    }),
    ("wal-grows", "notice-vacuum", vacuum),
    ("wal-grows", "quiet-large-and-still", |s| {
        s.db().wal.as_mut().expect("a log").size_bytes = 2 << 30;
        s.calm(CALM).looks(20, |s, _| s.traffic(300));
    }),
    ("wal-grows", "quiet-truncated", |s| {
        s.calm(CALM).looks(20, |s, time| {
            s.commit(400);
            if time % 5 == 4 {
                s.checkpoint();
                s.db().wal.as_mut().expect("a log").size_bytes = 0;
            }
        });
    }),
    ("write-lock-held-long", "raised-long-transaction", |s| {
        s.calm(CALM).looks(6, |s, _| s.lock(202, Lock::Write, true));
    }),
    ("write-lock-held-long", "quiet-busy-writer", |s| {
        s.calm(CALM).looks(20, |s, _| {
            s.lock(202, Lock::Write, true);
            s.traffic(100);
        });
    }),
    ("write-lock-held-long", "quiet-exclusive-mode", |s| {
        s.rollback();
        s.lock(202, Lock::Shared, true);
        s.lock(202, Lock::Reserved, true);
        s.calm(CALM + 20);
    }),
];

fn restored_over(s: &mut Scene) {
    s.calm(CALM).looks(5, |s, time| {
        if time == 0 {
            s.db().file = Some(file(50, 8192));
            for held in s.now.databases[0].openers.iter_mut().flat_map(|one| &mut one.held) {
                held.link_count = u64::from(held.which != "db");
            }
        }
    });
}

fn restored_while_stopped(s: &mut Scene) {
    s.calm(CALM).looks(8, |s, time| match time {
        0 => [101, 202].into_iter().for_each(|pid| s.close(pid)),
        1 => {
            s.db().file = Some(file(50, 8192));
            s.open_first(303, Some(0), "node server.js");
        }
        _ => s.traffic(10),
    });
}

/// A child that was forked while the database was open, and does nothing with it.
fn child(s: &mut Scene) -> WatchedOpener {
    let parent = s.opener(202).clone();
    let locks = || Some(Vec::new());
    WatchedOpener {
        pid: 210,
        pid_inside: Some(9),
        started_ticks: 900,
        locks: locks(),
        locks_when_mapped: locks(),
        ..parent
    }
}

fn inherited_then_deleted(s: &mut Scene) {
    let child = child(s);
    s.db().openers.push(child);
    s.calm(CALM).looks(8, |s, time| {
        if time == 0 {
            // The last two connections are closed; the child keeps what it inherited.
            s.close(101);
            s.close(202);
            s.delete_sidecars();
        }
    });
}

fn forked_child(s: &mut Scene) {
    s.calm(CALM).looks(6, |s, time| {
        if time == 0 {
            let child = child(s);
            s.db().openers.push(child);
        }
    });
}

fn log_fills_the_disk(s: &mut Scene) {
    (s.db().free_bytes, s.db().total_bytes) = (Some(80 * MIB), Some(1024 * MIB));
    s.calm(CALM).looks(8, |s, _| {
        s.commit(1280);
        let free = s.db().free_bytes.unwrap_or_default();
        s.db().free_bytes = Some(free - 6 * MIB);
    });
}

/// The log is written anew, which costs nothing; every third second a checkpoint adds to the database. Another database
/// lies on the same disk.
fn checkpoints_fill_the_disk(s: &mut Scene) {
    let mut other = s.db().clone();
    other.path = "/srv/other.db".into();
    for file in [&mut other.file, &mut other.wal, &mut other.shm] {
        file.as_mut().expect("a file").inode += 80;
    }
    for held in other.openers.iter_mut().flat_map(|opener| &mut opener.held) {
        held.inode += 80;
    }
    s.now.databases.push(other);
    s.calm(CALM).looks(50, |s, time| {
        s.traffic(400);
        let free = 300 * MIB - time / 6 * 20 * MIB;
        for watched in &mut s.now.databases {
            (watched.free_bytes, watched.total_bytes) = (Some(free), Some(1024 * MIB));
        }
    });
}

fn full_for_who_opens_for_each_request(s: &mut Scene, opens: bool) {
    s.db().openers.clear();
    s.calm(CALM).looks(20, |s, time| {
        (s.db().free_bytes, s.db().total_bytes) = (Some(0), Some(1024 * MIB));
        if opens {
            let database = s.db().path.clone();
            let (command, container) = ("php-fpm".to_owned(), Some("web".to_owned()));
            let pid = 300 + time as u32;
            s.now.events.push(Event::Opened { database: database.clone(), pid, container: container.clone(), command });
            let command = "php-fpm".to_owned();
            s.now.events.push(Event::Closed { database, pid, container, command, ended: false });
        }
    });
}

fn something_was_copied_there(s: &mut Scene) {
    (s.db().free_bytes, s.db().total_bytes) = (Some(600 * MIB), Some(1024 * MIB));
    s.calm(CALM).looks(40, |s, time| {
        s.traffic(40);
        s.db().free_bytes = Some(if time < 17 { 600 * MIB } else { 200 * MIB });
    });
}

fn noise_and_a_burst(s: &mut Scene) {
    s.calm(CALM).looks(40, |s, time| {
        let burst = if (20..24).contains(&time) { (time - 19) * 12 * MIB } else { 0 };
        s.db().free_bytes = Some((20 << 30) + time * 7_919 % 13 * MIB - burst);
    });
}

fn full_by_nature(s: &mut Scene) {
    (s.db().mount, s.db().free_bytes, s.db().total_bytes) = (Some(mount("/", "squashfs")), Some(0), Some(90 * MIB));
    s.calm(CALM + 4);
}

fn paused_reader(s: &mut Scene) {
    s.commit(10);
    s.calm(CALM).looks(6, |s, time| {
        if time == 0 {
            s.read(202, Lock::Read1);
            s.halt(202, Runs::Frozen);
        }
        s.commit(5);
    });
}

fn waits_for_its_disk(s: &mut Scene) {
    s.calm(CALM).looks(20, |s, _| {
        s.lock(202, Lock::Write, true);
        s.halt(202, Runs::InKernel { at: Some("jbd2_log_wait_commit".into()) });
        s.traffic(40);
    });
}

fn recovery(s: &mut Scene) {
    s.calm(CALM).looks(8, |s, time| {
        if time == 0 {
            s.lock(202, Lock::Recover, true);
            s.db().index = None;
            s.db().index_damage = Some("the two header copies differ".into());
        }
        if time == 6 {
            s.recover();
            s.db().index_damage = None;
            s.unlock(202, Lock::Recover);
        }
    });
}

fn family(s: &mut Scene, rollback: bool) {
    let family = if rollback { JournalFamilyWord::Rollback } else { JournalFamilyWord::Wal };
    s.db().header.as_mut().expect("a header").family = Some(family);
}

fn cancelled_by_close(s: &mut Scene) {
    s.calm(CALM).looks(5, |s, _| {
        let opener = s.opener(202);
        (opener.locks, opener.locks_when_mapped) = (Some(Vec::new()), Some(Vec::new()));
    });
}

/// It has the database open whenever openers are looked for, and never when locks are.
fn opens_for_each_request(s: &mut Scene) {
    s.opener(202).locks = Some(Vec::new());
    s.calm(CALM + 40);
}

fn worker_killed(s: &mut Scene) {
    s.calm(CALM).looks(4, |s, time| {
        if time == 0 {
            s.now.containers[1].oom_kills = Some(1);
            s.now.events.push(Event::OutOfMemory { container: "worker".into(), kills: 1 });
        }
    });
}

/// The worker may use 100 MiB; the machine counts a kill, and its process and its cgroup are gone.
fn container_gone(s: &mut Scene, used_mib: u64, ends: bool) {
    s.now.containers[1].container.memory_limit_bytes = Some(100 * MIB);
    s.now.containers[1].memory_bytes = Some(used_mib * MIB);
    s.calm(CALM).looks(6, |s, time| {
        if time == 0 {
            s.now.events.push(Event::OutOfMemoryElsewhere { kills: 1 });
        }
        if time == 1 && ends {
            s.ends(202, "worker");
            s.now.containers.truncate(1);
        }
    });
}

fn two_containers_gone(s: &mut Scene) {
    for one in &mut s.now.containers {
        one.container.memory_limit_bytes = Some(100 * MIB);
    }
    s.calm(CALM).looks(6, |s, time| {
        if time == 0 {
            s.ends(202, "worker");
            s.ends(101, "web");
            s.now.events.push(Event::OutOfMemoryElsewhere { kills: 1 });
        }
    });
}

fn pinned(s: &mut Scene, commits: u32, looks: u64) {
    s.calm(CALM - 1).looks(1, |s, _| s.commit(10));
    s.looks(looks, |s, time| {
        if time == 0 {
            s.read(202, Lock::Read1);
        }
        s.traffic(commits);
    });
}

fn short_reads(s: &mut Scene) {
    s.calm(CALM).looks(40, |s, _| {
        s.unlock(202, Lock::Read1);
        s.traffic(700);
        s.read(202, Lock::Read1);
    });
}

/// The worker ends, and its container is started again.
fn restart(s: &mut Scene, pid: u32) {
    s.db().openers.retain(|one| one.container != Some(1));
    s.open(pid + 1, Some(1), "python3 worker.py");
}

fn file_mounted_by_itself(s: &mut Scene) {
    s.calm(CALM).looks(6, |s, time| {
        if time == 0 {
            s.close(202);
            s.open(404, Some(1), "python3 worker.py");
            let opener = s.opener(404);
            opener.mount.as_mut().expect("a mount").is_file = true;
            for held in opener.held.iter_mut().filter(|held| held.which != "db") {
                (held.device, held.inode) = ((0, 77), held.inode + 500);
            }
        }
    });
}

/// What an overlay shows: other numbers of device and inode for files that may be the same.
fn another_device(s: &mut Scene) {
    for held in s.opener(202).held.iter_mut().filter(|held| held.which != "db") {
        (held.device, held.inode) = ((0, 99), held.inode + 1);
    }
    s.calm(CALM + 8);
}

fn exclusive_without_shm(s: &mut Scene) {
    s.close(202);
    (s.db().shm, s.db().index) = (None, None);
    s.opener(101).held.retain(|held| held.which != "shm");
    (s.opener(101).maps_shm, s.opener(101).locks) = (Some(false), Some(Vec::new()));
    s.lock(101, Lock::Shared, true);
    s.calm(CALM + 10);
}

/// One transaction that writes the whole database into the log, and the checkpoint after it.
fn vacuum(s: &mut Scene) {
    s.calm(CALM).looks(12, |s, _| {
        s.lock(202, Lock::Write, true);
        s.db().wal.as_mut().expect("a log").size_bytes += 100 * MIB;
    });
    s.unlock(202, Lock::Write);
    let index = s.index();
    (index.change_counter, index.max_frame) = (index.change_counter + 1, 300_000);
    s.looks(20, |s, _| {
        s.lock(202, Lock::Checkpoint, true);
        s.commit(20);
    });
    s.unlock(202, Lock::Checkpoint);
    s.checkpoint();
    s.looks(4, |s, _| s.traffic(20));
}
