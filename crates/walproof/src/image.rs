//! `walproof image`: this program as an image for any engine.

use std::fs;
use std::io::{self, BufWriter};
use std::path::Path;

use walproof_lab::error::LabError;
use walproof_lab::image::Image;

use crate::arguments::ImageFlags;

/// Writes it; on standard output nothing else is printed there.
pub fn run(flags: &ImageFlags) -> Result<i32, LabError> {
    let image = Image::of_ourselves()?;
    if flags.output == Path::new("-") {
        let written = image.write(&flags.tag, BufWriter::new(io::stdout().lock()));
        return match written {
            Err(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(LabError::new("cannot write the image", error, "`--output FILE`"))
            }
            _ => Ok(0),
        };
    }
    let failed = |error| LabError::path("cannot write the image", &flags.output, error, "another `--output`");
    // Whole or not at all: a cut archive loads as a broken image.
    let unfinished = flags.output.with_extension("unfinished");
    let written = fs::File::create(&unfinished).and_then(|file| image.write(&flags.tag, BufWriter::new(file)));
    let renamed = written.and_then(|()| fs::rename(&unfinished, &flags.output));
    if renamed.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    renamed.map_err(failed)?;
    say!("{}  {}  {}", flags.output.display(), flags.tag, image.digest());
    say!("try: docker load < {}    (or podman load, nerdctl load)", flags.output.display());
    Ok(0)
}
