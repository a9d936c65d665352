//! `walproof manifest`: a sound manifest from nothing, to standard output or a new file.
//!
//! Where to look next: `walproof_judge::sound_manifest`, which writes the text.

use std::io::Write;

use walproof_judge::sound_manifest::{self, Asked, Backup, Format, NotTaken};
use walproof_lab::error::LabError;

use crate::arguments::{ManifestFlags, ManifestKind};
use crate::output;

/// Of a claim, when nobody says.
const SIZE: &str = "1Gi";

/// Writes it; a file that is there already is left alone.
pub fn run(kind: &ManifestKind) -> Result<i32, LabError> {
    let (format, flags) = match kind {
        ManifestKind::Compose(flags) => (Format::Compose, flags),
        ManifestKind::Kubernetes(flags) => (Format::Kubernetes, flags),
    };
    refuse_unused(format, flags)?;
    let text = sound_manifest::write(format, &asked(flags)?).map_err(not_taken)?;
    match &flags.output {
        Some(path) => {
            let written = std::fs::File::create_new(path).and_then(|mut file| file.write_all(text.as_bytes()));
            written.map_err(|error| LabError::path("cannot write", path, error, "a new file in a folder of yours"))?;
        }
        None => output::document(&text)?,
    }
    Ok(0)
}

/// A flag that would change nothing was meant to.
fn refuse_unused(format: Format, flags: &ManifestFlags) -> Result<(), LabError> {
    if flags.backup_image.is_some() && flags.backup == "none" {
        let because = "without `--backup` no copies are made";
        return Err(LabError::new(
            "`--backup-image` has no use",
            because,
            "`--backup vacuum-into` or `--backup litestream`",
        ));
    }
    let of_cluster = [("storage-class", &flags.storage_class), ("size", &flags.size)];
    let unused = of_cluster.iter().find(|(_, value)| value.is_some() && matches!(format, Format::Compose));
    match unused {
        Some((flag, _)) => Err(LabError::new(
            format!("`--{flag}` has no use"),
            "a volume of Compose has neither a class nor a size",
            "`walproof manifest kubernetes`, or without it",
        )),
        None => Ok(()),
    }
}

fn asked(flags: &ManifestFlags) -> Result<Asked, LabError> {
    let image = || {
        flags.backup_image.clone().ok_or_else(|| {
            LabError::new(
                format!("`--backup {}` needs `--backup-image`", flags.backup),
                "the program that makes copies opens your database: which version of SQLite it has is yours to choose",
                "an image with SQLite 3.51.3 or later (3.50.7, 3.44.6); for `vacuum-into` with `sqlite3` and `/bin/sh` in it",
            )
        })
    };
    let backup = match flags.backup.as_str() {
        "vacuum-into" => Backup::VacuumInto(image()?),
        "litestream" => Backup::Litestream(image()?),
        _ => Backup::None,
    };
    Ok(Asked {
        image: flags.image.clone(),
        path: flags.path.clone(),
        name: flags.name.clone(),
        port: flags.port,
        user: flags.user.clone(),
        backup,
        storage_class: flags.storage_class.clone(),
        size: flags.size.clone().unwrap_or_else(|| SIZE.to_owned()),
    })
}

fn not_taken(refusal: NotTaken) -> LabError {
    let what = match refusal.value.is_empty() {
        true => format!("`--{}` is missing", refusal.what),
        false => format!("`{}` is not taken for `--{}`", refusal.value.escape_debug(), refusal.what),
    };
    LabError::new(what, refusal.because, "walproof manifest --help")
}
