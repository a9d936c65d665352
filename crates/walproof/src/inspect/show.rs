//! What was seen, as lines for people. It must not conclude anything; `weigh.rs` does.

use walproof_format::sqlite::db_header::DbHeader;
use walproof_format::sqlite::journal_header::JournalState;
use walproof_format::sqlite::wal::WalSummary;

use super::Inspected;
use super::gather::{DatabaseFile, JournalFile, ShmFile};
use super::log::WalFile;
use crate::render::{several, thousands};

/// Prints one database.
pub fn show(inspected: &Inspected) {
    let seen = &inspected.seen;
    say!("walproof inspect {}", seen.path.display());
    if let Some(link) = &seen.reached_through {
        line("reached by", &format!("{}, a symbolic link; SQLite's files lie beside what it leads to", link.display()));
    }
    match &seen.database {
        Some(database) => show_database(database),
        None => line("database", "not there"),
    }
    match &seen.wal {
        Some(wal) => show_log(wal),
        None => line("log", "no -wal"),
    }
    match &seen.shm {
        Some(shm) => show_index(shm),
        None => line("index", "no -shm"),
    }
    match &seen.journal {
        Some(journal) => show_journal(journal),
        None => line("journal", "no -journal"),
    }
    for finding in &inspected.findings {
        let text = format!("{} ({}): {}", finding.name, finding.certainty.word(), finding.says);
        line(finding.level.word(), &text);
    }
    inspected.story.iter().for_each(|text| line("story", text));
    inspected.next.iter().for_each(|text| line("next", text));
    inspected.tables.show();
}

fn line(label: &str, text: &str) {
    say!("  {label:<10} {text}");
}

fn show_database(database: &DatabaseFile) {
    let header = &database.header;
    if database.bytes == 0 {
        return line("database", "0 bytes");
    }
    let pages = header
        .page_size
        .map_or("page size unknown".into(), |size| format!("pages of {} bytes", thousands(size.into())));
    line("database", &format!("{} bytes, {pages}", thousands(database.bytes)));
    if header.damage.is_empty() {
        show_header(header);
    }
}

fn show_header(header: &DbHeader) {
    let number = |number: Option<u32>| thousands(number.unwrap_or_default().into());
    let versions = (header.write_version.unwrap_or_default(), header.read_version.unwrap_or_default());
    line(
        "header",
        &format!(
            "formats {}/{}, {} (valid for change {}), change counter {}, {} on the freelist",
            versions.0,
            versions.1,
            several(header.page_count.unwrap_or_default().into(), "page"),
            number(header.version_valid_for),
            number(header.change_counter),
            several(header.freelist_pages.unwrap_or_default().into(), "page"),
        ),
    );
    let encoding = header.text_encoding.map_or("no encoding yet", |encoding| encoding.word());
    line(
        "",
        &format!(
            "schema cookie {}, schema format {}, {encoding}, user_version {}, application_id 0x{:08x}, {} reserved in each page",
            number(header.schema_cookie),
            number(header.schema_format),
            header.user_version.unwrap_or_default().cast_signed(),
            header.application_id.unwrap_or_default(),
            several(header.reserved_bytes.unwrap_or_default().into(), "byte"),
        ),
    );
}

fn show_log(wal: &WalFile) {
    let mut parts = vec![format!("{} bytes", thousands(wal.bytes))];
    if wal.header.damage.is_empty() {
        let salts = wal.header.salts.map(|salts| salts.to_string()).unwrap_or_default();
        parts.push(format!("generation {salts} (restart {})", wal.header.checkpoint_sequence.unwrap_or_default()));
        parts.push(format!("pages of {} bytes", thousands(wal.header.page_size.unwrap_or_default().into())));
        let order = if wal.header.big_endian_checksums() { "big" } else { "little" };
        parts.push(format!("{order}-endian checksums"));
    } else if wal.bytes > 0 {
        parts.push(format!(
            "header: {}",
            if wal.header.zeroed { "all zero".into() } else { wal.header.damage.join("; ") }
        ));
    }
    line("log", &parts.join(", "));
    if let Some(frames) = &wal.frames {
        show_frames(frames);
    }
}

fn show_frames(frames: &WalSummary) {
    let beyond = frames.beyond;
    let rest = [
        (beyond.same_generation, "of this generation"),
        (beyond.other_generations, "of an older one"),
        (beyond.zeroed, "zeroed"),
    ];
    let rest: Vec<String> = rest
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, what)| format!("{} {what}", thousands(*count)))
        .collect();
    line(
        "frames",
        &format!(
            "{} valid, {} committed in {}; beyond: {}",
            thousands(frames.frames_valid),
            thousands(frames.frames_committed),
            several(frames.commits, "commit"),
            if rest.is_empty() { "none".into() } else { rest.join(", ") }
        ),
    );
}

fn show_index(shm: &ShmFile) {
    let Some(index) = shm.header.believed() else {
        let why = if shm.header.zeroed { "all zero".into() } else { shm.header.damage.join("; ") };
        return line("index", &format!("{} bytes; {why}", thousands(shm.bytes)));
    };
    let marks = shm.header.read_marks.map(|mark| mark.map_or("-".into(), |mark| mark.to_string()));
    line(
        "index",
        &format!(
            "{} bytes, both copies equal, generation {}, mxFrame {}, {}",
            thousands(shm.bytes),
            index.salts,
            thousands(index.max_frame.into()),
            several(index.database_pages.into(), "page"),
        ),
    );
    let number = |number: Option<u32>| thousands(number.unwrap_or_default().into());
    line(
        "",
        &format!(
            "nBackfill {}, attempted {}, read marks {}",
            number(shm.header.backfilled_frames),
            number(shm.header.backfill_attempted_frames),
            marks.join(" ")
        ),
    );
}

fn show_journal(journal: &JournalFile) {
    let header = &journal.header;
    let state = match header.state {
        JournalState::Empty => "empty",
        JournalState::Finished => "finished (zeroed header)",
        JournalState::Begun => "begun, nothing to play back",
        JournalState::HotOrInUse => "hot, or in use",
        JournalState::NotAJournal => "not a journal",
    };
    let mut text = format!("{} bytes, {state}", thousands(journal.bytes));
    if matches!(header.state, JournalState::Begun | JournalState::HotOrInUse) && header.damage.is_empty() {
        text += &format!(
            ", {}, {} before the transaction, pages of {} bytes, sectors of {}",
            several(header.page_records.unwrap_or_default(), "record"),
            several(header.initial_pages.unwrap_or_default().into(), "page"),
            thousands(header.page_size.unwrap_or_default().into()),
            thousands(header.sector_size.unwrap_or_default().into())
        );
    }
    line("journal", &text);
}
