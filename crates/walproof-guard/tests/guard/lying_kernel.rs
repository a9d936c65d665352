//! System calls that lie or are denied, by a seccomp filter of one thread: what broken storage looks like from here.
//!
//! What this file must not do: filter another thread.
//! Where to look next: `src/weigh.rs`; `src/posix_child.rs` for why the child sees what two descriptors do not.

use std::io;

use walproof_guard::Verdict::{Refuses, Unknown, Unsafe};
use walproof_guard::{Options, Verdict};

use crate::bench::{apart, folder, skip, timed};

/// Answers a system call with an errno (0: success) when one argument has these bits.
#[derive(Clone, Copy)]
struct Lie {
    call: libc::c_long,
    argument: u32,
    mask: u32,
    value: u32,
    errno: u32,
}

/// What the standard library removes files with.
#[cfg(target_arch = "x86_64")]
const UNLINK: libc::c_long = libc::SYS_unlink;
#[cfg(not(target_arch = "x86_64"))]
const UNLINK: libc::c_long = libc::SYS_unlinkat;

const fn fcntl(command: i32, errno: i32) -> Lie {
    Lie { call: libc::SYS_fcntl, argument: 1, mask: u32::MAX, value: command as u32, errno: errno as u32 }
}

const fn shared_mmap(errno: i32) -> Lie {
    let mask = libc::MAP_PRIVATE as u32 | libc::MAP_SHARED as u32;
    Lie { call: libc::SYS_mmap, argument: 3, mask, value: libc::MAP_SHARED as u32, errno: errno as u32 }
}

const fn any(call: libc::c_long, errno: i32) -> Lie {
    Lie { call, argument: 0, mask: 0, value: 0, errno: errno as u32 }
}

impl Lie {
    /// From here on, this thread lives with it.
    fn tell(self) -> io::Result<()> {
        let step = |code: u32, jump_true, jump_false, k| libc::sock_filter {
            code: code as u16,
            jt: jump_true,
            jf: jump_false,
            k,
        };
        let load = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
        let is = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        // The number of the call lies at 0, the arguments at 16, eight bytes each, the low half first.
        let mut program = [
            step(load, 0, 0, 0),
            step(is, 0, 4, self.call as u32),
            step(load, 0, 0, 16 + 8 * self.argument),
            step(libc::BPF_ALU | libc::BPF_AND | libc::BPF_K, 0, 0, self.mask),
            step(is, 0, 1, self.value),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ERRNO | self.errno),
            step(libc::BPF_RET | libc::BPF_K, 0, 0, libc::SECCOMP_RET_ALLOW),
        ];
        let program = libc::sock_fprog { len: program.len() as u16, filter: program.as_mut_ptr() };
        // SAFETY: the program lives over the call; without TSYNC only this thread is changed.
        let answer = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
            libc::syscall(libc::SYS_seccomp, libc::SECCOMP_SET_MODE_FILTER, 0, &program)
        };
        if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

#[track_caller]
fn lied_to(lie: Lie, verdict: Verdict, name: &'static str) {
    let options = Options { posix_child: true, ..Options::default() };
    apart(move || {
        let folder = folder("lies");
        if let Err(error) = lie.tell() {
            return skip(name, &format!("no seccomp filter: {error}"));
        }
        let assessment = timed(&folder.at("a.db"), options);
        let reason = assessment.reasons.iter().find(|reason| reason.name == name);
        assert_eq!(assessment.verdict, verdict, "{assessment:#?}");
        assert!(reason.is_some_and(|reason| reason.verdict == verdict), "{name}: {assessment:#?}");
        assert_eq!(std::fs::read_dir(folder.path()).expect("ours").count(), 0, "nothing is left");
    });
}

#[test]
fn locks_that_are_answered_and_not_taken_are_caught() {
    lied_to(fcntl(libc::F_OFD_SETLK, 0), Unsafe, "locks-not-held");
}

#[test]
fn the_child_catches_what_two_descriptors_cannot() {
    lied_to(fcntl(libc::F_SETLK, 0), Unsafe, "locks-not-held");
}

#[test]
fn locks_that_fail_are_loud_in_sqlite_too() {
    lied_to(fcntl(libc::F_SETLK, libc::ENOLCK), Refuses, "posix-lock-failed");
    lied_to(fcntl(libc::F_SETLK, libc::EIO), Unknown, "posix-lock-failed");
}

#[test]
fn maps_that_are_denied_are_loud_in_sqlite_too() {
    lied_to(shared_mmap(libc::EPERM), Refuses, "maps-refused");
    lied_to(shared_mmap(libc::ENODEV), Refuses, "maps-refused");
}

#[test]
fn a_child_that_cannot_be_made_is_unknown_or_loud_and_never_safe() {
    lied_to(any(libc::SYS_clone, libc::EAGAIN), Unknown, "posix-lock-failed");
}

#[test]
fn without_ofd_locks_the_child_decides() {
    let options = Options { posix_child: true, ..Options::default() };
    apart(move || {
        let folder = folder("no-ofd");
        let before = timed(&folder.at("a.db"), options).verdict;
        if let Err(error) = fcntl(libc::F_OFD_SETLK, libc::EINVAL).tell() {
            return skip("without_ofd_locks_the_child_decides", &format!("no seccomp filter: {error}"));
        }
        assert_eq!(timed(&folder.at("a.db"), options).verdict, before);
        assert_eq!(timed(&folder.at("a.db"), Options::default()).verdict, Unknown);
    });
}

#[test]
fn a_file_that_cannot_be_removed_while_open_is_told() {
    let place = folder("unlink");
    let path = place.at("a.db");
    apart(move || match any(UNLINK, libc::EBUSY).tell() {
        Err(error) => skip("a_file_that_cannot_be_removed", &format!("no seccomp filter: {error}")),
        Ok(()) => {
            let assessment = timed(&path, Options::default());
            assert!(assessment.reasons.iter().any(|reason| reason.name == "unlink-while-open"), "{assessment:#?}");
        }
    });
}
