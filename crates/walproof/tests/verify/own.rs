//! The user's own boundary: compose files and containers, broken and mended, on a real engine.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Stdio};

use crate::engines::{SOUND_TIME, assert_engine_is_clean, engine, serves};
use crate::support::{BINARY, Bench, Ended, containers, is_root, skip, stress_alone};

/// A project with a database that nobody may touch.
struct Project {
    bench: Bench,
}

impl Project {
    fn new() -> Project {
        let bench = Bench::new();
        for folder in ["data", "other"] {
            fs::create_dir(bench.beside(folder)).expect("a folder");
        }
        for name in ["app.db", "app.db-wal", "app.db-shm"] {
            fs::write(bench.beside("data").join(name), "").expect("a file");
        }
        Project { bench }
    }

    /// Two services, each with these mounts.
    fn services(&self, web: &[&str], worker: &[&str]) -> String {
        let list = |mounts: &[&str]| {
            format!("[{}]", mounts.iter().map(|one| format!("{one:?}")).collect::<Vec<_>>().join(", "))
        };
        let text = format!(
            "services:\n  web: {{image: none.invalid/app, volumes: {}}}\n  worker: {{image: none.invalid/app, volumes: {}}}\n",
            list(web),
            list(worker)
        );
        self.file("compose.yaml", &text)
    }

    fn file(&self, name: &str, text: &str) -> String {
        let path = self.bench.beside(name);
        fs::write(&path, text).expect("written");
        path.display().to_string()
    }

    fn verify(&self, more: &[&str]) -> Ended {
        let before = self.users_files();
        let report = self.bench.beside("report.json").display().to_string();
        let ended = self.bench.run(&[&["verify", "--time", SOUND_TIME, "--report", &report], more].concat());
        assert_eq!(self.users_files(), before, "the user's own files\n{ended}");
        self.bench.assert_nothing_left();
        ended
    }

    /// Names, contents' lengths, owners, modes and times of everything below the two folders.
    fn users_files(&self) -> Vec<String> {
        let mut lines = Vec::new();
        for folder in ["data", "other"] {
            for entry in fs::read_dir(self.bench.beside(folder)).expect("there").flatten() {
                let found = entry.metadata().expect("there");
                lines.push(format!(
                    "{:?} {} {}:{} {:o} {}",
                    entry.path(),
                    found.len(),
                    found.uid(),
                    found.gid(),
                    found.mode(),
                    found.mtime_nsec()
                ));
            }
        }
        lines.sort();
        lines
    }

    #[track_caller]
    fn comes_out(&self, ended: &Ended, code: i32, kind: &str) {
        ended.assert_code(code);
        assert_eq!(self.bench.report()["verdicts"][0]["kind"], kind, "{ended}");
    }
}

const FILE: &str = "./data/app.db:/data/app.db";
const WAL: &str = "./data/app.db-wal:/data/app.db-wal";
const SHM: &str = "./data/app.db-shm:/data/app.db-shm";
const DIRECTORY: &str = "./data:/data";

#[test]
fn a_single_file_in_two_services_is_unsafe_and_its_cure_is_safe() {
    if !serves("docker", "a single file in compose") {
        return;
    }
    let _alone = stress_alone();
    let project = Project::new();
    let broken = project.services(&[FILE], &[FILE]);
    let ended = project.verify(&["--compose", &broken]);
    project.comes_out(&ended, 1, "unsafe");
    assert!(!project.bench.report()["anomalies"].as_array().expect("a list").is_empty(), "with a witness");
    assert!(ended.out.contains("single files (the database ="), "the shape is told\n{ended}");
    let cured = project.services(&[DIRECTORY], &[DIRECTORY]);
    let ended = project.verify(&["--compose", &cured]);
    project.comes_out(&ended, 0, "safe");
    let report = project.bench.report();
    assert_eq!(report["own"]["openers"][1]["name"], "worker");
    assert_eq!(report["own"]["openers"][1]["database"], "/data/app.db");
    // The same again from the report alone.
    let report_path = project.bench.beside("report.json").display().to_string();
    let again = project.bench.run(&["verify", "--replay", &report_path]);
    again.assert_code(0);
    assert_engine_is_clean("docker");
}

#[test]
fn three_files_break_with_a_directory_beside_them_and_in_delete_mode() {
    if !serves("docker", "three files in compose") {
        return;
    }
    let _alone = stress_alone();
    let project = Project::new();
    let alike = project.services(&[FILE, WAL, SHM], &[FILE, WAL, SHM]);
    let ended = project.verify(&["--compose", &alike, "--journal", "delete"]);
    project.comes_out(&ended, 1, "unsafe");
    let ended = project.verify(&["--compose", &alike]);
    project.comes_out(&ended, 0, "risky");
    assert!(ended.out.contains("mounted one by one"), "{ended}");
    let mixed = project.services(&[FILE, WAL, SHM], &[DIRECTORY]);
    let ended = project.verify(&["--compose", &mixed]);
    project.comes_out(&ended, 1, "unsafe");
    let cured = project.services(&[DIRECTORY], &["./data:/srv/db"]);
    let ended = project.verify(&["--compose", &cured]);
    project.comes_out(&ended, 0, "safe");
    assert_engine_is_clean("docker");
}

#[test]
fn services_with_different_directories_are_unsafe_when_they_are_to_share() {
    if !serves("docker", "different directories in compose") {
        return;
    }
    let _alone = stress_alone();
    let project = Project::new();
    let apart = project.services(&[DIRECTORY], &["./other:/data"]);
    let shared = ["--service", "web", "--service", "worker", "--database", "/data/app.db"];
    let ended = project.verify(&[&["--compose", apart.as_str()], &shared[..]].concat());
    project.comes_out(&ended, 1, "unsafe");
    let together = project.services(&["./other:/data"], &["./other:/data"]);
    let ended = project.verify(&[&["--compose", together.as_str()], &shared[..]].concat());
    project.comes_out(&ended, 0, "safe");
    assert_engine_is_clean("docker");
}

#[test]
fn a_hard_link_in_another_directory_is_laid_out_alike() {
    if let Err(why) = containers() {
        return skip("containers", "a hard link in compose", &why);
    }
    let _alone = stress_alone();
    let project = Project::new();
    fs::hard_link(project.bench.beside("data/app.db"), project.bench.beside("other/app.db")).expect("linked");
    let linked = project.services(&[DIRECTORY], &["./other:/data"]);
    let shared = ["--runtime", "embedded", "--service", "web", "--service", "worker", "--database", "/data/app.db"];
    let ended = project.verify(&[&["--compose", linked.as_str()], &shared[..]].concat());
    project.comes_out(&ended, 1, "unsafe");
    let facts = &project.bench.report()["probe"]["facts"]["a_to_b"];
    assert_eq!(facts["lock_conflict_seen"]["answer"], "yes", "it is one file under two names\n{ended}");
}

#[test]
fn bind_mounts_need_no_engine() {
    if let Err(why) = containers() {
        return skip("containers", "compose without an engine", &why);
    }
    let _alone = stress_alone();
    let project = Project::new();
    let broken = project.services(&[FILE], &[FILE]);
    let ended = project.verify(&["--compose", &broken, "--runtime", "embedded"]);
    project.comes_out(&ended, 1, "unsafe");
    let volumes = project.services(&["data:/data"], &["data:/data"]);
    let ended = project.verify(&["--compose", &volumes, "--runtime", "embedded", "--database", "/data/app.db"]);
    ended.assert_code(3);
    assert!(ended.error.contains("named volumes belong to an engine"), "{ended}");
}

#[test]
fn a_probe_asks_between_the_users_own_services() {
    if let Err(why) = containers() {
        return skip("containers", "a probe between services", &why);
    }
    let project = Project::new();
    let before = project.users_files();
    let asked = |web: &str, worker: &str, code: i32| {
        let file = project.services(&[web], &[worker]);
        let ended = project.bench.run(&["probe", "--quick", "--json", "--compose", &file, "--runtime", "embedded"]);
        ended.assert_code(code);
        serde_json::from_str::<serde_json::Value>(&ended.out).expect("one document")
    };
    let broken = asked(FILE, FILE, 1);
    assert_eq!(broken["pairs"][0]["between"], serde_json::json!(["web", "worker"]));
    assert_eq!(broken["verdicts"][0]["kind"], "unsafe");
    let reason = broken["verdicts"][0]["reasons"][0].as_str().expect("a reason");
    assert!(reason.contains("worker does not find the files beside the database that web made"), "{reason}");
    assert_eq!(asked(DIRECTORY, DIRECTORY, 0)["verdicts"][0]["kind"], "safe");
    assert_eq!(project.users_files(), before, "the user's own files");
    project.bench.assert_nothing_left();
}

#[test]
fn what_cannot_be_laid_out_is_unknown_or_misuse_and_says_why() {
    let project = Project::new();
    let runtime: &[&str] = &["--runtime", if containers().is_ok() { "embedded" } else { "process" }];
    let refused = |mounts: &[&str], more: &[&str], code: i32, words: &str| {
        let file = project.services(mounts, mounts);
        let ended = project.verify(&[&["--compose", file.as_str()], runtime, more].concat());
        ended.assert_code(code);
        assert!(ended.error.contains(words) && ended.error.contains("try:"), "no `{words}`\n{ended}");
    };
    if containers().is_ok() {
        refused(&["./missing:/data"], &["--database", "/data/app.db"], 3, "which web mounts");
        refused(&["${UNSET_HERE}:/data"], &["--database", "/data/app.db"], 3, "cannot tell what");
    }
    refused(&[DIRECTORY], &["--service", "no-such"], 2, "there is no service");
    refused(&[DIRECTORY], &["--database", "relative.db"], 2, "no absolute path");
    refused(&[DIRECTORY], &["--database", "nobody=/data/app.db"], 2, "there is no service or container");
    let kubernetes = project.file("deployment.yaml", "apiVersion: v1\nkind: Pod\n");
    let ended = project.verify(&[&["--compose", kubernetes.as_str()], runtime].concat());
    ended.assert_code(2);
    assert!(ended.error.contains("deployment.yaml") && ended.error.contains("because:"), "{ended}");
    let broken = project.file("broken.yaml", "services:\n  web: [\n");
    project.verify(&[&["--compose", broken.as_str()], runtime].concat()).assert_code(2);
    project.verify(&[&["--compose", "no-such-file.yaml"], runtime].concat()).assert_code(2);
}

/// An application with a user of its own, a volume, and nothing to do.
struct Application {
    image: String,
    volume: String,
    container: String,
}

impl Application {
    fn start(bench: &Bench) -> Application {
        let name = format!("walproof-test-{}", std::process::id());
        let root = bench.beside("root");
        for folder in ["etc", "data"] {
            fs::create_dir_all(root.join(folder)).expect("a folder");
        }
        fs::copy(BINARY, root.join("app")).expect("a program");
        fs::set_permissions(root.join("app"), fs::Permissions::from_mode(0o755)).expect("ours");
        fs::write(root.join("etc/passwd"), "app:x:1234:1234::/:/app\n").expect("written");
        fs::write(root.join("etc/group"), "app:x:1234:\n").expect("written");
        chown(root.join("data"), Some(1234), Some(1234)).expect("root gives it away");
        let image = format!("localhost/{name}:1");
        import(&root, &image);
        let this = Application { image, volume: format!("{name}-data"), container: name };
        engine("docker", &["volume", "create", &this.volume]);
        let mount = format!("{}:/data", this.volume);
        engine(
            "docker",
            &[
                "run",
                "--detach",
                "--interactive",
                "--network",
                "none",
                "--name",
                &this.container,
                "--volume",
                &mount,
                &this.image,
            ],
        );
        this
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        for arguments in
            [["rm", "--force", &self.container], ["volume", "rm", &self.volume], ["rmi", "--force", &self.image]]
        {
            let _ = Command::new("docker").args(arguments).output();
        }
    }
}

fn import(root: &Path, image: &str) {
    let mut tar =
        Command::new("tar").arg("-C").arg(root).args(["-cf", "-", "."]).stdout(Stdio::piped()).spawn().expect("tar");
    let entry = "ENTRYPOINT [\"/app\",\"container-helper\",\"probe\"]";
    let mut command = Command::new("docker");
    command.args(["import", "--change", "USER app", "--change", entry, "-", image]);
    let output = command.stdin(tar.stdout.take().expect("its output")).output().expect("docker");
    assert!(output.status.success() && tar.wait().expect("tar").success(), "{output:?}");
}

#[test]
fn agents_are_put_into_the_users_own_image_volume_and_user() {
    if !serves("docker", "the user's own image") {
        return;
    }
    if !is_root() {
        return skip("docker", "the user's own image", "files cannot be given to another user");
    }
    let _alone = stress_alone();
    let project = Project::new();
    let app = Application::start(&project.bench);
    let begun = || engine("docker", &["container", "inspect", "--format", "{{.State.StartedAt}}", &app.container]);
    let begun_before = begun();
    let ended = project.verify(&["--like", &app.container]);
    project.comes_out(&ended, 0, "safe");
    assert_eq!(begun(), begun_before, "nobody touched it");
    let report = project.bench.report();
    assert_eq!(report["own"]["openers"][0]["user"], "app");
    assert!(report["own"]["openers"][0]["reach"].as_str().is_some_and(|text| text.contains(&app.volume)), "{ended}");
    assert_eq!(engine("docker", &["container", "inspect", "--format", "{{.State.Running}}", &app.container]), "true");
    let ended = project.verify(&["--like", &app.container, "--target", &app.container]);
    project.comes_out(&ended, 0, "safe");
    assert_ne!(begun(), begun_before, "it was killed and started, since it was named");
    assert_eq!(project.bench.report()["strikes"]["missed"], 0, "{ended}");
    assert_eq!(engine("docker", &["container", "inspect", "--format", "{{.State.Status}}", &app.container]), "running");
    // A directory that this user may not write to.
    let tested = project.bench.beside("other").display().to_string();
    let ended = project.verify(&["--image", &app.image, &tested]);
    project.comes_out(&ended, 1, "refuses");
    assert_engine_is_clean("docker");
}
