//! The conformance body of the runtimes: one list of requirements, run against every runtime of the slice.
//!
//! What this file is: a test binary with its own main, because containers run this very binary: as the helper, and as
//! the agent that reports what it sees from inside.
//! What it must not do: test SQLite.
//! Where to look next: `src/runtimes/`. `WALPROOF_REQUIRE=containers,docker` makes the absence of the embedded runtime
//! and of Docker a failure.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use walproof_lab::run::leavings::{RunDirectory, RunId, clean};
use walproof_lab::runtimes::pidfd::readable_within;
use walproof_lab::runtimes::{
    Container, ContainerSpec, Exit, HELPER, Line, Mount, RUNTIMES, Runtime, RuntimeError, choose, helper_main,
};
use walproof_testbench::is_required;

const AGENT: &str = "agent-under-test";
const LAB: &str = "lab-under-test";
const VANISHING: &str = "vanishing-binary";
const ONLY: &str = "WALPROOF_CONFORMANCE_ONLY";
const SOON: Duration = Duration::from_secs(10);

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.get(1).map(String::as_str) {
        Some(HELPER) => std::process::exit(helper_main(&arguments[2..])),
        Some(AGENT) => agent(),
        Some(LAB) => lab(&arguments[2], Path::new(&arguments[3])),
        Some("--list") => REQUIREMENTS.iter().for_each(|(name, _)| println!("{name}: test")),
        filter => conformance(filter.filter(|word| !word.starts_with('-')).unwrap_or("")),
    }
}

// ---- the agent: what runs inside ----

/// Like every agent it speaks first.
fn agent() {
    println!("ready");
    for line in std::io::stdin().lines() {
        let Ok(line) = line else { return };
        let mut words = line.splitn(3, ' ');
        let (verb, first, second) =
            (words.next().unwrap_or(""), words.next().unwrap_or(""), words.next().unwrap_or(""));
        let answer = match verb {
            "echo" => line[4..].trim().to_owned(),
            "read" => answer(fs::read_to_string(first)),
            "write" => answer(fs::write(first, second).map(|()| "written".to_owned())),
            "list" => answer(list(first)),
            "variable" => std::env::var(first).unwrap_or_default(),
            "link" => answer(fs::read_link(first).map(|path| path.display().to_string())),
            "status" => status(first),
            "pid" => std::process::id().to_string(),
            "eat" => eat(first.parse().unwrap_or(0)),
            "complain" => {
                eprintln!("{first}");
                "complained".to_owned()
            }
            "exit" => std::process::exit(first.parse().unwrap_or(99)),
            _ => "what?".to_owned(),
        };
        println!("{answer}");
    }
}

fn answer(result: std::io::Result<String>) -> String {
    result.map_or_else(|error| format!("error {}", error.kind()), |text| text.replace('\n', "|"))
}

fn list(folder: &str) -> std::io::Result<String> {
    let names = fs::read_dir(folder)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<std::io::Result<Vec<String>>>()?;
    names.sort();
    Ok(names.join(" "))
}

fn status(field: &str) -> String {
    let all = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let found = all.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    found.unwrap_or("absent").trim().to_owned()
}

fn eat(bytes: usize) -> String {
    let mut eaten = vec![0_u8; bytes];
    eaten.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::hint::black_box(&eaten);
    "eaten".to_owned()
}

// ---- the lab that will be killed ----

/// Starts two containers, one of them stopped, tells their pids, and waits for its own end. A copy of the test
/// binary removes itself first, as a rebuild would.
fn lab(runtime: &str, scratch_parent: &Path) {
    let program = fs::read_link("/proc/self/exe").expect("the running binary");
    if program.ends_with(VANISHING) {
        fs::remove_file(program).expect("removed");
    }
    let runtime = choose(Some(runtime)).expect("the runtime served a moment ago");
    let run = RunDirectory::create(&RunId::random()).expect("a state folder");
    let scratch = run.note_scratch(&scratch_parent.join(run.scratch_name())).expect("noted");
    fs::create_dir(&scratch).expect("scratch");
    fs::write(scratch.join("x.db"), "scratch").expect("a file in it");
    let mounts = vec![bind(&scratch, "/db")];
    let mut first = runtime.start(&run, &spec("first", mounts.clone())).expect("first");
    let second = runtime.start(&run, &spec("second", mounts)).expect("second");
    first.pause().expect("paused");
    println!("{} {} {}", run.id(), first.pid().expect("here"), second.pid().expect("here"));
    std::thread::sleep(Duration::from_secs(600));
}

// ---- the bench ----

struct Bench {
    runtime: Box<dyn Runtime>,
    run: RunDirectory,
    folder: PathBuf,
}

impl Bench {
    fn new(name: &str) -> Result<Bench, RuntimeError> {
        let runtime = choose(Some(name))?;
        let run = RunDirectory::create(&RunId::random())?;
        let folder = std::env::temp_dir().join(format!("walproof-conformance-{}", run.id()));
        let folder = run.note_history(&folder)?;
        fs::create_dir_all(&folder).expect("a temporary folder");
        Ok(Bench { runtime, run, folder })
    }

    fn containers(&self) -> bool {
        self.runtime.abilities().containers
    }

    fn folder(&self, name: &str) -> PathBuf {
        let folder = self.folder.join(name);
        fs::create_dir_all(&folder).expect("a folder of the test");
        folder
    }

    fn start(&self, name: &str, mounts: Vec<Mount>) -> Agent {
        let spec = spec(name, mounts);
        let started = self.runtime.start(&self.run, &spec);
        let mut container = started.unwrap_or_else(|error| panic!("{error}: {}", error.because()));
        let Line { to_agent, from_agent } = container.take_line().expect("the line");
        assert!(container.take_line().is_none(), "the line is given once");
        let mounts = spec.mounts.clone();
        let from_agent = BufReader::new(from_agent);
        let mut agent = Agent { container, to_agent: Some(to_agent), from_agent, mounts };
        assert_eq!(agent.hear(), "ready", "it speaks first");
        agent
    }

    /// Whether it is a command line of somebody else's.
    fn is_engine(&self) -> bool {
        self.runtime.engine().is_some()
    }

    fn path(&self, agent: &Agent, inside: &str) -> String {
        self.runtime.path_for_agent(&agent.mounts, Path::new(inside)).display().to_string()
    }
}

fn spec(name: &str, mounts: Vec<Mount>) -> ContainerSpec {
    let arguments = vec![AGENT.to_owned()];
    ContainerSpec {
        name: name.to_owned(),
        mounts,
        arguments,
        memory_bytes_max: 64 << 20,
        pids_max: 8,
        user: None,
        program: None,
        likeness: None,
    }
}

fn bind(source: &Path, destination: &str) -> Mount {
    Mount::Bind { source: source.into(), destination: destination.into(), read_only: false }
}

struct Agent {
    container: Box<dyn Container>,
    to_agent: Option<fs::File>,
    from_agent: BufReader<fs::File>,
    mounts: Vec<Mount>,
}

impl Agent {
    fn say(&mut self, line: &str) {
        writeln!(self.to_agent.as_ref().expect("the line is open"), "{line}").expect("the agent listens");
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.from_agent.read_line(&mut line).expect("the agent speaks");
        line.trim_end().to_owned()
    }

    fn ask(&mut self, line: &str) -> String {
        self.say(line);
        self.hear()
    }

    fn is_silent_for(&self, time: Duration) -> bool {
        use std::os::fd::AsRawFd;
        self.from_agent.buffer().is_empty()
            && !readable_within(self.from_agent.get_ref().as_raw_fd(), time).expect("poll")
    }

    fn pid(&self) -> u32 {
        self.container.pid().expect("it lives on this machine")
    }

    fn end(&mut self) -> Exit {
        self.container.wait(SOON).expect("wait").expect("it ends soon")
    }
}

// ---- the requirements ----

/// Why a requirement does not apply to a runtime here.
type Outcome = Result<(), String>;

type Requirement = (&'static str, fn(&Bench) -> Outcome);

const REQUIREMENTS: &[Requirement] = &[
    ("the-line-works-both-ways", the_line_works_both_ways),
    ("end-of-file-ends-it", end_of_file_ends_it),
    ("its-exit-code-arrives", its_exit_code_arrives),
    ("a-kill-is-seen-as-signal-9", a_kill_is_seen_as_signal_9),
    ("pause-stops-and-resume-continues", pause_stops_and_resume_continues),
    ("a-paused-one-can-be-killed", a_paused_one_can_be_killed),
    ("freeze-stops-and-thaw-continues", freeze_stops_and_thaw_continues),
    ("a-frozen-one-can-be-killed", a_frozen_one_can_be_killed),
    ("two-at-once-share-a-directory", two_at_once_share_a_directory),
    ("its-standard-error-is-kept", its_standard_error_is_kept),
    ("it-carries-the-label", it_carries_the_label),
    ("a-name-can-be-used-again-after-removal", a_name_can_be_used_again_after_removal),
    ("a-wrong-name-is-refused", a_wrong_name_is_refused),
    ("a-missing-source-is-an-error-with-a-reason", a_missing_source_is_an_error_with_a_reason),
    ("a-failed-start-tells-its-cause", a_failed_start_tells_its_cause),
    ("dropping-it-removes-it", dropping_it_removes_it),
    ("clean-after-sigkill-leaves-nothing", clean_after_sigkill_leaves_nothing),
    ("an-empty-cgroup-without-state-is-cleaned", an_empty_cgroup_without_state_is_cleaned),
    ("its-binary-may-be-replaced", its_binary_may_be_replaced),
    ("its-root-holds-nothing-else", its_root_holds_nothing_else),
    ("its-root-is-read-only", its_root_is_read_only),
    ("it-has-no-capabilities-and-gets-none", it_has_no_capabilities_and_gets_none),
    ("it-has-namespaces-of-its-own", it_has_namespaces_of_its_own),
    ("a-single-file-lies-in-a-private-directory", a_single_file_lies_in_a_private_directory),
    ("a-read-only-mount-cannot-be-written", a_read_only_mount_cannot_be_written),
    ("an-overlay-has-a-private-upper", an_overlay_has_a_private_upper),
    ("limits-hold", limits_hold),
    ("want-of-memory-is-told", want_of_memory_is_told),
    ("a-killed-helper-takes-its-container-along", a_killed_helper_takes_its_container_along),
    ("starts-one-after-the-other", starts_one_after_the_other),
    ("thirty-two-start-at-once", thirty_two_start_at_once),
];

fn containers(bench: &Bench) -> Outcome {
    if bench.containers() { Ok(()) } else { Err("not a runtime of containers".to_owned()) }
}

fn the_line_works_both_ways(bench: &Bench) -> Outcome {
    let mut agent = bench.start("line", vec![]);
    assert_eq!(agent.ask("echo hello"), "hello");
    assert_eq!(agent.ask("echo again"), "again");
    Ok(())
}

fn end_of_file_ends_it(bench: &Bench) -> Outcome {
    let mut agent = bench.start("end", vec![]);
    assert_eq!(agent.container.wait(Duration::from_millis(20)).expect("wait"), None);
    agent.to_agent = None;
    assert_eq!(agent.end(), Exit::Code(0));
    let mut rest = String::new();
    agent.from_agent.read_to_string(&mut rest).expect("end of file on its output: nobody else holds it");
    Ok(())
}

fn its_exit_code_arrives(bench: &Bench) -> Outcome {
    let mut agent = bench.start("code", vec![]);
    agent.say("exit 7");
    assert_eq!(agent.end(), Exit::Code(7));
    assert_eq!(agent.end(), Exit::Code(7), "and again");
    Ok(())
}

fn a_kill_is_seen_as_signal_9(bench: &Bench) -> Outcome {
    let mut agent = bench.start("kill", vec![]);
    agent.ask("echo alive");
    agent.container.kill().expect("kill");
    assert_eq!(agent.end(), Exit::Signal(9));
    assert_ne!(agent.container.oom_killed(), Some(true));
    agent.container.kill().expect("a second kill is no error");
    agent.container.remove().expect("remove");
    agent.container.remove().expect("twice");
    Ok(())
}

fn pause_stops_and_resume_continues(bench: &Bench) -> Outcome {
    let mut agent = bench.start("pause", vec![]);
    agent.ask("echo alive");
    agent.container.pause().expect("pause");
    agent.say("echo late");
    assert!(agent.is_silent_for(Duration::from_millis(100)), "a paused agent does not answer");
    agent.container.resume().expect("resume");
    assert_eq!(agent.hear(), "late");
    Ok(())
}

fn a_paused_one_can_be_killed(bench: &Bench) -> Outcome {
    let mut agent = bench.start("paused", vec![]);
    agent.container.pause().expect("pause");
    agent.container.kill().expect("kill");
    assert_eq!(agent.end(), Exit::Signal(9));
    Ok(())
}

fn freeze_stops_and_thaw_continues(bench: &Bench) -> Outcome {
    limits(bench)?;
    let mut agent = bench.start("freeze", vec![]);
    agent.container.freeze().expect("freeze");
    agent.say("echo late");
    assert!(agent.is_silent_for(Duration::from_millis(100)), "a frozen agent does not answer");
    agent.container.thaw().expect("thaw");
    agent.container.thaw().expect("twice is no error");
    assert_eq!(agent.hear(), "late");
    Ok(())
}

fn a_frozen_one_can_be_killed(bench: &Bench) -> Outcome {
    limits(bench)?;
    let mut agent = bench.start("frozen", vec![]);
    agent.container.freeze().expect("freeze");
    agent.container.kill().expect("kill");
    assert_eq!(agent.end(), Exit::Signal(9));
    Ok(())
}

fn two_at_once_share_a_directory(bench: &Bench) -> Outcome {
    let shared = bench.folder("shared");
    let mut one = bench.start("one", vec![bind(&shared, "/db")]);
    let mut two = bench.start("two", vec![bind(&shared, "/db")]);
    let path = bench.path(&one, "/db/x");
    assert_eq!(one.ask(&format!("write {path} from one")), "written");
    assert_eq!(two.ask(&format!("read {path}")), "from one");
    assert_eq!(fs::read_to_string(shared.join("x")).expect("on the host too"), "from one");
    Ok(())
}

fn its_standard_error_is_kept(bench: &Bench) -> Outcome {
    let mut agent = bench.start("complains", vec![]);
    assert_eq!(agent.ask("complain ouch"), "complained");
    // It comes by a way of its own, and over an engine perhaps a little later than the answer.
    let end = Instant::now() + SOON;
    while agent.container.stderr_tail() != "ouch" && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(agent.container.stderr_tail(), "ouch");
    Ok(())
}

fn it_carries_the_label(bench: &Bench) -> Outcome {
    let mut agent = bench.start("label", vec![]);
    assert_eq!(agent.ask("variable WALPROOF_RUN"), bench.run.id().as_str());
    let environment = fs::read_to_string(format!("/proc/{}/environ", agent.pid())).expect("readable to us");
    assert!(environment.contains(bench.run.id().as_str()));
    Ok(())
}

fn a_name_can_be_used_again_after_removal(bench: &Bench) -> Outcome {
    for life in 0..3 {
        let mut agent = bench.start("again", vec![]);
        assert_eq!(agent.ask(&format!("echo {life}")), life.to_string());
        agent.container.remove().expect("remove");
    }
    Ok(())
}

fn a_wrong_name_is_refused(bench: &Bench) -> Outcome {
    for bad in ["", "../up", ".hidden"] {
        let refused = bench.runtime.start(&bench.run, &spec(bad, vec![]));
        assert!(matches!(refused, Err(RuntimeError::Unsupported { .. })), "{bad}");
    }
    Ok(())
}

fn a_missing_source_is_an_error_with_a_reason(bench: &Bench) -> Outcome {
    containers(bench)?;
    let error = refused(bench, "missing", bind(Path::new("/no/such/place"), "/db"));
    assert!(error.because().contains("No such file"), "{}", error.because());
    Ok(())
}

fn a_failed_start_tells_its_cause(bench: &Bench) -> Outcome {
    containers(bench)?;
    let error = refused(bench, "failing", bind(&bench.folder("db"), "/walproof/db"));
    assert!(matches!(error, RuntimeError::Start { .. }));
    assert!(error.because().to_lowercase().contains("not a directory"), "{}", error.because());
    assert!(!run_leaves(bench.run.id(), "failing"), "what was half made is gone");
    assert!(!bench.run.path().join("state/failing").exists());
    Ok(())
}

fn refused(bench: &Bench, name: &str, mount: Mount) -> RuntimeError {
    match bench.runtime.start(&bench.run, &spec(name, vec![mount])) {
        Ok(_) => panic!("`{name}` started"),
        Err(error) => error,
    }
}

fn run_leaves(run: &RunId, name: &str) -> bool {
    !cgroup_folders(&format!("walproof-{run}/{name}")).is_empty()
}

fn cgroup_folders(path: &str) -> Vec<PathBuf> {
    let roots = fs::read_dir("/sys/fs/cgroup").into_iter().flatten().flatten().map(|entry| entry.path());
    let all = roots.chain([PathBuf::from("/sys/fs/cgroup")]);
    all.map(|root| root.join(path)).filter(|folder| folder.exists()).collect()
}

fn dropping_it_removes_it(bench: &Bench) -> Outcome {
    let agent = bench.start("dropped", vec![]);
    let pid = agent.pid();
    drop(agent);
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert!(!bench.run.path().join("bundles/dropped").exists());
    assert!(!bench.run.path().join("state/dropped").exists());
    assert!(!run_leaves(bench.run.id(), "dropped"));
    Ok(())
}

fn clean_after_sigkill_leaves_nothing(bench: &Bench) -> Outcome {
    let users = bench.folder("users");
    fs::write(users.join("users.db"), "precious").expect("a user's file");
    let (mut lab, run, pids) = start_lab(Path::new("/proc/self/exe"), bench, &users);
    assert_eq!(clean(Some(&run)).kept.len(), 1, "its supervisor lives");
    kill_helpers_of(&run, &pids);
    lab.kill().and_then(|()| lab.wait()).expect("the lab dies");
    let report = clean(Some(&run));
    assert_eq!(report.failed, Vec::<String>::new());
    pids.iter().for_each(|pid| assert!(has_ended(pid), "process {pid} lives"));
    assert_eq!(cgroup_folders(&format!("walproof-{run}")), Vec::<PathBuf>::new());
    assert_eq!(clean(Some(&run)), Default::default(), "nothing is left to clean");
    assert_eq!(list(users.to_str().expect("text")).expect("readable"), "users.db");
    if bench.is_engine() {
        // What the lab's runtime noted for itself: its image.
        assert_eq!(clean(None).failed, Vec::<String>::new());
        assert_eq!(
            engine_says(bench, &["ps", "--all", "--quiet", "--filter", &format!("label=walproof.run={run}")]),
            ""
        );
        let images = engine_says(bench, &["images", "--format", "{{.Repository}}:{{.Tag}}"]);
        let runs = images.lines().filter_map(|tag| tag.split_once("walproof:run-").map(|(_, run)| run));
        let forgotten: Vec<&str> = runs.filter(|run| !bench.run.path().with_file_name(run).exists()).collect();
        assert!(forgotten.is_empty(), "images of runs that nobody notes: {forgotten:?}");
    }
    Ok(())
}

fn engine_says(bench: &Bench, arguments: &[&str]) -> String {
    bench.runtime.engine().expect("an engine").ask(arguments).expect("it answers")
}

fn an_empty_cgroup_without_state_is_cleaned(bench: &Bench) -> Outcome {
    limits(bench)?;
    if bench.is_engine() {
        return Err("its cgroups are the engine's".to_owned());
    }
    let run = RunId::random();
    let folder = cgroup_folders(&format!("walproof-{}", bench.run.id())).first().map(PathBuf::from);
    let folder = folder.expect("the run's own").with_file_name(format!("walproof-{run}"));
    fs::create_dir_all(folder.join("agent-0")).expect("root makes cgroups");
    assert_eq!(clean(Some(&run)).removed.len(), 1);
    assert!(!folder.exists());
    Ok(())
}

fn start_lab(program: &Path, bench: &Bench, folder: &Path) -> (Child, RunId, Vec<String>) {
    let mut command = Command::new(program);
    let mut lab =
        command.args([LAB, bench.runtime.name()]).arg(folder).stdout(Stdio::piped()).spawn().expect("the lab");
    let mut line = String::new();
    BufReader::new(lab.stdout.take().expect("its output")).read_line(&mut line).expect("it tells its run");
    let mut words = line.split_whitespace().map(str::to_owned);
    let run = words.next().and_then(|run| RunId::parse(&run)).expect("a run");
    (lab, run, words.collect())
}

fn its_binary_may_be_replaced(bench: &Bench) -> Outcome {
    let binary = bench.folder.join(VANISHING);
    fs::copy("/proc/self/exe", &binary).expect("a copy");
    let (mut lab, run, pids) = start_lab(&binary, bench, &bench.folder("replaced"));
    assert!(!binary.exists() && pids.len() == 2);
    lab.kill().and_then(|()| lab.wait()).expect("the lab dies");
    assert_eq!(clean(Some(&run)).failed, Vec::<String>::new());
    // What its runtime noted for itself, an image on an engine.
    assert_eq!(clean(None).failed, Vec::<String>::new());
    Ok(())
}

/// The first container's helper is killed as well: nobody removes it but `clean`.
fn kill_helpers_of(run: &RunId, pids: &[String]) {
    let Some(parent) = fs::read_to_string(format!("/proc/{}/status", pids[0]))
        .ok()
        .and_then(|status| status.lines().find_map(|line| line.strip_prefix("PPid:").map(|pid| pid.trim().to_owned())))
    else {
        return;
    };
    let command = fs::read_to_string(format!("/proc/{parent}/cmdline")).unwrap_or_default();
    if command.contains(HELPER) && command.contains(run.as_str()) {
        let killed = Command::new("kill").args(["-9", &parent]).status().expect("kill");
        assert!(killed.success());
    }
}

fn has_ended(pid: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_none_or(|(_, rest)| rest.trim_start().starts_with('Z'))
}

fn its_root_holds_nothing_else(bench: &Bench) -> Outcome {
    containers(bench)?;
    let mut agent = bench.start("root", vec![bind(&bench.folder("db"), "/db")]);
    let listed = agent.ask("list /");
    // What an engine puts into every container.
    let of_engines = |name: &&str| bench.is_engine() && [".dockerenv", "etc", "run", "sys", "var"].contains(name);
    let rest: Vec<&str> = listed.split(' ').filter(|name| !of_engines(name)).collect();
    assert_eq!(rest.join(" "), "db dev proc tmp walproof");
    assert_eq!(agent.ask("list /tmp"), "");
    assert_eq!(agent.ask("write /tmp/x temporary"), "written");
    Ok(())
}

fn its_root_is_read_only(bench: &Bench) -> Outcome {
    containers(bench)?;
    let mut agent = bench.start("read-only", vec![bind(&bench.folder("db"), "/db")]);
    assert_eq!(agent.ask("write /x text"), "error read-only filesystem or storage medium");
    assert!(agent.ask("write /walproof text").starts_with("error"));
    assert!(agent.ask("write /proc/sys/kernel/domainname x").starts_with("error"));
    Ok(())
}

fn it_has_no_capabilities_and_gets_none(bench: &Bench) -> Outcome {
    containers(bench)?;
    let mut agent = bench.start("capabilities", vec![]);
    for set in ["CapEff", "CapPrm", "CapInh", "CapBnd", "CapAmb"] {
        assert_eq!(agent.ask(&format!("status {set}")), "0000000000000000", "{set}");
    }
    assert_eq!(agent.ask("status NoNewPrivs"), "1");
    Ok(())
}

fn it_has_namespaces_of_its_own(bench: &Bench) -> Outcome {
    containers(bench)?;
    let mut agent = bench.start("agent-0.life-3", vec![]);
    assert_eq!(agent.ask("pid"), "1");
    assert_eq!(agent.ask("read /proc/sys/kernel/hostname"), "agent-0.life-3|");
    let told = bench.runtime.abilities().isolation.split("own ").nth(1).and_then(|rest| rest.split(',').next());
    let namespaces: Vec<&str> = told.expect("it tells its namespaces").split('/').collect();
    assert!(["pid", "mnt", "ipc", "uts", "net"].iter().all(|one| namespaces.contains(one)), "{namespaces:?}");
    for namespace in namespaces {
        let path = format!("/proc/self/ns/{namespace}");
        assert_ne!(agent.ask(&format!("link {path}")), fs::read_link(&path).expect("ours").display().to_string());
    }
    Ok(())
}

fn a_single_file_lies_in_a_private_directory(bench: &Bench) -> Outcome {
    containers(bench)?;
    let (private, files) = (bench.folder("private"), bench.folder("files"));
    fs::write(files.join("one.db"), "the one").expect("the file");
    let mounts = vec![bind(&private, "/db"), bind(&files.join("one.db"), "/db/one.db")];
    let mut agent = bench.start("single-file", mounts.clone());
    assert_eq!(agent.ask("read /db/one.db"), "the one");
    assert_eq!(agent.ask("write /db/one.db changed"), "written");
    assert_eq!(agent.ask("write /db/one.db-wal private"), "written");
    assert_eq!(fs::read_to_string(files.join("one.db")).expect("the file"), "changed");
    assert!(!files.join("one.db-wal").exists() && private.join("one.db-wal").exists());
    drop(agent);
    let mut restarted = bench.start("single-file.life-2", mounts);
    assert_eq!(restarted.ask("read /db/one.db-wal"), "private", "a restart keeps the private directory");
    Ok(())
}

fn a_read_only_mount_cannot_be_written(bench: &Bench) -> Outcome {
    containers(bench)?;
    let folder = bench.folder("fixed");
    let mount = Mount::Bind { source: folder, destination: "/db".into(), read_only: true };
    let mut agent = bench.start("fixed", vec![mount]);
    assert_eq!(agent.ask("write /db/x text"), "error read-only filesystem or storage medium");
    Ok(())
}

fn an_overlay_has_a_private_upper(bench: &Bench) -> Outcome {
    if !bench.runtime.abilities().overlay_mounts {
        let refused = bench.runtime.start(&bench.run, &spec("overlay", vec![overlay(bench)]));
        assert!(refused.is_err(), "a runtime without overlays refuses them");
        return Err("no overlay mounts here".to_owned());
    }
    let mount = overlay(bench);
    fs::write(bench.folder("lower: 1, 2").join("x.db"), "below").expect("the lower file");
    let mut agent = bench.start("overlay", vec![mount]);
    assert_eq!(agent.ask("read /db/x.db"), "below");
    assert_eq!(agent.ask("write /db/x.db above"), "written");
    assert_eq!(agent.ask("write /db/y.db new"), "written");
    assert_eq!(fs::read_to_string(bench.folder("lower: 1, 2").join("x.db")).expect("the lower file"), "below");
    assert_eq!(fs::read_to_string(bench.folder("upper").join("x.db")).expect("the upper file"), "above");
    Ok(())
}

fn overlay(bench: &Bench) -> Mount {
    Mount::Overlay {
        lower: bench.folder("lower: 1, 2"),
        upper: bench.folder("upper"),
        work: bench.folder("work"),
        destination: "/db".into(),
    }
}

fn limits(bench: &Bench) -> Outcome {
    if bench.runtime.abilities().limits { Ok(()) } else { Err("no limits here".to_owned()) }
}

fn limits_hold(bench: &Bench) -> Outcome {
    limits(bench)?;
    let agent = bench.start("limits", vec![]);
    let folders = folders_of(agent.pid());
    let read = |name: &str| folders.iter().find_map(|folder| fs::read_to_string(folder.join(name)).ok());
    let memory = read("memory.max").or_else(|| read("memory.limit_in_bytes")).expect("a limit of memory");
    assert_eq!(memory.trim(), (64 << 20).to_string());
    assert_eq!(read("pids.max").expect("a limit of tasks").trim(), "8");
    Ok(())
}

/// Where the cgroups of a process are.
fn folders_of(pid: u32) -> Vec<PathBuf> {
    let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).expect("it lives");
    // In hierarchies without limits it is at the root.
    let paths = text.lines().filter_map(|line| line.splitn(3, ':').nth(2)).filter(|path| *path != "/");
    paths.flat_map(|path| cgroup_folders(path.trim_start_matches('/'))).collect()
}

fn want_of_memory_is_told(bench: &Bench) -> Outcome {
    limits(bench)?;
    let mut agent = bench.start("hungry", vec![]);
    agent.say(&format!("eat {}", 512 << 20));
    assert_eq!(agent.end(), Exit::Signal(9));
    let told = agent.container.oom_killed();
    assert_ne!(told, Some(false));
    told.map(drop).ok_or_else(|| "it died of it, and this engine may not tell why".to_owned())
}

fn a_killed_helper_takes_its_container_along(bench: &Bench) -> Outcome {
    if bench.runtime.name() != "embedded" {
        return Err("no helper of ours stands above its containers".to_owned());
    }
    let mut agent = bench.start("orphan", vec![]);
    agent.ask("echo alive");
    let pid = agent.pid().to_string();
    kill_helpers_of(bench.run.id(), std::slice::from_ref(&pid));
    let end = Instant::now() + SOON;
    while !has_ended(&pid) && Instant::now() < end {
        std::thread::sleep(Duration::from_millis(2));
    }
    assert!(has_ended(&pid));
    assert!(matches!(agent.container.wait(SOON), Err(RuntimeError::HelperLost { .. })));
    Ok(())
}

fn starts_one_after_the_other(bench: &Bench) -> Outcome {
    let count = if bench.is_engine() { 10 } else { 40 };
    let mut times: Vec<[Duration; 3]> = (0..count).map(|number| start_answer_remove(bench, number)).collect();
    let mut median = |of: usize| {
        times.sort_by_key(|time| time[of]);
        times[times.len() / 2][of]
    };
    let (started, answered, removed) = (median(0), median(1), median(2));
    println!("          medians: started {started:.1?}, answered {answered:.1?}, killed and removed {removed:.1?}");
    Ok(())
}

fn start_answer_remove(bench: &Bench, number: u32) -> [Duration; 3] {
    let began = Instant::now();
    let mut agent = bench.start(&format!("timed-{number}"), vec![bind(&bench.folder("timed"), "/db")]);
    let started = began.elapsed();
    agent.ask("echo ready");
    let answered = began.elapsed();
    let began = Instant::now();
    agent.container.remove().expect("removed");
    [started, answered, began.elapsed()]
}

fn thirty_two_start_at_once(bench: &Bench) -> Outcome {
    let began = Instant::now();
    let first = bench.start("crowd-0", vec![]);
    let alone = began.elapsed();
    let began = Instant::now();
    let mut crowd: Vec<Agent> = std::thread::scope(|scope| {
        let starting: Vec<_> =
            (1..32).map(|number| scope.spawn(move || bench.start(&format!("crowd-{number}"), vec![]))).collect();
        starting.into_iter().map(|thread| thread.join().expect("it started")).collect()
    });
    let together = began.elapsed();
    crowd.iter_mut().enumerate().for_each(|(at, agent)| assert_eq!(agent.ask(&format!("echo {at}")), at.to_string()));
    let began = Instant::now();
    drop((first, crowd));
    println!("          one started in {alone:.1?}, 31 more in {together:.1?}, 32 removed in {:.1?}", began.elapsed());
    Ok(())
}

// ---- the harness ----

fn conformance(filter: &str) {
    let only = std::env::var(ONLY).ok();
    let wanted = RUNTIMES.iter().filter(|entry| only.as_ref().is_none_or(|only| only == entry.name));
    let mut failures: usize = wanted.map(|entry| on_runtime(entry.name, filter)).sum();
    if only.is_none() {
        failures += without_root(filter);
        println!("\ntest result: {}. {failures} failed", if failures == 0 { "ok" } else { "FAILED" });
    }
    std::process::exit(i32::from(failures > 0));
}

fn on_runtime(name: &str, filter: &str) -> usize {
    let began = Instant::now();
    let bench = match Bench::new(name) {
        Ok(bench) => bench,
        Err(error) => {
            println!("\n{name}: skipped: {}", error.because());
            return usize::from(required(name));
        }
    };
    println!("\n{name}: {} (detected in {:.0?})", bench.runtime.abilities().isolation, began.elapsed());
    let failures = run_all(&bench, filter);
    let (state, folder) = (bench.run.path().to_path_buf(), bench.folder);
    let report = bench.run.leave();
    let clean = report.failed.is_empty() && !state.exists() && !folder.exists();
    println!("  {}  the-run-leaves-nothing", if clean { "ok    " } else { "FAILED" });
    report.failed.iter().for_each(|line| println!("          {line}"));
    failures + usize::from(!clean)
}

/// `containers` means the embedded runtime; the others go by their own names.
fn required(name: &str) -> bool {
    is_required(name) || (name == "embedded" && is_required("containers"))
}

/// Root tests the way of everybody else as well: the same body, run again by nobody.
fn without_root(filter: &str) -> usize {
    // SAFETY: geteuid has no preconditions.
    if unsafe { libc::geteuid() } != 0 {
        return 0;
    }
    println!("\nonce more without root:");
    let mut nobody = Command::new("/proc/self/exe");
    nobody.arg(filter).env(ONLY, "embedded").env_remove("XDG_RUNTIME_DIR").current_dir("/").uid(65534).gid(65534);
    usize::from(!nobody.status().is_ok_and(|status| status.success()))
}

fn run_all(bench: &Bench, filter: &str) -> usize {
    let abilities = bench.runtime.abilities();
    abilities.missing.iter().for_each(|line| println!("  missing {line}"));
    let wanted = REQUIREMENTS.iter().filter(|(name, _)| name.contains(filter));
    let failed = wanted.filter(|(name, requirement)| {
        let began = Instant::now();
        let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| requirement(bench)));
        match &outcome {
            Ok(Ok(())) => println!("  ok      {name} ({:.0?})", began.elapsed()),
            Ok(Err(why)) => println!("  skipped: {why}: {name}"),
            Err(_) => println!("  FAILED  {name}"),
        }
        outcome.is_err()
    });
    failed.count()
}
