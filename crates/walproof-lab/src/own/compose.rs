//! Openers from Compose files: services, their mounts, and what of them decides whether SQLite works there.
//!
//! What this file is: the files and variables read, the typed model of `walproof_judge::manifest` turned into openers.
//! What it must not do: start a service, pull or build an image.
//! Where to look next: `container.rs` for the same from what already runs.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use walproof_format::plan::OwnBoundary;
use walproof_judge::manifest::compose::{self, Compose, Loaded, Mount, MountKind, Profiles, Service};
use walproof_judge::manifest::{ManifestError, Source as Text};

use super::ground::numeric;
use super::{Opener, OwnMount, Source, unknown};
use crate::error::LabError;
use crate::runtimes::{Likeness, Runtime};

/// The largest file that is read.
const FILE_BYTES_MAX: u64 = 4 << 20;

/// The services of the asked files; none when no file was named. `image`: in place of the services' own.
pub fn openers(asked: &OwnBoundary, image: Option<&str>, runtime: &dyn Runtime) -> Result<Vec<Opener>, LabError> {
    let Some(first) = asked.compose.first() else { return Ok(Vec::new()) };
    let first = fs::canonicalize(first)
        .map_err(|error| LabError::path("cannot read", Path::new(first), error, "name a Compose file"))?;
    let variables = variables(asked, first.parent().unwrap_or(Path::new("/")))?;
    let read = read(asked, &variables)?;
    for name in &asked.services {
        if read.service(name).is_none() {
            let known: Vec<&str> = read.services.iter().map(|service| service.name.value.as_str()).collect();
            let because = format!("the services are {}", known.join(", "));
            return Err(LabError::new(format!("there is no service `{name}`"), because, "one of these"));
        }
    }
    let project = project(asked, &read, &first, &variables);
    let wanted = |service: &&Service| service.active || asked.services.contains(&service.name.value);
    let project = Project { read: &read, name: project, image, runtime };
    Ok(read.services.iter().filter(wanted).map(|service| project.opener(service)).collect())
}

fn read(asked: &OwnBoundary, variables: &HashMap<String, String>) -> Result<Compose, LabError> {
    let mut texts = Vec::new();
    for name in &asked.compose {
        // Absolute, so that relative paths in it start where the file is.
        let path = fs::canonicalize(name)
            .map_err(|error| LabError::path("cannot read", Path::new(name), error, "name a Compose file"))?;
        texts.push(
            load(&path.display().to_string())
                .map_err(|because| LabError::path("cannot read", Path::new(name), because, "name a Compose file"))?,
        );
    }
    let sources: Vec<Text<'_>> = texts.iter().map(|loaded| Text { name: &loaded.name, text: &loaded.text }).collect();
    let value = |name: &str| std::env::var(name).ok().or_else(|| variables.get(name).cloned());
    let of_variable = || value("COMPOSE_PROFILES").unwrap_or_default();
    let profiles: Vec<String> = match asked.profiles.is_empty() {
        true => of_variable().split(',').map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect(),
        false => asked.profiles.clone(),
    };
    let profiles = Profiles::of(profiles);
    compose::parse(&sources, &value, &mut |path| load(path), &profiles).map_err(|error| unreadable(&error))
}

/// A file of moderate size; a pipe would be waited for, a device read until memory ends.
fn read_file(path: &Path) -> Result<Vec<u8>, String> {
    let found = fs::metadata(path).map_err(|error| error.to_string())?;
    match found.len() {
        _ if !found.is_file() => Err("it is no regular file".to_owned()),
        bytes if bytes > FILE_BYTES_MAX => Err(format!("it has {bytes} bytes, and {FILE_BYTES_MAX} are the most")),
        _ => fs::read(path).map_err(|error| error.to_string()),
    }
}

fn load(path: &str) -> Result<Loaded, String> {
    let bytes = read_file(Path::new(path))?;
    let text = walproof_judge::manifest::error::text_of(path, &bytes).map_err(|error| error.because)?;
    Ok(Loaded { name: path.to_owned(), text: text.to_owned() })
}

fn unreadable(error: &ManifestError) -> LabError {
    LabError::new(format!("{}: {}", error.location(), error.what), &error.because, &error.try_this)
}

/// `.env` beside the first file, or the files that were named; what the environment says counts more.
fn variables(asked: &OwnBoundary, folder: &Path) -> Result<HashMap<String, String>, LabError> {
    let named: Vec<PathBuf> = asked.env_files.iter().map(PathBuf::from).collect();
    let files = if named.is_empty() { vec![folder.join(".env")] } else { named };
    let mut variables = HashMap::new();
    for file in files.iter().filter(|file| !asked.env_files.is_empty() || file.exists()) {
        let try_this = "correct the file, or name another `--env-file`";
        let failed = |because: String| LabError::path("cannot read the variables in", file, because, try_this);
        let text = read_file(file).map_err(failed)?;
        for pair in dotenvy::from_read_iter(&text[..]) {
            let (name, value) = pair.map_err(|error| failed(error.to_string()))?;
            variables.insert(name, value);
        }
    }
    Ok(variables)
}

/// As Compose finds it: the flag, the variable, the file's own name, the directory's name.
fn project(asked: &OwnBoundary, read: &Compose, first: &Path, variables: &HashMap<String, String>) -> String {
    let variable =
        std::env::var("COMPOSE_PROJECT_NAME").ok().or_else(|| variables.get("COMPOSE_PROJECT_NAME").cloned());
    let named = asked.project.clone().or(variable).or_else(|| Some(read.name.as_ref()?.value.clone()));
    named.unwrap_or_else(|| {
        let folder = first.parent().and_then(Path::file_name).unwrap_or_default().to_string_lossy().to_lowercase();
        let kept = folder.chars().filter(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(*c));
        kept.collect::<String>().trim_start_matches(['-', '_']).to_owned()
    })
}

struct Project<'a> {
    read: &'a Compose,
    name: String,
    image: Option<&'a str>,
    runtime: &'a dyn Runtime,
}

impl Project<'_> {
    fn opener(&self, service: &Service) -> Opener {
        let mut not_taken = Vec::new();
        let mut mounts = self.mounts(service, 0);
        let (likeness, obstacle) = match self.likeness(service, &mut not_taken) {
            Ok(likeness) => (likeness, None),
            Err(error) => (Likeness::default(), Some(error)),
        };
        mounts.extend(self.volumes_of_image(likeness.image.as_deref(), &mounts));
        let (name, hints) = (service.name.value.clone(), self.hints(service));
        Opener { name, mounts, likeness, hints, not_taken, obstacle }
    }

    /// Those of `volumes_from` first, its own over them.
    fn mounts(&self, service: &Service, depth: u32) -> Vec<OwnMount> {
        let mut mounts = Vec::new();
        for from in &service.volumes_from {
            match self.read.service(&from.name).filter(|_| !from.is_container && depth < 8) {
                Some(other) => {
                    let theirs = self.mounts(other, depth + 1).into_iter();
                    mounts
                        .extend(theirs.map(|mount| OwnMount { read_only: mount.read_only || from.read_only, ..mount }));
                }
                // Whatever it may have could be mounted anywhere.
                None => mounts.push(OwnMount {
                    source: Source::Unknown { because: format!("it takes the mounts of container `{}`", from.name) },
                    target: "/".into(),
                    read_only: from.read_only,
                }),
            }
        }
        for mount in &service.mounts {
            let source = self.source(service, mount);
            mounts.push(OwnMount { source, target: (&mount.target.value).into(), read_only: mount.read_only });
        }
        let memory = |target: &str| OwnMount { source: Source::Memory, target: target.into(), read_only: false };
        mounts.extend(service.tmpfs.iter().map(|tmpfs| memory(&tmpfs.target)));
        mounts
    }

    fn source(&self, service: &Service, mount: &Mount) -> Source {
        if [mount.span, mount.target.span].iter().any(|span| self.read.has_unset_variable(*span)) {
            return Source::Unknown { because: "a variable without a value stands there".to_owned() };
        }
        match &mount.kind {
            _ if mount.options.others.iter().any(|word| word.value == "O") => {
                Source::Unknown { because: "`:O` gives every container an overlay of its own".to_owned() }
            }
            MountKind::Bind { source } if self.read.has_unset_variable(source.span) => {
                Source::Unknown { because: format!("a variable without a value stands in `{}`", source.value) }
            }
            MountKind::Bind { source } => {
                let home = std::env::var("HOME").ok();
                Source::Path(self.read.resolve(source, home.as_deref()).into())
            }
            MountKind::Named { volume } => Source::Volume {
                name: self.volume_name(&volume.value),
                subpath: mount.options.subpath.as_ref().map(|subpath| subpath.value.clone()),
            },
            MountKind::Tmpfs { .. } => Source::Memory,
            MountKind::Anonymous => {
                Source::Unknown { because: "an anonymous volume has no name by which it could be mounted".to_owned() }
            }
            MountKind::Other { kind, .. } => {
                Source::Unknown { because: format!("a mount of type `{}` cannot be laid out", kind.value) }
            }
            MountKind::Unknown => {
                let because = format!("its source cannot be told, see the `volumes` of {}", service.name.value);
                Source::Unknown { because }
            }
        }
    }

    /// What the engine calls a volume: as declared, or the project's name before the key.
    fn volume_name(&self, key: &str) -> String {
        match self.read.volume(key) {
            Some(volume) => match &volume.real_name {
                Some(name) => name.value.clone(),
                None if volume.external => key.to_owned(),
                None => format!("{}_{key}", self.name),
            },
            None => format!("{}_{key}", self.name),
        }
    }

    fn likeness(&self, service: &Service, not_taken: &mut Vec<String>) -> Result<Likeness, LabError> {
        let text = |all: &[walproof_judge::manifest::Spanned<String>]| {
            all.iter().map(|one| one.value.clone()).collect::<Vec<String>>()
        };
        let value = |one: &Option<walproof_judge::manifest::Spanned<String>>| one.as_ref().map(|one| one.value.clone());
        let user = value(&service.user);
        let image = self.image(service, not_taken);
        let other_kernel = value(&service.runtime).filter(|name| !["runc", "crun", "youki"].contains(&name.as_str()));
        if let (None, Some(oci_runtime)) = (self.runtime.engine(), other_kernel) {
            let because = format!("runtime `{}` cannot run it by `{oci_runtime}`", self.runtime.name());
            return Err(unknown(format!("cannot be like {}", service.name.value), because, "`--runtime docker`"));
        }
        if let (None, Some(name)) = (&image, user.as_deref().filter(|user| numeric(user).is_none())) {
            let because = format!("`{name}` is a name that only its image knows, and that image is not here");
            let what = format!("cannot run as the user of {}", service.name.value);
            return Err(unknown(what, because, "pull or build the image, or write the user as `uid:gid`"));
        }
        Ok(Likeness {
            image,
            user,
            groups: text(&service.group_add),
            security_options: text(&service.security_opt),
            capabilities_added: text(&service.cap_add),
            capabilities_dropped: text(&service.cap_drop),
            privileged: service.privileged.as_ref().is_some_and(|privileged| privileged.value),
            user_namespace: value(&service.userns_mode),
            oci_runtime: value(&service.runtime),
            memory_bytes_max: service.memory_limit_bytes.as_ref().map(|limit| limit.value),
        })
    }

    /// The service's image when the engine has it; what Compose would call one that it built.
    fn image(&self, service: &Service, not_taken: &mut Vec<String>) -> Option<String> {
        let service_name = &service.name.value;
        let names = match &service.image {
            Some(image) => vec![image.value.clone()],
            None => vec![format!("{}-{service_name}", self.name), format!("{}_{service_name}", self.name)],
        };
        if let Some(image) = self.image {
            return Some(image.to_owned());
        }
        let Some(engine) = self.runtime.engine() else {
            not_taken.push("its image, security options and capabilities: only an engine can take them".to_owned());
            return None;
        };
        let known = |name: &&String| engine.ask(&["image", "inspect", "--format", "{{.Id}}", name]).is_ok();
        let found = names.iter().find(known).cloned();
        if found.is_none() {
            let name = names.first().map_or("", String::as_str);
            not_taken.push(format!("its image `{name}` is not here: its agents have an image of walproof's own"));
        }
        found
    }

    /// What the image says is a volume is one of the container's own, where nothing of the user's is mounted over it.
    fn volumes_of_image(&self, image: Option<&str>, mounts: &[OwnMount]) -> Vec<OwnMount> {
        let (Some(engine), Some(image)) = (self.runtime.engine(), image) else { return Vec::new() };
        let said = engine.ask(&["image", "inspect", "--format", "{{json .Config.Volumes}}", image]).unwrap_or_default();
        let declared: HashMap<String, serde_json::Value> = serde_json::from_str(&said).unwrap_or_default();
        let free = declared.into_keys().filter(|target| !mounts.iter().any(|mount| mount.target == Path::new(target)));
        let volume = |target: String| OwnMount {
            source: Source::Unknown { because: format!("the image declares a volume at `{target}`") },
            target: target.into(),
            read_only: false,
        };
        free.map(volume).collect()
    }

    /// Where the path of a database may stand.
    fn hints(&self, service: &Service) -> Vec<String> {
        let variables = service.environment.iter().filter_map(|pair| Some(pair.value.as_ref()?.value.clone()));
        let commands = [&service.command, &service.entrypoint].into_iter().flatten();
        let words = commands.flat_map(|command| command.words.iter().map(|word| word.value.clone()));
        let files = service.env_file.iter().filter_map(|file| {
            let bytes = read_file(Path::new(&self.read.resolve(file, None))).ok()?;
            Some(String::from_utf8_lossy(&bytes).into_owned())
        });
        let lines = files.flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>());
        variables.chain(words).chain(lines).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtimes::choose;

    struct Project {
        root: PathBuf,
    }

    impl Project {
        fn new(name: &str, text: &str) -> Project {
            let root = std::env::temp_dir().join(format!("walproof-compose-{name}-{}", std::process::id()));
            fs::create_dir_all(root.join("My.App")).expect("a folder");
            let root = fs::canonicalize(root.join("My.App")).expect("real");
            fs::write(root.join("compose.yaml"), text).expect("written");
            Project { root }
        }

        fn openers(&self, asked: OwnBoundary) -> Result<Vec<Opener>, LabError> {
            let compose = vec![self.root.join("compose.yaml").display().to_string()];
            let runtime = choose(Some("process")).expect("always there");
            openers(&OwnBoundary { compose, ..asked }, None, runtime.as_ref())
        }

        fn sources(&self) -> Vec<Source> {
            let openers = self.openers(OwnBoundary::default()).expect("a compose file");
            openers.into_iter().flat_map(|opener| opener.mounts).map(|mount| mount.source).collect()
        }
    }

    impl Drop for Project {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(self.root.parent().expect("it has one"));
        }
    }

    fn one_service(mounts: &str) -> String {
        format!("services:\n  web: {{image: x, volumes: [{mounts}]}}\nvolumes: {{data: {{}}}}\n")
    }

    #[test]
    fn volumes_have_the_projects_name_before_theirs() {
        let project = Project::new("volume", &one_service("\"data:/data\""));
        assert_eq!(project.sources(), [Source::Volume { name: "myapp_data".to_owned(), subpath: None }]);
        let named = Project::new("named", &format!("name: shop\n{}", one_service("\"data:/data\"")));
        assert_eq!(named.sources(), [Source::Volume { name: "shop_data".to_owned(), subpath: None }]);
    }

    #[test]
    fn paths_start_where_the_file_is() {
        let project = Project::new("paths", &one_service("\"./data:/data\""));
        assert_eq!(project.sources(), [Source::Path(project.root.join("data"))]);
    }

    #[test]
    fn what_cannot_be_told_is_unknown() {
        for (name, mounts) in [
            ("anonymous", "/data"),
            ("overlay", "\"./data:/data:O\""),
            ("unset", "\"${NOT_SET_ANYWHERE}:/data\""),
            ("inside", "\"${NOT_SET_ANYWHERE}/x:/data\""),
        ] {
            let found = Project::new(name, &one_service(mounts)).sources();
            assert!(matches!(found[..], [Source::Unknown { .. }]), "{name}: {found:?}");
        }
        let text = "services:\n  web: {image: x, volumes_from: [\"container:other\"]}\n";
        let found = Project::new("from", text).sources();
        assert!(matches!(found[..], [Source::Unknown { .. }]), "{found:?}");
    }

    #[test]
    fn variables_and_profiles_come_from_the_file_beside_it() {
        let text =
            "services:\n  web: {image: x, volumes: [\"${PLACE}:/data\"]}\n  worker: {image: x, profiles: [more]}\n";
        let project = Project::new("env", text);
        assert_eq!(project.openers(OwnBoundary::default()).expect("a compose file").len(), 1);
        fs::write(project.root.join(".env"), "PLACE=./data\nCOMPOSE_PROFILES=more\n").expect("written");
        let found = project.openers(OwnBoundary::default()).expect("a compose file");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].mounts[0].source, Source::Path(project.root.join("data")));
    }

    #[test]
    fn a_name_that_only_the_image_knows_is_an_obstacle() {
        let project =
            Project::new("user", "services:\n  web: {image: x, user: app}\n  worker: {image: x, user: \"1:2\"}\n");
        let found = project.openers(OwnBoundary::default()).expect("a compose file");
        assert!(found[0].obstacle.as_ref().is_some_and(|obstacle| obstacle.blind));
        assert_eq!((found[1].obstacle.as_ref(), found[1].likeness.user.as_deref()), (None, Some("1:2")));
    }

    #[test]
    fn a_pipe_is_not_waited_for() {
        let project = Project::new("pipe", "");
        let pipe = project.root.join("pipe.yaml");
        let name = std::ffi::CString::new(pipe.display().to_string()).expect("no NUL");
        // SAFETY: a string that outlives the call.
        assert_eq!(unsafe { libc::mkfifo(name.as_ptr(), 0o600) }, 0);
        let compose = vec![pipe.display().to_string()];
        let runtime = choose(Some("process")).expect("always there");
        let error =
            openers(&OwnBoundary { compose, ..OwnBoundary::default() }, None, runtime.as_ref()).expect_err("a pipe");
        assert!(error.because.contains("no regular file"), "{error}");
    }
}
