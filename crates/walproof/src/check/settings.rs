//! Flags and `.walproof.toml` as one: what the command line says counts more.
//!
//! Lists of the file and of the flags are taken together (databases, skipped rules, what fails, applications,
//! profiles); single values of the flags replace those of the file.
//!
//! What it must not do: judge.

use std::path::{Path, PathBuf};

use walproof_judge::check::baseline::Baseline;
use walproof_judge::check::checked::{Checked, Level, Policy, Said};
use walproof_judge::check::config::{self, Config};
use walproof_judge::rules::Severity;
use walproof_judge::sharing::lower::NamedDatabase;
use walproof_judge::sharing::{Applications, Host};
use walproof_lab::collect::manifests::Asked;
use walproof_lab::error::LabError;

use crate::arguments::CheckFlags;

/// What holds for this run.
#[derive(Debug)]
pub struct Settings {
    pub host: Host,
    pub policy: Policy,
    pub databases: Vec<NamedDatabase>,
    /// So many of them, the first ones, are those of the configuration.
    pub databases_of_config: usize,
    pub applications: Applications,
    pub baseline: Option<Baseline>,
    pub home: Option<String>,
    pub said: Vec<Said>,
    compose: Vec<PathBuf>,
    env_files: Vec<PathBuf>,
    profiles: Vec<String>,
    exclude: Vec<String>,
    /// The folder of the configuration, or the current one.
    folder: PathBuf,
}

/// Puts them together.
pub fn of(flags: &CheckFlags) -> Result<Settings, LabError> {
    let (folder, config) = configuration(flags)?;
    let unreadable = |because: String| LabError::new("the configuration does not hold", because, "docs/check.md");
    let host = config.host.as_deref().map(config::parse_host).transpose().map_err(unreadable)?;
    let mode = config.mode.as_deref().map(config::parse_mode).transpose().map_err(unreadable)?;
    let severities: Result<Vec<Severity>, String> =
        config.fail_on.iter().map(|word| config::parse_severity(word)).collect();
    let databases: Result<Vec<NamedDatabase>, String> =
        config.databases.iter().map(|text| config::parse_database(text)).collect();
    let mut applications = Applications::built_in();
    let of_config = config.applications.iter().map(|path| folder.join(path));
    for path in of_config.chain(flags.applications.iter().cloned()) {
        let text = read(&path)?;
        let wrong = |because| LabError::path("cannot take the applications of", &path, because, "see docs/check.md");
        applications.extend(&text).map_err(wrong)?;
    }
    let policy = Policy {
        fail_on: severities.map_err(unreadable)?.into_iter().chain(flags.fail_on.iter().copied()).collect(),
        mode: flags.mode.or(mode),
        only: flags.rules.clone(),
        skipped: config.skip.iter().chain(&flags.skipped).cloned().collect(),
    };
    let said = unknown_rules(flags, &policy)?;
    let baseline = flags.baseline.clone().or_else(|| config.baseline.as_ref().map(|path| folder.join(path)));
    // One that is about to be written anew need not be there yet.
    let baseline = baseline.filter(|path| flags.write_baseline.is_none() || path.exists());
    Ok(Settings {
        host: flags.host.or(host).unwrap_or_default(),
        policy,
        databases_of_config: config.databases.len(),
        databases: databases.map_err(unreadable)?.into_iter().chain(flags.databases.iter().cloned()).collect(),
        applications,
        baseline: baseline.map(|path| read_baseline(&path)).transpose()?,
        home: std::env::var("HOME").ok().filter(|home| home.starts_with('/')),
        said,
        compose: flags.compose.clone(),
        env_files: flags.env_files.clone(),
        profiles: config.profiles.iter().chain(&flags.profiles).cloned().collect(),
        exclude: config.exclude,
        folder,
    })
}

impl Settings {
    /// What the lab is asked to read.
    pub fn asked(&self, paths: Vec<PathBuf>, standard_input: bool) -> Asked {
        Asked {
            paths,
            standard_input,
            compose: self.compose.clone(),
            env_files: self.env_files.clone(),
            profiles: self.profiles.clone(),
            exclude: self.exclude.clone(),
            exclude_from: self.folder.clone(),
            texts: Vec::new(),
        }
    }
}

/// The configuration with its folder.
fn configuration(flags: &CheckFlags) -> Result<(PathBuf, Config), LabError> {
    let here = std::env::current_dir()
        .map_err(|error| LabError::new("there is no current folder", error, "a folder that exists"))?;
    let found = || here.ancestors().map(|folder| folder.join(config::FILE_NAME)).find(|path| path.is_file());
    let path = match (&flags.config, flags.no_config) {
        (Some(path), _) => path.clone(),
        (None, true) => return Ok((here, Config::default())),
        (None, false) => match found() {
            Some(path) => path,
            None => return Ok((here, Config::default())),
        },
    };
    let wrong = |because| LabError::path("the configuration does not hold in", &path, because, "see docs/check.md");
    let config = Config::read(&read(&path)?).map_err(wrong)?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok((folder.to_owned(), config))
}

/// On the command line they are misuse; in the file they may be those of another version.
fn unknown_rules(flags: &CheckFlags, policy: &Policy) -> Result<Vec<Said>, LabError> {
    let unknown = Checked::unknown_rules(policy);
    if let Some(name) = unknown.iter().find(|name| flags.rules.contains(name) || flags.skipped.contains(name)) {
        let because = "no rule of this version has that name";
        return Err(LabError::new(format!("there is no rule `{name}`"), because, "`walproof explain` lists them"));
    }
    let said = |name: String| Said {
        level: Level::Note,
        file: config::FILE_NAME.to_owned(),
        place: None,
        what: format!("`skip` names `{name}`, and there is no such rule"),
        because: "this version has no rule of that name".to_owned(),
        try_this: "remove it; `walproof explain` lists the rules".to_owned(),
    };
    Ok(unknown.into_iter().map(said).collect())
}

fn read_baseline(path: &Path) -> Result<Baseline, LabError> {
    let shown = path.display().to_string();
    let wrong = |because| LabError::path("cannot take the baseline", path, because, "`--write-baseline` makes one");
    Baseline::read(&shown, &read(path)?).map_err(wrong)
}

fn read(path: &Path) -> Result<String, LabError> {
    std::fs::read_to_string(path).map_err(|error| LabError::path("cannot read", path, error, "a file that may be read"))
}
