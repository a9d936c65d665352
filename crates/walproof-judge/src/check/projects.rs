//! What was read, one entry for each group of files that belongs together, and the one place where each kind of it goes
//! into the graph.
//!
//! What this file is: [`Project`] and [`add`]. A new kind of source is a variant here and an arm there.
//!
//! What it must not do: read files, judge.
//!
//! Where to look next: `crate::sharing::lower`, which has a room for each kind.

use crate::manifest::compose::Compose;
use crate::manifest::docker_run::Runs;
use crate::manifest::dockerfile::Dockerfile;
use crate::manifest::recognise::Kind;
use crate::manifest::{SourceFile, kubernetes, quadlet};
use crate::sharing::lower::{self, Builder};

/// Files that belong together, read.
#[derive(Clone, Debug)]
pub enum Project {
    /// The files of one Compose project.
    Compose(Box<Compose>),
    /// Manifests that go to one cluster.
    Kubernetes(Box<kubernetes::Set>),
    /// Quadlets of one folder.
    Quadlet(Box<quadlet::Set>),
    /// One script, unit or Markdown file.
    DockerRun(Box<Runs>),
    /// One Dockerfile.
    Dockerfile(Box<Dockerfile>),
}

impl Project {
    /// Its files.
    pub fn files(&self) -> &[SourceFile] {
        match self {
            Self::Compose(compose) => &compose.files,
            Self::Kubernetes(set) => &set.files,
            Self::Quadlet(set) => &set.files,
            Self::DockerRun(runs) => &runs.files,
            Self::Dockerfile(dockerfile) => &dockerfile.files,
        }
    }

    /// What kind of files.
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Compose(_) => Kind::Compose,
            Self::Kubernetes(_) => Kind::Kubernetes,
            Self::Quadlet(_) => Kind::Quadlet,
            Self::DockerRun(_) => Kind::DockerRun,
            Self::Dockerfile(_) => Kind::Dockerfile,
        }
    }
}

/// Adds a project to the graph. `home`: what `~` stands for, if it is known.
pub fn add(builder: &mut Builder<'_>, project: &Project, home: Option<&str>) {
    match project {
        Project::Compose(compose) => lower::compose::add(builder, compose, home),
        Project::Kubernetes(set) => lower::kubernetes::add(builder, set),
        Project::Quadlet(set) => lower::quadlet::add(builder, set),
        Project::DockerRun(runs) => lower::docker_run::add(builder, runs),
        Project::Dockerfile(dockerfile) => lower::dockerfile::add(builder, dockerfile),
    }
}
