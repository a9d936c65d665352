//! A file that grows, followed as `tail -F` does: by its name, through rotation, truncation and absence.
//!
//! It is looked at several times a second, which works on every file system. What was renamed is read until it is silent
//! for one look more, because its writer may hold it a while; then the new one is read from its beginning.
//! What it must not do: hold a file that is gone, read a file twice. One that was cut and has grown beyond what was read
//! between two looks cannot be told from one that went on, as with `tail -F`.

use std::fs::{self, File, Metadata};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;
use std::thread;
use std::time::Duration;

use walproof_lab::error::LabError;

use super::super::{CHUNK_BYTES, last_lines, not_text};
use super::{Said, Sender, stream};

/// How often it is looked at.
const LOOK: Duration = Duration::from_millis(150);

/// Follows it until nobody listens.
pub fn follow(path: &Path, tail: Option<u64>, sender: &Sender) {
    if let Ok(found) = fs::metadata(path)
        && (found.file_type().is_fifo() || found.file_type().is_char_device())
    {
        match File::open(path) {
            Ok(mut pipe) => stream(&mut pipe, sender),
            Err(error) => {
                let error = LabError::path("cannot read", path, error, "a pipe that may be read");
                sender.say(Said::Ended(Some(error)));
            }
        }
        return;
    }
    let mut follower = Follower { path, tail, sender, is_missing_told: false };
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
    is_missing_told: bool,
}

impl Follower<'_> {
    /// From when a file of this name is there until another one is. `false`: nobody listens.
    fn one_file(&mut self) -> Result<bool, LabError> {
        let Some(mut file) = self.wait_for_it()? else { return Ok(false) };
        let wrong = |error: std::io::Error| LabError::path("cannot read", self.path, error, "a file, not a directory");
        let id = identity(&file.metadata().map_err(wrong)?);
        if let Some(tail) = self.tail.take() {
            last_lines(&mut file, tail).map_err(wrong)?;
        }
        let (mut is_first, mut looks_after_rename) = (true, 0);
        loop {
            let mut bytes = vec![0; CHUNK_BYTES / 4];
            let length = file.read(&mut bytes).map_err(wrong)?;
            if length > 0 {
                if std::mem::take(&mut is_first)
                    && let Some((what, instead)) = not_text(&bytes[..length])
                {
                    return Err(LabError::path("cannot follow", self.path, what, instead));
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
            let because = match File::open(self.path) {
                Ok(file) => return Ok(Some(file)),
                Err(error) => error,
            };
            if !std::mem::replace(&mut self.is_missing_told, true) {
                let note = format!("`{}` cannot be read yet ({because}): it is waited for", self.path.display());
                if !self.sender.say(Said::Note(note)) {
                    return Ok(None);
                }
            }
            thread::sleep(LOOK);
        }
    }
}

/// What tells files apart that bear one name in turn.
fn identity(found: &Metadata) -> (u64, u64) {
    (found.dev(), found.ino())
}
