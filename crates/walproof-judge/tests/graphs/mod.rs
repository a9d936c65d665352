//! From texts of one kind to a graph, for tests that take whatever a reader makes of them.
//!
//! What it must not do: complain of a text that a reader refuses; `tests/rules.rs` does.
//!
//! Where to look next: `walproof_judge::sharing::lower`.

use walproof_judge::manifest::compose::Profiles;
use walproof_judge::manifest::recognise::Kind;
use walproof_judge::manifest::{Source, compose, docker_run, dockerfile, kubernetes, quadlet};
use walproof_judge::sharing::lower::{self, Builder};
use walproof_judge::sharing::{Applications, Graph, Host};

pub fn graph(kind: Kind, sources: &[Source<'_>], host: Host) -> Graph {
    let applications = Applications::built_in();
    let mut builder = Builder::new(host, &applications, &[]);
    match kind {
        Kind::Compose => {
            let read = compose::parse(sources, &|_| None, &mut |_| Err("not here".to_owned()), &Profiles::none());
            if let Ok(project) = read {
                lower::compose::add(&mut builder, &project, None);
            }
        }
        Kind::Quadlet => lower::quadlet::add(&mut builder, &quadlet::parse(sources)),
        Kind::DockerRun => lower::docker_run::add(&mut builder, &docker_run::parse(sources)),
        Kind::Dockerfile => {
            for file in sources.iter().filter_map(|source| dockerfile::parse(*source).ok()) {
                lower::dockerfile::add(&mut builder, &file);
            }
        }
        Kind::Kubernetes => lower::kubernetes::add(&mut builder, &kubernetes::parse(sources)),
    }
    builder.finish()
}
