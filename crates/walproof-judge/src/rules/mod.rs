//! Rules: what a sharing graph says about databases, one rule for each bad situation.
//!
//! What this room is: one file with its page for each rule, the [`RULES`] slice, and what they share: [`Rule`],
//! [`Finding`], [`Severity`]. To add one: `rules/NAME.rs`, `rules/NAME.md`, `fixtures/manifests/NAME/`, two lines here.
//!
//! A rule names the bad situation and reads after "allow ...". It looks at paths through the graph, from a database to
//! whoever else reaches it, so that a network file system for media beside a local database is no finding. It gives a
//! severity for each family of journal modes ([`Judged`]); `crate::check` picks the one that holds, and says `unknown`
//! where they differ and the mode is not known.
//!
//! What it must not do: fire on storage that holds no database; call a storage local or shared by its name; repeat
//! what another rule says about the same cause. Merge what is one situation.
//!
//! Where to look next: `crate::sharing` for the graph, `crate::check` for what becomes of findings.

mod access_mode_trusted;
mod attribute_cache;
mod autoscaled_database;
mod database_in_image_layer;
mod deleted_sidecar_held;
mod different_users;
mod disk_nearly_full;
mod emptydir_database;
mod foreign_vfs;
mod fuse_without_shared_memory;
mod hard_linked_database;
mod immutable_uri;
mod lock_missing;
mod mixed_file_systems;
mod mixed_journal_modes;
mod no_temp_directory;
mod nobrl_mount;
mod nolock_mount;
mod nolock_uri;
mod object_store_as_filesystem;
mod old_sqlite;
mod overlapping_rollout;
mod overlay_lower_database;
mod read_only_reader;
mod selinux_private_label;
mod several_writers_by_replicas;
mod shared_by_two_kernels;
mod sidecar_mounted_apart;
mod sidecar_of_another_database;
mod single_file_mount;
mod soft_mount;
mod stale_sidecar_beside_restore;
mod start_first_rollout;
mod storage_not_known;
mod three_file_mount;
mod tmpfs_database;
mod two_sqlite_copies;
mod unsafe_copy;
mod unwritable_directory;
mod user_namespace_shift;
mod wal_grows;
mod wal_on_host_share;
mod wal_on_network_filesystem;

use serde::Serialize;

use crate::finding::Certainty;
use crate::manifest::Span;
use crate::sharing::{
    Database, DatabaseId, EvidenceKind, Graph, MountId, On, StorageId, StorageKind, WorkloadId, WorkloadKind,
};

/// All rules, by name.
pub static RULES: &[&Rule] = &[
    &access_mode_trusted::RULE,
    &attribute_cache::RULE,
    &autoscaled_database::RULE,
    &database_in_image_layer::RULE,
    &deleted_sidecar_held::RULE,
    &different_users::RULE,
    &disk_nearly_full::RULE,
    &emptydir_database::RULE,
    &foreign_vfs::RULE,
    &fuse_without_shared_memory::RULE,
    &hard_linked_database::RULE,
    &immutable_uri::RULE,
    &lock_missing::RULE,
    &mixed_file_systems::RULE,
    &mixed_journal_modes::RULE,
    &no_temp_directory::RULE,
    &nobrl_mount::RULE,
    &nolock_mount::RULE,
    &nolock_uri::RULE,
    &object_store_as_filesystem::RULE,
    &old_sqlite::RULE,
    &overlapping_rollout::RULE,
    &overlay_lower_database::RULE,
    &read_only_reader::RULE,
    &selinux_private_label::RULE,
    &several_writers_by_replicas::RULE,
    &shared_by_two_kernels::RULE,
    &sidecar_mounted_apart::RULE,
    &sidecar_of_another_database::RULE,
    &single_file_mount::RULE,
    &soft_mount::RULE,
    &stale_sidecar_beside_restore::RULE,
    &start_first_rollout::RULE,
    &storage_not_known::RULE,
    &three_file_mount::RULE,
    &tmpfs_database::RULE,
    &two_sqlite_copies::RULE,
    &unsafe_copy::RULE,
    &unwritable_directory::RULE,
    &user_namespace_shift::RULE,
    &wal_grows::RULE,
    &wal_on_host_share::RULE,
    &wal_on_network_filesystem::RULE,
];

/// One bad situation.
pub struct Rule {
    /// Kebab-case name.
    pub name: &'static str,
    /// The situation, in one line.
    pub line: &'static str,
    /// The documentation.
    pub explain: &'static str,
    /// What it stands on.
    pub ground: Ground,
    /// What it finds in a graph.
    pub judge: fn(&Graph) -> Vec<Finding>,
}

/// What a rule stands on: without one of these it is suspected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind", content = "what")]
pub enum Ground {
    /// A world of ours that breaks: its name.
    World(&'static str),
    /// An experiment whose figures are in FACTS or under benchsuite/runs: what was measured.
    Measured(&'static str),
    /// SQLite's documentation: the address.
    Documented(&'static str),
    /// Public cases: their ids in shared/data/cases.jsonl.
    Cases(&'static [&'static str]),
    /// Documentation of others (Kubernetes, Docker, a file system): the address.
    Elsewhere(&'static str),
    /// None of these.
    Suspected,
}

impl Ground {
    /// How sure a finding can be at best.
    pub const fn certainty(self) -> Certainty {
        match self {
            Self::World(_) | Self::Measured(_) => Certainty::Measured,
            Self::Documented(_) => Certainty::Documented,
            Self::Cases(_) | Self::Elsewhere(_) | Self::Suspected => Certainty::Suspected,
        }
    }
}

/// How bad a finding is; the worst wins, so the order matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// It works, and something that text cannot tell may break it.
    Risky,
    /// SQLite fails loudly; nothing is lost.
    Refuses,
    /// It decides, and it cannot be told from what was read. The finding asks the question.
    Unknown,
    /// It breaks.
    Unsafe,
}

impl Severity {
    /// The word for people and for JSON.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Risky => "risky",
            Self::Refuses => "refuses",
            Self::Unknown => "unknown",
            Self::Unsafe => "unsafe",
        }
    }
}

/// How bad it is in each family of journal modes. `None`: no finding there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Judged {
    /// In WAL mode.
    pub wal: Option<Severity>,
    /// In DELETE, TRUNCATE and PERSIST.
    pub rollback: Option<Severity>,
}

impl Judged {
    /// The same in every mode.
    pub const fn always(severity: Severity) -> Self {
        Self { wal: Some(severity), rollback: Some(severity) }
    }

    /// In WAL mode alone.
    pub const fn wal(severity: Severity) -> Self {
        Self { wal: Some(severity), rollback: None }
    }

    /// One in WAL mode, another one in the others.
    pub const fn each(wal: Severity, rollback: Severity) -> Self {
        Self { wal: Some(wal), rollback: Some(rollback) }
    }
}

/// What a rule found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The rule.
    pub rule: &'static str,
    /// How bad it is.
    pub judged: Judged,
    /// How sure.
    pub certainty: Certainty,
    /// The place that decides: what one would change. `None` if nothing of it is written anywhere.
    pub span: Option<Span>,
    /// A place that is none in a text: a path, a process, a mount of a container. Empty if there is a span.
    pub seen_at: String,
    /// What is wrong, in one sentence: lower-case, no full stop, values in backticks.
    pub message: String,
    /// Why that breaks SQLite here: the path through the graph, in one or two sentences of the same form.
    pub because: String,
    /// What to do.
    pub remedy: String,
    /// Further places, with what stands there.
    pub related: Vec<Related>,
    /// What it is about.
    pub about: About,
    /// The command that settles it, if a test can.
    pub settle: Option<String>,
}

/// A further place of a finding.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Related {
    /// Where.
    pub span: Span,
    /// What stands there, in a few words.
    pub what: String,
}

/// What a finding is about, for fixes and for merging.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct About {
    /// The database.
    pub database: Option<DatabaseId>,
    /// The workload.
    pub workload: Option<WorkloadId>,
    /// The mount.
    pub mount: Option<MountId>,
    /// The storage.
    pub storage: Option<StorageId>,
}

impl About {
    /// A database, with its workload, its mount and its storage.
    pub fn database(graph: &Graph, id: DatabaseId) -> Self {
        Self {
            database: Some(id),
            workload: Some(graph.database(id).workload),
            mount: graph.mount_of(id),
            storage: graph.storage_of(id),
        }
    }

    /// A workload.
    pub fn workload(id: WorkloadId) -> Self {
        Self { workload: Some(id), ..Self::default() }
    }
}

impl Rule {
    /// A finding of this rule, as sure as its ground, to be completed by the `with_...` methods.
    pub fn finding(&self, judged: Judged, about: About, message: impl Into<String>) -> Finding {
        Finding {
            rule: self.name,
            judged,
            certainty: self.ground.certainty(),
            span: None,
            seen_at: String::new(),
            message: message.into(),
            because: String::new(),
            remedy: String::new(),
            related: Vec::new(),
            about,
            settle: None,
        }
    }

    /// The text under a heading of its page; the empty text when it has none.
    pub fn section(&self, heading: &str) -> &'static str {
        let after = self.explain.split_once(&format!("## {heading}\n")).map_or("", |(_, after)| after);
        after.split("\n## ").next().unwrap_or("").trim()
    }
}

impl Finding {
    /// Where it stands; the first of these that there is.
    #[must_use]
    pub fn at(mut self, spans: impl IntoIterator<Item = Option<Span>>) -> Self {
        self.span = spans.into_iter().flatten().next();
        self
    }

    /// Why.
    #[must_use]
    pub fn because(mut self, because: impl Into<String>) -> Self {
        self.because = because.into();
        self
    }

    /// What to do.
    #[must_use]
    pub fn remedy(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// A further place, if there is one.
    #[must_use]
    pub fn related(mut self, span: Option<Span>, what: impl Into<String>) -> Self {
        if let Some(span) = span.filter(|span| Some(*span) != self.span) {
            self.related.push(Related { span, what: what.into() });
        }
        self
    }

    /// No surer than this.
    #[must_use]
    pub fn at_most(mut self, certainty: Certainty) -> Self {
        self.certainty = self.certainty.max(certainty);
        self
    }

    /// No surer than it is known that a database is there: a name alone is weak evidence.
    #[must_use]
    pub fn known_by(self, database: &Database) -> Self {
        if database.evidence.kind == EvidenceKind::FileName { self.at_most(Certainty::Suspected) } else { self }
    }

    /// The command that settles it: `walproof VERB` for the project, or for the path of the host; none for what this
    /// machine does not have.
    #[must_use]
    pub fn settled_where_it_lies(self, graph: &Graph, id: DatabaseId, verb: &str) -> Self {
        let of_compose = graph.workload(graph.database(id).workload).kind == WorkloadKind::Service;
        let storage = graph.storage_of(id).map(|storage| &graph.storage(storage).kind);
        match storage {
            _ if of_compose => self.settled_by(format!("walproof {verb} --compose FILE")),
            Some(StorageKind::HostPath(path)) => self.settled_by(format!("walproof probe {path}")),
            _ => self,
        }
    }

    /// The command that settles it.
    #[must_use]
    pub fn settled_by(mut self, command: impl Into<String>) -> Self {
        self.settle = Some(command.into());
        self
    }
}

/// The probe of the directory that a database lies in: by the host's path, where that is known.
fn probe_of(graph: &Graph, id: DatabaseId) -> String {
    let on_host = graph.location(id).filter(|location| matches!(location.on, On::Host(_)));
    let directory = on_host.as_ref().and_then(|location| location.path.rsplit_once('/'));
    match directory {
        Some((directory, _)) if directory.starts_with('/') && !graph.database(id).is_directory => {
            format!("walproof probe {directory}")
        }
        _ => "walproof probe DIRECTORY".to_owned(),
    }
}

/// The rule of this name.
pub fn find(name: &str) -> Option<&'static Rule> {
    RULES.iter().copied().find(|rule| rule.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_sorted_documented_and_found_by_name() {
        assert!(RULES.windows(2).all(|pair| pair[0].name < pair[1].name));
        for rule in RULES {
            assert!(find(rule.name).is_some());
            for heading in [
                "What it detects",
                "Why it breaks SQLite",
                "Unsafe example",
                "Safe example",
                "How sure we are",
                "References",
            ] {
                assert!(!rule.section(heading).is_empty(), "{}: {heading}", rule.name);
            }
        }
    }
}
