//! The application table: which images use SQLite, where, in which mode, and what makes them use something else.
//!
//! What this file is: [`Applications`], read from `applications.toml` and from files of users with the same form. It is
//! data, so that people can extend it without a compiler.
//!
//! What it must not do: say more than the row does. A row without a mode says that the mode is not known.
//!
//! Where to look next: `applications.toml`, whose head explains the fields; `lower::databases`, which asks it.

use std::collections::HashMap;

use serde::Deserialize;
use walproof_format::sqlite::db_header::JournalFamily;

use super::Workload;
use crate::manifest::Spanned;

const BUILT_IN: &str = include_str!("applications.toml");

/// The table.
#[derive(Clone, Debug, Default)]
pub struct Applications {
    rows: Vec<Application>,
    /// From the last part of an image's name to rows.
    by_name: HashMap<String, Vec<usize>>,
}

/// One application.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Images without a tag: `linuxserver/sonarr` under any registry; `nextcloud` is one without a namespace.
    pub images: Vec<String>,
    /// Where databases lie in the container: files, or directories with a slash at the end. Empty: it uses none.
    #[serde(default)]
    pub paths: Vec<String>,
    /// Variables that hold other paths of databases; those that are set stand in for all of `paths`.
    #[serde(default)]
    pub path_variables: Vec<String>,
    /// Variables that move a directory of `paths`, as `NAME=/directory`: their value takes its place.
    #[serde(default)]
    pub directory_variables: Vec<String>,
    /// Options among the words that are started that do the same: `--dir=/directory`.
    #[serde(default)]
    pub directory_options: Vec<String>,
    /// Tags of which the row speaks, `2*` for all that begin so, `!1*` for all but those; an image without a tag has
    /// `latest`, one with a digest alone has none. Empty: all.
    #[serde(default)]
    pub tags: Vec<String>,
    /// Words of which one must be among those that are started; empty: any.
    #[serde(default)]
    pub only_words: Vec<String>,
    /// `wal` or `rollback`; absent: not known.
    #[serde(default)]
    pub mode: Option<String>,
    /// Variables that ask for WAL, in the form of `elsewhere_when`.
    #[serde(default)]
    pub wal_when: Vec<String>,
    /// Variables that ask for a rollback journal; they win over `wal_when`.
    #[serde(default)]
    pub rollback_when: Vec<String>,
    /// The engine if it is not SQLite: `bolt`, `h2`, `json`. Files at its paths are no databases of SQLite, nor is any if
    /// it names no paths.
    #[serde(default)]
    pub engine: Option<String>,
    /// Variables that make it use a server database: a name alone (set and not empty), or `NAME=value`, where `*` at the
    /// end stands for anything.
    #[serde(default)]
    pub elsewhere_when: Vec<String>,
    /// Variables without which it uses no SQLite, in the same form; empty: it always does.
    #[serde(default)]
    pub only_when: Vec<String>,
    /// Where this is known from.
    pub source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    application: Vec<Application>,
}

impl Applications {
    /// The table that walproof brings along.
    pub fn built_in() -> Self {
        let mut table = Self::default();
        table.extend(BUILT_IN).expect("a test reads it");
        table
    }

    /// Rows of another file; they win over those before. The error says what is wrong with it.
    pub fn extend(&mut self, text: &str) -> Result<(), String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        for row in &file.application {
            row.check().map_err(|what| format!("the row of `{}`: {what}", row.images.join("`, `")))?;
        }
        for row in file.application {
            let index = self.rows.len();
            for image in &row.images {
                let last = image.rsplit('/').next().unwrap_or(image).to_owned();
                self.by_name.entry(last).or_default().push(index);
            }
            self.rows.push(row);
        }
        Ok(())
    }

    /// All rows.
    pub fn rows(&self) -> &[Application] {
        &self.rows
    }

    /// The row for an image, as written in a manifest.
    pub fn of_image(&self, image: &str) -> Option<&Application> {
        let bare = without_tag(image);
        let last = bare.rsplit('/').next().unwrap_or(bare);
        let is_it = |row: &&Application| {
            let is_named = row.images.iter().any(|name| {
                bare == name || bare.strip_suffix(name.as_str()).is_some_and(|rest| may_precede(rest, name))
            });
            is_named && row.speaks_of(tag(image))
        };
        self.by_name.get(last)?.iter().rev().map(|index| &self.rows[*index]).find(is_it)
    }
}

impl Application {
    /// What is wrong with the row, in words.
    fn check(&self) -> Result<(), String> {
        if self.images.is_empty() || self.images.iter().any(String::is_empty) {
            return Err("`images` names no image".to_owned());
        }
        if let Some(image) = self.images.iter().find(|image| without_tag(image) != *image) {
            return Err(format!("`{image}` has a tag or a digest: leave it out"));
        }
        if let Some(path) = self.paths.iter().find(|path| !path.starts_with('/')) {
            return Err(format!("the path `{path}` is not absolute"));
        }
        let mut directories = self.directory_variables.iter().chain(&self.directory_options);
        let is_of_path = |moved: &str| {
            let directory = moved.split_once('=').map_or("", |(_, directory)| directory);
            self.paths.iter().any(|path| below(path, directory).is_some())
        };
        if let Some(moved) = directories.find(|moved| !is_of_path(moved)) {
            return Err(format!("`{moved}` names no directory of `paths`"));
        }
        if let Some(mode) = self.mode.as_ref().filter(|_| self.family().is_none()) {
            return Err(format!("the mode `{mode}` is neither `wal` nor `rollback`"));
        }
        let conditions = [&self.wal_when, &self.rollback_when, &self.elsewhere_when, &self.only_when];
        let is_upper =
            |when: &&String| when.split_once('=').is_some_and(|(_, value)| value != value.to_ascii_lowercase());
        match conditions.into_iter().flatten().find(is_upper) {
            Some(when) => Err(format!("the value in `{when}` must be written in lower case")),
            None => Ok(()),
        }
    }

    /// The family of its journal mode when nobody asks for another.
    pub fn family(&self) -> Option<JournalFamily> {
        match self.mode.as_deref() {
            Some("wal") => Some(JournalFamily::Wal),
            Some("rollback") => Some(JournalFamily::Rollback),
            _ => None,
        }
    }

    /// The family of its journal mode with the variables of a workload.
    pub fn family_in(&self, workload: &Workload) -> Option<JournalFamily> {
        let asks = |conditions: &[String]| conditions.iter().any(|when| holds(workload, when));
        if asks(&self.rollback_when) {
            Some(JournalFamily::Rollback)
        } else if asks(&self.wal_when) {
            Some(JournalFamily::Wal)
        } else {
            self.family()
        }
    }

    /// Whether the row is about images with this tag; `None`: it is not known.
    fn speaks_of(&self, tag: Option<&str>) -> bool {
        let is_it = |pattern: &str, tag: &str| match pattern.strip_suffix('*') {
            Some(beginning) => tag.starts_with(beginning),
            None => tag == pattern,
        };
        let (excluded, included): (Vec<&str>, Vec<&str>) =
            self.tags.iter().map(String::as_str).partition(|pattern| pattern.starts_with('!'));
        let Some(tag) = tag else { return included.is_empty() };
        !excluded.iter().any(|pattern| is_it(&pattern[1..], tag))
            && (included.is_empty() || included.iter().any(|pattern| is_it(pattern, tag)))
    }

    /// Where its databases lie with the variables of a workload. A path variable that holds no plain absolute path says
    /// nothing: without another one the usual paths are kept. One that moves a directory to where is not known leaves
    /// none of the paths in it.
    pub fn paths_in(&self, workload: &Workload) -> Vec<String> {
        let from_variable = |name: &String| {
            let value = &variable(workload, name)?.as_ref()?.value;
            let path = value.split('?').next().unwrap_or(value);
            let path = path.strip_prefix("file:").unwrap_or(path);
            (path.starts_with('/') && !path.contains('$')).then(|| path.to_owned())
        };
        let moved: Vec<String> = self.path_variables.iter().filter_map(from_variable).collect();
        if !moved.is_empty() {
            return moved;
        }
        self.paths.iter().filter_map(|path| self.moved(workload, path)).collect()
    }

    /// A path after the variables and options that move its directory; `None`: nobody knows where to.
    fn moved(&self, workload: &Workload, path: &str) -> Option<String> {
        let by_variable = self.directory_variables.iter().map(|moved| (moved, false));
        let by_option = self.directory_options.iter().map(|moved| (moved, true));
        for (moved, is_option) in by_option.chain(by_variable) {
            let (name, directory) = moved.split_once('=').unwrap_or((moved, ""));
            let set = if is_option { option(workload, name) } else { variable(workload, name).map(written) };
            let (Some(to), Some(rest)) = (set, below(path, directory)) else { continue };
            match to {
                Some(to) if to.starts_with('/') && !to.contains('$') => {
                    return Some(format!("{}{rest}", to.trim_end_matches('/')));
                }
                _ => return None,
            }
        }
        Some(path.to_owned())
    }

    /// Whether a file belongs to another engine than SQLite, by its path.
    pub fn is_of_another_engine(&self, workload: &Workload, path: &str) -> bool {
        if self.engine.is_none() {
            return false;
        }
        if self.paths.is_empty() && self.path_variables.is_empty() {
            return true;
        }
        // A variable may hold the path without the ending that the engine adds.
        let is_own = |own: &String| {
            path.strip_prefix(own.as_str())
                .is_some_and(|rest| own.ends_with('/') || rest.is_empty() || rest.starts_with(['.', '/']))
        };
        self.paths.iter().chain(&self.paths_in(workload)).any(is_own)
    }

    /// The variable that makes a workload use another database, as the table writes it. One whose value comes from a
    /// secret, or from a file (`NAME_FILE`), is taken for it: whoever hides the address of a database hides that of a server.
    pub fn elsewhere<'a>(&'a self, workload: &Workload) -> Option<&'a str> {
        let is_set = |name: String| {
            variable(workload, &name).is_some_and(|value| value.as_ref().is_none_or(|value| !value.value.is_empty()))
        };
        let hidden = |when: &str| {
            let name = when.split('=').next().unwrap_or(when);
            matches!(variable(workload, name), Some(None))
                || is_set(format!("{name}_FILE"))
                || is_set(format!("{name}__FILE"))
        };
        self.elsewhere_when.iter().map(String::as_str).find(|when| holds(workload, when) || hidden(when))
    }

    /// Whether it uses SQLite at all with these variables.
    pub fn uses_sqlite(&self, workload: &Workload) -> bool {
        let has_word = |wanted: &String| {
            workload.words.iter().any(|word| word.value.split_whitespace().any(|part| part == wanted))
        };
        self.engine.is_none()
            && (self.only_words.is_empty() || self.only_words.iter().any(has_word))
            && (self.only_when.is_empty() || self.only_when.iter().any(|when| holds(workload, when)))
    }
}

/// Whether a variable is set as `NAME`, `NAME=value` or `NAME=beginning*` says.
fn holds(workload: &Workload, when: &str) -> bool {
    let (name, value) = when.split_once('=').map_or((when, None), |(name, value)| (name, Some(value)));
    let Some(written) = variable(workload, name) else { return false };
    let Some(value) = value else { return written.as_ref().is_none_or(|written| !written.value.is_empty()) };
    let Some(written) = written else { return false };
    let written = written.value.to_ascii_lowercase();
    match value.strip_suffix('*') {
        Some(beginning) => written.starts_with(beginning),
        None => written == value,
    }
}

/// The value of a variable if it is set; the inner `None`: set to something that the manifest does not say. Several
/// applications read names in any case, so the case does not count.
fn variable<'a>(workload: &'a Workload, name: &str) -> Option<&'a Option<Spanned<String>>> {
    let found = workload.environment.iter().rev().find(|variable| variable.name.eq_ignore_ascii_case(name));
    found.map(|variable| &variable.value)
}

/// The value of a variable, if it is written.
fn written(value: &Option<Spanned<String>>) -> Option<&str> {
    value.as_ref().map(|value| value.value.as_str())
}

/// The value of an option among the words that are started: `--dir=/x`, `--dir /x`. The inner `None`: it has none.
fn option<'a>(workload: &'a Workload, name: &str) -> Option<Option<&'a str>> {
    let words: Vec<&str> = workload.words.iter().flat_map(|word| word.value.split_whitespace()).collect();
    words.iter().enumerate().find_map(|(index, word)| {
        let rest = word.strip_prefix(name)?;
        match rest.strip_prefix('=') {
            Some(value) => Some(Some(value)),
            None => rest.is_empty().then(|| words.get(index + 1).copied()),
        }
    })
}

/// The rest of a path in a directory, with its slash.
fn below<'a>(path: &'a str, directory: &str) -> Option<&'a str> {
    path.strip_prefix(directory).filter(|rest| rest.starts_with('/') && directory.starts_with('/'))
}

/// Whether what stands before a name of the table may stand there: any registry and namespace before `owner/name`, only
/// a registry before `name`.
fn may_precede(rest: &str, name: &str) -> bool {
    let Some(rest) = rest.strip_suffix('/') else { return false };
    let registry = rest.strip_suffix("/library").unwrap_or(rest);
    name.contains('/')
        || rest == "library"
        || (!registry.contains('/') && (registry.contains(['.', ':']) || registry == "localhost"))
}

/// The tag of an image; `None`: only a digest says what it is, or a variable without a value.
fn tag(image: &str) -> Option<&str> {
    let (name, has_digest) = image.split_once('@').map_or((image, false), |(name, _)| (name, true));
    match name.rsplit_once(':') {
        Some((_, tag)) if !tag.contains('/') => Some(tag).filter(|tag| !tag.contains('$')),
        _ => (!has_digest).then_some("latest"),
    }
}

/// An image without tag and digest.
pub(super) fn without_tag(image: &str) -> &str {
    let image = image.split('@').next().unwrap_or(image);
    match image.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => name,
        _ => image,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::{Place, Span};
    use crate::sharing::{Variable, WorkloadKind};

    /// A workload with variables, `NAME=value`; a name alone is set to something that is not written.
    fn workload(variables: &[&str]) -> Workload {
        let place = Place { line: 1, column: 1 };
        let span = Span { source: 0, start: place, end: place };
        let mut workload = Workload::new(WorkloadKind::Service, "web");
        workload.environment = variables
            .iter()
            .map(|written| match written.split_once('=') {
                Some((name, value)) => {
                    Variable { name: name.to_owned(), value: Some(Spanned::new(value.to_owned(), span)) }
                }
                None => Variable { name: (*written).to_owned(), value: None },
            })
            .collect();
        workload
    }

    #[track_caller]
    fn row(image: &str) -> Application {
        Applications::built_in().of_image(image).unwrap_or_else(|| panic!("{image}")).clone()
    }

    #[track_caller]
    fn is_elsewhere(image: &str, variable: &str) {
        assert!(row(image).elsewhere(&workload(&[variable])).is_some(), "{image} with {variable}");
    }

    #[track_caller]
    fn stays(image: &str, variable: &str) {
        assert_eq!(row(image).elsewhere(&workload(&[variable])), None, "{image} with {variable}");
    }

    #[track_caller]
    fn refuses(text: &str, because: &str) {
        let error = Applications::default().extend(text).expect_err(text);
        assert!(error.contains(because), "{error}");
    }

    #[test]
    fn the_table_reads_and_every_row_has_a_source() {
        let table = Applications::built_in();
        assert!(table.rows().len() > 80);
        let mut seen = std::collections::BTreeSet::new();
        for row in table.rows() {
            row.check().unwrap_or_else(|what| panic!("{row:?}: {what}"));
            assert!(row.source.starts_with("https://") && row.source.len() > 15, "{row:?}");
            assert!(row.images.iter().all(|image| seen.insert(image.clone())), "twice: {row:?}");
            let says = !row.paths.is_empty() || !row.path_variables.is_empty() || row.engine.is_some();
            assert!(says, "it says nothing: {row:?}");
            assert!(row.engine.is_none() || row.mode.is_none(), "a mode of another engine: {row:?}");
        }
    }

    #[test]
    fn inside_a_group_rows_are_sorted() {
        for group in BUILT_IN.split("\n# ---- ").skip(1) {
            let (title, rows) = group.split_once('\n').expect("a title");
            let file: File = toml::from_str(rows).expect(title);
            assert!(file.application.is_sorted_by(|one, next| one.images[0] < next.images[0]), "{title}");
        }
    }

    #[test]
    fn variables_lead_elsewhere() {
        is_elsewhere("vaultwarden/server", "DATABASE_URL=postgresql://u@h/d");
        is_elsewhere("gitea/gitea:1.22", "GITEA__database__DB_TYPE=postgres");
        is_elsewhere("gitea/gitea", "GITEA__DATABASE__DB_TYPE=MySQL");
        is_elsewhere("lscr.io/linuxserver/sonarr", "Sonarr__Postgres__Host=db");
        is_elsewhere("jc21/nginx-proxy-manager", "DB_MYSQL_HOST");
        is_elsewhere("grafana/grafana", "GF_DATABASE_TYPE=postgres");
        is_elsewhere("ghcr.io/paperless-ngx/paperless-ngx", "PAPERLESS_DBHOST=db");
        is_elsewhere("rancher/k3s", "K3S_URL=https://server:6443");
        stays("vaultwarden/server", "DATABASE_URL=/data/other.sqlite3");
        stays("gitea/gitea", "GITEA__database__DB_TYPE=sqlite3");
        stays("ghcr.io/paperless-ngx/paperless-ngx", "PAPERLESS_DBHOST=");
        stays("n8nio/n8n", "DB_TYPE=sqlite");
    }

    #[test]
    fn some_use_sqlite_only_when_asked() {
        let gotosocial = row("superseriousbusiness/gotosocial");
        assert!(!gotosocial.uses_sqlite(&workload(&[])));
        assert!(!gotosocial.uses_sqlite(&workload(&["GTS_DB_TYPE=postgres"])));
        assert!(gotosocial.uses_sqlite(&workload(&["GTS_DB_TYPE=sqlite"])));
        assert!(!row("portainer/portainer-ce").uses_sqlite(&workload(&[])));
    }

    #[test]
    fn variables_choose_the_mode() {
        let family = |image: &str, variables: &[&str]| row(image).family_in(&workload(variables));
        assert_eq!(family("vaultwarden/server", &[]), Some(JournalFamily::Wal));
        assert_eq!(family("vaultwarden/server", &["ENABLE_DB_WAL=false"]), Some(JournalFamily::Rollback));
        assert_eq!(family("grafana/grafana", &[]), Some(JournalFamily::Rollback));
        assert_eq!(family("grafana/grafana", &["GF_DATABASE_WAL=true"]), Some(JournalFamily::Wal));
        assert_eq!(family("n8nio/n8n", &[]), None);
        assert_eq!(family("n8nio/n8n", &["DB_SQLITE_POOL_SIZE=3"]), Some(JournalFamily::Wal));
        assert_eq!(family("n8nio/n8n", &["DB_SQLITE_POOL_SIZE=0"]), Some(JournalFamily::Rollback));
    }

    #[test]
    fn variables_move_databases() {
        let paths = |image: &str, variables: &[&str]| row(image).paths_in(&workload(variables));
        assert_eq!(paths("deluan/navidrome", &[]), ["/data/navidrome.db"]);
        assert_eq!(paths("deluan/navidrome", &["ND_DBPATH=/db/x?_journal_mode=DELETE"]), ["/db/x"]);
        assert_eq!(paths("deluan/navidrome", &["ND_DBPATH=x.db"]), ["/data/navidrome.db"]);
        assert_eq!(paths("deluan/navidrome", &["ND_DBPATH"]), ["/data/navidrome.db"]);
        assert_eq!(
            paths("binwiederhier/ntfy", &["NTFY_CACHE_FILE=/c/a.db", "NTFY_AUTH_FILE=/c/b.db"]),
            ["/c/a.db", "/c/b.db"]
        );
        assert!(paths("binwiederhier/ntfy", &[]).is_empty());
    }

    #[test]
    fn variables_and_options_move_directories() {
        let paths = |image: &str, variables: &[&str]| row(image).paths_in(&workload(variables));
        assert_eq!(paths("n8nio/n8n", &["N8N_USER_FOLDER=/data"]), ["/data/.n8n/database.sqlite"]);
        // What Compose makes of a variable without a value.
        assert!(paths("n8nio/n8n", &["N8N_USER_FOLDER="]).is_empty());
        assert!(paths("n8nio/n8n", &["N8N_USER_FOLDER"]).is_empty());
        assert!(paths("n8nio/n8n", &["N8N_USER_FOLDER=${DATA}/x"]).is_empty());
        assert_eq!(paths("deluan/navidrome", &["ND_DATAFOLDER=/nd/"]), ["/nd/navidrome.db"]);
        assert_eq!(paths("deluan/navidrome", &["ND_DATAFOLDER=/nd", "ND_DBPATH=/x.db"]), ["/x.db"]);
        assert_eq!(paths("vaultwarden/server", &["DATA_FOLDER=/vw"]), ["/vw/db.sqlite3"]);
        assert_eq!(paths("grafana/grafana", &["GF_PATHS_DATA=/g"]), ["/g/grafana.db"]);
        assert_eq!(paths("jellyfin/jellyfin", &["JELLYFIN_DATA_DIR=/j"]), ["/j/data/jellyfin.db"]);
        assert_eq!(paths("gotify/server", &["GOTIFY_DATABASE_CONNECTION=/g/g.db"]), ["/g/g.db"]);
        let mut started = workload(&[]);
        for (words, path) in [("serve --dir=/x", "/x/data.db"), ("--dir /y", "/y/data.db"), ("x", "/pb_data/data.db")] {
            started.words = vec![Spanned::new(words.to_owned(), started.span.unwrap_or(Span::NOWHERE))];
            assert_eq!(row("muchobien/pocketbase").paths_in(&started)[0], path, "{words}");
        }
        assert!(!row("rustdesk/rustdesk-server").uses_sqlite(&started));
        started.words = vec![Spanned::new("hbbs".to_owned(), Span::NOWHERE)];
        assert!(row("rustdesk/rustdesk-server").uses_sqlite(&started));
    }

    #[test]
    fn rows_speak_of_tags() {
        let table = Applications::built_in();
        let has = |image: &str| table.of_image(image).is_some();
        assert!(has("influxdb:2.7-alpine") && has("influxdb:2@sha256:00"));
        for image in ["influxdb:1.12", "influxdb:3-core", "influxdb@sha256:00", "influxdb:${TAG}"] {
            assert!(!has(image), "{image}");
        }
        assert!(has("fosrl/pangolin:1.9") && has("fosrl/pangolin") && has("fosrl/pangolin@sha256:00"));
        assert!(!has("docker.io/fosrl/pangolin:postgresql-1.9"));
        assert!(has("syncthing/syncthing") && has("syncthing/syncthing:2.0") && !has("syncthing/syncthing:1.30"));
    }

    #[test]
    fn addresses_from_files_lead_elsewhere() {
        is_elsewhere("vaultwarden/server", "DATABASE_URL_FILE=/run/secrets/url");
        is_elsewhere("vaultwarden/server", "DATABASE_URL_FILE");
        is_elsewhere("grafana/grafana", "GF_DATABASE_URL__FILE=/run/secrets/url");
        stays("vaultwarden/server", "ADMIN_TOKEN_FILE=/run/secrets/token");
        stays("vaultwarden/server", "DATABASE_URL_FILE=");
    }

    #[test]
    fn files_of_other_engines_are_told() {
        let told =
            |image: &str, variables: &[&str], path: &str| row(image).is_of_another_engine(&workload(variables), path);
        assert!(told("portainer/portainer-ce", &[], "/data/portainer.db"));
        assert!(told("metabase/metabase", &[], "/metabase.db/metabase.db.mv.db"));
        assert!(told("metabase/metabase", &["MB_DB_FILE=/m/metabase.db"], "/m/metabase.db"));
        assert!(told("metabase/metabase", &["MB_DB_FILE=/m/metabase.db"], "/m/metabase.db.mv.db"));
        assert!(!told("metabase/metabase", &[], "/data/crowdsec.db"));
        assert!(!told("vaultwarden/server", &[], "/data/db.sqlite3"));
    }

    #[test]
    fn a_broken_row_is_told_in_words() {
        let row = |more: &str| format!("[[application]]\nimages = [\"me/app\"]\nsource = \"me\"\n{more}");
        refuses(&row("path = \"/x\""), "unknown field `path`");
        refuses(&row("paths = \"/x\""), "line 4");
        refuses(&row("paths = [\"x.db\"]"), "the row of `me/app`: the path `x.db` is not absolute");
        let moved = "paths = [\"/a/x.db\"]\ndirectory_variables = [\"D=/b\"]";
        refuses(&row(moved), "`D=/b` names no directory of `paths`");
        refuses(&row("mode = \"WAL\""), "the mode `WAL` is neither `wal` nor `rollback`");
        refuses(&row("elsewhere_when = [\"DB=Postgres\"]"), "`DB=Postgres` must be written in lower case");
        refuses("[[application]]\nimages = [\"me/app:1\"]\nsource = \"me\"", "`me/app:1` has a tag or a digest");
        refuses("[[application]]\nimages = []\nsource = \"me\"", "`images` names no image");
        refuses("[[application]]\nimages = [\"me/app\"]", "missing field `source`");
        refuses("[[applications]]\nimages = [\"me/app\"]", "unknown field `applications`");
    }

    #[test]
    fn rows_of_users_win() {
        let mut table = Applications::built_in();
        let text = "[[application]]\nimages = [\"grafana/grafana\"]\npaths = [\"/g/g.db\"]\nsource = \"me\"";
        table.extend(text).expect("it reads");
        assert_eq!(table.of_image("grafana/grafana:11").expect("a row").paths, ["/g/g.db"]);
        assert!(Applications::default().extend("").is_ok());
    }

    #[test]
    fn images_are_found_under_any_registry_and_tag() {
        let table = Applications::built_in();
        for image in [
            "vaultwarden/server",
            "vaultwarden/server:1.30",
            "ghcr.io/vaultwarden/server@sha256:00",
            "localhost:5000/vaultwarden/server:x",
        ] {
            assert!(table.of_image(image).is_some(), "{image}");
        }
        for image in ["nextcloud:30", "library/nextcloud", "docker.io/library/nextcloud", "localhost/nextcloud"] {
            assert!(table.of_image(image).is_some(), "{image}");
        }
        for image in ["server", "other/server", "xvaultwarden/server", "vaultwarden", "bitnami/influxdb"] {
            assert!(table.of_image(image).is_none(), "{image}");
        }
    }
}
