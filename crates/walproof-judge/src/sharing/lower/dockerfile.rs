//! What an image brings along, before anybody says how it is run: one workload of kind image.
//!
//! What it must not do: judge, or take what an image says for how its containers run.
//!
//! Where to look next: `crate::manifest::dockerfile::model` for what comes in.

use super::compose::{anonymous, plain, variable};
use super::{Builder, Moved};
use crate::manifest::Spanned;
use crate::manifest::compose::paths;
use crate::manifest::dockerfile::{Copied, Dockerfile, Stage};
use crate::sharing::{Mount, Workload, WorkloadKind};

/// Adds the image that a Dockerfile makes.
pub fn add(builder: &mut Builder<'_>, file: &Dockerfile) {
    let moved = builder.begin(&file.files);
    let Some(last) = file.last() else { return };
    // The nearest first.
    let lineage = file.lineage(last);
    let name = file.files.first().map_or("Dockerfile", |file| file.name.as_str());
    let workload = builder.workload(Workload {
        span: Some(moved.span(last.base.span)),
        image: lineage.last().map(|stage| moved.spanned(&stage.base)),
        words: words(&lineage).into_iter().map(|word| moved.spanned(word)).collect(),
        environment: lineage
            .iter()
            .rev()
            .flat_map(|stage| &stage.environment)
            .map(|pair| variable(moved, pair))
            .collect(),
        user: lineage.iter().find_map(|stage| moved.option(stage.user())),
        working_directory: working_directory(&lineage).map(|directory| moved.spanned(&directory)),
        copied: copied(&lineage, moved),
        ..Workload::new(WorkloadKind::Image, name)
    });
    for volume in lineage.iter().flat_map(|stage| &stage.volumes) {
        let span = Some(moved.span(volume.span));
        let storage = anonymous(builder, span);
        let target = paths::normal(&volume.value);
        builder.mount(Mount { is_file: Some(false), ..plain(workload, storage, target, span) });
    }
}

/// The entry point, then the command; an entry point takes back the command of stages before.
fn words<'a>(lineage: &[&'a Stage]) -> Vec<&'a Spanned<String>> {
    let entry = lineage.iter().position(|stage| stage.entrypoint.is_some());
    let command = lineage.iter().position(|stage| stage.command.is_some());
    let command = command.filter(|at| entry.is_none_or(|entry| *at <= entry));
    let entry = entry.and_then(|at| lineage[at].entrypoint.as_ref());
    let command = command.and_then(|at| lineage[at].command.as_ref());
    entry.into_iter().chain(command).flat_map(|command| &command.words).collect()
}

/// Where it starts; a relative `WORKDIR` starts from the one before.
fn working_directory(lineage: &[&Stage]) -> Option<Spanned<String>> {
    let all = lineage.iter().rev().flat_map(|stage| &stage.working_directories);
    all.fold(None, |before: Option<Spanned<String>>, next| {
        let directory = before.map_or("/".to_owned(), |before| before.value);
        Some(Spanned::new(paths::resolve(&directory, &next.value, None), next.span))
    })
}

/// Where the databases lie that are copied. `COPY a.db /data` may make a file or put it into a directory: both are
/// named.
fn copied(lineage: &[&Stage], moved: Moved) -> Vec<Spanned<String>> {
    let directory = working_directory(lineage).map_or("/".to_owned(), |directory| directory.value);
    let mut found = Vec::new();
    for stage in lineage {
        for name in stage.copied_databases() {
            let of_copy = |copied: &&Copied| copied.sources.iter().any(|source| source.span == name.span);
            let Some(copied) = stage.copies.iter().find(of_copy) else { continue };
            let target = paths::resolve(&directory, &copied.target.value, None);
            let last = name.value.rsplit('/').next().unwrap_or(&name.value);
            let inside = paths::normal(&format!("{target}/{last}"));
            let both = if copied.target.value.ends_with('/') { vec![inside] } else { vec![target, inside] };
            found.extend(both.into_iter().map(|path| Spanned::new(path, moved.span(name.span))));
        }
    }
    found
}
