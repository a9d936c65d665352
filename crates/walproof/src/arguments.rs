//! All flags, with the text of `--help`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use walproof_format::plan::{Failing, Latency, Rhythm};
use walproof_judge::watch::alarms::Level;

/// Is SQLite safe where you run it? Answered with evidence.
#[derive(Debug, Parser)]
#[command(name = "walproof", version, about, after_help = EXIT_CODES)]
pub struct Arguments {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXIT_CODES: &str = "Exit codes: 0 safe or risky, 1 unsafe (or the journal mode asked for is refused), \
2 walproof failed or was misused, 3 unknown.";

const LOGS_EXIT_CODES: &str = "Exit codes: 0 nothing that matters was recognised, or what was is harmless or refused \
without loss, 1 it points at lost or damaged data, 2 misuse, or a file could not be read, 3 recognised, and it cannot be \
told from this alone.";

const WATCH_EXIT_CODES: &str = "Exit codes: 0 ended by hand, or no alarm of the level of --fail-on was raised, 1 one \
was (with --once or --time), 2 misuse, or walproof failed, 3 no database was seen (with --once or --time).";
const HEALTH_EXIT_CODES: &str = "Exit codes: 0 healthy, 1 unhealthy, 2 misuse, 3 it cannot be told. With --live: 1 only \
for what a restart mends, and never 3.";

const CHECK_EXIT_CODES: &str = "Exit codes: 0 nothing unsafe was found (which is not `safe`), 1 something unsafe, or \
what --fail-on names, or refused in the --mode that was asked for, 2 misuse, or something that was named could not be \
read, 3 unknown with --fail-on unknown.";

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Test the storage under a directory: probe, control, stress with chaos, one verdict.
    ///
    /// Starts its own containers (no Docker needed), works in a subdirectory `.walproof-<run>` of DIR that is removed
    /// again, and never touches your own files.
    #[command(after_help = EXIT_CODES)]
    Verify(Box<RunFlags>),
    /// Stress and chaos alone: the successor of Harvey the WAL-Banger.
    ///
    /// As `verify`, without the probe: choose world, workload, nemeses and journal modes, one run for each mode. It
    /// accounts for every acknowledged commit. Works in a subdirectory `.walproof-<run>` of DIR that is removed again.
    #[command(after_help = EXIT_CODES)]
    Bang(Box<BangFlags>),
    /// Settle it by measurement, in about a second: two or more parties ask each other on scratch files.
    ///
    /// Locks, shared memory, freshness and latency, in both directions, then what follows for each journal mode. Works
    /// in a subdirectory `.walproof-<run>` of DIR that is removed again, and never touches your own files.
    #[command(after_help = EXIT_CODES)]
    Probe(Box<ProbeFlags>),
    /// Judge a saved history again, or export it for an independent checker.
    ///
    /// A history is the folder that `--keep-history` left, or files in it. Exit code 1 when an anomaly is found, 3 when
    /// none is and the last account is missing.
    Judge(JudgeFlags),
    /// Tell what lies in a database's files (db, -wal, -shm, -journal), dead or alive, without SQLite.
    ///
    /// Reads only: takes no lock, recovers nothing, writes nothing but the copies that `--extract-commit` and `--salvage`
    /// ask for. Exit code 0 when nothing wrong was seen, 1 when something is wrong, 2 when something could not be read.
    Inspect(InspectFlags),
    /// Diagnose from log text of any application, driver and language: what it most likely is, what settles it.
    ///
    /// Reads files or standard input once, in bounded memory: plain text, JSON lines, docker's json-file, journald's export
    /// and JSON, Kubernetes CRI. It reads no live system: `walproof probe` and `walproof inspect` do.
    #[command(after_help = LOGS_EXIT_CODES)]
    Logs(LogsFlags),
    /// Watch live databases: logs, locks, openers and their containers, and raise alarms. Harms nothing.
    ///
    /// Reads only: takes no lock, opens nothing for writing, never opens a database with SQLite. A view in a terminal,
    /// else lines; JSON, one look, alerts by a command or a webhook.
    #[command(after_help = WATCH_EXIT_CODES)]
    Watch(Box<WatchFlags>),
    /// Find a smaller run that still fails: fewer agents, fewer nemeses, shorter. Prints it as one command.
    Shrink(ShrinkFlags),
    /// Test the detector: every broken world and nemesis must be caught, every sound one must come out clean.
    ///
    /// One table with times; exit code 1 when an expectation fails, 3 when none failed and something could not be tested
    /// here.
    Selftest(SelftestFlags),
    /// List the runtimes that agents can run in: version, abilities, and what is missing.
    Runtimes {
        /// Print one JSON document.
        #[arg(long)]
        json: bool,
    },
    /// Write an image that holds only this program, for any engine: `docker load`, `podman load`, `skopeo copy`.
    ///
    /// An OCI image layout and a docker-archive in one tar, made without an engine, byte for byte reproducible.
    Image(ImageFlags),
    /// Write a sound manifest from nothing: one writer, its own storage, time to close, copies that are copies.
    ///
    /// Each choice has its reason beside it as a comment. `walproof check` finds nothing unsafe or
    /// risky in what is written; `unknown` it may say: what a storage class gives cannot be told from text.
    #[command(subcommand)]
    Manifest(ManifestKind),
    /// Ask whether this path may use WAL, in a millisecond: for entry points of containers.
    ///
    /// Looks at the mount and tries a scratch file beside the database, which is never opened. Exit code 0 when WAL may
    /// be used, 1 when not, 3 when it cannot be told from here.
    Guard(GuardFlags),
    /// Whether a database can be used: an exit code and one line, for liveness and readiness probes.
    ///
    /// Reads only, takes no lock, never opens the database with SQLite, and answers in time when storage does not.
    #[command(after_help = HEALTH_EXIT_CODES)]
    Health(HealthFlags),
    /// Find what endangers SQLite in Compose files, Kubernetes manifests, quadlets, scripts and Dockerfiles.
    ///
    /// Reads only: nothing is started, opened with SQLite or written. Text does not show what storage does: what is not
    /// found is not proved, and `walproof verify` or `walproof probe` settles what a test can settle.
    #[command(after_help = CHECK_EXIT_CODES)]
    Check(Box<CheckFlags>),
    /// Explain an anomaly, a cause, a nemesis, a rule, a signature, a workload, a world, a result code or a message of
    /// SQLite; without a name, list them all.
    Explain {
        /// Its name, as reports print it; a code (`5386`, `SQLITE_IOERR_SHMMAP`); a message (`"locking protocol"`);
        /// `sqlite-logging` for how to turn on SQLite's own log.
        name: Option<String>,
    },
    /// Remove what runs that were killed left behind: containers, cgroups, scratch directories, histories.
    Clean {
        /// Only this run (16 hex digits); without it, every run that no longer lives.
        run: Option<String>,
        /// Remove scratch files of the guard library from this directory instead: those of hosts that were killed.
        #[arg(long, value_name = "DIR", conflicts_with = "run")]
        guard: Option<PathBuf>,
    },
}

/// Flags of `verify`, and of `bang` beside its own.
#[derive(Clone, Debug, Args)]
pub struct RunFlags {
    /// The directory whose storage is tested; without it, the current one (or the replayed report's).
    pub directory: Option<PathBuf>,
    /// How long to stress: `30s`, `2m`, `500ms`.
    #[arg(long, value_parser = parse_time, default_value = "30s", conflicts_with = "replay")]
    pub time: std::time::Duration,
    /// The prepared boundary between the agents (see `walproof explain`).
    #[arg(long, default_value = "shared-directory", conflicts_with = "replay")]
    pub world: String,
    /// Number of agents, each in its own container.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=75), conflicts_with = "replay")]
    pub agents: u16,
    /// Where agents run: `embedded` (own OCI containers), `docker`, `podman`, `runc` and others (see `walproof
    /// runtimes`), `docker:runsc`, a path; `process` is none. Without it, the best that can serve here.
    #[arg(long)]
    pub runtime: Option<String>,
    /// The seed that the plan is drawn from, up to 16 hex digits; without it, a random one.
    #[arg(long, value_parser = walproof_format::report::parse_seed, conflicts_with = "replay")]
    pub seed: Option<u64>,
    /// Do again what a report or a printed plan describes: same seed, plan, world, workload.
    #[arg(long, value_name = "REPORT", visible_alias = "plan")]
    pub replay: Option<PathBuf>,
    /// Print the plan that the seed gives, as JSON, and do nothing else.
    #[arg(long)]
    pub print_plan: bool,
    /// Where to write the JSON report.
    #[arg(long, value_name = "FILE", default_value = "walproof-report.json")]
    pub report: PathBuf,
    /// Folder for the agents' histories, outside DIR; without it, the temporary directory.
    #[arg(long, value_name = "FOLDER")]
    pub history: Option<PathBuf>,
    /// Keep the histories after the run.
    #[arg(long)]
    pub keep_history: bool,
    /// Go on stressing after the first anomaly.
    #[arg(long, conflicts_with = "replay")]
    pub keep_going: bool,
    /// `risky` makes a risky verdict exit 1.
    #[arg(long, value_name = "VERDICT", value_parser = ["risky", "unsafe"], default_value = "unsafe")]
    pub fail_on: String,
    /// The user's own containers.
    #[command(flatten)]
    pub own: OwnFlags,
    /// The ledger workload.
    #[command(flatten)]
    pub workload: WorkloadFlags,
}

/// Containers of the user's, instead of a directory and a world.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Your own containers")]
pub struct OwnFlags {
    /// Test the boundary that a Compose file describes: mounts, users, limits and images of its services, on scratch
    /// files beside the database. As often as wanted, a later file over an earlier one.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["replay", "directory", "world"])]
    pub compose: Vec<String>,
    /// A service that opens the database, as often as wanted; without it, those that share one.
    #[arg(long = "service", value_name = "NAME", requires = "compose", conflicts_with = "replay")]
    pub services: Vec<String>,
    /// A container that opens the database, running or not; as often as wanted.
    #[arg(long, value_name = "CONTAINER", conflicts_with_all = ["replay", "directory", "world"])]
    pub like: Vec<String>,
    /// Where the database is inside: `/data/app.db` for all, `NAME=/data/app.db` for one service or container.
    #[arg(long = "database", value_name = "[NAME=]PATH", conflicts_with = "replay")]
    pub databases: Vec<String>,
    /// Put the agents into this image: its user, its files. Nothing is pulled.
    #[arg(long, value_name = "IMAGE", conflicts_with = "replay")]
    pub image: Option<String>,
    /// A running container of yours that is killed, started, paused and let go on during the run, as often as wanted.
    /// No other container of yours is ever touched.
    #[arg(long = "target", value_name = "CONTAINER", conflicts_with = "replay")]
    pub targets: Vec<String>,
    /// A profile of the Compose file.
    #[arg(long = "profile", value_name = "NAME", requires = "compose")]
    pub profiles: Vec<String>,
    /// The project's name, which stands in the names of its volumes; without it, as Compose finds it.
    #[arg(long, value_name = "NAME", requires = "compose")]
    pub project_name: Option<String>,
    /// A file with variables of the Compose file; without it, `.env` beside it.
    #[arg(long = "env-file", value_name = "FILE", requires = "compose")]
    pub env_files: Vec<String>,
}

/// Flags of `guard`.
#[derive(Clone, Debug, Args)]
pub struct GuardFlags {
    /// The database; it need not exist yet.
    pub path: PathBuf,
    /// Print the pragmas to set, and the reason on standard error.
    #[arg(long, conflicts_with = "json")]
    pub set: bool,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
    /// Make no scratch file: nothing is written, and the answer is `unknown` at best.
    #[arg(long)]
    pub no_probe: bool,
    /// Let a forked child meet a POSIX lock as well, as SQLite's own locks meet.
    #[arg(long)]
    pub posix_child: bool,
    /// When it cannot be told, recommend WAL and exit 0.
    #[arg(long)]
    pub fail_open: bool,
}

/// Flags of `health`.
#[derive(Clone, Debug, Args)]
pub struct HealthFlags {
    /// Databases, or directories of some; without one, the current directory.
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Whether it can be used: for readiness and startup probes, HEALTHCHECK and Compose. This is what is asked without
    /// a flag.
    #[arg(long, conflicts_with = "live")]
    pub ready: bool,
    /// Whether a restart would mend something: for liveness probes.
    #[arg(long)]
    pub live: bool,
    /// Unhealthy when `-wal` is larger: `500MB`, `2GB`, a number of bytes.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub wal_max: Option<u64>,
    /// Unhealthy when more committed frames wait for a checkpoint.
    #[arg(long, value_name = "FRAMES")]
    pub frames_max: Option<u32>,
    /// Unhealthy when less is free on its file system; without it, less than SQLite needs next.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub free_min: Option<u64>,
    /// The application only reads: a read-only mount and a full disk are no matter.
    #[arg(long)]
    pub reads_only: bool,
    /// It need not be there yet.
    #[arg(long)]
    pub may_be_missing: bool,
    /// Look at processes as well: files that they hold and that lie there no more, writers that are stopped.
    #[arg(long)]
    pub locks: bool,
    /// How long the storage may take; keep it below the probe's own.
    #[arg(long, value_parser = parse_time, default_value = "900ms")]
    pub timeout: std::time::Duration,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// What `manifest` writes.
#[derive(Debug, Subcommand)]
pub enum ManifestKind {
    /// A Compose file, for one machine.
    Compose(ManifestFlags),
    /// A StatefulSet with its claim and its Service.
    Kubernetes(ManifestFlags),
}

/// Flags of `manifest`.
#[derive(Clone, Debug, Args)]
pub struct ManifestFlags {
    /// The application's image.
    #[arg(long)]
    pub image: String,
    /// Where the application keeps its database: the whole path in the container.
    #[arg(long)]
    pub path: String,
    /// What to call it; without it, the image's last part.
    #[arg(long)]
    pub name: Option<String>,
    /// The port that the application listens on.
    #[arg(long)]
    pub port: Option<u16>,
    /// As whom it runs, in numbers: `1000` or `1000:1000`.
    #[arg(long, value_name = "UID[:GID]")]
    pub user: Option<String>,
    /// How copies are made.
    #[arg(long, value_parser = ["vacuum-into", "litestream", "none"], default_value = "none")]
    pub backup: String,
    /// The image that makes them.
    #[arg(long, value_name = "IMAGE")]
    pub backup_image: Option<String>,
    /// The storage class of the claims (Kubernetes); without it, the cluster's default.
    #[arg(long, value_name = "CLASS")]
    pub storage_class: Option<String>,
    /// How large the claims are (Kubernetes); without it, 1Gi.
    #[arg(long)]
    pub size: Option<String>,
    /// Write it to this new file instead of standard output.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// Flags of `image`.
#[derive(Clone, Debug, Args)]
pub struct ImageFlags {
    /// Where to write it; `-` for standard output.
    #[arg(long, short, value_name = "FILE", default_value = "walproof-image.tar")]
    pub output: PathBuf,
    /// What the image is called once it is loaded.
    #[arg(long, default_value = walproof_lab::image::TAG, value_parser = parse_tag)]
    pub tag: String,
}

/// Flags of `bang`.
#[derive(Clone, Debug, Args)]
pub struct BangFlags {
    /// What `verify` takes as well.
    #[command(flatten)]
    pub run: RunFlags,
    /// A nemesis, as often as wanted: `NAME` or `NAME:FIRST:INTERVAL[:LONGEST]` with times like `300ms`; `usual` for
    /// those of every run, `none` for none. Without it, the usual ones and those of the world.
    #[arg(long = "nemesis", value_name = "NAME", conflicts_with = "replay", value_parser = parse_nemesis)]
    pub nemeses: Vec<Choice>,
    /// What agents do: a workload by name, or a TOML file with your own SQL (see `walproof explain custom`).
    #[arg(long, value_name = "NAME|FILE", default_value = "ledger", conflicts_with = "replay")]
    pub workload: String,
    /// How a statement waits for a lock: a fair back-off, or `PRAGMA busy_timeout` as applications do.
    #[arg(long, value_parser = ["fair", "timeout"], default_value = "fair", conflicts_with = "replay")]
    pub busy: String,
    /// How long a statement waits for a lock, in milliseconds.
    #[arg(long, value_name = "MILLISECONDS", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=600_000), conflicts_with = "replay")]
    pub busy_timeout: u32,
    /// The last agent does nothing but checkpoints of this mode: passive, full, restart, truncate, or all in turn.
    #[arg(long, value_name = "MODE", value_parser = ["passive", "full", "restart", "truncate", "all"], conflicts_with = "replay")]
    pub checkpointer: Option<String>,
    /// Another build of the agent, with the SQLite that is to be tested (see `canaries/`).
    #[arg(long, value_name = "PROGRAM", conflicts_with = "replay")]
    pub agent: Option<PathBuf>,
    /// How slow a world's networked storage is: `FIXED[:JITTER[:EVERY:LONGEST]]`, one request in EVERY up to LONGEST.
    #[arg(long, value_name = "TIME", value_parser = parse_latency, conflicts_with = "replay")]
    pub latency: Option<Latency>,
    /// How often a world's networked storage fails with EIO: one request in N, or `reads=N,writes=N,syncs=N`.
    #[arg(long, value_name = "N", value_parser = parse_failing, conflicts_with = "replay")]
    pub io_errors: Option<Failing>,
}

/// Flags of `probe`.
#[derive(Clone, Debug, Args)]
pub struct ProbeFlags {
    /// The directory whose storage is tested; without it, the current one.
    pub directory: Option<PathBuf>,
    /// Only what decides, in well under 1.5 s: no lock matrix, no races, no fdatasync.
    #[arg(long, conflicts_with_all = ["storage", "watch"])]
    pub quick: bool,
    /// The journal mode that the exit code is about.
    #[arg(long, value_name = "MODE", default_value = "wal", value_parser = ["wal", "wal-exclusive", "delete", "truncate", "persist"], ignore_case = true)]
    pub journal: String,
    /// How many parties; every pair is asked in both directions.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(2..=8))]
    pub parties: u16,
    /// One more party that is a plain process on the host, beside those in containers.
    #[arg(long)]
    pub with_host: bool,
    /// The prepared boundary between the parties (see `walproof explain`).
    #[arg(long, default_value = "shared-directory")]
    pub world: String,
    /// Cripple the last party and see what the probe says: deny-locks, deny-shared-memory, fake-locks, freeze-server,
    /// kill-party, other-user, pause-party, read-only.
    #[arg(long, value_name = "NAME", conflicts_with_all = ["storage", "watch", "with_host"])]
    pub cripple: Option<String>,
    /// When a cripple that strikes in the middle does so, after the parties have begun to ask each other.
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "30ms", requires = "cripple")]
    pub cripple_after: std::time::Duration,
    /// How long the probe may take; what did not answer by then is unknown.
    #[arg(long, value_parser = parse_time, default_value = "30s")]
    pub timeout: std::time::Duration,
    /// Where the parties run (see `walproof runtimes`); without it, the best that can serve here.
    #[arg(long)]
    pub runtime: Option<String>,
    /// How slow a world's networked storage is: `FIXED[:JITTER[:EVERY:LONGEST]]`, one request in EVERY up to LONGEST.
    #[arg(long, value_name = "TIME", value_parser = parse_latency)]
    pub latency: Option<Latency>,
    /// Measure the storage instead: how long each call takes, what SQLite makes of it, which settings are worth it.
    #[arg(long)]
    pub storage: bool,
    /// Show the latency of the storage over time, and flag stalls, until Ctrl-C.
    #[arg(long, conflicts_with = "storage")]
    pub watch: bool,
    /// How long `--storage` measures and `--watch` looks: `30s`, `2m`.
    #[arg(long, value_parser = parse_time)]
    pub time: Option<std::time::Duration>,
    /// Print one JSON document; with `--watch` one a line.
    #[arg(long)]
    pub json: bool,
    /// `risky` makes a risky verdict exit 1.
    #[arg(long, value_name = "VERDICT", value_parser = ["risky", "unsafe"], default_value = "unsafe")]
    pub fail_on: String,
    /// The user's own containers.
    #[command(flatten)]
    pub own: ProbeOwnFlags,
}

/// Containers of the user's, instead of a directory and a world.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Your own containers")]
pub struct ProbeOwnFlags {
    /// Probe the boundary that a Compose file describes; as often as wanted, a later file over an earlier one.
    #[arg(long, value_name = "FILE", conflicts_with_all = ["directory", "world"])]
    pub compose: Vec<String>,
    /// A service that opens the database, as often as wanted; without it, those that share one.
    #[arg(long = "service", value_name = "NAME", requires = "compose")]
    pub services: Vec<String>,
    /// A container that opens the database, running or not; as often as wanted.
    #[arg(long, value_name = "CONTAINER", conflicts_with_all = ["directory", "world"])]
    pub like: Vec<String>,
    /// Where the database is inside: `/data/app.db` for all, `NAME=/data/app.db` for one service or container.
    #[arg(long = "database", value_name = "[NAME=]PATH")]
    pub databases: Vec<String>,
    /// Put the parties into this image: its user, its files. Nothing is pulled.
    #[arg(long, value_name = "IMAGE")]
    pub image: Option<String>,
    /// A profile of the Compose file.
    #[arg(long = "profile", value_name = "NAME", requires = "compose")]
    pub profiles: Vec<String>,
    /// The project's name, which stands in the names of its volumes; without it, as Compose finds it.
    #[arg(long, value_name = "NAME", requires = "compose")]
    pub project_name: Option<String>,
    /// A file with variables of the Compose file; without it, `.env` beside it.
    #[arg(long = "env-file", value_name = "FILE", requires = "compose")]
    pub env_files: Vec<String>,
}

/// Flags of `judge`.
#[derive(Clone, Debug, Args)]
pub struct JudgeFlags {
    /// The folder of a history, or files in it.
    #[arg(required = true, value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// Print the history instead: `json-lines`, a record a line, or `elle`, list-append EDN of the workload `append`.
    #[arg(long, value_name = "FORMAT", value_parser = ["json-lines", "elle"])]
    pub export: Option<String>,
    /// Print what was found as JSON.
    #[arg(long, conflicts_with = "export")]
    pub json: bool,
}

/// Flags of `inspect`.
#[derive(Clone, Debug, Args)]
pub struct InspectFlags {
    /// A database, one of the files beside it, a directory of databases, or something that has databases: a container
    /// (`docker://NAME`, `podman://NAME`, or its bare name), `k8s://NAMESPACE/POD`, `pid:NUMBER`.
    #[arg(required = true, value_name = "TARGET")]
    pub targets: Vec<PathBuf>,
    /// List the commits of the log: frames, pages, size after, tables and indexes they touch.
    #[arg(long)]
    pub commits: bool,
    /// Show what commit N of the log changed: each page, whose it is, and which bytes.
    #[arg(long, value_name = "N")]
    pub commit: Option<u64>,
    /// List the frames of the log.
    #[arg(long)]
    pub frames: bool,
    /// List the pages: whose each is, its newest frame, and whether the database file has that.
    #[arg(long)]
    pub pages: bool,
    /// Lines of each list, at most; of long lists of commits and frames the newest.
    #[arg(long, value_name = "N", default_value_t = 100)]
    pub limit: usize,
    /// Write the database as it was after commit N of the log. `--commits` lists them.
    #[arg(long, value_name = "N", requires = "output", conflicts_with = "salvage")]
    pub extract_commit: Option<u64>,
    /// Where to: a new file, or a directory, apart from the originals.
    #[arg(long, value_name = "PATH", requires = "extract_commit")]
    pub output: Option<PathBuf>,
    /// Extract also where pages are lost, with what the file has in their place, and list them.
    #[arg(long, requires = "extract_commit")]
    pub partial: bool,
    /// Copy all files of the database into DIR, also those that only live processes still hold, and put together what
    /// can be recovered. DIR must not exist, and lies apart from the originals.
    #[arg(long, value_name = "DIR")]
    pub salvage: Option<PathBuf>,
    /// Print one JSON document.
    #[arg(long)]
    pub json: bool,
}

/// Flags of `logs`.
#[derive(Clone, Debug, Args)]
pub struct LogsFlags {
    /// Log files; `-` or none for standard input; `docker://NAME`, `podman://NAME`, `nerdctl://NAME`,
    /// `k8s://NAMESPACE/POD[/CONTAINER]`, `unit:NAME`, `kernel:`, or the name of a container.
    #[arg(value_name = "FILE")]
    pub files: Vec<PathBuf>,
    /// A fact that the log does not hold, as often as wanted: `fs=nfs4` (as `findmnt -T PATH` says), `runtime=docker-desktop`,
    /// `orchestrator=kubernetes`, `mount=ro`, `tool=litestream`; or what `walproof check` takes (a manifest, a folder, a
    /// database, `docker://NAME`), and its facts are used.
    #[arg(long = "with", value_name = "KEY=VALUE|TARGET", value_parser = parse_with)]
    pub facts: Vec<With>,
    /// Go on reading what grows, through rotation, until Ctrl-C; raise an alarm once for each cause.
    #[arg(long, short)]
    pub follow: bool,
    /// With `--follow`, a command of `sh` for each alarm: JSON on its standard input, the cause in `WALPROOF_CAUSE`.
    #[arg(long, value_name = "COMMAND", requires = "follow")]
    pub exec: Option<String>,
    /// Begin there, as the engine or journald understands it: `10m`, `2024-01-02T03:04:05Z`.
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub since: Option<String>,
    /// Begin with the last so many lines.
    #[arg(long, value_name = "LINES")]
    pub tail: Option<u64>,
    /// Print one JSON document; with `--follow` a line for each alarm, and the document at the end.
    #[arg(long)]
    pub json: bool,
}

/// What stands behind `--with` of `logs`.
#[derive(Clone, Debug)]
pub enum With {
    /// A fact.
    Fact(walproof_judge::logs::Given),
    /// Something that `check` looks at.
    Target(PathBuf),
}

impl With {
    /// What `check` is to look at.
    pub fn target(&self) -> Option<&PathBuf> {
        match self {
            Self::Fact(_) => None,
            Self::Target(target) => Some(target),
        }
    }
}

impl CheckFlags {
    /// Those of `walproof check TARGET...` without a flag.
    pub fn of_targets(targets: &[PathBuf]) -> Self {
        let words = ["walproof", "check", "--"].map(PathBuf::from);
        match Arguments::parse_from(words.iter().chain(targets)).command {
            Command::Check(flags) => *flags,
            other => unreachable!("`check` is not {other:?}"),
        }
    }
}

/// Flags of `watch`.
#[derive(Clone, Debug, Args)]
pub struct WatchFlags {
    /// A database or a directory of some, `docker://NAME`, `podman://NAME`, `embedded://NAME`, `k8s://NAMESPACE/POD`,
    /// `pid:NUMBER`, `host://`; the bare name of a container, if nothing here is called so.
    #[arg(value_name = "TARGET", required_unless_present = "host")]
    pub targets: Vec<PathBuf>,
    /// Everything on this machine that has a database open.
    #[arg(long)]
    pub host: bool,
    /// The time between looks: `1s`, `100ms`.
    #[arg(long, value_parser = parse_time, default_value = "500ms")]
    pub every: std::time::Duration,
    /// End after this time; without it, at Ctrl-C.
    #[arg(long, value_parser = parse_time)]
    pub time: Option<std::time::Duration>,
    /// Look for two seconds (or `--time`), print one report, end.
    #[arg(long)]
    pub once: bool,
    /// Read the kernel's trace of locks as well, which root may: exact times, and who was refused. It costs whoever takes
    /// locks on this machine a tenth of its time.
    #[arg(long)]
    pub trace: bool,
    /// Print one JSON document a look.
    #[arg(long)]
    pub json: bool,
    /// Print lines, in a terminal too.
    #[arg(long, conflicts_with_all = ["json", "once"])]
    pub plain: bool,
    /// With `--once` or `--time`: exit 1 when an alarm of this level or a worse one was raised.
    #[arg(long, value_name = "LEVEL", value_parser = parse_level, default_value = "critical")]
    pub fail_on: Level,
    /// Serve a page, `/metrics` for Prometheus and `/state.json`; without a value, on 127.0.0.1:14207. Port 0: any.
    #[arg(long, value_name = "ADDRESS:PORT", num_args = 0..=1, require_equals = true, default_missing_value = crate::watch::SERVED_AT)]
    pub serve: Option<String>,
    /// Let `--serve` take an address that other machines can reach. What it shows is then theirs to read.
    #[arg(long, requires = "serve")]
    pub serve_anywhere: bool,
    /// When alarms are raised.
    #[command(flatten)]
    pub thresholds: WatchThresholds,
    /// Who is told of them.
    #[command(flatten)]
    pub alerts: AlertFlags,
}

/// When `watch` raises alarms.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Thresholds")]
pub struct WatchThresholds {
    /// A `-wal` of this size is worth a word: `1GiB`, `64MiB`.
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub wal_max: Option<u64>,
    /// A disk that will be full within this time is worth an alarm: `6h`.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub full_within: Option<std::time::Duration>,
    /// A checkpoint that stands still for this long while frames wait: `30s`.
    #[arg(long, value_name = "TIME", value_parser = parse_time)]
    pub pinned_after: Option<std::time::Duration>,
}

/// Who is told of the alarms of `watch`.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Alerts")]
pub struct AlertFlags {
    /// Run this by `sh -c` for each alarm that is raised or cleared: WALPROOF_ALARM and others in its environment, the
    /// alarm as JSON on its standard input. At most 10 s.
    #[arg(long, value_name = "COMMAND")]
    pub exec: Option<String>,
    /// POST each alarm that is raised or cleared to this address.
    #[arg(long, value_name = "URL", value_parser = parse_webhook)]
    pub webhook: Option<String>,
    /// What is posted.
    #[arg(long, value_name = "FORMAT", value_parser = ["json", "slack", "discord", "ntfy"], default_value = "json", requires = "webhook")]
    pub webhook_format: String,
    /// Tell of alarms of this level and worse ones: notice, warning, critical.
    #[arg(long, value_name = "LEVEL", value_parser = parse_level, default_value = "warning")]
    pub alert_on: Level,
    /// An alarm that comes and goes is told once in this time.
    #[arg(long, value_name = "TIME", value_parser = parse_time, default_value = "5m")]
    pub alert_again: std::time::Duration,
}

/// Flags of `check`.
#[derive(Clone, Debug, Args)]
pub struct CheckFlags {
    /// Files, folders, `-` for standard input, a database, `docker://NAME`, `podman://NAME`, `k8s://NAMESPACE/POD`,
    /// `pid:NUMBER`, `host://` for everything that has a database open on this host; without one, the current folder.
    #[arg(value_name = "TARGET")]
    pub targets: Vec<PathBuf>,
    /// A file of one Compose project, as often as wanted, a later file over an earlier one (as `docker compose -f`).
    #[arg(long, value_name = "FILE")]
    pub compose: Vec<PathBuf>,
    /// A file with variables of Compose files; without it, `.env` beside them. The environment counts more.
    #[arg(long = "env-file", value_name = "FILE")]
    pub env_files: Vec<PathBuf>,
    /// A profile of Compose, as often as wanted; `*` for all.
    #[arg(long = "profile", value_name = "NAME")]
    pub profiles: Vec<String>,
    /// Where the containers run: linux, docker-desktop, orbstack, podman-machine, wsl, unknown. Paths of the host come
    /// through a share of a virtual machine on some.
    #[arg(long, value_name = "KIND", value_parser = walproof_judge::check::config::parse_host)]
    pub host: Option<walproof_judge::sharing::Host>,
    /// The journal mode of databases of which it is not known: wal or rollback.
    #[arg(long, value_name = "MODE", value_parser = walproof_judge::check::config::parse_mode)]
    pub mode: Option<walproof_format::sqlite::db_header::JournalFamily>,
    /// A database, as often as wanted: `/data/app.db` of whoever mounts something there, `web:/data/app.db=wal` of one
    /// workload in WAL mode, `web:/data/` for a folder.
    #[arg(long = "database", value_name = "[WORKLOAD:]/PATH[=MODE]", value_parser = walproof_judge::check::config::parse_database)]
    pub databases: Vec<walproof_judge::sharing::lower::NamedDatabase>,
    /// More rows for the table of applications, as often as wanted (see docs/check.md).
    #[arg(long, value_name = "FILE")]
    pub applications: Vec<PathBuf>,
    /// What makes the exit code other than 0 besides `unsafe`: refuses, unknown, risky; several with commas.
    #[arg(long, value_name = "SEVERITY", value_delimiter = ',', value_parser = walproof_judge::check::config::parse_severity)]
    pub fail_on: Vec<walproof_judge::rules::Severity>,
    /// Only this rule, as often as wanted (`walproof explain` lists them).
    #[arg(long = "rule", value_name = "RULE")]
    pub rules: Vec<String>,
    /// A rule whose findings do not count, as often as wanted.
    #[arg(long = "skip", value_name = "RULE")]
    pub skipped: Vec<String>,
    /// Do not count findings that this file accepts.
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Write a baseline of everything that is found, and exit 0.
    #[arg(long, value_name = "FILE")]
    pub write_baseline: Option<PathBuf>,
    /// The form of what is printed.
    #[arg(long, value_name = "FORMAT", value_parser = ["text", "json", "sarif", "junit", "github"], default_value = "text")]
    pub format: String,
    /// Write it to this file instead.
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The configuration; without it, the first `.walproof.toml` from the current folder upwards.
    #[arg(long, value_name = "FILE", conflicts_with = "no_config")]
    pub config: Option<PathBuf>,
    /// Read no configuration.
    #[arg(long)]
    pub no_config: bool,
    /// Show what would change as a diff; `--fix=write` changes the files, and checks again. Comments, order and style stay.
    #[arg(
        long,
        value_name = "HOW",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "show",
        value_parser = ["show", "write"],
        conflicts_with = "write_baseline"
    )]
    pub fix: Option<String>,
    /// Also change what data must be moved for by hand first, for this rule, as often as wanted. `--fix` shows the steps.
    #[arg(long, value_name = "RULE", requires = "fix")]
    pub move_data: Vec<String>,
}

/// Flags of `shrink`.
#[derive(Clone, Debug, Args)]
pub struct ShrinkFlags {
    /// The report of a run that failed.
    pub report: PathBuf,
    /// The directory to run in; without it, the report's.
    pub directory: Option<PathBuf>,
    /// How often a smaller run may come out clean before it counts as one that does not fail.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=20))]
    pub tries: u32,
}

/// Flags of `selftest`.
#[derive(Clone, Debug, Args)]
pub struct SelftestFlags {
    /// The directory to work in; without it, the current one.
    pub directory: Option<PathBuf>,
    /// Only cases whose name holds this: `nemesis`, `two-clients`, `fake-locks`.
    #[arg(long, value_name = "WORD")]
    pub only: Option<String>,
    /// Runs at a time.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub jobs: u16,
    /// The seed that all plans are drawn from.
    #[arg(long, value_parser = walproof_format::report::parse_seed)]
    pub seed: Option<u64>,
    /// Where agents run (see `walproof runtimes`); without it, the best that can serve here.
    #[arg(long)]
    pub runtime: Option<String>,
    /// Where to write the table as JSON.
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
}

/// A value of `--nemesis`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// None at all.
    None,
    /// Those of every run.
    Usual,
    /// This one, in its own rhythm or in another one: first, interval, longest, in milliseconds.
    One(String, Option<Rhythm>),
}

/// A fact of `--with`, or something that `check` looks at.
fn parse_with(text: &str) -> Result<With, String> {
    use walproof_judge::logs::{Given, GivenError, KEYS};
    let is_target = || crate::check::running(text).is_some() || PathBuf::from(text).exists();
    match Given::parse(text) {
        Ok(fact) => Ok(With::Fact(fact)),
        Err(_) if is_target() => Ok(With::Target(text.into())),
        Err(GivenError::NotAPair) => Err(
            "a fact is KEY=VALUE, like `fs=nfs4`; anything else is a manifest, a folder, a database or a container \
                 (`docker://NAME`), and there is none of that name"
                .to_owned(),
        ),
        Err(GivenError::UnknownKey(key)) => {
            let known: Vec<&str> = KEYS.iter().map(|(key, _)| *key).collect();
            Err(format!("`{key}` is no key: one of {}", known.join(", ")))
        }
    }
}

/// `NAME`, `NAME:FIRST:INTERVAL` or `NAME:FIRST:INTERVAL:LONGEST`.
fn parse_nemesis(text: &str) -> Result<Choice, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let ms = |text: &str| {
        // A strike without length is written `0`.
        if text == "0" { Ok(0) } else { parse_time(text).map(|time| time.as_millis() as u64) }
    };
    match parts[..] {
        ["none"] => Ok(Choice::None),
        ["usual"] => Ok(Choice::Usual),
        [name] => Ok(Choice::One(name.into(), None)),
        [name, first, interval] => rhythm(name, ms(first)?, ms(interval)?, None),
        [name, first, interval, longest] => rhythm(name, ms(first)?, ms(interval)?, Some(ms(longest)?)),
        _ => Err(format!("`{text}` is not NAME or NAME:FIRST:INTERVAL[:LONGEST]; try `kill-agent:300ms:1s`")),
    }
}

fn rhythm(name: &str, first_ms: u64, interval_ms: u64, longest: Option<u64>) -> Result<Choice, String> {
    if interval_ms < 10 {
        return Err("an interval is 10ms at least".into());
    }
    // u64::MAX stands for the nemesis's own length until the nemesis is looked up.
    let for_ms_max = longest.unwrap_or(u64::MAX);
    Ok(Choice::One(name.into(), Some(Rhythm { first_ms, interval_ms, for_ms_max })))
}

/// The ledger workload.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Workload")]
pub struct WorkloadFlags {
    /// Journal mode to stress: wal, wal-exclusive, delete, truncate, persist; `bang` takes several, with commas.
    #[arg(long, default_value = "wal", conflicts_with = "replay")]
    pub journal: String,
    /// PRAGMA synchronous: off, normal, full, extra.
    #[arg(long, default_value = "normal", value_parser = ["off", "normal", "full", "extra"], conflicts_with = "replay")]
    pub synchronous: String,
    /// Page size in bytes: a power of two from 512 to 65536.
    #[arg(long, value_name = "BYTES", default_value_t = 4096, value_parser = parse_page_size, conflicts_with = "replay")]
    pub page_size: u32,
    /// Share of read transactions, in percent.
    #[arg(long, value_name = "PERCENT", default_value_t = 30, value_parser = clap::value_parser!(u32).range(0..=95), conflicts_with = "replay")]
    pub reads: u32,
    /// Rows changed by a write transaction.
    #[arg(long, value_name = "ROWS", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=64), conflicts_with = "replay")]
    pub row_changes: u32,
    /// Frames in the WAL after which a commit checkpoints; 0: never.
    #[arg(long, value_name = "FRAMES", default_value_t = 100, conflicts_with = "replay")]
    pub autocheckpoint: u32,
    /// Close and reopen after so many transactions on average; 0: never.
    #[arg(long, value_name = "TRANSACTIONS", default_value_t = 100, conflicts_with = "replay")]
    pub reopen_every: u32,
    /// One operation in so many is a checkpoint in a random mode; 0: never.
    #[arg(long, value_name = "OPERATIONS", default_value_t = 60, conflicts_with = "replay")]
    pub checkpoint_every: u32,
    /// Pause between two transactions of an agent, in microseconds.
    #[arg(long, value_name = "MICROSECONDS", default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=1_000_000), conflicts_with = "replay")]
    pub think: u32,
}

fn parse_time(text: &str) -> Result<std::time::Duration, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let seconds = match unit {
        "ms" => 0.001,
        "s" | "" => 1.0,
        "m" | "min" => 60.0,
        "h" => 3600.0,
        _ => return Err(format!("`{unit}` is no unit of time; try `30s`, `2m` or `500ms`")),
    };
    let number: f64 = number.parse().map_err(|_| format!("`{text}` is no time; try `30s`, `2m` or `500ms`"))?;
    let total = number * seconds;
    if !(0.01..=86_400.0).contains(&total) {
        return Err(format!("`{text}` is out of range; from 10ms to 24h"));
    }
    Ok(std::time::Duration::from_secs_f64(total))
}

fn parse_level(text: &str) -> Result<Level, String> {
    [Level::Notice, Level::Warning, Level::Critical]
        .into_iter()
        .find(|level| level.word() == text)
        .ok_or_else(|| format!("`{text}` is none of notice, warning, critical"))
}

/// `1GiB`, `64Mi`, `500MB`, `4096`. A bare `M` means one thing to Docker and another to Kubernetes: it is refused.
fn parse_size(text: &str) -> Result<u64, String> {
    let wrong = || format!("`{text}` is no size; try `1GiB` or `64MiB`");
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let bytes: f64 = match unit.trim() {
        "" | "B" => 1.0,
        "KiB" | "Ki" => 1024.0,
        "MiB" | "Mi" => 1_048_576.0,
        "GiB" | "Gi" => 1_073_741_824.0,
        "TiB" | "Ti" => 1_099_511_627_776.0,
        "kB" | "KB" => 1e3,
        "MB" => 1e6,
        "GB" => 1e9,
        "TB" => 1e12,
        _ => return Err(wrong()),
    };
    let size = number.parse::<f64>().map_err(|_| wrong())? * bytes;
    if (1.0..=1e18).contains(&size) { Ok(size as u64) } else { Err(wrong()) }
}

/// An address with a host, by http or https.
fn parse_webhook(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
    let host = host.and_then(|rest| rest.split(['/', '?', '#']).next()).filter(|host| !host.is_empty());
    let whole = host.is_some() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
    if whole { Ok(text.to_owned()) } else { Err("it is no address; try `https://example.org/hook`".to_owned()) }
}

/// `500us`, `1ms:2ms`, `1ms:2ms:50:200ms`.
fn parse_latency(text: &str) -> Result<Latency, String> {
    let parts: Vec<&str> = text.split(':').collect();
    let latency = |fixed, jitter, every: &str, longest| {
        let tail_every = every.parse().map_err(|_| format!("`{every}` is no number of requests"))?;
        Ok(Latency {
            fixed_us: microseconds(fixed)?,
            jitter_us: microseconds(jitter)?,
            tail_every,
            tail_us_max: microseconds(longest)?,
            ..Latency::NONE
        })
    };
    match parts[..] {
        [fixed] => latency(fixed, "0", "0", "0"),
        [fixed, jitter] => latency(fixed, jitter, "0", "0"),
        [fixed, jitter, every, longest] => latency(fixed, jitter, every, longest),
        _ => Err(format!("`{text}` is not FIXED, FIXED:JITTER or FIXED:JITTER:EVERY:LONGEST; try `500us`")),
    }
}

/// At most 10 s: a longer one is a stall.
fn microseconds(text: &str) -> Result<u32, String> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit {
        "us" => 1.0,
        "ms" => 1e3,
        "s" => 1e6,
        "" if number == "0" => 1.0,
        _ => return Err(format!("`{text}` is no time; try `500us`, `2ms` or `1s`")),
    };
    let number: f64 = number.parse().map_err(|_| format!("`{text}` is no time; try `500us`, `2ms` or `1s`"))?;
    let us = number * factor;
    if us > 1e7 { Err(format!("`{text}` is longer than 10 s; try the nemesis `stall-storage`")) } else { Ok(us as u32) }
}

/// `1000`, `reads=1000,syncs=50`.
fn parse_failing(text: &str) -> Result<Failing, String> {
    let every = |text: &str| match text.parse::<u32>() {
        Ok(every) if every > 1 => Ok(every),
        _ => Err(format!("`{text}` is no number of requests above 1; try `1000`, or `syncs=50`")),
    };
    if !text.contains('=') {
        return every(text).map(|every| Failing { reads_every: every, writes_every: every, syncs_every: every });
    }
    let mut failing = Failing::NONE;
    for part in text.split(',') {
        let (kind, number) = part.split_once('=').unwrap_or((part, ""));
        let knob = match kind {
            "reads" => &mut failing.reads_every,
            "writes" => &mut failing.writes_every,
            "syncs" => &mut failing.syncs_every,
            _ => return Err(format!("`{kind}` is none of reads, writes, syncs")),
        };
        if *knob != 0 {
            return Err(format!("`{kind}` is given twice"));
        }
        *knob = every(number)?;
    }
    Ok(failing)
}

/// `NAME:TAG`, as engines take it.
fn parse_tag(text: &str) -> Result<String, String> {
    let good = |part: &str, more: &str| {
        !part.is_empty() && part.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || more.contains(c))
    };
    match text.rsplit_once(':') {
        Some((name, tag)) if good(name, "./_-:") && good(&tag.to_ascii_lowercase(), "._-") => Ok(text.to_owned()),
        _ => Err(format!("`{text}` is no NAME:TAG in lower case; try `localhost/walproof:mine`")),
    }
}

fn parse_page_size(text: &str) -> Result<u32, String> {
    match text.parse::<u32>() {
        Ok(size) if size.is_power_of_two() && (512..=65_536).contains(&size) => Ok(size),
        _ => Err(format!("`{text}` is no page size of SQLite; a power of two from 512 to 65536")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_are_consistent() {
        use clap::CommandFactory;
        Arguments::command().debug_assert();
    }

    #[test]
    fn times_have_units() {
        assert_eq!(parse_time("500ms"), Ok(std::time::Duration::from_millis(500)));
        assert_eq!(parse_time("2m"), Ok(std::time::Duration::from_secs(120)));
        assert!(parse_time("5 parsecs").is_err());
        assert!(parse_time("0s").is_err());
        assert!(parse_time("").is_err());
    }

    #[test]
    fn a_nemesis_has_a_name_and_perhaps_a_rhythm() {
        let rhythm = Rhythm { first_ms: 300, interval_ms: 1_000, for_ms_max: 0 };
        assert_eq!(parse_nemesis("kill-agent:300ms:1s:0"), Ok(Choice::One("kill-agent".into(), Some(rhythm))));
        assert_eq!(parse_nemesis("pause-agent"), Ok(Choice::One("pause-agent".into(), None)));
        assert_eq!(parse_nemesis("none"), Ok(Choice::None));
        assert!(parse_nemesis("kill-agent:1s").is_err());
        assert!(parse_nemesis("kill-agent:1s:1ms:0:0").is_err());
    }

    #[test]
    fn storage_is_slow_or_fails_as_told() {
        assert_eq!(parse_latency("500us"), Ok(Latency { fixed_us: 500, ..Latency::NONE }));
        let all = Latency { fixed_us: 1_000, jitter_us: 2_000, tail_every: 50, tail_us_max: 200_000, ..Latency::NONE };
        assert_eq!(parse_latency("1ms:2ms:50:0.2s"), Ok(all));
        assert!(parse_latency("1").is_err() && parse_latency("1m").is_err() && parse_latency("1ms:1ms:1").is_err());
        assert!(parse_latency("11s").is_err());
        let every = Failing { reads_every: 9, writes_every: 9, syncs_every: 9 };
        assert_eq!(parse_failing("9"), Ok(every));
        assert_eq!(parse_failing("syncs=50"), Ok(Failing { syncs_every: 50, ..Failing::NONE }));
        assert!(parse_failing("opens=3").is_err() && parse_failing("1").is_err() && parse_failing("reads=").is_err());
        assert!(parse_failing("reads=5,reads=6").is_err());
    }

    #[test]
    fn sizes_levels_and_addresses() {
        assert_eq!(parse_size("1GiB"), Ok(1 << 30));
        assert_eq!(parse_size("1.5 KiB"), Ok(1536));
        assert_eq!((parse_size("4096"), parse_size("2MB")), (Ok(4096), Ok(2_000_000)));
        assert!(parse_size("much").is_err() && parse_size("1 parsec").is_err() && parse_size("0").is_err());
        assert_eq!(parse_level("warning"), Ok(Level::Warning));
        assert!(parse_level("bad").is_err());
        assert!(parse_webhook("https://hooks.example.org/a?b").is_ok() && parse_webhook("http://[::1]:9/").is_ok());
        assert!(parse_webhook("example.org").is_err() && parse_webhook("https:///a").is_err());
        assert!(parse_webhook("http://a b/").is_err());
    }

    #[test]
    fn tags_are_those_of_engines() {
        assert!(parse_tag("localhost/walproof:0.1").is_ok() && parse_tag("registry:5000/a/b:Latest").is_ok());
        assert!(parse_tag("walproof").is_err() && parse_tag("Wal:1").is_err() && parse_tag("a:").is_err());
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!((parse_size("500MB"), parse_size("2Gi"), parse_size("7")), (Ok(500_000_000), Ok(2 << 30), Ok(7)));
        assert!(parse_size("").is_err() && parse_size("512M").is_err() && parse_size("99999999999GB").is_err());
    }

    #[test]
    fn page_sizes_are_those_of_sqlite() {
        assert_eq!(parse_page_size("512"), Ok(512));
        assert!(parse_page_size("1000").is_err());
    }
}
