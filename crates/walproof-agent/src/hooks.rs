//! SQLite's two callbacks that the agent needs, set through the C API.
//!
//! What this room is: [`Hooks::on_busy`] and [`Hooks::on_log`]. rusqlite has both, but took bare functions up to 0.38
//! and takes closures since; the agent must compile with either, because `canaries/` builds it with an older SQLite.
//! What it must not do: decide when to give up or to checkpoint (`connection.rs`).

use std::ffi::{CStr, c_char, c_int, c_void};

use rusqlite::{Connection, ffi};

/// Sets callbacks on a connection. They live as long as the connection.
pub trait Hooks {
    /// Called when a lock is held by somebody else, with how often it was called for this lock; `true`: try again.
    fn on_busy<F: FnMut(i32) -> bool + Send + 'static>(&self, hook: F) -> rusqlite::Result<()>;
    /// Called after a commit to the log, with the number of frames in it.
    fn on_log<F: FnMut(Log, u32) + Send + 'static>(&self, hook: F) -> rusqlite::Result<()>;
}

/// The log that a connection has just committed to.
#[derive(Clone, Copy, Debug)]
pub struct Log(*mut ffi::sqlite3);

impl Log {
    /// A PASSIVE checkpoint; SQLite's extended code when it says no.
    pub fn checkpoint(self) -> Result<(), u32> {
        let (schema, none) = (std::ptr::null(), std::ptr::null_mut());
        // SAFETY: SQLite gave us this handle for the time of the hook, which calls us; a null schema means all, null
        // out-pointers mean that nobody asks.
        let code =
            unsafe { ffi::sqlite3_wal_checkpoint_v2(self.0, schema, ffi::SQLITE_CHECKPOINT_PASSIVE, none, none) };
        if code == ffi::SQLITE_OK { Ok(()) } else { Err(code as u32) }
    }
}

impl Hooks for Connection {
    fn on_busy<F: FnMut(i32) -> bool + Send + 'static>(&self, hook: F) -> rusqlite::Result<()> {
        let hook = keep(self, c"walproof-on-busy", hook)?;
        // SAFETY: the handle is a live connection's; `hook` lives as long as the connection.
        check(unsafe { ffi::sqlite3_busy_handler(self.handle(), Some(busy::<F>), hook) })
    }

    fn on_log<F: FnMut(Log, u32) + Send + 'static>(&self, hook: F) -> rusqlite::Result<()> {
        let hook = keep(self, c"walproof-on-log", hook)?;
        // SAFETY: as above; what it returns is the hook before, which nobody owns.
        unsafe { ffi::sqlite3_wal_hook(self.handle(), Some(log::<F>), hook) };
        Ok(())
    }
}

/// Gives a closure to the connection, which drops it when it is closed. Nothing calls a hook after that: what a last
/// closer does to the log asks no busy handler.
fn keep<F: Send + 'static>(connection: &Connection, name: &CStr, hook: F) -> rusqlite::Result<*mut c_void> {
    let hook: *mut c_void = Box::into_raw(Box::new(hook)).cast();
    // SAFETY: a live handle, a string, and a pointer that `discard` of the same type frees exactly once: SQLite calls
    // it when the connection is closed, when the name is taken again, and when this call fails.
    check(unsafe { ffi::sqlite3_set_clientdata(connection.handle(), name.as_ptr(), hook, Some(discard::<F>)) })?;
    Ok(hook)
}

unsafe extern "C" fn discard<F>(hook: *mut c_void) {
    // SAFETY: `keep` made this pointer from a box of this type, and SQLite calls this once.
    drop(unsafe { Box::from_raw(hook.cast::<F>()) });
}

unsafe extern "C" fn busy<F: FnMut(i32) -> bool>(hook: *mut c_void, count: c_int) -> c_int {
    // SAFETY: `on_busy` set a pointer to this type; a connection calls its hooks from one thread, never nested.
    c_int::from(unsafe { (*hook.cast::<F>())(count) })
}

unsafe extern "C" fn log<F: FnMut(Log, u32)>(
    hook: *mut c_void,
    connection: *mut ffi::sqlite3,
    _: *const c_char,
    frames: c_int,
) -> c_int {
    // SAFETY: `on_log` set a pointer to this type; a connection calls its hooks from one thread, never nested.
    unsafe { (*hook.cast::<F>())(Log(connection), u32::try_from(frames).unwrap_or(0)) };
    ffi::SQLITE_OK
}

fn check(code: c_int) -> rusqlite::Result<()> {
    if code == ffi::SQLITE_OK {
        return Ok(());
    }
    Err(rusqlite::Error::SqliteFailure(ffi::Error::new(code), None))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    #[test]
    fn a_hook_is_called_and_goes_with_its_connection() {
        let folder = std::env::temp_dir().join(format!("walproof-hooks-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("temporary folder");
        let connection = Connection::open(folder.join("h.db")).expect("opens");
        let frames = Arc::new(AtomicU32::new(0));
        let told = Arc::clone(&frames);
        let hook = move |log: Log, frames| {
            assert_eq!(log.checkpoint(), Ok(()));
            told.store(frames, Ordering::Relaxed);
        };
        connection.on_log(hook).expect("takes the hook");
        connection.on_busy(|_| false).expect("takes the hook");
        connection.on_busy(|_| true).expect("takes another one");
        connection.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE t(x);").expect("commits");
        assert!(frames.load(Ordering::Relaxed) > 0);
        connection.close().expect("closes");
        assert_eq!(Arc::strong_count(&frames), 1, "the closure is dropped");
        std::fs::remove_dir_all(folder).expect("removes");
    }
}
