//! What an agent does to itself on purpose: a seccomp filter stands between SQLite and the kernel.
//!
//! `fake_locks`: fcntl with F_SETLK, F_SETLKW, F_OFD_SETLK or F_OFD_SETLKW returns 0 and does nothing.
//! `deny_shared_memory`: mmap of exactly 32 KiB, the size of a wal-index region, returns EPERM; the history's own
//! mapping is larger and passes.

use std::collections::BTreeMap;

use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule,
};
use walproof_format::protocol::Quirks;

/// Size of a wal-index region in bytes, as wal.c maps it.
const WAL_INDEX_REGION: u64 = 32 * 1024;

/// Installs the filters that the quirks ask for, on all threads, for ever.
pub fn install(quirks: Quirks) -> Result<(), String> {
    if quirks.fake_locks {
        let commands = [libc::F_SETLK, libc::F_SETLKW, libc::F_OFD_SETLK, libc::F_OFD_SETLKW];
        let rules = commands.map(|command| (1, command as u64));
        answer(libc::SYS_fcntl, &rules, SeccompAction::Errno(0))?;
    }
    if quirks.deny_shared_memory {
        answer(libc::SYS_mmap, &[(1, WAL_INDEX_REGION)], SeccompAction::Errno(libc::EPERM as u32))?;
    }
    Ok(())
}

/// Whenever an argument (index, value) of the system call matches, it is answered and not carried out.
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
