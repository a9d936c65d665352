//! The image: a tarball that any engine can load, made without an engine.
//!
//! What this file is: one archive that is an OCI image layout and a docker-archive at once. It holds one layer, and the
//! layer holds one file: the static program at `/walproof`.
//! What it must not do: depend on the clock, the user or the machine; the same program gives the same bytes.
//! Where to look next: `runtimes/engine.rs`, which loads it; `docs/runtimes.md`.
//!
//! | in the archive | what it is |
//! |---|---|
//! | `blobs/sha256/<digest>` | layer (an uncompressed tar), configuration, manifest |
//! | `index.json`, `oci-layout` | the OCI image layout |
//! | `manifest.json` | the docker-archive, whose paths point at the same blobs |

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::error::LabError;

/// Where the program is in the image.
pub const PROGRAM: &str = "/walproof";
/// What the image is called when nobody says otherwise.
pub const TAG: &str = concat!("localhost/walproof:", env!("CARGO_PKG_VERSION"));
/// Dates in the image: none of them may tell when it was made.
const EPOCH: &str = "1970-01-01T00:00:00Z";
const ARCHITECTURE: &str = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };

/// An image of one program.
#[derive(Debug)]
pub struct Image {
    layer: Blob,
    configuration: Blob,
    manifest: Blob,
}

#[derive(Debug)]
struct Blob {
    digest: String,
    bytes: Vec<u8>,
}

impl Blob {
    fn new(bytes: Vec<u8>) -> Blob {
        let digest = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
        Blob { digest, bytes }
    }

    fn json(value: &Value) -> Blob {
        Blob::new(value.to_string().into_bytes())
    }

    fn path(&self) -> String {
        format!("blobs/sha256/{}", self.digest)
    }

    fn descriptor(&self, media_type: &str) -> Value {
        json!({"mediaType": media_type, "digest": format!("sha256:{}", self.digest), "size": self.bytes.len()})
    }
}

impl Image {
    /// An image of the running program.
    pub fn of_ourselves() -> Result<Image, LabError> {
        Image::of(Path::new("/proc/self/exe"))
    }

    /// An image of a program. It must be static: there is nothing else in the image that it could be linked with.
    pub fn of(program: &Path) -> Result<Image, LabError> {
        let layer = layer(program)
            .map_err(|error| LabError::path("cannot read the program", program, error, "see who may read it"))?;
        // Behind the tar header of 512 bytes.
        if wants_an_interpreter(layer.get(512..).unwrap_or_default()) {
            let because = "it is linked dynamically, and the image holds nothing else";
            return Err(LabError::path("cannot make an image of", program, because, "build it with `+crt-static`"));
        }
        let layer = Blob::new(layer);
        let configuration = Blob::json(&configuration(&layer.digest));
        let manifest = Blob::json(&json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": configuration.descriptor("application/vnd.oci.image.config.v1+json"),
            "layers": [layer.descriptor("application/vnd.oci.image.layer.v1.tar")],
        }));
        Ok(Image { layer, configuration, manifest })
    }

    /// Writes the archive, in which the image is called `tag`.
    pub fn write(&self, tag: &str, to: impl Write) -> io::Result<()> {
        let mut index = self.manifest.descriptor("application/vnd.oci.image.manifest.v1+json");
        // Two readers, two names: podman and skopeo read the one, containerd the other.
        let name = tag.rsplit_once(':').map_or(tag, |(_, name)| name);
        index["annotations"] = json!({"io.containerd.image.name": tag, "org.opencontainers.image.ref.name": name});
        index["platform"] = json!({"architecture": ARCHITECTURE, "os": "linux"});
        let index = json!({
            "schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [index],
        });
        let docker = json!([
            {"Config": self.configuration.path(), "RepoTags": [tag], "Layers": [self.layer.path()]},
        ]);
        let mut archive = tar::Builder::new(to);
        append(&mut archive, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        append(&mut archive, "index.json", index.to_string().as_bytes())?;
        append(&mut archive, "manifest.json", docker.to_string().as_bytes())?;
        for blob in [&self.configuration, &self.manifest, &self.layer] {
            append(&mut archive, &blob.path(), &blob.bytes)?;
        }
        archive.into_inner()?.flush()
    }

    /// The digest of the manifest, as `sha256:<hex>`: what an OCI engine calls this image.
    pub fn digest(&self) -> String {
        format!("sha256:{}", self.manifest.digest)
    }
}

fn layer(program: &Path) -> io::Result<Vec<u8>> {
    let file = fs::File::open(program)?;
    let bytes = file.metadata()?.len();
    let mut archive = tar::Builder::new(Vec::with_capacity(bytes as usize + 4096));
    archive.append_data(&mut header(bytes, 0o755), PROGRAM.trim_start_matches('/'), file)?;
    archive.into_inner()
}

fn configuration(layer: &str) -> Value {
    json!({
        "architecture": ARCHITECTURE,
        "os": "linux",
        "created": EPOCH,
        "config": {"Entrypoint": [PROGRAM], "Env": ["PATH=/"], "Labels": {"walproof.image": env!("CARGO_PKG_VERSION")}},
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{layer}")]},
        "history": [{"created": EPOCH, "created_by": "walproof image"}],
    })
}

fn append(archive: &mut tar::Builder<impl Write>, path: &str, bytes: &[u8]) -> io::Result<()> {
    archive.append_data(&mut header(bytes.len() as u64, 0o644), path, bytes)
}

fn header(bytes: u64, mode: u32) -> tar::Header {
    let mut header = tar::Header::new_ustar();
    header.set_size(bytes);
    header.set_mode(mode);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// Whether an ELF file asks for a dynamic loader (a program header of type PT_INTERP, 3). What is no 64-bit
/// little-endian ELF file is left to the engine to refuse.
fn wants_an_interpreter(elf: &[u8]) -> bool {
    let number = |at: usize, length: usize| {
        let bytes = elf.get(at..at + length)?;
        Some(bytes.iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)))
    };
    if elf.get(..6) != Some(b"\x7fELF\x02\x01") {
        return false;
    }
    // e_phoff at 32, e_phentsize at 54, e_phnum at 56.
    let (Some(start), Some(size), Some(count)) = (number(32, 8), number(54, 2), number(56, 2)) else { return false };
    (0..count).any(|index| number((start + index * size) as usize, 4) == Some(3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;

    fn archive_of(program: &[u8]) -> Vec<u8> {
        let path = std::env::temp_dir().join(format!("walproof-image-{}-{}", std::process::id(), program.len()));
        fs::write(&path, program).expect("a program");
        let mut bytes = Vec::new();
        Image::of(&path).expect("an image").write("localhost/walproof:test", &mut bytes).expect("memory");
        fs::remove_file(path).expect("removes");
        bytes
    }

    fn files(archive: &[u8]) -> Vec<(String, Vec<u8>)> {
        let mut archive = tar::Archive::new(archive);
        let entries = archive.entries().expect("an archive").map(|entry| {
            let mut entry = entry.expect("an entry");
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes).expect("its bytes");
            (entry.path().expect("a path").display().to_string(), bytes)
        });
        entries.collect()
    }

    fn file(files: &[(String, Vec<u8>)], name: &str) -> Vec<u8> {
        files.iter().find(|(path, _)| path == name).unwrap_or_else(|| panic!("no `{name}`")).1.clone()
    }

    #[test]
    fn the_same_program_gives_the_same_bytes() {
        assert_eq!(archive_of(b"program"), archive_of(b"program"));
        assert_ne!(archive_of(b"program"), archive_of(b"another"));
    }

    #[test]
    fn every_blob_is_named_by_its_digest_and_both_readers_find_the_layer() {
        let files = files(&archive_of(b"a program"));
        for (path, bytes) in files.iter().filter(|(path, _)| path.starts_with("blobs/")) {
            assert_eq!(*path, Blob::new(bytes.clone()).path());
        }
        let docker: Value = serde_json::from_slice(&file(&files, "manifest.json")).expect("JSON");
        let index: Value = serde_json::from_slice(&file(&files, "index.json")).expect("JSON");
        let digest = index["manifests"][0]["digest"].as_str().expect("a digest").replace(':', "/");
        let manifest: Value = serde_json::from_slice(&file(&files, &format!("blobs/{digest}"))).expect("JSON");
        let by_oci = manifest["layers"][0]["digest"].as_str().expect("a digest").replace(':', "/");
        assert_eq!(docker[0]["Layers"][0], format!("blobs/{by_oci}"));
        let inside = super::tests::files(&file(&files, &format!("blobs/{by_oci}")));
        assert_eq!(inside, [("walproof".to_owned(), b"a program".to_vec())], "nothing else");
    }

    #[test]
    fn a_dynamic_program_is_refused() {
        let mut elf = vec![0; 64 + 56];
        elf[..6].copy_from_slice(b"\x7fELF\x02\x01");
        elf[32] = 64;
        elf[54] = 56;
        elf[56] = 1;
        elf[64] = 1;
        assert!(!wants_an_interpreter(&elf), "a segment to be loaded");
        elf[64] = 3;
        assert!(wants_an_interpreter(&elf));
        assert!(!wants_an_interpreter(&elf[..40]), "cut");
    }
}
