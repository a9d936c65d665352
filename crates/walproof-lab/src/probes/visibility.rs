//! What one party takes away or renames: does the other see it, also in its mapping?
//!
//! As for the facts of a pair, the looking party has looked before, so that a stale cache has something to show.

use walproof_format::probe_step::ProbeStep;
use walproof_judge::probe::{Answer, SideFacts};

use super::asking::{Asking, is, yes};

/// A page in the middle of the mapping.
const CUT_AT: u64 = 16 * 1024;
const HALF: u64 = 8 * 1024;

/// One direction of a pair, as far as names and sizes go.
pub struct Sight<'a> {
    /// Who can be asked.
    pub asking: &'a Asking<'a>,
    /// Who changes, and its handle of the scratch file.
    pub actor: (u16, u32),
    /// Who looks, and its handle of the same file.
    pub looker: (u16, u32),
    /// The path of a file of ours as the acting and the looking party see it.
    pub path: &'a dyn Fn(u16, &str) -> String,
    /// The size of the scratch file that is to come out.
    pub size: u64,
    /// What stands in files.
    pub content: u64,
    /// Handles for files of this question.
    pub spare: u32,
}

/// What the acting party has changed.
#[derive(Clone, Copy, Debug, Default)]
pub struct Changes {
    truncated: bool,
    renamed: bool,
    unlinked: bool,
}

impl Sight<'_> {
    /// Files are made, and looked at.
    pub fn set_up(&self) {
        for (name, handle) in [("moved", self.spare), ("gone", self.spare + 1)] {
            let path = (self.path)(self.actor.0, name);
            let _ = self.actor(vec![
                ProbeStep::Open { handle, path, create: true },
                ProbeStep::Write { handle, offset: 0, value: self.content },
                ProbeStep::Close { handle },
            ]);
            let path = (self.path)(self.looker.0, name);
            let _ = self.looker(vec![
                ProbeStep::Open { handle, path, create: false },
                ProbeStep::Read { handle, offset: 0 },
                ProbeStep::Close { handle },
            ]);
        }
        let path = (self.path)(self.looker.0, "scratch");
        let _ = self.looker(vec![
            ProbeStep::Size { path },
            ProbeStep::Size { path: (self.path)(self.looker.0, "moved-on") },
            ProbeStep::Read { handle: self.looker.1, offset: self.size },
        ]);
    }

    /// Everything changes.
    pub fn act(&self) -> Changes {
        let path = |name| (self.path)(self.actor.0, name);
        let answers = self.asking.all(
            self.actor.0,
            vec![
                ProbeStep::Truncate { handle: self.actor.1, size: self.size },
                ProbeStep::Rename { from: path("moved"), to: path("moved-on") },
                ProbeStep::Unlink { path: path("gone") },
            ],
        );
        let mut made = answers.unwrap_or_default().into_iter().map(|answer| answer.is_ok());
        let mut next = || made.next().unwrap_or(false);
        Changes { truncated: next(), renamed: next(), unlinked: next() }
    }

    /// What of it is seen; of what was not changed, nothing can be. True when everything was.
    pub fn look(&self, changes: Changes, facts: &mut SideFacts) -> bool {
        let path = |name| (self.path)(self.looker.0, name);
        let size = || is(self.asking.one(self.looker.0, ProbeStep::Size { path: path("scratch") }), self.size);
        facts.truncation_seen = changes.truncated.then(size);
        facts.unlink_seen = changes.unlinked.then(|| self.is_gone("gone"));
        facts.rename_seen = changes.renamed.then(|| match self.is_gone("moved") {
            Answer::Yes => self.content_of("moved-on"),
            other => other,
        });
        changes.truncated && changes.unlinked && changes.renamed
    }

    /// A page that the acting party cuts off, while the looking party has it in its mapping.
    pub fn cut_under_mapping(&self, facts: &mut SideFacts) {
        let (handle, until) = (self.looker.1, self.content + 5);
        let _ = self.asking.one(self.actor.0, ProbeStep::Store { handle: self.actor.1, offset: CUT_AT, value: until });
        let seen = self.asking.one(self.looker.0, ProbeStep::Load { handle, offset: CUT_AT, until, wait_ms: 500 });
        if is(seen, until) != Answer::Yes {
            return;
        }
        let cut = self.asking.one(self.actor.0, ProbeStep::Truncate { handle: self.actor.1, size: HALF });
        if cut.is_err() {
            return;
        }
        // A second file system need not know at once; a mapping of one kernel does.
        let touched = self.asking.one(self.looker.0, ProbeStep::Touch { handle, offset: CUT_AT });
        facts.truncation_seen_in_mapping = Some(match touched {
            Ok(answer) if answer.signal == Some(libc::SIGBUS) => Answer::Yes,
            Ok(answer) if answer.signal.is_none() && answer.value != until => Answer::Yes,
            Ok(answer) if answer.signal.is_none() => Answer::No,
            Ok(answer) => Answer::Unknown(format!("it died of signal {}", answer.signal.unwrap_or(0))),
            Err(failure) => failure,
        });
        let _ = self.asking.one(self.actor.0, ProbeStep::Truncate { handle: self.actor.1, size: self.size });
    }

    /// Nothing of this question stays.
    pub fn tidy(&self) {
        for name in ["moved", "moved-on", "gone"] {
            let _ = self.asking.one(self.actor.0, ProbeStep::Unlink { path: (self.path)(self.actor.0, name) });
        }
    }

    fn is_gone(&self, name: &str) -> Answer {
        let handle = self.spare + 2;
        let path = (self.path)(self.looker.0, name);
        match self.asking.one(self.looker.0, ProbeStep::Open { handle, path, create: false }) {
            Err(Answer::Errno(libc::ENOENT | libc::ESTALE)) => Answer::Yes,
            Ok(_) => {
                let _ = self.asking.one(self.looker.0, ProbeStep::Close { handle });
                Answer::No
            }
            Err(failure) => failure,
        }
    }

    fn content_of(&self, name: &str) -> Answer {
        let handle = self.spare + 3;
        let path = (self.path)(self.looker.0, name);
        let opened = yes(self.asking.one(self.looker.0, ProbeStep::Open { handle, path, create: false }));
        if opened != Answer::Yes {
            return if opened == Answer::Errno(libc::ENOENT) { Answer::No } else { opened };
        }
        let content = self.asking.one(self.looker.0, ProbeStep::Read { handle, offset: 0 });
        let _ = self.asking.one(self.looker.0, ProbeStep::Close { handle });
        is(content, self.content)
    }

    fn actor(&self, steps: Vec<ProbeStep>) -> Result<(), Answer> {
        self.asking.all(self.actor.0, steps).map(drop)
    }

    fn looker(&self, steps: Vec<ProbeStep>) -> Result<(), Answer> {
        self.asking.all(self.looker.0, steps).map(drop)
    }
}
