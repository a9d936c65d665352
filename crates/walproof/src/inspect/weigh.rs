//! What the bytes mean: pure functions from what was seen to findings, a story, and what to do.
//!
//! What this room is: one function for each file, each a list of "this was seen, so that is so". It must say what is
//! certain and what is only likely, and it must not cry: leftovers that SQLite itself makes are notes. What depends on a
//! file that changed while it was read is never called wrong.

use serde::Serialize;
use walproof_format::sqlite::db_header::{DbHeader, JournalFamily};
use walproof_format::sqlite::journal_header::JournalState;
use walproof_format::sqlite::wal::{Break, WalSummary};
use walproof_format::sqlite::wal_header::WAL_HEADER_SIZE;
use walproof_format::sqlite::wal_index::WalIndexCopy;
use walproof_judge::finding::Certainty::{self, Documented, Proven, Suspected};

use super::gather::{DatabaseFile, JournalFile, ShmFile, Sighting};
use super::live::Deleted;
use super::log::{Pending, WalFile};
use crate::render::{several, thousands};
use walproof_lab::collect::quiet::Part;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Level {
    /// Something is wrong: exit code 1.
    Wrong,
    /// Nothing is wrong, and something can be made wrong.
    Caution,
    /// Worth knowing.
    Note,
}

impl Level {
    /// The word for people.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Wrong => "wrong",
            Self::Caution => "caution",
            Self::Note => "note",
        }
    }
}

/// One thing that was concluded.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// Its name.
    pub name: &'static str,
    /// How much it matters.
    pub level: Level,
    /// How sure it is.
    pub certainty: Certainty,
    /// The files it was read from.
    pub about: Vec<Part>,
    /// What is so.
    pub says: String,
    /// What to do, or not to do.
    #[serde(rename = "try")]
    pub try_this: Option<&'static str>,
}

const KEEP_ALL: &str =
    "copy the database, -wal, -shm and -journal together, while nobody has them open, before anything else";
const KEEP_LOG: &str = "do not delete or rename the -wal, and do not copy the database without it";
/// Descriptors that are named.
const HELD_SHOWN: usize = 6;
const COPY_RIGHT: &str =
    "copy with the backup API or `VACUUM INTO`, or take database and -wal in one snapshot while nobody writes";
const DO_NOT_OPEN: &str = "do not open it with SQLite before all its files are copied: opening would change them";

/// Everything that can be concluded, the worst first.
pub fn findings(seen: &Sighting) -> Vec<Finding> {
    let mut found = Found { list: Vec::new() };
    match &seen.database {
        None => found.wrong(
            "missing-database",
            Proven,
            &[Part::Database],
            "the database file is missing, and files that belong to it are there".into(),
            Some("find the database that belongs to them: it is incomplete without them"),
        ),
        Some(database) => about_database(database, seen, &mut found),
    }
    if let Some(wal) = &seen.wal {
        about_log(wal, seen, &mut found);
    }
    if let Some(shm) = &seen.shm {
        about_index(shm, seen, &mut found);
    }
    if let Some(journal) = &seen.journal {
        about_journal(journal, seen, &mut found);
    }
    about_structure(seen, &mut found);
    found.calm_down(&seen.changed_while_read);
    found.list.sort_by_key(|finding| finding.level);
    found.list
}

/// What live processes hold that has no name any more.
pub fn held(held: &[Deleted]) -> Option<Finding> {
    if held.is_empty() {
        return None;
    }
    let shown: Vec<String> = held
        .iter()
        .take(HELD_SHOWN)
        .map(|one| format!("{} by process {} (descriptor {})", one.part.word(), one.pid, one.fd))
        .collect();
    let more = held.len().saturating_sub(HELD_SHOWN);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    let mut about: Vec<Part> = held.iter().map(|one| one.part).collect();
    about.dedup();
    Some(Finding {
        name: "deleted-log-held",
        level: Level::Wrong,
        certainty: Proven,
        about,
        says: format!(
            "deleted, and still held: {}{more}; commits in it exist nowhere else, and are gone when the process ends",
            shown.join(", ")
        ),
        try_this: Some(
            "let no process end, and restart nothing, before `walproof inspect PATH --salvage DIR` has copied what it holds",
        ),
    })
}

/// Findings as they come.
struct Found {
    list: Vec<Finding>,
}

type Says = String;
type Try = Option<&'static str>;

impl Found {
    fn wrong(&mut self, name: &'static str, certainty: Certainty, about: &[Part], says: Says, try_this: Try) {
        self.add(Level::Wrong, name, certainty, about, says, try_this);
    }

    fn caution(&mut self, name: &'static str, certainty: Certainty, about: &[Part], says: Says, try_this: Try) {
        self.add(Level::Caution, name, certainty, about, says, try_this);
    }

    fn note(&mut self, name: &'static str, certainty: Certainty, about: &[Part], says: Says) {
        self.add(Level::Note, name, certainty, about, says, None);
    }

    fn add(
        &mut self,
        level: Level,
        name: &'static str,
        certainty: Certainty,
        about: &[Part],
        says: Says,
        try_this: Try,
    ) {
        self.list.push(Finding { name, level, certainty, about: about.to_vec(), says, try_this });
    }

    /// What changed while it was read may look like damage and be none.
    fn calm_down(&mut self, changed: &[Part]) {
        let shaken = |finding: &&mut Finding| finding.about.iter().any(|part| changed.contains(part));
        for finding in self.list.iter_mut().filter(shaken).filter(|finding| finding.level == Level::Wrong) {
            finding.level = Level::Caution;
            finding.certainty = Suspected;
            finding.says += " (or it only looks so: a file changed while it was read)";
            finding.try_this = Some("inspect again while nobody writes");
        }
    }
}

const DATABASE: &[Part] = &[Part::Database];
const LOG: &[Part] = &[Part::Wal];
const BOTH: &[Part] = &[Part::Database, Part::Wal];
const INDEX: &[Part] = &[Part::Shm];
const LOG_AND_INDEX: &[Part] = &[Part::Wal, Part::Shm];
const ALL_THREE: &[Part] = &[Part::Database, Part::Wal, Part::Shm];
const JOURNAL: &[Part] = &[Part::Journal];

fn commits(seen: &Sighting) -> u64 {
    seen.wal.as_ref().and_then(|wal| wal.frames.as_ref()).map_or(0, |frames| frames.commits)
}

fn about_database(database: &DatabaseFile, seen: &Sighting, found: &mut Found) {
    let header = &database.header;
    if database.names > 1 {
        let says = format!(
            "the file has {} (hard links): through another one SQLite uses another -wal",
            several(database.names, "name")
        );
        found.caution("hard-links", Documented, DATABASE, says, Some("open it by one name only"));
    }
    if database.bytes == 0 {
        return about_empty(seen, found);
    }
    if header.zeroed {
        let rescue = match page_one_in_log(seen) {
            Some(_) => "; the log holds a committed page 1, which SQLite reads instead while the -wal is there",
            None => "",
        };
        let says = format!(
            "the first {} bytes of the database are zero: SQLite never writes that; shares between a host and its virtual machine, and storage that lost a write, do{rescue}",
            thousands(database.zero_bytes_at_start)
        );
        return found.wrong("zeroed-page-one", Proven, DATABASE, says, Some(DO_NOT_OPEN));
    }
    if header.damage.contains(&"no `SQLite format 3` at offset 0") {
        let says = "this is no SQLite database, an encrypted one, or one whose header was overwritten".to_owned();
        return found.wrong("not-a-database", Suspected, DATABASE, says, Some("check the path, or the key"));
    }
    if !header.damage.is_empty() {
        let says = format!("the database header is damaged: {}", header.damage.join("; "));
        return found.wrong("damaged-header", Proven, DATABASE, says, Some(KEEP_ALL));
    }
    about_size(database, seen, found);
    if header.journal_family() == Some(JournalFamily::Wal) && seen.wal.is_none() {
        let says = "the database is in WAL mode and no -wal lies beside it: closed cleanly, or copied without its log; the bytes cannot tell".to_owned();
        found.note("no-log", Proven, DATABASE, says);
    }
}

fn about_empty(seen: &Sighting, found: &mut Found) {
    found.note(
        "empty-database",
        Documented,
        DATABASE,
        "the file is empty, which SQLite takes for a new database".into(),
    );
    if commits(seen) > 0 {
        let says = format!(
            "a -wal with {} lies beside an empty database: opening it makes SQLite delete that -wal",
            several(commits(seen), "commit")
        );
        found.wrong("log-beside-empty-database", Documented, BOTH, says, Some(DO_NOT_OPEN));
    }
}

fn page_one_in_log(seen: &Sighting) -> Option<&DbHeader> {
    seen.wal.as_ref()?.page_one.as_ref().filter(|header| header.damage.is_empty())
}

fn about_size(database: &DatabaseFile, seen: &Sighting, found: &mut Found) {
    let (Some(page_size), Some(pages)) = (database.header.page_size, database.header.believed_page_count()) else {
        let says = "the size in the header is not kept up to date: SQLite goes by the size of the file".to_owned();
        return found.note("size-not-in-header", Documented, DATABASE, says);
    };
    let wanted = u64::from(pages) * u64::from(page_size);
    let sizes = format!(
        "the header speaks of {} ({} bytes), the file has {} bytes",
        several(pages.into(), "page"),
        thousands(wanted),
        thousands(database.bytes)
    );
    let in_flux = seen.journal.as_ref().is_some_and(|journal| journal.header.state == JournalState::HotOrInUse);
    if database.bytes == wanted || seen.wal.as_ref().is_some_and(|wal| wal.nowhere.is_some()) {
        // What is nowhere is told with the log.
    } else if commits(seen) > 0 || in_flux {
        found.note("size-settled-later", Documented, BOTH, format!("{sizes}: the log or the journal settles it"));
    } else if database.bytes < wanted {
        let says = format!("{sizes}: its end is missing");
        found.wrong(
            "file-too-short",
            Proven,
            DATABASE,
            says,
            Some("restore it from a backup, or save what can be read with `.recover`"),
        );
    } else {
        let says = format!("{sizes}: room that was made beforehand, or something was appended");
        found.note("file-longer-than-header", Suspected, DATABASE, says);
    }
}

fn about_log(wal: &WalFile, seen: &Sighting, found: &mut Found) {
    if wal.bytes <= WAL_HEADER_SIZE as u64 && (wal.bytes < 32 || wal.header.damage.is_empty()) {
        let says = format!("the log holds no frame ({} bytes)", wal.bytes);
        return found.note("empty-log", Documented, LOG, says);
    }
    if wal.unread_bytes > 0 {
        let says = format!(
            "the last {} bytes of the log were not read: the 1,073,741,824 before them hold no frame of its generation",
            thousands(wal.unread_bytes)
        );
        found.caution("log-not-read-to-its-end", Proven, LOG, says, None);
    }
    if !wal.header.damage.is_empty() {
        return about_lost_header(wal, found);
    }
    let Some(frames) = &wal.frames else { return };
    let before = found.list.len();
    about_kinship(wal, frames, seen, found);
    let belongs = found.list.len() == before;
    about_nowhere(wal, frames, found);
    about_beyond(frames, seen, found);
    match &wal.pending {
        // Of a log that may be another's, nothing can be missing.
        _ if frames.commits == 0 || seen.database.is_none() || !belongs => {}
        None => {
            let says = format!(
                "the log holds {}; whether the database file has them could not be compared",
                several(frames.commits, "commit")
            );
            found.caution("pending-commits", Suspected, BOTH, says, Some(KEEP_LOG));
        }
        Some(Pending { first_frame: Some(first), commits, pages, .. }) => {
            let says = format!(
                "{} (from frame {} on; {} to be copied) are not, or not wholly, in the database file: a copy without the -wal loses them{}",
                several(*commits, "commit"),
                thousands(*first),
                several(*pages, "page"),
                if is_half_copied(*first, seen) { ", and is a mixture of old and new pages" } else { "" },
            );
            found.caution("pending-commits", Proven, BOTH, says, Some(KEEP_LOG));
        }
        Some(_) => {
            let says = "every page that the log holds is in the database file already".to_owned();
            found.note("log-is-backfilled", Proven, BOTH, says);
        }
    }
}

/// The last commit says how large the database is: what of it neither the file nor the log has, is lost.
fn about_nowhere(wal: &WalFile, frames: &WalSummary, found: &mut Found) {
    let Some(nowhere) = &wal.nowhere else { return };
    let says = format!(
        "after the last commit the database has {}, and neither its file nor the log holds {} of them ({}): the file was cut off, or the log is of another state of it",
        several(frames.database_pages.unwrap_or_default().into(), "page"),
        thousands(nowhere.pages),
        super::extract::shown(&nowhere.ranges)
    );
    found.wrong("file-too-short", Proven, BOTH, says, Some(KEEP_ALL));
}

/// Pages that do not hang together, where nothing else that is wrong explains it.
fn about_structure(seen: &Sighting, found: &mut Found) {
    let Some(structure) = seen.structure.as_ref().filter(|structure| structure.faults > 0) else { return };
    if found.list.iter().any(|finding| finding.level == Level::Wrong) {
        return;
    }
    let faults = structure.first_faults.join("; ");
    if structure.page_one_is_strange {
        let says = format!(
            "page 1 is no page of a table: the database is encrypted with a plain header, or damaged ({faults})"
        );
        let about = if structure.with_log { BOTH } else { DATABASE };
        return found.caution("damaged-structure", Suspected, about, says, Some("`PRAGMA integrity_check` on a copy"));
    }
    let count = several(structure.faults, "fault");
    if !structure.with_log {
        let says = format!("the pages of the database do not hang together: {count} in their structure ({faults})");
        return found.wrong("damaged-structure", Suspected, DATABASE, says, Some(KEEP_ALL));
    }
    let why = match structure.faults_of_file_alone {
        Some(0) => "the database file alone has none: the log is likely of another state of it",
        _ => "the database file is damaged, or the log is of another state of it",
    };
    let says = format!("database and log do not fit together: {count} in their structure ({faults}); {why}");
    found.wrong("damaged-structure", Suspected, BOTH, says, Some(KEEP_ALL));
}

/// A checkpoint that a reader held up leaves pages alone that have a newer frame than it may copy: the database file is
/// then of no single moment.
fn is_half_copied(first_lacking: u64, seen: &Sighting) -> bool {
    let copied = seen.shm.as_ref().filter(|_| believed(seen).is_some()).and_then(|shm| shm.header.backfilled_frames);
    copied.is_some_and(|copied| first_lacking <= u64::from(copied))
}

fn about_lost_header(wal: &WalFile, found: &mut Found) {
    let what = if wal.header.zeroed {
        "the header of the log is zeroed".to_owned()
    } else {
        format!("the header of the log is damaged: {}", wal.header.damage.join("; "))
    };
    let consequence = if wal.header.damage == ["version at offset 4 is not 3007000"] {
        "SQLite refuses to open the database"
    } else {
        "SQLite takes the log for empty and will overwrite it"
    };
    let behind = wal.frames.as_ref().map_or(0, |frames| frames.beyond.same_generation_commits);
    if behind > 0 {
        let says = format!(
            "{what}; {consequence}, and {} lie behind it in frames that hang together",
            several(behind, "commit")
        );
        found.wrong("lost-log-header", Proven, LOG, says, Some(DO_NOT_OPEN));
    } else {
        let says = format!("{what}; {consequence}; no commit could be found behind it");
        found.caution("lost-log-header", Proven, LOG, says, Some(KEEP_ALL));
    }
}

/// Do log and database belong together?
fn about_kinship(wal: &WalFile, frames: &WalSummary, seen: &Sighting, found: &mut Found) {
    let Some(database) = &seen.database else { return };
    let (Some(in_file), Some(in_log)) = (database.header.page_size, wal.header.page_size) else { return };
    if in_file != in_log {
        let says = format!(
            "the log has pages of {} bytes, the database of {}: it is another database's log",
            thousands(in_log.into()),
            thousands(in_file.into())
        );
        return found.wrong("foreign-log", Documented, BOTH, says, Some(DO_NOT_OPEN));
    }
    if frames.commits == 0 || !database.header.damage.is_empty() {
        return;
    }
    if database.header.journal_family() == Some(JournalFamily::Rollback) {
        let says = format!(
            "the database says it uses a rollback journal, and a -wal with {} lies beside it: SQLite leaves no such pair; opening it lays that log over the database",
            several(frames.commits, "commit")
        );
        return found.wrong("log-beside-rollback-database", Suspected, BOTH, says, Some(DO_NOT_OPEN));
    }
    let in_log = page_one_in_log(seen).and_then(|header| header.change_counter);
    if let Some((in_log, in_file)) = in_log.zip(database.header.change_counter)
        && in_log < in_file
    {
        let says = format!(
            "the log is older than the database: change counter {in_log} in its last page 1, {in_file} in the file; opening it takes pages back to older content"
        );
        found.wrong("log-older-than-database", Suspected, BOTH, says, Some(DO_NOT_OPEN));
    }
}

fn believed(seen: &Sighting) -> Option<&WalIndexCopy> {
    seen.shm.as_ref()?.header.believed()
}

/// What lies after what recovery keeps.
fn about_beyond(frames: &WalSummary, seen: &Sighting, found: &mut Found) {
    let beyond = frames.beyond;
    let uncommitted = frames.frames_valid - frames.frames_committed;
    if uncommitted > 0 {
        let says =
            format!("{} of a transaction that is not committed: SQLite ignores them", several(uncommitted, "frame"));
        found.note("uncommitted-frames", Documented, LOG, says);
    }
    let index = believed(seen).filter(|index| Some(index.salts) == frames.salts);
    let known_end = index.is_some_and(|index| u64::from(index.max_frame) == frames.frames_committed);
    if beyond.same_generation_commits > 0 && !known_end {
        let says = format!(
            "{} of this generation lie behind frame {}, whose checksum does not agree: SQLite drops them; a frame was damaged or not written, or they were never acknowledged",
            several(beyond.same_generation_commits, "commit"),
            thousands(frames.frames_valid + 1)
        );
        found.wrong("commits-behind-damage", Suspected, LOG, says, Some(DO_NOT_OPEN));
    } else if beyond.same_generation > 0 {
        let says = format!(
            "{} of this generation after the valid ones: the rest of a transaction that was not finished",
            several(beyond.same_generation, "frame")
        );
        found.note("torn-tail", Suspected, LOG, says);
    }
    if beyond.other_generations > 0 {
        let says = format!(
            "{} of an older generation: left from before the log was restarted, ignored",
            several(beyond.other_generations, "frame")
        );
        let name = "older-generation";
        if frames.break_reason == Some(Break::OtherGeneration) && frames.frames_valid == 0 {
            found.note(name, Suspected, LOG, format!("{says}; none of the generation in the header"));
        } else {
            found.note(name, Documented, LOG, says);
        }
    }
    if beyond.zeroed > 0 {
        let says = format!(
            "{} with a header of zeros: room that was made, or writes that were lost",
            several(beyond.zeroed, "frame")
        );
        found.note("zeroed-frames", Suspected, LOG, says);
    }
    if frames.partial_bytes > 0 {
        let says = format!(
            "{} bytes at the end make no whole frame: a write that was cut off, or a copy",
            thousands(frames.partial_bytes)
        );
        found.note("partial-frame", Suspected, LOG, says);
    }
}

fn about_index(shm: &ShmFile, seen: &Sighting, found: &mut Found) {
    let Some(index) = shm.header.believed() else {
        let says = if shm.bytes == 0 || shm.header.zeroed {
            "the -shm is not initialised: whoever opens the database next makes it from the log".to_owned()
        } else {
            format!(
                "the -shm is not to be believed ({}): whoever opens the database next makes it anew from the log",
                shm.header.damage.join("; ")
            )
        };
        return found.note("index-not-usable", Documented, INDEX, says);
    };
    let frames = seen.wal.as_ref().and_then(|wal| wal.frames.as_ref().filter(|_| wal.header.damage.is_empty()));
    match frames {
        _ if index.max_frame == 0 => about_restarted(index, frames, found),
        Some(frames) if frames.salts == Some(index.salts) && frames.frames > 0 => {
            about_agreement(shm, index, frames, seen, found);
        }
        Some(frames) if frames.frames > 0 => {
            let says = format!(
                "the -shm speaks of generation {} with {}, the log is of generation {}: if somebody has the database open, its log was replaced; if nobody has, or one with locking_mode=EXCLUSIVE, the -shm is a leftover",
                index.salts,
                several(index.max_frame.into(), "frame"),
                frames.salts.map(|salts| salts.to_string()).unwrap_or_default()
            );
            found.wrong("index-of-another-log", Suspected, LOG_AND_INDEX, says, Some(KEEP_ALL));
        }
        _ => about_gone_log(shm, index, seen, found),
    }
}

fn about_restarted(index: &WalIndexCopy, frames: Option<&WalSummary>, found: &mut Found) {
    let says = match frames.and_then(|frames| frames.salts) {
        Some(salts) if salts != index.salts => {
            "the log was restarted, and nothing has been written to it since: what it holds is in the database file already"
        }
        _ => "the -shm knows of no frame in the log",
    };
    found.note("log-restarted", Documented, LOG_AND_INDEX, says.into());
}

/// The -shm remembers a log that is not there.
fn about_gone_log(shm: &ShmFile, index: &WalIndexCopy, seen: &Sighting, found: &mut Found) {
    if seen.wal.as_ref().is_some_and(|wal| !wal.header.damage.is_empty() && wal.bytes > WAL_HEADER_SIZE as u64) {
        // Said already: the header of the log is lost.
        return;
    }
    let copied = shm.header.backfilled_frames.unwrap_or(0).min(index.max_frame);
    let lost = u64::from(index.max_frame - copied);
    let says = format!(
        "the -shm remembers a log of {}, {} of them copied to the database file; that log is not there{}",
        several(index.max_frame.into(), "frame"),
        thousands(copied.into()),
        if lost > 0 { format!(": what {} held is missing", several(lost, "frame")) } else { String::new() }
    );
    let try_this = Some("find the -wal that belongs to it, and keep everybody away until then");
    if lost > 0 && may_have_been_copied_since(shm, index, seen) {
        let says = format!(
            "{says}, unless a process with locking_mode=EXCLUSIVE, which uses no -shm, recovered and closed it since: the time of a -shm does not tell when it was written last"
        );
        found.wrong("log-is-gone", Suspected, ALL_THREE, says, try_this);
    } else if lost > 0 {
        found.wrong("log-is-gone", Suspected, LOG_AND_INDEX, says, try_this);
    } else {
        found.caution("log-is-gone", Suspected, LOG_AND_INDEX, says, None);
    }
}

/// Who opens with locking_mode=EXCLUSIVE leaves the -shm as it was. What was written to the file before the -shm, and a
/// file that is shorter than the -shm knows the database, cannot have it all.
fn may_have_been_copied_since(shm: &ShmFile, index: &WalIndexCopy, seen: &Sighting) -> bool {
    let Some(database) = &seen.database else { return false };
    let page_size = u64::from(database.header.page_size.unwrap_or_default());
    database.modified > shm.modified && database.bytes >= page_size * u64::from(index.database_pages)
}

/// Same generation: where does each end?
fn about_agreement(shm: &ShmFile, index: &WalIndexCopy, frames: &WalSummary, seen: &Sighting, found: &mut Found) {
    let (last, named) = (frames.frames_committed, u64::from(index.max_frame));
    let stands = seen.wal.as_ref().and_then(|wal| wal.index_frame);
    let same_frame = stands.is_some_and(|frame| frame.checksum == index.frame_checksum);
    if named > last {
        let says = format!(
            "the -shm speaks of {} committed frames, the log holds {}: its end was lost, or the two were copied at different times",
            thousands(named),
            thousands(last)
        );
        found.wrong("log-shorter-than-index", Suspected, LOG_AND_INDEX, says, Some(KEEP_ALL));
    } else if !same_frame {
        let says = format!("frame {} has another checksum in the -shm than in the log", thousands(named));
        found.wrong("index-of-another-log", Suspected, LOG_AND_INDEX, says, Some(KEEP_ALL));
    } else if named < last {
        let says = format!(
            "the log holds {} committed frames, the -shm knows {}: a writer is between the two, or died there",
            thousands(last),
            thousands(named)
        );
        found.caution("log-longer-than-index", Suspected, LOG_AND_INDEX, says, None);
    } else {
        let says = format!(
            "the -shm agrees with the log: {} committed frames, same generation, same last checksum",
            thousands(named)
        );
        found.note("index-agrees", Proven, LOG_AND_INDEX, says);
    }
    about_backfill(shm, named, seen, found);
}

/// nBackfill says what a checkpoint has copied; the pages say what it has.
fn about_backfill(shm: &ShmFile, named: u64, seen: &Sighting, found: &mut Found) {
    let copied = u64::from(shm.header.backfilled_frames.unwrap_or(0));
    let pending = seen.wal.as_ref().and_then(|wal| wal.pending.as_ref());
    let lacking = pending.and_then(|pending| pending.first_newest_frame);
    // Where something else is wrong, pages differ for that reason.
    let explained = found.list.iter().any(|finding| finding.level == Level::Wrong);
    if copied > named {
        let says = format!(
            "the -shm counts {} frames as copied to the database file and knows only {} in the log: as SQLite's WAL-reset bug leaves it (3.7.0 to 3.51.2)",
            thousands(copied),
            thousands(named)
        );
        found.wrong("backfill-beyond-log", Suspected, LOG_AND_INDEX, says, Some(KEEP_ALL));
    } else if !explained && lacking.is_some_and(|first| first <= copied) {
        let says = format!(
            "the -shm counts {} frames as copied to the database file, and the file lacks frame {}, the newest of its page",
            thousands(copied),
            thousands(lacking.unwrap_or_default())
        );
        found.wrong("backfill-not-in-database", Suspected, ALL_THREE, says, Some(KEEP_ALL));
    }
}

fn about_journal(journal: &JournalFile, seen: &Sighting, found: &mut Found) {
    let header = &journal.header;
    let (name, says) = match header.state {
        JournalState::Empty => ("finished-journal", "the -journal is empty: no transaction is unfinished".to_owned()),
        JournalState::Finished => {
            ("finished-journal", "the -journal starts with zeros: finished, as PERSIST leaves it".to_owned())
        }
        JournalState::Begun => (
            "begun-journal",
            "a transaction began and had not touched the database file: nothing is to be played back".to_owned(),
        ),
        JournalState::NotAJournal => ("not-a-journal", "the -journal holds no rollback journal".to_owned()),
        JournalState::HotOrInUse => return about_hot(journal, seen, found),
    };
    found.note(name, Documented, JOURNAL, says);
}

fn about_hot(journal: &JournalFile, seen: &Sighting, found: &mut Found) {
    let header = &journal.header;
    if !header.damage.is_empty() {
        let says = format!("the -journal has a damaged header: {}", header.damage.join("; "));
        return found.wrong("damaged-journal", Proven, JOURNAL, says, Some(KEEP_ALL));
    }
    let pages = header.page_records.unwrap_or(0);
    let says = format!(
        "the -journal holds {} as before a transaction that is running or was interrupted; the bytes cannot tell which. If nobody has the database open, the next opener rolls it back",
        several(pages, "page")
    );
    let try_this = Some("do not delete or rename the -journal, and do not copy the database without it");
    found.caution("hot-journal", Suspected, &[Part::Database, Part::Journal], says, try_this);
    let page_size = seen.database.as_ref().and_then(|database| database.header.page_size);
    if page_size.is_some() && header.page_size != page_size {
        let says = "the -journal has another page size than the database: a VACUUM that changed it was interrupted, or the journal is another database's".to_owned();
        found.caution("journal-page-size", Suspected, &[Part::Database, Part::Journal], says, Some(DO_NOT_OPEN));
    }
}

/// What it is and what lies in it, in plain words.
pub fn story(seen: &Sighting, findings: &[Finding]) -> Vec<String> {
    let mut lines = vec![what_it_is(seen)];
    lines.extend(what_the_log_is(seen));
    if !seen.changed_while_read.is_empty() {
        let parts: Vec<&str> = seen.changed_while_read.iter().map(|part| part.word()).collect();
        lines.push(format!(
            "it changed while it was read ({}): somebody uses it, and numbers may not fit together",
            parts.join(", ")
        ));
    }
    let wrong = findings.iter().filter(|finding| finding.level == Level::Wrong).count();
    lines.push(match wrong {
        0 => nothing_wrong(seen),
        1 => "one thing is wrong".to_owned(),
        more => format!("{more} things are wrong"),
    });
    lines
}

/// With what was not looked at.
fn nothing_wrong(seen: &Sighting) -> String {
    match &seen.structure {
        Some(structure) => format!(
            "nothing wrong was seen: {} hang together; keys and rows were not compared (`PRAGMA integrity_check`, on a copy)",
            several(structure.pages.into(), "page")
        ),
        None => "nothing wrong was seen; the pages of tables and indexes were not checked".to_owned(),
    }
}

fn what_it_is(seen: &Sighting) -> String {
    let Some(database) = &seen.database else { return "files of a database that is not there".into() };
    let family = match database.header.journal_family() {
        _ if database.bytes == 0 => return "an empty database".into(),
        _ if database.header.zeroed || !database.header.damage.is_empty() => {
            return "no database that SQLite would open as it is".into();
        }
        Some(JournalFamily::Wal) => "a database in WAL mode",
        _ => "a database in a rollback journal mode (DELETE, TRUNCATE, PERSIST, MEMORY or OFF: the file does not tell)",
    };
    let writer = database.header.writer().map(|version| format!(", last written by SQLite {version}"));
    format!("{family}{}", writer.unwrap_or_default())
}

fn what_the_log_is(seen: &Sighting) -> Option<String> {
    let frames = seen.wal.as_ref()?.frames.as_ref().filter(|frames| frames.commits > 0)?;
    if seen.database.as_ref().is_none_or(|database| database.bytes == 0) {
        return Some(format!("its log has {}, which SQLite would not read", several(frames.commits, "commit")));
    }
    let pages = frames.database_pages.unwrap_or_default();
    Some(format!(
        "with its log it has {} in {}; SQLite would keep all {} of the log",
        several(pages.into(), "page"),
        bytes_of(pages, seen),
        several(frames.commits, "commit")
    ))
}

fn bytes_of(pages: u32, seen: &Sighting) -> String {
    let page_size = seen.wal.as_ref().and_then(|wal| wal.header.page_size).unwrap_or_default();
    format!("{} bytes", thousands(u64::from(pages) * u64::from(page_size)))
}

/// What to do and what not to do, each said once.
pub fn next(seen: &Sighting, findings: &[Finding]) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for line in findings.iter().filter_map(|finding| finding.try_this) {
        if !lines.iter().any(|known| known == line) {
            lines.push(line.to_owned());
        }
    }
    if findings.iter().any(|finding| finding.name == "pending-commits") && seen.database.is_some() {
        lines.push(COPY_RIGHT.to_owned());
    }
    if findings.iter().any(|finding| finding.name == "no-log") {
        lines.push(format!(
            "`walproof inspect {} --salvage DIR` looks whether a live process still holds a log of it (of one process: `walproof inspect pid:N`)",
            crate::render::quoted(&seen.path)
        ));
    }
    if findings.iter().any(|finding| MAY_BE_HELD.contains(&finding.name)) {
        lines.push(format!(
            "`walproof inspect {} --salvage DIR`, as root, before any process is stopped: one may still hold what is gone",
            crate::render::quoted(&seen.path)
        ));
    }
    lines
}

/// Findings after which it is worth a look whether a process holds what is missing.
const MAY_BE_HELD: &[&str] = &[
    "deleted-log-held",
    "missing-database",
    "log-is-gone",
    "index-of-another-log",
    "log-beside-empty-database",
    "lost-log-header",
];
