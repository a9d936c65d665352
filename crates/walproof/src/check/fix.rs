//! `walproof check --fix`: shows what would change as a diff, `--fix=write` changes it.
//!
//! A file is replaced in one step by a new one beside it, with its mode and owner. It is left alone if it is not what was
//! read, has other names (hard links), or is a link that leads out of its folder.
//! What it must not do: apply a change that data must be moved for, unless its rule is named by `--move-data`.
//! Where to look next: `walproof_judge::fixes`, which says what changes.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use walproof_judge::check::Weighed;
use walproof_judge::check::checked::Checked;
use walproof_judge::fixes::{self, Changed, Fix, Plan, Step};
use walproof_judge::render::harmless;
use walproof_lab::error::LabError;

use crate::arguments::CheckFlags;

/// Rounds in which one change may make room for another.
const ROUNDS_MAX: usize = 8;

/// Shows or writes what was asked for, and says what came of it. After writing, `checked` is what the files say now.
pub fn run(
    flags: &CheckFlags,
    checked: &mut Checked,
    again: &dyn Fn() -> Result<Checked, LabError>,
) -> Result<String, LabError> {
    let Some(how) = &flags.fix else { return Ok(String::new()) };
    refuse_unknown(&flags.move_data)?;
    if how != "write" {
        return Ok(show(&planned(checked, flags), &texts(checked)));
    }
    if flags.targets.iter().any(|target| target.as_os_str() == "-") {
        let because = "what comes from standard input lies in no file";
        return Err(LabError::new("cannot fix standard input", because, "`--fix`, and apply the diff yourself"));
    }
    let mut told = String::new();
    for _ in 0..ROUNDS_MAX {
        let plan = planned(checked, flags);
        if plan.changed.is_empty() {
            told.push_str(&show(&plan, &texts(checked)));
            break;
        }
        write(&plan.changed)?;
        told.push_str(&changes(&plan));
        *checked = again()?;
    }
    Ok(told)
}

fn refuse_unknown(rules: &[String]) -> Result<(), LabError> {
    let unknown = rules.iter().find(|rule| fixes::FIXES.iter().all(|change| change.rule != rule.as_str()));
    let known: Vec<&str> = fixes::FIXES.iter().map(|change| change.rule).collect();
    match unknown {
        Some(rule) => {
            let what = format!("`--move-data {rule}` names no rule that has a fix");
            Err(LabError::new(what, format!("these have: {}", known.join(", ")), "one of them"))
        }
        None => Ok(()),
    }
}

/// What can be done about the findings that count.
fn planned(checked: &Checked, flags: &CheckFlags) -> Plan {
    let findings: Vec<Weighed> = checked.counting().map(|reported| reported.weighed.clone()).collect();
    let named: Vec<&str> = flags.move_data.iter().map(String::as_str).collect();
    let folders = folders(flags);
    fixes::plan(&checked.graph, &findings, &texts(checked), &named, &|fix| refuses(fix, &folders))
}

/// The folders of what was named: nothing outside of them is changed.
fn folders(flags: &CheckFlags) -> Vec<PathBuf> {
    let named = flags.targets.iter().chain(&flags.compose);
    let folder = |path: &PathBuf| if path.is_dir() { Some(path.clone()) } else { path.parent().map(Path::to_owned) };
    let mut folders: Vec<PathBuf> = named.filter_map(folder).collect();
    if folders.is_empty() {
        folders.push(PathBuf::new());
    }
    folders.iter().filter_map(|folder| whole(folder)).collect()
}

/// A folder, links followed; an empty path is the current one.
fn whole(folder: &Path) -> Option<PathBuf> {
    fs::canonicalize(if folder.as_os_str().is_empty() { Path::new(".") } else { folder }).ok()
}

/// What speaks against a fix that only the machine knows.
fn refuses(fix: &Fix, folders: &[PathBuf]) -> Option<String> {
    if let Some(made) = fix.makes.iter().find(|made| fs::symlink_metadata(made).is_ok()) {
        return Some(format!(
            "`{made}` is there already, and what it holds is not known: take it away, or do this by hand"
        ));
    }
    let outside = |file: &str| {
        let own = Path::new(file).parent().and_then(whole);
        !own.is_some_and(|own| folders.iter().any(|folder| own.starts_with(folder)))
    };
    let file = fix.edits.iter().map(|edit| edit.file.as_str()).find(|file| outside(file))?;
    Some(format!("`{file}` lies outside of what was named: name it too"))
}

fn texts(checked: &Checked) -> Vec<(&str, &str)> {
    checked.texts.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect()
}

/// What is changed, as a person reads it: fixes, what they need, the diff; then what must be named, and what is left.
fn show(plan: &Plan, texts: &[(&str, &str)]) -> String {
    let mut out = changes(plan);
    for fix in &plan.unnamed {
        let _ = writeln!(out, "only with `--move-data {}`, after the steps:", fix.rule);
        out.push_str(&told(fix));
        out.push_str(&alone(fix, texts));
    }
    let mut said = BTreeSet::new();
    for left in plan.left.iter().filter(|left| !left.moves_data) {
        if said.insert((left.rule, &left.reason)) {
            let _ = writeln!(out, "not fixed: {}: {}", left.rule, harmless(&left.reason));
        }
    }
    out
}

/// The fixes and their diff.
fn changes(plan: &Plan) -> String {
    let fixed = plan.fixes.iter().map(told);
    fixed.chain(plan.changed.iter().map(|Changed { name, old, new }| fixes::shown(old, new, name))).collect()
}

fn told(fix: &Fix) -> String {
    let mut out = format!("fix {}: {}\n", fix.rule, harmless(&fix.title));
    for other in &fix.also {
        let _ = writeln!(out, "  also changes: {}", harmless(other));
    }
    for (number, Step { what, commands }) in fix.needs.iter().enumerate() {
        let _ = writeln!(out, "  {}. {}", number + 1, harmless(what));
        for command in commands {
            let _ = writeln!(out, "       {}", harmless(command));
        }
    }
    out
}

/// The diff of one fix.
fn alone(fix: &Fix, texts: &[(&str, &str)]) -> String {
    let of_file = |(name, old): &(&str, &str)| {
        let own: Vec<_> = fix.edits.iter().filter(|edit| edit.file == *name).cloned().collect();
        fixes::apply(old, &own).map_or(String::new(), |new| fixes::shown(old, &new, name))
    };
    texts.iter().map(of_file).collect()
}

/// Replaces every file, or says at the first that cannot be why. All are looked at before one is changed.
fn write(changed: &[Changed]) -> Result<(), LabError> {
    let mut ready = Vec::new();
    for Changed { name, old, new } in changed {
        ready.push((goal(Path::new(name), old)?, old, new));
    }
    for (path, old, new) in ready {
        replace(&path, old, new).map_err(|error| not_written(&path, error))?;
    }
    Ok(())
}

fn not_written(path: &Path, because: impl std::fmt::Display) -> LabError {
    LabError::path("cannot fix", path, because, "`walproof check --fix`, and apply the diff yourself")
}

/// The file to replace, links followed, if it is what was read.
fn goal(path: &Path, old: &str) -> Result<PathBuf, LabError> {
    let refuse = |because: &str| Err(not_written(path, because));
    let whole = fs::canonicalize(path).map_err(|error| not_written(path, error))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let folder = fs::canonicalize(folder).map_err(|error| not_written(path, error))?;
    if !whole.starts_with(&folder) {
        return refuse("it is a link that leads out of its folder");
    }
    let metadata = fs::metadata(&whole).map_err(|error| not_written(path, error))?;
    if !metadata.is_file() {
        return refuse("it is no file");
    }
    if metadata.nlink() > 1 {
        return refuse("it has other names (hard links), which would keep the old text");
    }
    if fs::read(&whole).map_err(|error| not_written(path, error))? != old.as_bytes() {
        return refuse("it is not the text that was read: it changed meanwhile, or is not plain UTF-8");
    }
    Ok(whole)
}

/// A new file in the place of an old one, in one step.
fn replace(path: &Path, old: &str, new: &str) -> std::io::Result<()> {
    let metadata = fs::metadata(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let beside = path.with_file_name(format!(".{name}.walproof-{}", std::process::id()));
    let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let written = fill(&file, &metadata, new).and_then(|()| {
        if fs::read(path)? != old.as_bytes() {
            return Err(std::io::Error::other("it changed meanwhile"));
        }
        fs::rename(&beside, path)
    });
    if written.is_err() {
        let _ = fs::remove_file(&beside);
    }
    written?;
    File::open(path.parent().unwrap_or(path))?.sync_all()
}

fn fill(mut file: &File, like: &fs::Metadata, text: &str) -> std::io::Result<()> {
    let own = file.metadata()?;
    if (own.uid(), own.gid()) != (like.uid(), like.gid()) {
        std::os::unix::fs::fchown(file, Some(like.uid()), Some(like.gid()))?;
    }
    file.set_permissions(fs::Permissions::from_mode(like.permissions().mode() & 0o7777))?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}
