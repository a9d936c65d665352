//! Variables as Compose has them: the environment, then `.env` beside the first file or the files that were named; and
//! those that `env_file` gives to containers.
//!
//! What it must not do: print values. They may be secrets; only what looks like a database's address is ever shown.
//!
//! Where to look next: `walproof_judge::manifest::compose`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use walproof_judge::manifest::Spanned;
use walproof_judge::manifest::compose::{Compose, Pair};

use super::opened;

/// Variables of a project's files.
#[derive(Debug, Default)]
pub struct Variables {
    of_files: HashMap<String, String>,
}

impl Variables {
    /// The value of a variable; the environment counts more than files.
    pub fn value(&self, name: &str) -> Option<String> {
        std::env::var(name).ok().or_else(|| self.of_files.get(name).cloned())
    }

    /// The profiles of `COMPOSE_PROFILES`.
    pub fn profiles(&self) -> Vec<String> {
        let names = self.value("COMPOSE_PROFILES").unwrap_or_default();
        names.split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
    }
}

/// Reads `.env` of a folder, or the files that were named; the error is the file and why it cannot be read.
pub fn read(folder: &Path, named: &[PathBuf]) -> Result<Variables, (PathBuf, String)> {
    let mut variables = Variables::default();
    let files = if named.is_empty() { vec![folder.join(".env")] } else { named.to_vec() };
    for file in files.into_iter().filter(|file| !named.is_empty() || file.exists()) {
        match pairs(&file) {
            Ok(pairs) => variables.of_files.extend(pairs),
            Err(because) => return Err((file, because)),
        }
    }
    Ok(variables)
}

fn pairs(file: &Path) -> Result<Vec<(String, String)>, String> {
    let text = opened::read(file)?;
    let pairs: Result<_, dotenvy::Error> = dotenvy::from_read_iter(&text[..]).collect();
    // The error's own words hold the line, and a line may hold a secret.
    pairs.map_err(|_| "a line of it is no NAME=value".to_owned())
}

/// Gives services the variables of their `env_file`s, at the place of the name; `environment` counts more. What cannot
/// be read is left out: Compose would refuse, and the file may be made where it is used.
pub fn put_env_files(compose: &mut Compose) {
    for index in 0..compose.services.len() {
        let mut added = Vec::new();
        for file in &compose.services[index].env_file {
            for (name, value) in pairs(Path::new(&compose.resolve(file, None))).unwrap_or_default() {
                let value = Some(Spanned::new(value, file.span));
                added.push(Pair { name: Spanned::new(name, file.span), value });
            }
        }
        let environment = &mut compose.services[index].environment;
        added.retain(|pair| !environment.iter().any(|own| own.name.value == pair.name.value));
        environment.extend(added);
    }
}
