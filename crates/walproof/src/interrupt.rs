//! Ctrl-C and SIGTERM: the first one asks the run to end and clean up, the second one is deadly.

use std::sync::atomic::{AtomicBool, Ordering};

static INTERRUPTED: AtomicBool = AtomicBool::new(false);

/// Installs the handler and returns what it sets.
pub fn install() -> &'static AtomicBool {
    // SAFETY: sigaction is plain data, all zero is a valid value.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    action.sa_sigaction = note as *const () as usize;
    // After the first signal the default action is back.
    action.sa_flags = libc::SA_RESETHAND | libc::SA_RESTART;
    for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
        // SAFETY: a valid action; the handler only stores to an atomic.
        unsafe { libc::sigaction(signal, &action, std::ptr::null_mut()) };
    }
    &INTERRUPTED
}

/// Whether a signal came since [`install`].
pub fn came() -> bool {
    INTERRUPTED.load(Ordering::Relaxed)
}

extern "C" fn note(_: libc::c_int) {
    INTERRUPTED.store(true, Ordering::Relaxed);
}
