//! The helper: the parent of one container's first process, as conmon is for podman.
//!
//! What this file is: a re-executed single-threaded process that hands a bundle to libcontainer (which changes the
//! directory and clones), stays as parent of the container's init, reaps it, and removes the container.
//! What it must not do: read the agent's line, start a thread, outlive the lab.
//! Where to look next: `embedded.rs`, the other end of the control line; `cgroups.rs`.
//!
//! The control line is a socket pair on descriptor 3. Lines from the helper:
//! `started PID`, `failed MESSAGE` (a JSON string), `exited code N [oom]`, `exited signal N [oom]`, `removed`.
//! From the lab: `held`, once it holds the process by a pidfd; the helper reaps only after that, so that the number
//! cannot be reused between the two. End of file on the line means that the lab is gone: kill, remove, exit.

use std::ffi::CString;
use std::fs;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsRawFd, FromRawFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use libcontainer::container::Container;
use libcontainer::container::builder::ContainerBuilder;
use libcontainer::syscall::syscall::SyscallType;
use libcontainer::workload::{Executor, ExecutorError, ExecutorValidationError};
use oci_spec::runtime::Spec;
use serde::{Deserialize, Serialize};

use crate::runtimes::bundle::{Confinement, UserNamespace};
use crate::runtimes::cgroups;
use crate::runtimes::engine::answer_probe;
use crate::runtimes::pidfd::Pidfd;

/// The first argument that a binary must hand over to [`helper_main`].
pub const HELPER: &str = "container-helper";

/// What the helper is asked to do; written beside `config.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// The container's name, unique within the run.
    pub name: String,
    /// Where libcontainer keeps its state.
    pub state_folder: PathBuf,
    /// The bundle: `config.json` and `rootfs/`.
    pub bundle: PathBuf,
    /// What holds it. Where no limits can be set the helper stands a sham in the cgroups' place.
    pub confinement: Confinement,
}

/// The control line's descriptor.
pub(super) const CONTROL: i32 = 3;

/// The entry point: `container-helper REQUEST.json` or `container-helper probe [FOLDER]`. Give it the arguments after
/// `container-helper`; the answer is the exit code.
pub fn helper_main(arguments: &[String]) -> i32 {
    match arguments {
        [probe] if probe == "probe" => probe_main(None),
        [probe, folder] if probe == "probe" => probe_main(Some(Path::new(folder))),
        [request] => serve(Path::new(request)),
        _ => 2,
    }
}

/// What runs inside a container that is only started to learn whether containers can be started.
fn probe_main(folder: Option<&Path>) -> i32 {
    let (mut rest, answer) = (String::new(), answer_probe(folder));
    let said = writeln!(io::stdout(), "{answer}").and_then(|()| io::stdin().read_line(&mut rest));
    i32::from(said.is_err())
}

fn serve(request: &Path) -> i32 {
    // SAFETY: the lab put the control line on this descriptor before it executed us; nothing else uses it.
    let mut control = unsafe { UnixStream::from_raw_fd(CONTROL) };
    close_on_exec(CONTROL);
    // SAFETY: nobody in this process has opened anything above the control line yet; what is there was inherited
    // from the user's shell, who would wait for us to close it.
    unsafe { libc::close_range(CONTROL as u32 + 1, u32::MAX, 0) };
    let _ = tracing_core::dispatcher::set_global_default(tracing_core::Dispatch::new(Causes));
    match start(request) {
        Ok((container, request)) => stay(control, container, &request),
        Err(because) => {
            let message = serde_json::Value::String(because);
            i32::from(writeln!(control, "failed {message}").is_err()) + 1
        }
    }
}

fn start(request: &Path) -> Result<(Container, Request), String> {
    let text = fs::read(request).map_err(|error| format!("`{}`: {error}", request.display()))?;
    let request: Request = serde_json::from_slice(&text).map_err(|error| error.to_string())?;
    if request.confinement.user_namespace == UserNamespace::Entered {
        enter_user_namespace().map_err(|error| format!("the user namespace was denied: {error}"))?;
    }
    if !request.confinement.limits {
        hide_cgroups(&request.confinement.cgroup_path)
            .map_err(|(path, error)| format!("`{}`: {error}", path.display()))?;
    }
    let container = create(&request).map_err(|error| chain(&error))?;
    Ok((container, request))
}

fn create(request: &Request) -> Result<Container, libcontainer::error::LibcontainerError> {
    let mut container = ContainerBuilder::new(request.name.clone(), SyscallType::default())
        .with_executor(Agent)
        .with_root_path(&request.state_folder)?
        .as_init(&request.bundle)
        .with_systemd(false)
        .build()?;
    if let Err(error) = container.start() {
        let _ = container.delete(true);
        return Err(error);
    }
    Ok(container)
}

/// An error with all its causes, in one line; libcontainer's own top is often just `failed to create container`.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let text = inner.to_string();
        if !line.ends_with(&text) {
            line = format!("{line}: {text}");
        }
        cause = inner.source();
    }
    line
}

/// Executes the agent as the container's init.
#[derive(Clone)]
struct Agent;

impl Executor for Agent {
    fn validate(&self, _: &Spec) -> Result<(), ExecutorValidationError> {
        // SAFETY: prctl with integers. The parent is the single-threaded helper: its thread is the whole process.
        // Set before the wait for the start, so that init cannot outlive a killed helper there either.
        unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
        Ok(())
    }

    fn exec(&self, spec: &Spec) -> Result<(), ExecutorError> {
        let arguments = spec.process().as_ref().and_then(|process| process.args().as_ref());
        let arguments: Option<Vec<CString>> =
            arguments.into_iter().flatten().map(|one| CString::new(one.as_str()).ok()).collect();
        let arguments = arguments.filter(|all| !all.is_empty()).ok_or(ExecutorError::InvalidArg)?;
        let mut pointers: Vec<*const libc::c_char> = arguments.iter().map(|one| one.as_ptr()).collect();
        pointers.push(std::ptr::null());
        // SAFETY: the strings outlive the call and the array ends with a null pointer.
        unsafe { libc::execv(pointers[0], pointers.as_ptr()) };
        Err(ExecutorError::Other(format!(
            "{} could not be executed: {}",
            arguments[0].to_string_lossy(),
            io::Error::last_os_error()
        )))
    }
}

/// Stays until the container's end or the lab's end.
fn stay(control: UnixStream, container: Container, request: &Request) -> i32 {
    become_small();
    let Some(pid) = container.pid() else { return 1 };
    let pid = pid.as_raw();
    let held = Pidfd::open(pid as u32);
    let lab_lives = held.is_ok() && wait_for_end(&control, held.as_ref().ok(), pid);
    if let (false, Ok(init)) = (lab_lives, &held) {
        let _ = init.signal(libc::SIGKILL);
    }
    if !lab_lives && request.confinement.limits {
        // In a freezer of version 1 even SIGKILL waits for the thaw.
        let _ = cgroups::thaw(&request.confinement.cgroup_path);
    }
    let ended = reap(pid);
    let oom = request.confinement.limits
        && cgroups::oom_kill_count(&request.confinement.cgroup_path).is_some_and(|count| count > 0);
    let mut control = control;
    let _ = writeln!(control, "exited {ended}{}", if oom { " oom" } else { "" });
    let removed = remove(container, request);
    let _ = writeln!(control, "removed");
    i32::from(!removed)
}

/// Tells the pid, then waits until init ends (true) or the lab hangs up (false).
fn wait_for_end(control: &UnixStream, init: Option<&Pidfd>, pid: i32) -> bool {
    let mut writer = control;
    if writeln!(writer, "started {pid}").is_err() {
        return false;
    }
    let mut line = String::new();
    if BufReader::with_capacity(16, control).read_line(&mut line).unwrap_or(0) == 0 {
        return false;
    }
    let Some(init) = init else { return false };
    let mut both = [
        libc::pollfd { fd: init.as_raw_fd(), events: libc::POLLIN, revents: 0 },
        libc::pollfd { fd: control.as_raw_fd(), events: libc::POLLIN, revents: 0 },
    ];
    loop {
        // SAFETY: two pollfds that live on this stack frame.
        unsafe { libc::poll(both.as_mut_ptr(), 2, -1) };
        if both[0].revents != 0 {
            return true;
        }
        if both[1].revents != 0 {
            return false;
        }
    }
}

fn reap(pid: i32) -> String {
    let mut status = 0;
    loop {
        // SAFETY: waits for our own child, the status lives on this stack frame.
        match unsafe { libc::waitpid(pid, &mut status, 0) } {
            -1 if io::Error::last_os_error().kind() == io::ErrorKind::Interrupted => continue,
            -1 => return "code 255".to_owned(),
            _ if libc::WIFSIGNALED(status) => return format!("signal {}", libc::WTERMSIG(status)),
            _ => return format!("code {}", libc::WEXITSTATUS(status)),
        }
    }
}

fn remove(mut container: Container, request: &Request) -> bool {
    if !request.confinement.limits {
        show_no_cgroups(&request.confinement.cgroup_path);
    }
    let deleted = container.delete(true).is_ok();
    let bundle_gone = fs::remove_dir_all(&request.bundle).is_ok();
    deleted && bundle_gone
}

/// The agent's line belongs to the lab and the agent alone: as long as we hold its ends, nobody sees the end of file.
fn become_small() {
    if let Ok(null) = fs::OpenOptions::new().read(true).write(true).open("/dev/null") {
        for line in [0, 1] {
            // SAFETY: both descriptors are open, dup2 replaces the second one.
            unsafe { libc::dup2(null.as_raw_fd(), line) };
        }
    }
    // SAFETY: prctl with integers; malloc_trim gives free memory back. libcontainer made us undumpable, which would
    // hide our environment, our label, from `walproof clean`.
    unsafe {
        libc::prctl(libc::PR_SET_DUMPABLE, 1);
        #[cfg(target_env = "gnu")]
        libc::malloc_trim(0);
    }
}

/// libcontainer tells the cause of a failed mount only as a traced error, never in the error that it returns. This
/// writes those to standard error, which is the container's own file, shown when it did not start.
struct Causes;

impl tracing_core::Subscriber for Causes {
    fn enabled(&self, metadata: &tracing_core::Metadata<'_>) -> bool {
        *metadata.level() == tracing_core::Level::ERROR
    }

    fn event(&self, event: &tracing_core::Event<'_>) {
        let mut line = Fields(String::new());
        event.record(&mut line);
        let _ = writeln!(io::stderr(), "{}", line.0.trim());
    }

    fn new_span(&self, _: &tracing_core::span::Attributes<'_>) -> tracing_core::span::Id {
        tracing_core::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing_core::span::Id, _: &tracing_core::span::Record<'_>) {}
    fn record_follows_from(&self, _: &tracing_core::span::Id, _: &tracing_core::span::Id) {}
    fn enter(&self, _: &tracing_core::span::Id) {}
    fn exit(&self, _: &tracing_core::span::Id) {}
}

struct Fields(String);

impl tracing_core::field::Visit for Fields {
    fn record_debug(&mut self, field: &tracing_core::Field, value: &dyn std::fmt::Debug) {
        self.0 += &match field.name() {
            "message" => format!("{value:?} "),
            name => format!("({name}: {value:?}) "),
        };
    }
}

fn close_on_exec(fd: i32) {
    // SAFETY: fcntl on a descriptor of ours.
    unsafe { libc::fcntl(fd, libc::F_SETFD, libc::FD_CLOEXEC) };
}

fn check(answer: libc::c_int) -> io::Result<()> {
    if answer == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes a user namespace where the caller is root, so that its files stay its own.
fn enter_user_namespace() -> io::Result<()> {
    // SAFETY: these three calls have no preconditions.
    let (user, group, unshared) = unsafe { (libc::geteuid(), libc::getegid(), libc::unshare(libc::CLONE_NEWUSER)) };
    check(unshared)?;
    fs::write("/proc/self/setgroups", "deny")?;
    fs::write("/proc/self/uid_map", format!("0 {user} 1"))?;
    fs::write("/proc/self/gid_map", format!("0 {group} 1"))
}

/// Where cgroups cannot be written libcontainer still insists on joining some. In a mount namespace of our own we put
/// a small tmpfs over `/sys/fs/cgroup` with files of the same names: it writes there, and nothing happens.
fn hide_cgroups(cgroup_path: &str) -> Result<(), (PathBuf, io::Error)> {
    let hierarchies = cgroups::hierarchies();
    let root = Path::new("/sys/fs/cgroup");
    // SAFETY: unshare takes an integer.
    check(unsafe { libc::unshare(libc::CLONE_NEWNS) }).map_err(|error| (PathBuf::from("/"), error))?;
    mount(None, Path::new("/"), None, libc::MS_REC | libc::MS_SLAVE)?;
    mount(Some(c"tmpfs"), root, Some(c"tmpfs"), libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC)?;
    for hierarchy in hierarchies.iter().filter(|one| !one.unified && one.mount_point != root) {
        sham_hierarchy(&hierarchy.mount_point, cgroup_path)?;
    }
    Ok(())
}

fn sham_hierarchy(mount_point: &Path, cgroup_path: &str) -> Result<(), (PathBuf, io::Error)> {
    let mut folder = mount_point.to_path_buf();
    for part in [""].into_iter().chain(cgroup_path.trim_matches('/').split('/')) {
        if !part.is_empty() {
            folder.push(part);
        }
        fs::create_dir_all(&folder).map_err(|error| (folder.clone(), error))?;
        for (name, content) in [("cpuset.cpus", "0"), ("cpuset.mems", "0")] {
            let file = folder.join(name);
            fs::write(&file, content).map_err(|error| (file, error))?;
        }
        // Written numbers must vanish: libcontainer later kills whatever it reads here.
        let file = folder.join("cgroup.procs");
        std::os::unix::fs::symlink("/dev/null", &file).map_err(|error| (file, error))?;
    }
    Ok(())
}

/// The sham has files where a cgroup has none that count; libcontainer would try in vain to remove its folders.
fn show_no_cgroups(cgroup_path: &str) {
    let hierarchies = cgroups::hierarchies();
    for hierarchy in hierarchies.iter().filter(|one| !one.unified) {
        let _ = fs::remove_dir_all(hierarchy.mount_point.join(cgroup_path.trim_matches('/')));
    }
}

fn mount(
    source: Option<&std::ffi::CStr>,
    target: &Path,
    kind: Option<&std::ffi::CStr>,
    flags: libc::c_ulong,
) -> Result<(), (PathBuf, io::Error)> {
    let path = CString::new(target.as_os_str().as_encoded_bytes()).map_err(|error| (target.into(), error.into()))?;
    let pointer = |text: Option<&std::ffi::CStr>| text.map_or(std::ptr::null(), std::ffi::CStr::as_ptr);
    // SAFETY: every pointer is null or a string that outlives the call.
    check(unsafe { libc::mount(pointer(source), path.as_ptr(), pointer(kind), flags, std::ptr::null()) })
        .map_err(|error| (target.to_path_buf(), error))
}
