//! `--follow`: logs that grow, until Ctrl-C or until all have ended.
//!
//! A thread reads each source (`follow/file.rs` a file as `tail -F` does, here streams and commands) and sends what it read
//! through a bounded channel; here is fed, and alarms are told. What a log says stays within the bounds of the scan,
//! however long it takes. A line that was begun and not ended is read after a short silence.
//! What it must not do: tell an alarm twice, judge a line before it is whole, leave a command running.

mod alarm;
mod file;

use std::io::{self, Read};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use walproof_judge::logs::{Alarms, Given, Scanner};
use walproof_lab::error::LabError;

use super::CHUNK_BYTES;
use super::command::{Asked, end_group};
use super::targets::Source;
use super::text::refuse_what_is_no_text;
use crate::arguments::LogsFlags;
use crate::interrupt;
use alarm::Teller;
pub use alarm::VERSION;

/// Chunks on their way, at most.
const CHUNKS_MAX: usize = 16;
/// A line that does not go on for so long is read as it is.
const SILENCE: Duration = Duration::from_millis(700);
/// How often silence and Ctrl-C are looked for.
const TICK: Duration = Duration::from_millis(100);

/// What a reader has to say.
enum Said {
    Bytes(Vec<u8>),
    /// The file was cut or replaced.
    BeganAgain,
    /// Something for people that is no failure.
    Note(String),
    /// Nothing more will come.
    Ended(Option<LabError>),
}

/// A reader's end of the channel; `false` of its methods: nobody listens.
#[derive(Clone)]
struct Sender {
    source: u32,
    channel: SyncSender<(u32, Said)>,
}

impl Sender {
    fn say(&self, said: Said) -> bool {
        self.channel.send((self.source, said)).is_ok()
    }
}

/// Commands that run, so that they are ended with us.
type Groups = Arc<Mutex<Vec<i32>>>;

/// Feeds the scanner until the end; what could not be read.
pub fn follow(sources: &[Source], flags: &LogsFlags, given: &[Given], scanner: &mut Scanner) -> Vec<LabError> {
    let interrupted = interrupt::install();
    let (channel, receiver) = sync_channel(CHUNKS_MAX);
    let groups = Groups::default();
    for (index, source) in sources.iter().enumerate() {
        let sender = Sender { source: index as u32, channel: channel.clone() };
        let (source, tail, groups) = (source.clone(), flags.tail, Arc::clone(&groups));
        thread::spawn(move || match source {
            Source::Input => stream(Path::new("-"), &mut io::stdin().lock(), &sender),
            Source::File(path) => file::follow(&path, tail, &sender),
            Source::Command(asked) => command(&asked, &groups, &sender),
        });
    }
    drop(channel);
    let names = sources.iter().map(Source::name).collect();
    let mut following = Following {
        quiet_since: vec![None; sources.len()],
        open_count: sources.len(),
        errors: Vec::new(),
        alarms: Alarms::default(),
        teller: Teller::new(names, flags),
    };
    following.listen(&receiver, scanner, given, interrupted);
    groups.lock().expect("no reader panics").drain(..).for_each(end_group);
    following.teller.finish();
    following.errors
}

struct Following {
    /// For each source with an unfinished line, since when it is silent.
    quiet_since: Vec<Option<Instant>>,
    open_count: usize,
    errors: Vec<LabError>,
    alarms: Alarms,
    teller: Teller,
}

impl Following {
    fn listen(
        &mut self,
        receiver: &Receiver<(u32, Said)>,
        scanner: &mut Scanner,
        given: &[Given],
        interrupted: &AtomicBool,
    ) {
        while self.open_count > 0 && !interrupted.load(Ordering::Relaxed) {
            match receiver.recv_timeout(TICK) {
                Ok((source, said)) => self.take(source, said, scanner),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            self.read_what_is_silent(scanner);
            for alarm in self.alarms.look(scanner.so_far(), given) {
                self.teller.tell(&alarm);
            }
        }
    }

    fn take(&mut self, source: u32, said: Said, scanner: &mut Scanner) {
        scanner.turn_to(source);
        let quiet_since = &mut self.quiet_since[source as usize];
        match said {
            Said::Bytes(bytes) => {
                scanner.feed(&bytes);
                *quiet_since = (bytes.last() != Some(&b'\n')).then(Instant::now);
            }
            Said::BeganAgain => scanner.begin_again(),
            Said::Note(note) => eprintln!("walproof: {note}"),
            Said::Ended(error) => {
                scanner.begin_again();
                self.open_count -= 1;
                error.iter().for_each(|error| eprintln!("walproof: {error}"));
                self.errors.extend(error);
            }
        }
    }

    fn read_what_is_silent(&mut self, scanner: &mut Scanner) {
        for (source, since) in self.quiet_since.iter_mut().enumerate() {
            if since.is_some_and(|since| since.elapsed() >= SILENCE) {
                *since = None;
                scanner.turn_to(source as u32);
                scanner.read_unfinished();
            }
        }
    }
}

/// A pipe, read to its end.
fn stream(path: &Path, from: &mut impl Read, sender: &Sender) {
    let mut is_first = true;
    loop {
        let mut bytes = vec![0; CHUNK_BYTES / 16];
        let length = match from.read(&mut bytes) {
            Ok(length) => length,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => {
                let error = LabError::new("cannot read what is followed", error, "a file or pipe that may be read");
                sender.say(Said::Ended(Some(error)));
                return;
            }
        };
        if std::mem::take(&mut is_first)
            && let Err(error) = refuse_what_is_no_text(path, &bytes[..length])
        {
            sender.say(Said::Ended(Some(error)));
            return;
        }
        bytes.truncate(length);
        if length == 0 || !sender.say(Said::Bytes(bytes)) {
            sender.say(Said::Ended(None));
            return;
        }
    }
}

fn command(asked: &Asked, groups: &Groups, sender: &Sender) {
    let mut running = match asked.start() {
        Ok(running) => running,
        Err(error) => {
            sender.say(Said::Ended(Some(error)));
            return;
        }
    };
    let group = running.group();
    groups.lock().expect("no reader panics").push(group);
    let error = loop {
        let mut bytes = vec![0; CHUNK_BYTES / 16];
        match running.read(&mut bytes, true) {
            Ok(0) => break None,
            Ok(length) => {
                bytes.truncate(length);
                if !sender.say(Said::Bytes(bytes)) {
                    break None;
                }
            }
            Err(error) => break Some(error),
        }
    };
    // It has been waited for, or is ended here: its number must not be used any more.
    groups.lock().expect("no reader panics").retain(|one| *one != group);
    drop(running);
    sender.say(Said::Ended(error));
}
