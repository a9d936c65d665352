//! `walproof check` from outside: the real binary on files, folders and standard input, whole and broken.
//!
//! What it must not do: judge the rules; `walproof-judge` has their fixtures.

use std::fs;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;
use walproof_judge::manifest::{Source, kubernetes};
use walproof_judge::rules::RULES;
use walproof_testbench::Folder;

const UNSAFE: &str = "services:\n  app:\n    image: example/app\n    environment: {DATABASE_URL: \"sqlite:///data/app.db?_journal_mode=WAL\"}\n    volumes: [\"./app.db:/data/app.db\"]\n";
const SAFE: &str = "services:\n  app:\n    image: example/app\n    environment: {DATABASE_URL: \"sqlite:///data/app.db?_journal_mode=WAL\"}\n    volumes: [\"data:/data\"]\nvolumes: {data: {}}\n";

/// A folder with files, in which commands run.
struct Project(Folder);

impl Project {
    fn new() -> Self {
        Self(Folder::new("check"))
    }

    fn with(self, name: &str, content: impl AsRef<[u8]>) -> Self {
        self.0.write(name, content);
        self
    }

    fn check(&self, arguments: &[&str]) -> Ended {
        self.check_with(arguments, b"")
    }

    fn check_with(&self, arguments: &[&str], input: &[u8]) -> Ended {
        check_in(self.0.path(), arguments, input)
    }
}

fn check_in(folder: &Path, arguments: &[&str], input: &[u8]) -> Ended {
    // Paths of the host are those of Linux, unless a test says another host.
    let is_said = arguments.contains(&"--host") || folder.ancestors().any(|path| path.join(".walproof.toml").exists());
    let host: &[&str] = if is_said { &[] } else { &["--host", "linux"] };
    let mut child = walproof(folder)
        .arg("check")
        .args(host)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    // A command that takes no input may be gone already.
    let _ = child.stdin.take().expect("a pipe").write_all(input);
    let out = child.wait_with_output().expect("it ends");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    Ended { code: out.status.code().expect("no signal"), out: text(out.stdout), error: text(out.stderr) }
}

fn walproof(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_walproof"));
    command.current_dir(folder).env_remove("COMPOSE_PROFILES");
    command
}

struct Ended {
    code: i32,
    out: String,
    error: String,
}

impl Ended {
    #[track_caller]
    fn says(&self, code: i32, words: &[&str]) -> &Self {
        assert_eq!(self.code, code, "{}{}", self.out, self.error);
        for word in words {
            assert!(self.out.contains(word) || self.error.contains(word), "{word}:\n{}{}", self.out, self.error);
        }
        self
    }

    #[track_caller]
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|cause| panic!("{cause}: {}{}", self.out, self.error))
    }
}

// ---- targets ----

#[test]
fn files_folders_and_standard_input_are_judged() {
    let folder = Project::new().with("a/compose.yaml", UNSAFE).with("b/compose.yaml", SAFE);
    folder
        .check(&[])
        .says(1, &["unsafe single-file-mount", "--> a/compose.yaml:5:15", "^^^^", "1 unsafe", "2 Compose"]);
    folder.check(&["b"]).says(0, &["no finding", "is not `safe`"]);
    folder.check(&["a/compose.yaml"]).says(1, &["a/compose.yaml:5:15"]);
    folder.check_with(&["-"], UNSAFE.as_bytes()).says(1, &["<stdin>:5:15"]);
    folder.check_with(&["-"], b"").says(2, &["<stdin>: is empty"]);
    let empty = Project::new().with("compose.yaml", "# nothing yet\n");
    empty.check(&["compose.yaml"]).says(0, &["not seen 1 empty file: compose.yaml"]);
    folder.check(&["k8s://shop/none", "a"]).says(2, &["error k8s://shop/none", "1 unsafe"]);
}

#[test]
fn compose_files_go_together_as_compose_takes_them() {
    let above = "services:\n  app:\n    volumes: [\"./data:/data\", \"./app.db:/data/app.db\"]\n";
    let folder = Project::new().with("compose.yaml", SAFE).with("compose.override.yaml", above);
    folder.check(&[]).says(1, &["compose.override.yaml:3:31", "1 workload"]);
    folder.check(&["compose.yaml"]).says(1, &["compose.override.yaml:3:31", "--compose compose.yaml --compose"]);
    folder.check(&["--compose", "compose.yaml"]).says(0, &["1 Compose"]);
    folder.check(&["--compose", "compose.yaml", "--compose", "compose.override.yaml"]).says(1, &["2 Compose"]);
}

#[test]
fn variables_come_from_dot_env_and_from_the_files_of_services() {
    let compose =
        "services:\n  app:\n    image: x\n    env_file: app.env\n    volumes: [\"./app.db:${WHERE}/app.db\"]\n";
    let folder = Project::new()
        .with("compose.yaml", compose)
        .with(".env", "WHERE=/data\n")
        .with("app.env", "DATABASE_URL=sqlite:////data/app.db?_journal_mode=WAL\n")
        .with("other.env", "WHERE=/elsewhere\n");
    folder.check(&[]).says(1, &["`/data/app.db`", "1 by an address"]);
    folder.check(&["--env-file", "other.env"]).says(0, &["`/elsewhere/app.db`", "1 unknown"]);
    folder.check(&["--env-file", "absent.env"]).says(2, &["absent.env: its variables cannot be read"]);
}

#[test]
fn hidden_and_foreign_folders_are_passed_over_and_templates_named_once() {
    let template = "apiVersion: v1\nkind: Pod\nmetadata: {name: {{ .Values.name }}}\n";
    let folder = Project::new()
        .with(".hidden/compose.yaml", UNSAFE)
        .with("node_modules/x/compose.yaml", UNSAFE)
        .with("chart/templates/pod.yaml", template)
        .with("compose.yaml", SAFE);
    folder.check(&[]).says(0, &["1 template: chart/templates/pod.yaml", "helm template"]);
}

// ---- what is broken ----

#[test]
fn broken_files_are_named_and_the_rest_is_judged() {
    let bomb =
        "a: &a [x, x, x, x, x, x, x, x, x]\n".to_owned() + &('b'..='j').fold(String::new(), |text, c| {
            let before = char::from(c as u8 - 1);
            text + &format!(
                "{c}: &{c} [*{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}, *{before}]\n"
            )
        }) + "services: {x: {image: x, command: *j}}\n";
    let folder = Project::new()
        .with("ok/compose.yaml", UNSAFE)
        .with("yaml/compose.yaml", "services:\n  a: [\n")
        .with("binary/compose.yaml", b"services:\n\xff\xfe\0")
        .with("bomb/compose.yaml", bomb)
        .with("endless/compose.yaml", "include: [compose.yaml]\nservices: {}\n");
    fs::File::create(folder.0.at("large.yaml")).and_then(|file| file.set_len(100 << 20)).expect("a sparse file");
    let all = folder.check(&[]);
    let names = [
        "note yaml/compose.yaml",
        "note binary/compose.yaml:2:1",
        "note bomb/compose.yaml",
        "note endless/compose.yaml",
    ];
    all.says(1, &names).says(1, &["ok/compose.yaml:5:15"]);
    let named = ["yaml/compose.yaml", "binary/compose.yaml", "large.yaml", "nowhere.yaml", "ok/compose.yaml"];
    folder.check(&named).says(2, &["error yaml/compose.yaml", "error large.yaml", "error nowhere.yaml", "1 unsafe"]);
}

#[test]
fn pipes_devices_and_odd_names_harm_nothing() {
    let folder = Project::new().with("compose.yaml", UNSAFE);
    let pipe = std::ffi::CString::new(folder.0.at("pipe.yaml").as_os_str().as_bytes()).expect("no zero");
    // SAFETY: a valid C string; it makes a pipe in the test's own folder.
    assert_eq!(unsafe { libc::mkfifo(pipe.as_ptr(), 0o600) }, 0);
    let odd = folder.0.path().join(std::ffi::OsStr::from_bytes(b"od\xffd\n.yml"));
    fs::write(odd, UNSAFE).expect("a file of the test");
    folder.check(&[]).says(1, &["2 unsafe", "od\\xffd"]);
    folder.check(&["pipe.yaml", "/dev/null"]).says(2, &["error pipe.yaml", "no regular file", "error /dev/null"]);
}

#[test]
fn a_reader_that_goes_away_is_no_panic() {
    let folder = Project::new().with("compose.yaml", UNSAFE);
    let mut child = walproof(folder.0.path())
        .args(["check", "--format", "sarif"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("it ends");
    assert_eq!((ended.status.code(), ended.stderr.len()), (Some(1), 0), "{}", String::from_utf8_lossy(&ended.stderr));
}

// ---- forms ----

#[test]
fn every_form_holds_the_finding() {
    let folder = Project::new().with("compose.yaml", UNSAFE);
    let json = folder.check(&["--format", "json"]).json();
    assert_eq!((&json["walproof_check"], &json["exit_code"]), (&Value::from(1), &Value::from(1)));
    assert_eq!(json["findings"][0]["place"]["line"], 5);
    assert_eq!(json["findings"][0]["settle"], "walproof verify --compose compose.yaml");
    let sarif = folder.check(&["--format", "sarif"]).json();
    let result = &sarif["runs"][0]["results"][0];
    assert_eq!((&sarif["version"], &result["ruleId"]), (&"2.1.0".into(), &"single-file-mount".into()));
    assert_eq!(result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"], "compose.yaml");
    folder.check(&["--format", "junit"]).says(1, &["<?xml", "failures=\"1\"", "</testsuites>"]);
    folder.check(&["--format", "github"]).says(1, &["::error file=compose.yaml,line=5,"]);
    let written = folder.check(&["--format", "json", "--output", "out.json"]);
    assert_eq!((written.code, written.out.as_str()), (1, ""));
    let text = fs::read_to_string(folder.0.at("out.json")).expect("it was written");
    assert_eq!(serde_json::from_str::<Value>(&text).expect("JSON"), json);
    assert!(!folder.check(&[]).out.contains('\x1b'), "no colours into a pipe");
}

#[test]
fn the_same_input_gives_the_same_bytes() {
    let folder = Project::new().with("b/compose.yaml", UNSAFE).with("a/compose.yaml", UNSAFE).with("c/x.yml", SAFE);
    for form in ["text", "json", "sarif", "junit", "github"] {
        assert_eq!(folder.check(&["--format", form]).out, folder.check(&["--format", form]).out);
    }
}

// ---- what is accepted ----

#[test]
fn comments_accept_with_a_reason_and_are_told_when_they_do_not() {
    let with = |comment: &str| UNSAFE.replace("    volumes:", &format!("    # walproof: {comment}\n    volumes:"));
    let check = |text: String| Project::new().with("compose.yaml", text).check(&[]);
    check(with("allow single-file-mount: one opener")).says(0, &["no finding, 1 suppressed by comments"]);
    check(format!("# walproof: allow-file single-file-mount: all of it\n{UNSAFE}")).says(0, &["1 suppressed"]);
    check(with("allow single-file-mount")).says(2, &["it gives no reason", "1 unsafe"]);
    check(with("allow no-such-rule: why")).says(1, &["there is no rule `no-such-rule`"]);
    check(SAFE.replace("    volumes:", "    # walproof: allow single-file-mount: why\n    volumes:"))
        .says(0, &["this comment accepts nothing"]);
}

#[test]
fn a_baseline_accepts_what_is_there_and_survives_other_lines() {
    let folder = Project::new().with("compose.yaml", UNSAFE);
    folder.check(&["--write-baseline", "known"]).says(0, &["1 unsafe"]);
    folder.check(&["--baseline", "known"]).says(0, &["1 suppressed by the baseline"]);
    let folder = folder.with("compose.yaml", format!("# a line more\n\n{UNSAFE}"));
    folder.check(&["--baseline", "known"]).says(0, &["1 suppressed"]);
    let folder = folder.with("more.yml", UNSAFE.replace("app:\n", "other:\n"));
    folder.check(&["--baseline", "known"]).says(1, &["1 unsafe, 1 suppressed", "more.yml:5:15"]);
    let folder = folder.with("compose.yaml", SAFE).with("more.yml", SAFE);
    folder.check(&["--baseline", "known"]).says(0, &["1 of its lines accept nothing"]);
    folder.check(&["--baseline", "compose.yaml"]).says(2, &["cannot take the baseline"]);
}

#[test]
fn rules_are_chosen_and_skipped() {
    let folder = Project::new().with("compose.yaml", UNSAFE);
    folder.check(&["--skip", "single-file-mount"]).says(0, &["suppressed of skipped rules"]);
    folder.check(&["--rule", "single-file-mount"]).says(1, &["1 unsafe"]);
    folder.check(&["--rule", "no-such-rule"]).says(2, &["there is no rule `no-such-rule`"]);
}

// ---- severities, databases, configuration ----

#[test]
fn the_mode_decides_and_what_fails_is_chosen() {
    let text = UNSAFE.replace("    environment: {DATABASE_URL: \"sqlite:///data/app.db?_journal_mode=WAL\"}\n", "");
    let folder = Project::new().with("compose.yaml", text);
    folder.check(&[]).says(0, &["1 unknown", "the mode is not known"]);
    folder.check(&["--fail-on", "unknown"]).says(3, &["1 unknown"]);
    folder.check(&["--mode", "wal"]).says(1, &["1 unsafe"]);
    folder.check(&["--mode", "rollback"]).says(0, &["1 risky"]);
    folder.check(&["--mode", "rollback", "--fail-on", "refuses,risky"]).says(1, &["1 risky"]);
    folder.check(&["--database", "app:/data/app.db=wal"]).says(1, &["1 named by you"]);
    folder.check(&["--database", "nobody:/data/app.db"]).says(2, &["no workload that was read is called `nobody`"]);
    folder.check(&["--host", "mars"]).says(2, &["linux"]);
    folder.check(&["--database", "relative.db"]).says(2, &["absolute path"]);
}

#[test]
fn the_configuration_is_found_upwards() {
    let folder = Project::new()
        .with("deep/down/compose.yaml", UNSAFE)
        .with("deep/examples/compose.yaml", UNSAFE)
        .with(".walproof.toml", "host = \"linux\"\nskip = [\"no-such-rule\"]\nexclude = [\"deep/examples\"]\n");
    folder.check(&[]).says(1, &["1 unsafe", "host linux", "`skip` names `no-such-rule`"]);
    let below = folder.0.at("deep");
    check_in(&below, &[], b"").says(1, &["1 unsafe", "host linux"]);
    check_in(&below, &["--no-config"], b"").says(1, &["2 unsafe", "host unknown"]);
    let folder = folder.with(".walproof.toml", "hots = 1\n");
    folder.check(&[]).says(2, &["hots", "because:"]);
}

#[test]
fn rules_are_explained() {
    let output = walproof(Path::new(".")).args(["explain", "single-file-mount"]).output().expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(text.contains("(rule)") && text.contains("(cause)") && text.contains("Ground: measured"), "{text}");
    let output = walproof(Path::new(".")).arg("explain").output().expect("it runs");
    let list = String::from_utf8_lossy(&output.stdout);
    assert!(RULES.iter().all(|rule| list.contains(rule.line)), "{list}");
}

// ---- what the repository offers to others ----

#[test]
fn the_hook_and_the_action_are_yaml_and_use_flags_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let help = Project::new().check(&["--help"]).out;
    for name in [".pre-commit-hooks.yaml", "action.yml"] {
        let text = fs::read_to_string(root.join(name)).expect(name);
        let set = kubernetes::parse(&[Source { name, text: &text }]);
        assert!(set.errors.is_empty(), "{name}: {:?}", set.errors);
        for line in text.lines().filter(|line| !line.contains("cargo ")) {
            let words = line.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
            for flag in words.filter(|word| word.starts_with("--")) {
                assert!(help.contains(&format!("{flag} ")), "{name}: {flag}");
            }
        }
    }
}

// ---- what is there and not judged ----

#[test]
fn objects_that_start_pods_unread_are_said() {
    let object = |version: &str, kind: &str, name: &str| {
        format!("---\napiVersion: {version}\nkind: {kind}\nmetadata: {{name: {name}}}\nspec: {{}}\n")
    };
    let flux = "helm.toolkit.fluxcd.io/v2";
    let text = object(flux, "HelmRelease", "radarr") + &object(flux, "HelmRelease", "sonarr");
    let folder = Project::new().with("a.yaml", text + &object("v1", "Service", "a")).with(
        "b.yaml",
        "apiVersion: v1\nkind: Pod\nmetadata: {name: b}\nspec: {containers: [{name: b, image: b}]}\n---\n".to_owned()
            + &object("argoproj.io/v1alpha1", "Application", "b"),
    );
    let said = folder.check(&[]);
    said.says(0, &["2 `HelmRelease` not judged: `radarr`, `sonarr`: render it (`helm"]);
    said.says(0, &["1 `Application` not judged", "2 files (2 Kubernetes): 1 workload"]);
    assert!(!said.out.contains("`Service`"), "{}", said.out);
    let json = folder.check(&["--format", "json"]).json();
    let left = json["left_out"].as_array().expect("a list");
    assert_eq!(left.len(), 3, "{json}");
    assert!(left.iter().all(|one| one["why"] == "not-judged" && one["object"]["kind"].is_string()), "{json}");
}

#[test]
fn a_broken_template_is_to_be_rendered() {
    let folder = Project::new().with("compose.yaml", "services:\n  a: {{ x }\n");
    folder.check(&["compose.yaml"]).says(2, &["is not YAML", "part of a template", "render it"]);
}

// ---- Markdown ----

#[test]
fn fences_of_markdown_are_projects_of_their_own() {
    let fence = |language: &str, indent: &str, text: &str| {
        let text = format!("```{language}\n{text}```\n");
        text.lines().fold(String::new(), |all, line| all + indent + line + "\n")
    };
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: v\n    image: vaultwarden/server\n    volumeMounts: [{name: d, mountPath: /data}]\n  volumes: [{name: d, emptyDir: {}}]\n---\napiVersion: v1\nkind: Service\n";
    let text = format!(
        "# Run\n\n{}\n- or\n\n{}\n{}\n{}\n{}",
        fence("yaml title=\"compose.yaml\"", "", UNSAFE),
        fence("yml", "   ", UNSAFE),
        fence("yaml", "  ", pod),
        fence("yaml", "", "services:\n  a: [\n  ...\n"),
        fence("docker", "", "docker run -v ./db.sqlite3:/data/db.sqlite3 vaultwarden/server\n"),
    );
    let folder = Project::new().with("README.md", &text);
    let said = folder.check(&["README.md"]);
    said.says(1, &["--> README.md:8:15", "--> README.md:18:18", "1 file (1 script or page): 4 workloads"]);
    assert!(!said.out.contains("--compose README.md") && !said.out.contains("error"), "{}", said.out);
    let json = folder.check(&["--format", "json"]).json();
    let rules: Vec<&str> =
        json["findings"].as_array().expect("a list").iter().filter_map(|one| one["rule"].as_str()).collect();
    assert_eq!(rules.iter().filter(|rule| **rule == "single-file-mount").count(), 3, "{json}");
}

#[test]
fn commands_that_settle_are_true_ones() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\nspec:\n  containers:\n  - name: v\n    image: vaultwarden/server\n    volumeMounts: [{name: d, mountPath: /data/db.sqlite3, subPath: db.sqlite3}]\n  volumes: [{name: d, persistentVolumeClaim: {claimName: c}}]\n";
    let folder = Project::new()
        .with("compose.yaml", UNSAFE)
        .with("run.sh", "docker run -v ./db.sqlite3:/data/db.sqlite3 vaultwarden/server\n")
        .with("pod.yaml", pod);
    folder.check(&["compose.yaml"]).says(1, &["walproof verify --compose compose.yaml"]);
    for file in ["run.sh", "pod.yaml"] {
        let ended = folder.check(&[file]);
        assert!(!ended.out.contains("--compose") && !ended.out.contains("probe DIRECTORY"), "{}", ended.out);
    }
    ended_with_stdin(&folder);
}

fn ended_with_stdin(folder: &Project) {
    let ended = folder.check_with(&["-"], UNSAFE.as_bytes());
    assert!(!ended.out.contains("--compose"), "{}", ended.out);
}
