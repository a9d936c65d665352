//! A file that grows, followed as `tail -F` does: by its name, through rotation, truncation and absence.
//!
//! It is looked at several times a second, which works on every file system. What was renamed is read until it is silent
//! for one look more, because its writer may hold it a while; then the new one is read from its beginning. What bears the
//! name and is no file is waited out as absence is; a pipe that was named from the start is read to its end.
//! What it must not do: hold a file that is gone, read a file twice, wait in an open. One that was cut and has grown beyond what was read
//! between two looks cannot be told from one that went on, as with `tail -F`.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

use walproof_lab::error::LabError;

use super::super::text::{refuse_by_head, refuse_what_is_no_text};
use super::super::{CHUNK_BYTES, last_lines};
use super::{Said, Sender, stream};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(150);

/// Follows it until nobody listens.
pub fn follow(path: &Path, tail: Option<u64>, sender: &Sender) {
    if let Ok(found) = fs::metadata(path)
        && (found.file_type().is_fifo() || found.file_type().is_char_device())
    {
        match File::open(path) {
            Ok(mut pipe) => stream(path, &mut pipe, sender),
            Err(error) => {
                let error = LabError::path("cannot read", path, error, "a pipe that may be read");
                sender.say(Said::Ended(Some(error)));
            }
        }
        return;
    }
    let mut follower = Follower { path, tail, sender, told: Vec::new() };
    loop {
        match follower.one_file() {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => {
                sender.say(Said::Ended(Some(error)));
                return;
            }
        }
    }
}

struct Follower<'a> {
    path: &'a Path,
    /// Only the first file begins with its last lines.
    tail: Option<u64>,
    sender: &'a Sender,
    /// What it was waited for, each told once.
    told: Vec<Waiting>,
}

/// Why a file is waited for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Waiting {
    Unreadable,
    NoFile,
}

impl Follower<'_> {
    /// From when a file of this name is there until another one is. `false`: nobody listens.
    fn one_file(&mut self) -> Result<bool, LabError> {
        let Some(mut file) = self.wait_for_it()? else { return Ok(false) };
        let wrong = |error: std::io::Error| LabError::path("cannot read", self.path, error, "a file, not a directory");
        let id = identity(&file.metadata().map_err(wrong)?);
        if let Some(tail) = self.tail.take() {
            refuse_by_head(self.path, &mut file)?;
            last_lines(&mut file, tail).map_err(wrong)?;
        }
        let (mut is_first, mut looks_after_rename) = (true, 0);
        loop {
            let mut bytes = vec![0; CHUNK_BYTES / 4];
            let length = file.read(&mut bytes).map_err(wrong)?;
            if length > 0 {
                if std::mem::take(&mut is_first) {
                    refuse_what_is_no_text(self.path, &bytes[..length])?;
                }
                bytes.truncate(length);
                looks_after_rename = 0;
                if !self.sender.say(Said::Bytes(bytes)) {
                    return Ok(false);
                }
                continue;
            }
            let at = file.stream_position().map_err(wrong)?;
            if file.metadata().map_err(wrong)?.len() < at {
                file.seek(SeekFrom::Start(0)).map_err(wrong)?;
                if !self.sender.say(Said::BeganAgain) {
                    return Ok(false);
                }
                continue;
            }
            let is_another = fs::metadata(self.path).map_or(true, |found| identity(&found) != id);
            if is_another && looks_after_rename > 1 {
                return Ok(self.sender.say(Said::BeganAgain));
            }
            looks_after_rename = if is_another { looks_after_rename + 1 } else { 0 };
            thread::sleep(LOOK);
        }
    }

    fn wait_for_it(&mut self) -> Result<Option<File>, LabError> {
        loop {
            let (waiting, note) = match open(self.path) {
                Ok(Some(file)) => return Ok(Some(file)),
                Ok(None) => (Waiting::NoFile, "is no file at the moment".to_owned()),
                Err(error) => (Waiting::Unreadable, format!("cannot be read yet ({error})")),
            };
            if !self.told.contains(&waiting) {
                self.told.push(waiting);
                if !self.sender.say(Said::Note(format!("`{}` {note}: it is waited for", self.path.display()))) {
                    return Ok(None);
                }
            }
            thread::sleep(LOOK);
        }
    }
}

/// `None`: it is no file. A pipe is not opened: that would wait for its writer, or wake one up in vain. It may take the
/// name between the look and the open, which therefore waits for nobody.
fn open(path: &Path) -> io::Result<Option<File>> {
    let is_file = |found: &Metadata| found.is_file() || found.file_type().is_block_device();
    if !is_file(&fs::metadata(path)?) {
        return Ok(None);
    }
    let file = OpenOptions::new().read(true).custom_flags(libc::O_NONBLOCK).open(path)?;
    Ok(is_file(&file.metadata()?).then_some(file))
}

/// What tells files apart that bear one name in turn.
fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}
