//! Mounts as command lines and quadlets write them, as the mounts of the Compose model: they are the same thing.
//!
//! ```text
//! --volume, -v, Volume=   [source:]target[:options]                            (`compose::mounts` takes it apart)
//! --mount, Mount=         type=bind,source=/a,target=/b,readonly,...            (comma-separated values, quotes
//! allowed) --tmpfs, Tmpfs=         target[:options] --volumes-from          container[:ro]
//! ```
//! What is not known here (`$HOME`, `%h`) stays as written. A source that is nothing else may be a path or a name, and
//! is [`MountKind::Unknown`] unless it is the current or the home directory.
//!
//! What it must not do: know which volumes there are.
//!
//! Where to look next: `options`, and `quadlet::containers`.

use crate::manifest::compose::mounts::{self, is_path};
use crate::manifest::compose::paths::normal;
use crate::manifest::compose::quantity;
use crate::manifest::compose::{Mount, MountKind, MountOptions, Selinux, Tmpfs, VolumesFrom};
use crate::manifest::span::Spanned;
use crate::manifest::words::Word;

/// Stretches that are directories wherever they are put in: beginnings of paths, never names of volumes.
const DIRECTORIES: &[&str] = &[
    "$(CURDIR)",
    "$(HOME)",
    "$(PWD)",
    "$(pwd)",
    "$HOME",
    "$PWD",
    "${HOME}",
    "${PWD}",
    "%C",
    "%E",
    "%L",
    "%S",
    "%T",
    "%V",
    "%Y",
    "%d",
    "%h",
    "%t",
    "`pwd`",
];

/// The short form. The error says what is wrong with it.
pub(in crate::manifest) fn short(word: &Word) -> Result<Mount, &'static str> {
    let mut mount = mounts::from_text(word.hidden(), word.span)?;
    let show = |part: &mut Spanned<String>| part.value = word.reveal(&part.value);
    mount.kind = match mount.kind {
        MountKind::Named { volume } => named_or_path(word, volume),
        MountKind::Bind { mut source } => {
            show(&mut source);
            MountKind::Bind { source }
        }
        other => other,
    };
    show(&mut mount.target);
    mount.options.others.iter_mut().for_each(show);
    Ok(mount)
}

/// What `compose::mounts` takes for a name may be a path that begins with something that is not known.
fn named_or_path(word: &Word, source: Spanned<String>) -> MountKind {
    let first = source.value.chars().next().and_then(|c| word.unknown_of(c));
    let shown = Spanned::new(word.reveal(&source.value), source.span);
    let Some(first) = first else {
        // `%cd%` is the current directory to Windows.
        let is_current = shown.value.to_ascii_lowercase().starts_with("%cd%");
        return if is_current { MountKind::Bind { source: shown } } else { MountKind::Named { volume: shown } };
    };
    if DIRECTORIES.contains(&first) || source.value.contains('/') {
        return MountKind::Bind { source: shown };
    }
    MountKind::Unknown
}

/// The long form. The error says what is wrong with it.
pub(in crate::manifest) fn long(word: &Word) -> Result<Mount, &'static str> {
    let mut fields = LongForm::default();
    for field in comma_separated(word.hidden()) {
        let (key, value) = field.split_once('=').map_or((field.as_str(), None), |(key, value)| (key, Some(value)));
        let value = value.map(|value| Spanned::new(word.reveal(value), word.span));
        fields.take(&key.trim().to_ascii_lowercase(), value, word);
    }
    fields.mount(word)
}

#[derive(Default)]
struct LongForm {
    kind: Option<Spanned<String>>,
    source: Option<Spanned<String>>,
    target: Option<Spanned<String>>,
    read_only: bool,
    size_bytes: Option<Spanned<u64>>,
    mode: Option<Spanned<u32>>,
    options: MountOptions,
    volume_options: Vec<Spanned<String>>,
}

impl LongForm {
    fn take(&mut self, key: &str, value: Option<Spanned<String>>, word: &Word) {
        let holds = value.as_ref().is_none_or(|value| quantity::truth(&value.value) != Some(false));
        let flag = || Spanned::new(holds, word.span);
        match key {
            "type" => self.kind = value,
            "source" | "src" => self.source = value,
            "target" | "destination" | "dst" => self.target = value,
            "readonly" | "ro" => self.read_only = holds,
            "rw" => self.read_only = !holds,
            "bind-propagation" | "propagation" => self.options.propagation = value,
            "consistency" => self.options.consistency = value,
            "volume-nocopy" => self.options.nocopy = Some(flag()),
            "volume-subpath" | "subpath" => self.options.subpath = value,
            "bind-create-src" => self.options.create_host_path = Some(flag()),
            "relabel" => self.options.selinux = value.and_then(relabel),
            "z" if value.is_none() => self.options.selinux = Some(Spanned::new(Selinux::Shared, word.span)),
            "tmpfs-size" | "size" => self.size_bytes = value.and_then(size),
            "tmpfs-mode" | "mode" => self.mode = value.and_then(mode),
            "volume-opt" => self.volume_options.extend(value),
            _ => {
                let written = value.map_or(key.to_owned(), |value| format!("{key}={}", value.value));
                self.options.others.push(Spanned::new(written, word.span));
            }
        }
    }

    fn mount(self, word: &Word) -> Result<Mount, &'static str> {
        let target = self.target.filter(|target| !target.value.is_empty()).ok_or("it has no target")?;
        let target = Spanned::new(normal(&target.value), target.span);
        let source = self.source.filter(|source| !source.value.is_empty());
        let kind = self.kind.unwrap_or_else(|| Spanned::new("volume".to_owned(), word.span));
        let mut options = self.options;
        options.others.extend(
            self.volume_options.into_iter().map(|one| Spanned::new(format!("volume-opt={}", one.value), one.span)),
        );
        let kind = match kind.value.as_str() {
            "bind" => source.map_or(MountKind::Unknown, |source| MountKind::Bind { source }),
            "volume" => match source {
                // Podman takes a path for a bind here as well.
                Some(source) if is_path(&source.value) => MountKind::Bind { source },
                Some(volume) => MountKind::Named { volume },
                None => MountKind::Anonymous,
            },
            "tmpfs" => MountKind::Tmpfs { size_bytes: self.size_bytes, mode: self.mode },
            _ => MountKind::Other { kind, source },
        };
        Ok(Mount { kind, target, read_only: self.read_only, options, span: word.span })
    }
}

fn relabel(value: Spanned<String>) -> Option<Spanned<Selinux>> {
    match value.value.as_str() {
        "shared" => Some(Spanned::new(Selinux::Shared, value.span)),
        "private" => Some(Spanned::new(Selinux::Private, value.span)),
        _ => None,
    }
}

fn size(value: Spanned<String>) -> Option<Spanned<u64>> {
    Some(Spanned::new(quantity::bytes(&value.value)?, value.span))
}

fn mode(value: Spanned<String>) -> Option<Spanned<u32>> {
    Some(Spanned::new(u32::from_str_radix(value.value.trim_start_matches("0o"), 8).ok()?, value.span))
}

/// Fields at their commas; a field in double quotes may hold commas.
fn comma_separated(text: &str) -> Vec<String> {
    let mut fields = Vec::new();
    let mut field = String::new();
    let mut quoted = false;
    for c in text.chars() {
        match c {
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(std::mem::take(&mut field)),
            c => field.push(c),
        }
    }
    fields.push(field);
    fields.retain(|field| !field.trim().is_empty());
    fields
}

/// A mount of memory. A value is kept with its key, as in `size=64m`.
pub(in crate::manifest) fn tmpfs(word: &Word) -> Tmpfs {
    let (target, options) = word.hidden().split_once(':').unwrap_or((word.hidden(), ""));
    let options = options.split(',').filter(|option| !option.is_empty()).map(|option| word.reveal(option)).collect();
    Tmpfs { target: word.reveal(&normal(target)), options, span: word.span }
}

/// Whose mounts a container has too.
pub(in crate::manifest) fn volumes_from(word: &Word) -> VolumesFrom {
    let (name, mode) = word.hidden().split_once(':').unwrap_or((word.hidden(), "rw"));
    let read_only = mode.split(',').any(|mode| mode == "ro");
    VolumesFrom { name: word.reveal(name), is_container: true, read_only, span: word.span }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::docker_run::shell;
    use crate::manifest::placed::Placed;
    use crate::manifest::span::Source;

    fn word(text: &str) -> Word {
        let placed = Placed::of(0, Source { name: "f", text }).expect("text");
        shell::commands(&placed, 0..placed.chars.len()).remove(0).remove(0)
    }

    /// A mount in one line.
    fn told(mount: &Mount) -> String {
        let source = match &mount.kind {
            MountKind::Bind { source } => format!("bind {}", source.value),
            MountKind::Named { volume } => format!("volume {}", volume.value),
            MountKind::Anonymous => "anonymous".to_owned(),
            MountKind::Tmpfs { size_bytes, .. } => format!("tmpfs {:?}", size_bytes.as_ref().map(|size| size.value)),
            MountKind::Other { kind, .. } => format!("other {}", kind.value),
            MountKind::Unknown => "unknown".to_owned(),
        };
        format!("{source} at {}{}", mount.target.value, if mount.read_only { " ro" } else { "" })
    }

    #[track_caller]
    fn is_short(text: &str, expected: &str) {
        assert_eq!(short(&word(text)).map(|mount| told(&mount)), Ok(expected.to_owned()), "{text}");
    }

    #[track_caller]
    fn is_long(text: &str, expected: &str) -> Mount {
        let mount = long(&word(text)).expect("a mount");
        assert_eq!(told(&mount), expected, "{text}");
        mount
    }

    #[test]
    fn the_list_is_sorted() {
        assert!(DIRECTORIES.is_sorted());
    }

    #[test]
    fn short_mounts_may_begin_with_what_is_not_known() {
        is_short("/a:/b:ro", "bind /a at /b ro");
        is_short("$HOME/a:/b", "bind $HOME/a at /b");
        is_short("$(pwd):/b", "bind $(pwd) at /b");
        is_short("\"${PWD}\":/b", "bind ${PWD} at /b");
        is_short("`pwd`/a:/b", "bind `pwd`/a at /b");
        is_short("${A:-/x}:/b", "unknown at /b");
        is_short("$A/x:/b", "bind $A/x at /b");
        is_short("data_$A:/b", "volume data_$A at /b");
        is_short("data:/b/$A", "volume data at /b/$A");
        is_short("$(CURDIR)/a:/b", "bind $(CURDIR)/a at /b");
        is_short("%cd%:/b", "bind %cd% at /b");
        is_short("/b", "anonymous at /b");
        assert_eq!(short(&word("/a:/b:ro:rw")), Err("it has too many colons"));
    }

    #[test]
    fn long_mounts_are_read() {
        is_long("type=bind,source=$HOME/a,target=/b,readonly", "bind $HOME/a at /b ro");
        is_long("type=bind,src=/a,dst=/b,ro=false", "bind /a at /b");
        is_long("source=data,destination=/b", "volume data at /b");
        is_long("type=volume,target=/b", "anonymous at /b");
        is_long("type=tmpfs,target=/b,tmpfs-size=64m", "tmpfs Some(67108864) at /b");
        is_long("type=image,source=x,target=/b", "other image at /b");
        let bind =
            is_long("type=bind,source=/a,target=/b,relabel=private,U=true,bind-propagation=rslave", "bind /a at /b");
        assert_eq!(bind.options.selinux.map(|selinux| selinux.value), Some(Selinux::Private));
        assert_eq!(bind.options.others[0].value, "u=true");
        let nfs = is_long("'type=volume,src=n,dst=/b,\"volume-opt=o=addr=1,nolock\"'", "volume n at /b");
        assert_eq!(nfs.options.others[0].value, "volume-opt=o=addr=1,nolock");
        assert_eq!(long(&word("type=bind,source=/a")), Err("it has no target"));
    }

    #[test]
    fn memory_and_others_mounts_are_read() {
        assert_eq!(tmpfs(&word("/run:rw,size=64m")).options, ["rw", "size=64m"]);
        let from = volumes_from(&word("app:ro"));
        assert_eq!((from.name.as_str(), from.read_only), ("app", true));
    }
}
