//! Command lines that start containers, found in scripts, Markdown and units of systemd.
//!
//! What this room is: [`parse`] finds the texts of shells in files (`regions`), takes them apart into commands and
//! words (`shell`), and reads those that are `docker run`, `podman run`, `nerdctl run`, `create` and `container
//! run|create` (`options`, `mounts`) into the [`model`].
//!
//! How a rule walks: [`Runs::runs`], each with [`Run::options`] and its [`Options::mounts`], which are the mounts of
//! the Compose model; `span` of a mount is its word in the file. [`Runs::is_unknown`] says whether a variable stands in
//! it, [`Runs::file_of`] which file it is. Two runs that mount one source, or one that names another in
//! [`Options::volumes_from`], share files.
//!
//! ```
//! use walproof_judge::manifest::{Source, docker_run};
//! let text = "docker run -d --name app -v $HOME/app:/data app:1\n";
//! let runs = docker_run::parse(&[Source { name: "start.sh", text }]);
//! let mount = &runs.runs[0].options.mounts[0];
//! assert!(runs.is_unknown(mount.span) && mount.target.value == "/data");
//! assert_eq!((mount.span.start.line, mount.span.start.column), (1, 29));
//! ```
//!
//! What it must not do: open files, expand variables, judge. Not followed: functions, arrays, `sh -c '...'`, `ssh`, and
//! commands that are commented out.
//!
//! Bounds: those of `placed`; substitutions in substitutions up to a depth.
//!
//! Where to look next: [`Runs`].

pub mod model;
pub(super) mod mounts;
pub(super) mod options;
mod regions;
pub(super) mod shell;

#[cfg(test)]
mod tests;

pub use model::{Options, Run, Runs};

use super::compose::paths::directory_of;
use super::placed::Placed;
use super::span::{Source, SourceFile};

/// Reads the command lines of files. A name that ends with `.md`, `.markdown`, `.mdx`, `.service` or `.conf` says what
/// kind it is; all others are scripts.
pub fn parse(sources: &[Source<'_>]) -> Runs {
    let mut runs = Runs::default();
    for source in sources {
        let number = runs.files.len();
        runs.files.push(SourceFile { name: source.name.to_owned(), directory: directory_of(source.name) });
        let file = match Placed::of(number, *source) {
            Ok(file) => file,
            Err(error) => {
                runs.errors.push(error);
                continue;
            }
        };
        for (text, range) in regions::regions(file, source.name, &mut runs.warnings) {
            for words in shell::commands(&text, range) {
                runs.runs.extend(options::run(&words, &mut runs.warnings));
            }
        }
    }
    runs.runs.sort_by_key(|run| run.span);
    runs.warnings.sort_by(|one, two| (one.span, &one.message).cmp(&(two.span, &two.message)));
    runs.warnings.dedup();
    runs
}
