//! The agent: walproof's own process inside a container. It executes commands and decides nothing.
//!
//! What this room is: [`agent_main`] reads commands from standard input and answers on standard output
//! (`walproof_format::protocol`); `ledger` numbers and chains every commit, [`workloads`] is
//! what else agents do, `connection` opens SQLite, `history` records
//! every transaction, `probe` carries out single system calls, `measure` times them and what SQLite makes of them,
//! `quirks` makes the agent misbehave on purpose.
//!
//! What it must not do: judge what it sees, outlive its standard input, survive a SIGKILL in any special way.
//!
//! Where to look next: `walproof-lab/src/run/fleet.rs` is the other end of the line.

mod clock;
mod connection;
pub mod history;
mod hooks;
mod ledger;
mod measure;
mod probe;
mod quirks;
mod random;
pub mod workloads;

use std::io::{BufRead, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use walproof_format::protocol::{Command, Configuration, Hello, Reply, VERSION};

use crate::connection::SqlFailure;
use crate::ledger::Worker;
use crate::measure::Measurer;
use crate::probe::Prober;

/// Runs the agent until its standard input ends; never returns normally before that.
pub fn agent_main() -> i32 {
    let attention = Arc::new(AtomicBool::new(false));
    let (sender, commands) = channel();
    let for_reader = Arc::clone(&attention);
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { break };
            for_reader.store(true, Ordering::Release);
            if sender.send(line).is_err() {
                break;
            }
        }
        // SAFETY: ends the process at once, as a killed container would; nothing of ours needs unwinding.
        unsafe { libc::_exit(0) }
    });
    say(&Reply::Hello(hello()));
    Agent { commands, attention, worker: None, prober: Prober::default(), measurer: None, working: false }.serve()
}

/// SQLite's version as compiled in.
pub fn sqlite_version() -> &'static str {
    rusqlite::version()
}

/// The workloads by name, the user's own left out.
pub fn workload_names() -> Vec<&'static str> {
    workloads::WORKLOADS.iter().map(|kind| kind.name).filter(|name| *name != "custom").collect()
}

/// Opens a connection and creates the ledger's schema, as an agent would: for benchmarks that compare against it.
pub fn create_ledger(configuration: &Configuration) -> Result<(), String> {
    let attention = Arc::new(AtomicBool::new(false));
    let mut worker = Worker::new(configuration.clone(), attention).map_err(|error| error.to_string())?;
    worker.create().map(drop).map_err(|failure| failure.message)
}

struct Agent {
    commands: Receiver<String>,
    attention: Arc<AtomicBool>,
    worker: Option<Worker>,
    prober: Prober,
    measurer: Option<Measurer>,
    working: bool,
}

impl Agent {
    fn serve(mut self) -> i32 {
        loop {
            match self.next_command() {
                Ok(Some(line)) => {
                    self.attention.store(false, Ordering::Release);
                    let reply = match serde_json::from_str(&line) {
                        Ok(command) => self.carry_out(command),
                        Err(error) => failed("read a command", 0, 0, error.to_string()),
                    };
                    say(&reply);
                }
                Ok(None) => {}
                Err(_) => return 0,
            }
            if self.working
                && let Some(worker) = &mut self.worker
            {
                worker.step();
            }
        }
    }

    /// The next command: at once while working, else when it comes.
    fn next_command(&self) -> Result<Option<String>, TryRecvError> {
        if !self.working {
            return self.commands.recv().map(Some).map_err(|_| TryRecvError::Disconnected);
        }
        match self.commands.try_recv() {
            Ok(line) => Ok(Some(line)),
            Err(TryRecvError::Empty) => Ok(None),
            Err(gone) => Err(gone),
        }
    }

    fn carry_out(&mut self, command: Command) -> Reply {
        match command {
            Command::Configure(configuration) => self.configure(*configuration),
            Command::Probe { steps } => Reply::Probe { answers: self.prober.carry_out(steps) },
            Command::Measure(measure) => match &mut self.measurer {
                None => failed("measure", 0, 0, "no configuration came before this command".into()),
                Some(measurer) => measurer.carry_out(*measure),
            },
            Command::Halt => {
                self.working = false;
                Reply::Halted
            }
            Command::Starve { bytes } => {
                std::thread::spawn(move || starve(bytes));
                Reply::Starving
            }
            other => match &mut self.worker {
                None => failed("configure", 0, 0, "no configuration came before this command".into()),
                Some(worker) => Self::work(worker, &mut self.working, other),
            },
        }
    }

    fn work(worker: &mut Worker, working: &mut bool, command: Command) -> Reply {
        let outcome = match command {
            Command::Create => worker.create().map(|journal_mode| Reply::Created { journal_mode }),
            Command::Run => {
                *working = true;
                Ok(Reply::Running)
            }
            Command::Close => {
                *working = false;
                worker.close();
                Ok(Reply::Closed)
            }
            Command::Park => {
                let parked = worker.park().map(|spilled_pages| Reply::Parked { spilled_pages });
                *working = parked.is_err();
                parked
            }
            Command::Final => {
                *working = false;
                Ok(Reply::Final(Box::new(worker.final_state())))
            }
            Command::Turn { duty } => {
                worker.turn(duty);
                Ok(Reply::Turned)
            }
            Command::Hold => {
                let held = worker.hold().map(|()| Reply::Held);
                *working = *working && held.is_err();
                held
            }
            Command::Vacuum => worker.vacuum().map(|()| Reply::Vacuumed),
            Command::Configure(_)
            | Command::Probe { .. }
            | Command::Measure(_)
            | Command::Halt
            | Command::Starve { .. } => Ok(Reply::Halted),
        };
        outcome.unwrap_or_else(|failure: SqlFailure| {
            failed(failure.place.word(), failure.extended_code, failure.errno, failure.message)
        })
    }

    fn configure(&mut self, configuration: Configuration) -> Reply {
        let quirks = configuration.quirks.clone();
        let folder = Path::new(&configuration.database).parent().map(Path::to_owned).unwrap_or_default();
        self.measurer = Some(Measurer::new(folder));
        match Worker::new(configuration, Arc::clone(&self.attention)) {
            Err(error) => {
                failed("prepare the history", 0, error.raw_os_error().unwrap_or(0), format!("the history: {error}"))
            }
            Ok(worker) => {
                self.worker = Some(worker);
                match quirks::install(&quirks) {
                    Ok(()) => Reply::Configured,
                    Err(message) => failed("install a seccomp filter", 0, 0, message),
                }
            }
        }
    }
}

/// Touches a page of every 4 KiB: what is only allocated costs no memory. In a thread of its own, so that the end comes
/// at any instruction of the workload. What was got is kept.
fn starve(bytes: u64) {
    let mut hoard = vec![0u8; usize::try_from(bytes).unwrap_or(usize::MAX)];
    hoard.iter_mut().step_by(4096).for_each(|byte| *byte = 1);
    std::mem::forget(std::hint::black_box(hoard));
}

fn hello() -> Hello {
    Hello {
        protocol: VERSION,
        pid: std::process::id(),
        sqlite: rusqlite::version().to_owned(),
        boot_id: std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok().map(|id| id.trim().to_owned()),
        monotonic_ns: clock::monotonic_ns(),
    }
}

fn failed(place: &str, extended_code: u32, errno: i32, message: String) -> Reply {
    Reply::Failed { place: place.to_owned(), extended_code, errno, message }
}

/// One reply, one line. When the lab is gone, standard input ends as well and the process with it.
fn say(reply: &Reply) {
    let mut line = serde_json::to_vec(reply).expect("a reply is plain data");
    line.push(b'\n');
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(&line).and_then(|()| out.flush());
}
