//! A command of the user's, run for an alert: words in its environment, the whole as JSON on its standard input.
//!
//! It has a process group of its own and some seconds; then the group is killed. Its standard input is a file in memory:
//! whether it reads does not matter.
//! What it must not do: wait longer than allowed; let a name from elsewhere become a word of the command.

use std::fs::File;
use std::io::{self, Seek, Write};
use std::os::fd::FromRawFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use walproof_judge::render::harmless;

use super::telling::Alert;

/// How long a command may take.
const TIME: Duration = Duration::from_secs(10);
/// How often it is asked whether it has ended.
const PAUSE: Duration = Duration::from_millis(20);

/// Runs it to its end; an error says why the alert may not have been told.
pub fn run(command: &str, alert: &Alert, quiet: bool, stop: &AtomicBool) -> Result<(), String> {
    within(TIME, command, alert, quiet, stop)
}

fn within(time: Duration, command: &str, alert: &Alert, quiet: bool, stop: &AtomicBool) -> Result<(), String> {
    let input = in_memory(alert).map_err(|error| format!("its standard input could not be made: {error}"))?;
    let mut child = Command::new("sh")
        .arg("-c")
        .arg(command)
        .envs(words(alert))
        .stdin(Stdio::from(input))
        // Standard output may be a document of ours.
        .stdout(if quiet { Stdio::null() } else { Stdio::from(io::stderr()) })
        .stderr(if quiet { Stdio::null() } else { Stdio::inherit() })
        .process_group(0)
        .spawn()
        .map_err(|error| format!("`sh` could not be started: {error}"))?;
    match ended(&mut child, time, stop) {
        Some(status) if status.success() => Ok(()),
        Some(status) => Err(match (status.code(), status.signal()) {
            (Some(code), _) => format!("the command ended with exit code {code}"),
            (None, signal) => format!("the command was killed by signal {}", signal.unwrap_or(0)),
        }),
        None => Err(format!("the command did not end within {} s and was killed", time.as_secs())),
    }
}

/// Waits for it; `None`: it had to be killed.
fn ended(child: &mut Child, time: Duration, stop: &AtomicBool) -> Option<ExitStatus> {
    let end = Instant::now() + time;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < end && !stop.load(Ordering::Relaxed) => std::thread::sleep(PAUSE),
            _ => break,
        }
    }
    if let Ok(pid) = libc::pid_t::try_from(child.id()) {
        // SAFETY: kill takes plain numbers. The child is not waited for yet, so that its group is still its own.
        unsafe { libc::kill(-pid, libc::SIGKILL) };
    }
    let _ = child.wait();
    None
}

/// The environment. Values hold no control characters, and so no end of a word.
fn words(alert: &Alert) -> Vec<(&'static str, String)> {
    let alarm = &alert.alarm;
    let all = [
        ("WALPROOF_ALARM", alarm.alarm.to_owned()),
        ("WALPROOF_STATE", alert.state.to_owned()),
        ("WALPROOF_LEVEL", alarm.level.word().to_owned()),
        ("WALPROOF_DATABASE", alarm.database.clone().unwrap_or_default()),
        ("WALPROOF_CONTAINER", alarm.container.clone().unwrap_or_default()),
        ("WALPROOF_PID", alarm.pid.map(|pid| pid.to_string()).unwrap_or_default()),
        ("WALPROOF_SAYS", alarm.says.clone()),
        ("WALPROOF_TRY", alarm.try_this.clone()),
        ("WALPROOF_TIME", alert.time.clone()),
        ("WALPROOF_HOST", alert.host.clone()),
    ];
    all.into_iter().map(|(name, value)| (name, harmless(&value))).collect()
}

fn in_memory(alert: &Alert) -> io::Result<File> {
    // SAFETY: a valid name and flags; the descriptor that is returned is nobody else's.
    let mut file = unsafe {
        let fd = libc::memfd_create(c"walproof-alert".as_ptr(), libc::MFD_CLOEXEC);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        File::from_raw_fd(fd)
    };
    serde_json::to_writer(&mut file, alert)?;
    file.write_all(b"\n")?;
    file.rewind()?;
    Ok(file)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::alerts::telling::tests::alert;
    use walproof_judge::watch::alarms::Level;

    fn outcome(command: &str, time: Duration) -> Result<(), String> {
        within(time, command, &alert(Level::Warning), true, &AtomicBool::new(false))
    }

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_command_gets_words_and_json() {
        let words = r#"test "$WALPROOF_ALARM $WALPROOF_STATE $WALPROOF_LEVEL" = "frozen-lock-holder raised warning""#;
        assert_eq!(outcome(words, LONG), Ok(()));
        assert_eq!(
            outcome(r#"test "$WALPROOF_DATABASE $WALPROOF_CONTAINER $WALPROOF_PID" = "/a.db worker 7""#, LONG),
            Ok(())
        );
        assert_eq!(outcome(r#"grep -q '"walproof_alert":1,"state":"raised".*"says":"worker is frozen'"#, LONG), Ok(()));
    }

    #[test]
    fn failures_are_told() {
        assert_eq!(outcome("exit 3", LONG), Err("the command ended with exit code 3".to_owned()));
        assert_eq!(outcome("kill -9 $$", LONG), Err("the command was killed by signal 9".to_owned()));
    }

    #[test]
    fn a_command_that_hangs_is_killed_with_its_children() {
        let file = std::env::temp_dir().join(format!("walproof-exec-{}", std::process::id()));
        let command = format!("sleep 300 & echo $! > {}; wait", file.display());
        let outcome = outcome(&command, Duration::from_secs(1));
        assert_eq!(outcome, Err("the command did not end within 1 s and was killed".to_owned()));
        let child = std::fs::read_to_string(&file).expect("it began").trim().to_owned();
        let _ = std::fs::remove_file(&file);
        // Killed, which may take a busy kernel a while, and perhaps not waited for yet.
        let end = Instant::now() + LONG;
        loop {
            let state = std::fs::read_to_string(format!("/proc/{child}/stat")).unwrap_or_default();
            if state.is_empty() || state.contains(") Z ") {
                return;
            }
            assert!(Instant::now() < end, "{state}");
            std::thread::sleep(PAUSE);
        }
    }
}
