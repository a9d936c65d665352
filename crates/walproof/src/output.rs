//! Standard output that may go away (`| head -1`): a run goes on to its end and its report, unheard. A disk that is full
//! is another matter: half a document is none.

use std::fmt;
use std::io::{ErrorKind, Write};
use std::sync::OnceLock;

use walproof_lab::error::LabError;

/// Why a line could not be written, the first time.
static FAILED: OnceLock<String> = OnceLock::new();

/// One line; whether anybody reads it is not our business.
pub fn line(text: fmt::Arguments<'_>) {
    let mut out = std::io::stdout().lock();
    match out.write_fmt(text).and_then(|()| out.write_all(b"\n")) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => drop(FAILED.set(error.to_string())),
        _ => {}
    }
}

/// Whether all lines so far could be written.
pub fn written() -> Result<(), LabError> {
    match FAILED.get() {
        Some(because) => Err(LabError::new("cannot write to standard output", because, "a place with room")),
        None => document(""),
    }
}

/// Text from outside, such as a name of a file: what would steer a terminal stands there as an escape.
pub fn plain(text: &str) -> String {
    let shown = |letter: char| match letter.is_control() {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    };
    text.chars().map(shown).collect()
}

/// A whole document. Whether anybody reads to the end of a pipe is not our business; whether it could be written is.
pub fn document(text: &str) -> Result<(), LabError> {
    let mut out = std::io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(LabError::new("cannot write to standard output", error.to_string(), "a place with room"))
        }
        _ => Ok(()),
    }
}

/// Redraws the line that the cursor is on, cut to the terminal's width.
pub fn redraw(text: &str) {
    let shown: String = text.chars().take(columns().saturating_sub(1)).collect();
    let mut out = std::io::stdout().lock();
    let _ = write!(out, "\r\x1b[K{shown}").and_then(|()| out.flush());
}

/// Columns of the terminal; 80 when it does not tell.
pub fn columns() -> usize {
    // SAFETY: winsize is plain data; all zero is a valid value.
    let mut size: libc::winsize = unsafe { std::mem::zeroed() };
    // SAFETY: TIOCGWINSZ writes a winsize to a valid out-pointer.
    let code = unsafe { libc::ioctl(libc::STDOUT_FILENO, libc::TIOCGWINSZ, &mut size) };
    if code == 0 && size.ws_col > 0 { size.ws_col.into() } else { 80 }
}
