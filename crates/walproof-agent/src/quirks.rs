//! What an agent does to itself on purpose: a seccomp filter stands between SQLite and the kernel.
//!
//! A refused call returns its error number, or 0, and does nothing. The wal-index is told from other mappings by its
//! size of exactly 32 KiB; the history's own mapping is larger and passes, and it is never synced, cut or unlinked here.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use walproof_format::protocol::{Call, Quirks, RefusedCall};

/// Size of a wal-index region in bytes, as wal.c maps it.
const WAL_INDEX_REGION: u64 = 32 * 1024;

/// Installs the filters that the quirks ask for, on all threads, for ever.
pub fn install(quirks: &Quirks) -> Result<(), String> {
    quirks.refusals.iter().try_for_each(refuse)
}

fn refuse(refused: &RefusedCall) -> Result<(), String> {
    let action = || SeccompAction::Errno(refused.errno.unsigned_abs());
    match refused.call {
        Call::Lock => {
            let commands = [libc::F_SETLK, libc::F_SETLKW, libc::F_OFD_SETLK, libc::F_OFD_SETLKW];
            answer(libc::SYS_fcntl, &commands.map(|command| (1, command as u64)), action())
        }
        Call::SharedMemory => answer(libc::SYS_mmap, &[(1, WAL_INDEX_REGION)], action()),
        Call::Sync => [libc::SYS_fsync, libc::SYS_fdatasync].iter().try_for_each(|call| answer(*call, &[], action())),
        Call::Truncate => answer(libc::SYS_ftruncate, &[], action()),
        Call::Unlink => unlink_calls().iter().try_for_each(|call| answer(*call, &[], action())),
    }
}

#[cfg(target_arch = "x86_64")]
fn unlink_calls() -> [i64; 2] {
    [libc::SYS_unlink, libc::SYS_unlinkat]
}

#[cfg(not(target_arch = "x86_64"))]
fn unlink_calls() -> [i64; 1] {
    [libc::SYS_unlinkat]
}

/// Whenever an argument (index, value) of the system call matches, or none is given, it is answered and not carried out.
fn answer(call: i64, arguments: &[(u8, u64)], action: SeccompAction) -> Result<(), String> {
    let rule = |&(index, value)| {
        let condition = SeccompCondition::new(index, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, value)?;
        SeccompRule::new(vec![condition])
    };
    let rules: Result<Vec<_>, seccompiler::BackendError> = arguments.iter().map(rule).collect();
    let rules = BTreeMap::from([(call, rules.map_err(|error| error.to_string())?)]);
    let architecture = std::env::consts::ARCH.try_into().map_err(|error| format!("{error}"))?;
    let filter = SeccompFilter::new(rules, SeccompAction::Allow, action, architecture);
    let program: BpfProgram =
        filter.and_then(TryInto::try_into).map_err(|error: seccompiler::BackendError| error.to_string())?;
    seccompiler::apply_filter_all_threads(&program).map_err(|error| error.to_string())
}
