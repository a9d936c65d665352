//! The words of one command as a [`Run`]: is it one that starts a container, which options, which image.
//!
//! Options that take no value are listed here; any other takes the next word unless it has one after `=`. Short ones
//! may be joined (`-itd`, `-v/a:/b`).
//!
//! What it must not do: know where words end.
//!
//! Where to look next: `mounts` for what is mounted.

use super::model::{Options, Run};
use super::mounts;
use crate::manifest::compose::{Mount, MountKind, quantity};
use crate::manifest::reader::shortened;
use crate::manifest::span::{Span, Spanned, Warning, WarningKind};
use crate::manifest::words::Word;

/// Words that may stand before the program, with their options.
const BEFORE: &[&str] = &[
    "!", "$", "-", "[[", "command", "do", "doas", "else", "env", "exec", "if", "nice", "nohup", "sudo", "then", "time",
    "until", "while", "{",
];

const PROGRAMS: &[&str] = &["docker", "nerdctl", "podman", "podman-remote"];

/// Options of `run` and `create` that take no value, of all programs.
const FLAGS: &[&str] = &[
    "detach",
    "disable-content-trust",
    "env-host",
    "help",
    "http-proxy",
    "init",
    "interactive",
    "no-healthcheck",
    "no-hostname",
    "no-hosts",
    "oom-kill-disable",
    "passwd",
    "privileged",
    "publish-all",
    "quiet",
    "read-only",
    "read-only-tmpfs",
    "replace",
    "rm",
    "rmi",
    "rootfs",
    "sig-proxy",
    "tls-verify",
    "tty",
    "use-api-socket",
];

/// The same in their short form, and the long names of short options that are read here.
const SHORT_FLAGS: &[char] = &['P', 'd', 'i', 'q', 't'];

const SHORT_NAMES: &[(char, &str)] =
    &[('e', "env"), ('l', "label"), ('m', "memory"), ('u', "user"), ('v', "volume"), ('w', "workdir")];

/// Options of the program itself that take no value.
const PROGRAM_FLAGS: &[&str] = &["--debug", "--remote", "--tls", "--tlsverify", "--transient-store", "-D", "-r"];

/// The run of a command's words; `None`: it starts no container.
pub(super) fn run(words: &[Word], warnings: &mut Vec<Warning>) -> Option<Run> {
    let (program_at, verb_end, create_only) = starts_container(words)?;
    let program_word = &words[program_at];
    let shown = program_word.shown();
    let last = if is_named_engine(program_word) { shown.as_str() } else { shown.rsplit('/').next().unwrap_or("") };
    let name = last.trim_start_matches('@').trim_end_matches(".exe").to_owned();
    let makes_host_path = name == "docker" || name == "nerdctl";
    let mut reading = Reading { warnings, makes_host_path, options: Options::default() };
    let image_at = verb_end + reading.options(&words[verb_end..]);
    let rest = words.get(image_at..).unwrap_or(&[]);
    for word in rest {
        reading.note_unknown(word);
    }
    let span = Span { end: words.last().map_or(program_word.span.end, |word| word.span.end), ..program_word.span };
    if rest.is_empty() {
        reading.warn(WarningKind::NotFollowed, span, "no image is named here, as far as this can be read".to_owned());
    }
    Some(Run {
        program: Spanned::new(name, program_word.span),
        create_only,
        options: reading.options,
        image: rest.first().map(Word::spanned),
        command: rest.iter().skip(1).map(Word::spanned).collect(),
        span,
    })
}

/// The options of `PodmanArgs=`, which name no image.
pub(in crate::manifest) fn options(words: &[Word], warnings: &mut Vec<Warning>) -> Options {
    let mut reading = Reading { warnings, makes_host_path: false, options: Options::default() };
    let mut at = 0;
    while at < words.len() {
        // What is no option is the value of one that is not known here.
        at += reading.options(&words[at..]).max(1);
    }
    reading.options
}

/// Where the program stands, where its options for the container begin, and whether they are those of `create`.
fn starts_container(words: &[Word]) -> Option<(usize, usize, bool)> {
    let program_at = words.iter().take(12).position(is_program)?;
    let mut before = words[..program_at].iter().map(Word::shown);
    let may_stand_before = |word: String| {
        BEFORE.contains(&word.as_str()) || word.starts_with('-') || is_assignment(&word) || is_user_of_sudo(&word)
    };
    if !before.all(may_stand_before) {
        return None;
    }
    let mut at = program_at + 1;
    while let Some(word) = words.get(at).map(Word::shown).filter(|word| word.starts_with('-')) {
        let has_value = !PROGRAM_FLAGS.contains(&word.as_str()) && !word.contains('=');
        at += if has_value { 2 } else { 1 };
    }
    if words.get(at).is_some_and(|word| word.hidden() == "container") {
        at += 1;
    }
    match words.get(at)?.hidden() {
        "run" => Some((program_at, at + 1, false)),
        "create" => Some((program_at, at + 1, true)),
        _ => None,
    }
}

fn is_program(word: &Word) -> bool {
    // `@` keeps `make` from showing the line.
    let name = word.hidden().trim_start_matches('@').rsplit('/').next().unwrap_or("");
    PROGRAMS.contains(&name.strip_suffix(".exe").unwrap_or(name)) || is_named_engine(word)
}

/// `$DOCKER`, `${CONTAINER_ENGINE}` and the like stand for a program.
fn is_named_engine(word: &Word) -> bool {
    let name = word.shown().to_ascii_lowercase();
    let is_variable = word.is_all_unknown() && !name.contains('`') && !name.contains(' ');
    is_variable && ["docker", "engine", "nerdctl", "podman"].iter().any(|engine| name.contains(engine))
}

fn is_assignment(word: &str) -> bool {
    let name = word.split('=').next().unwrap_or("");
    word.contains('=') && !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// `sudo -u name docker ...`: a lone word that looks like a user's name is let pass.
fn is_user_of_sudo(word: &str) -> bool {
    matches!(word, "root" | "podman" | "docker") || word.bytes().all(|byte| byte.is_ascii_digit())
}

struct Reading<'a> {
    warnings: &'a mut Vec<Warning>,
    /// A missing path of the host is made for a mount in the short form: Docker does, Podman refuses.
    makes_host_path: bool,
    options: Options,
}

impl Reading<'_> {
    fn warn(&mut self, kind: WarningKind, span: Span, message: String) {
        self.warnings.push(Warning::new(kind, span, message));
    }

    fn note_unknown(&mut self, word: &Word) {
        if let Some(unknown) = word.first_unknown() {
            let message = format!("`{}` is only known to the machine", shortened(unknown));
            self.warn(WarningKind::NotKnownHere, word.span, message);
        }
    }

    /// Reads options up to the first word that is none; how many words that were.
    fn options(&mut self, words: &[Word]) -> usize {
        let mut at = 0;
        while let Some(word) = words.get(at) {
            let hidden = word.hidden();
            if hidden == "--" {
                return at + 1;
            }
            if let Some(long) = hidden.strip_prefix("--") {
                at += self.long(word, long, words.get(at + 1));
            } else if hidden.starts_with('-') && hidden.len() > 1 {
                at += self.short(word, words.get(at + 1));
            } else if self.may_be_options(word, &words[at + 1..]) {
                at += 1;
            } else {
                return at;
            }
        }
        at
    }

    /// Whether options may stand in a word of which nothing is known; if so, that is noticed.
    fn may_be_options(&mut self, word: &Word, rest: &[Word]) -> bool {
        let is_image = word.shown().to_ascii_lowercase().contains("image");
        let options_follow = rest.iter().any(|word| word.hidden().starts_with('-'));
        let may_be = word.is_all_unknown() && !rest.is_empty() && !is_image && (options_follow || !word.quoted);
        if may_be {
            let message = format!("options may stand in `{}`", shortened(&word.shown()));
            self.warn(WarningKind::NotFollowed, word.span, message);
        }
        may_be
    }

    /// `--name`, `--name=value`, `--name value`: how many words that were.
    fn long(&mut self, word: &Word, text: &str, next: Option<&Word>) -> usize {
        if let Some((name, _)) = text.split_once('=') {
            let value = word.after(2 + name.len() + 1);
            self.take(name, &value);
            return 1;
        }
        if FLAGS.contains(&text) {
            self.flag(text, Spanned::new(true, word.span));
            return 1;
        }
        match next {
            Some(value) => {
                self.take(text, value);
                2
            }
            None => 1,
        }
    }

    /// `-it`, `-v value`, `-vvalue`, `-itv value`.
    fn short(&mut self, word: &Word, next: Option<&Word>) -> usize {
        let mut letters = word.hidden().char_indices().skip(1);
        let valued = letters.find(|(_, letter)| !SHORT_FLAGS.contains(letter));
        let Some((at, letter)) = valued else { return 1 };
        let name = SHORT_NAMES.iter().find(|(short, _)| *short == letter).map_or("", |(_, name)| name);
        let attached = word.after(at + letter.len_utf8());
        if attached.hidden().is_empty() {
            match next {
                Some(value) => self.take(name, value),
                None => return 1,
            }
            return 2;
        }
        let value = if attached.hidden().starts_with('=') { attached.after(1) } else { attached };
        self.take(name, &value);
        1
    }

    fn take(&mut self, name: &str, value: &Word) {
        self.note_unknown(value);
        if FLAGS.contains(&name) {
            match quantity::truth(value.hidden()) {
                Some(truth) => self.flag(name, Spanned::new(truth, value.span)),
                None => self.wrong(value, "`true` or `false`"),
            }
        } else if !self.storage(name, value) && !self.life(name, value) {
            self.confinement(name, value);
        }
    }

    fn flag(&mut self, name: &str, value: Spanned<bool>) {
        match name {
            "read-only" => self.options.read_only = Some(value),
            "read-only-tmpfs" => self.options.read_only_tmpfs = Some(value),
            "privileged" => self.options.privileged = Some(value),
            "init" => self.options.init = Some(value),
            "rm" => self.options.remove = Some(value),
            _ => {}
        }
    }

    fn wrong(&mut self, value: &Word, expected: &str) {
        if value.first_unknown().is_none() {
            let message = format!("`{}` is not {expected}", shortened(&value.shown()));
            self.warn(WarningKind::WrongValue, value.span, message);
        }
    }

    fn bytes(&mut self, value: &Word) -> Option<Spanned<u64>> {
        let bytes = quantity::bytes(value.hidden());
        if bytes.is_none() {
            self.wrong(value, "a size such as `512m`");
        }
        bytes.map(|bytes| Spanned::new(bytes, value.span))
    }

    /// Which files it sees.
    fn storage(&mut self, name: &str, value: &Word) -> bool {
        let mount = match name {
            "volume" => mounts::short(value).map(|mount| self.with_host_path(mount)),
            "mount" => mounts::long(value),
            "tmpfs" => {
                self.options.tmpfs.push(mounts::tmpfs(value));
                return true;
            }
            "volumes-from" => {
                self.options.volumes_from.push(mounts::volumes_from(value));
                return true;
            }
            "volume-driver" => {
                self.options.volume_driver = Some(value.spanned());
                return true;
            }
            _ => return false,
        };
        match mount {
            Ok(mount) => self.options.mounts.push(mount),
            Err(because) => {
                // The whole may stand in a variable.
                let kind = if value.is_all_unknown() { WarningKind::NotFollowed } else { WarningKind::WrongValue };
                self.warn(kind, value.span, format!("`{}` is no mount: {because}", shortened(&value.shown())));
            }
        }
        true
    }

    fn with_host_path(&self, mut mount: Mount) -> Mount {
        if self.makes_host_path && matches!(mount.kind, MountKind::Bind { .. }) {
            mount.options.create_host_path = Some(Spanned::new(true, mount.span));
        }
        mount
    }

    /// When it starts, what runs and how it ends.
    fn life(&mut self, name: &str, value: &Word) -> bool {
        let text = || Some(value.spanned());
        match name {
            "name" => self.options.name = text(),
            "restart" => self.options.restart = text(),
            "stop-signal" => self.options.stop_signal = text(),
            "stop-timeout" => match value.hidden().parse::<i64>() {
                Ok(seconds) => {
                    self.options.stop_timeout_seconds =
                        u64::try_from(seconds).ok().map(|s| Spanned::new(s, value.span));
                }
                Err(_) => self.wrong(value, "a number of seconds"),
            },
            "env" => self.options.environment.push(value.pair()),
            "env-file" => self.options.environment_files.extend(text()),
            "label" => self.options.labels.push(value.pair()),
            "entrypoint" => self.options.entrypoint = text(),
            "workdir" => self.options.working_directory = text(),
            "health-cmd" => self.options.health_command = text(),
            "memory" => self.options.memory_limit_bytes = self.bytes(value),
            "shm-size" => self.options.shm_size_bytes = self.bytes(value),
            _ => return false,
        }
        true
    }

    /// As whom, and with which walls around it.
    fn confinement(&mut self, name: &str, value: &Word) {
        let text = || Some(value.spanned());
        match name {
            "user" => self.options.user = text(),
            "group-add" => self.options.group_add.extend(text()),
            "userns" => self.options.user_namespace = text(),
            "network" | "net" => self.options.networks.extend(text()),
            "pid" => self.options.pid = text(),
            "ipc" => self.options.ipc = text(),
            "runtime" => self.options.runtime = text(),
            "pod" => self.options.pod = text(),
            "security-opt" => self.options.security_options.extend(text()),
            "cap-add" => self.options.capabilities_added.extend(text()),
            "cap-drop" => self.options.capabilities_dropped.extend(text()),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lists_are_sorted() {
        assert!([BEFORE, PROGRAMS, FLAGS, PROGRAM_FLAGS].iter().all(|list| list.is_sorted()));
        assert!(SHORT_FLAGS.is_sorted() && SHORT_NAMES.is_sorted());
    }
}
