//! `walproof image`: this program as an image for any engine.

use std::fs;
use std::io::{self, BufWriter, Read};
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
    match fs::metadata(&flags.output) {
        // A device, a pipe: written to as it is, never replaced.
        Ok(found) if !found.is_file() => {
            let file = fs::OpenOptions::new().write(true).open(&flags.output).map_err(failed)?;
            return image.write(&flags.tag, BufWriter::new(file)).map(|()| 0).map_err(failed);
        }
        Ok(found) if found.len() > 0 && !is_image(&flags.output) => {
            let because = "it exists and is no image of walproof's";
            return Err(LabError::path("will not overwrite", &flags.output, because, "another `--output`"));
        }
        _ => {}
    }
    // Whole or not at all: a cut archive loads as a broken image.
    let name = flags.output.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let unfinished = flags.output.with_file_name(format!(".{name}.{}", std::process::id()));
    let written = fs::File::create_new(&unfinished).and_then(|file| image.write(&flags.tag, BufWriter::new(file)));
    let renamed = written.and_then(|()| fs::rename(&unfinished, &flags.output));
    if renamed.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    renamed.map_err(failed)?;
    say!("{}  {}  {}", flags.output.display(), flags.tag, image.digest());
    say!("try: docker load < {}    (or podman load, nerdctl load)", flags.output.display());
    Ok(0)
}

/// Whether a file begins as our archives do.
fn is_image(path: &Path) -> bool {
    let mut name = [0; 10];
    fs::File::open(path).is_ok_and(|mut file| file.read_exact(&mut name).is_ok()) && &name == b"oci-layout"
}
