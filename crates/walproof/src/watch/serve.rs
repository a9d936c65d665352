//! `watch --serve`: a page, `/metrics` and `/state.json`, for whoever is on this machine.
//!
//! Every look is put where threads that answer can reach it (`serve/state.rs`); what is asked for is made of it
//! when it is asked for. `serve/http.rs` reads requests, `serve/metrics.rs` writes for Prometheus, `serve/page.*` is the
//! page. What it must not do: hold up the watch, whoever asks and however slowly; change anything; serve what is old as
//! if it were new; let other machines in without being told to.
//! Where to look next: docs/watch-serving.md.

mod http;
mod metrics;
mod state;

use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use walproof_judge::watch::{Changes, Watching};
use walproof_lab::error::LabError;

use self::http::{Answer, Asked};
use self::state::{Served, State};
use super::Output;
use super::notes::Notes;
use crate::arguments::WatchFlags;

/// Where it serves when it is not told. Every port from 9100 to 9999 is some exporter's in Prometheus's list; this one
/// is below those that kernels give out (32768) and are the first two bytes of a WAL, 0x377f.
pub const DEFAULT: &str = "127.0.0.1:14207";

/// Scripts, styles and data from here alone; nothing in the page itself, no frame, no form.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
     base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const TEXT: &str = "text/plain; charset=utf-8";
const EXPOSITION: &str = "text/plain; version=0.0.4; charset=utf-8";

/// What threads share.
#[derive(Debug)]
struct Shared {
    state: Mutex<Option<Arc<State>>>,
    /// For the first look, which has not come yet.
    began: Instant,
    every: Duration,
    /// Only this machine can reach it: then the name that was asked for must be one of it.
    loopback: bool,
}

/// Serves.
#[derive(Debug)]
pub struct Serve {
    shared: Arc<Shared>,
    kept: state::Kept,
}

impl Serve {
    /// Listens, and says where.
    pub fn start(address: &str, flags: &WatchFlags, notes: &Notes) -> Result<Self, LabError> {
        let wanted = parse(address)?;
        if !wanted.ip().is_loopback() && !flags.serve_anywhere {
            return Err(LabError::new(
                format!("cannot serve at `{wanted}`"),
                "other machines could reach it, and it shows paths, commands and containers without a password",
                format!("`--serve=127.0.0.1:{}`, or add `--serve-anywhere` where a firewall decides", wanted.port()),
            ));
        }
        let listener = TcpListener::bind(wanted).map_err(|error| cannot_listen(wanted, &error))?;
        let bound = listener.local_addr().map_err(|error| cannot_listen(wanted, &error))?;
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            began: Instant::now(),
            every: flags.every,
            loopback: bound.ip().is_loopback(),
        });
        let theirs = Arc::clone(&shared);
        http::listen(listener, http::LASTS, Arc::new(move |asked| theirs.answer(asked)))
            .map_err(|error| cannot_listen(bound, &error))?;
        notes.say("serve", format!("serving http://{bound}/ and http://{bound}/metrics"));
        Ok(Self { shared, kept: state::Kept::default() })
    }
}

impl Output for Serve {
    fn show(&mut self, watching: &Watching, changes: &Changes) -> Result<bool, LabError> {
        self.kept.take(watching, changes);
        let state = State::of(watching, &self.kept, self.shared.every);
        *self.shared.state.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(state));
        Ok(true)
    }
}

impl Shared {
    fn served(&self) -> Served {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Served::now(state, self.began, self.every)
    }

    fn answer(&self, asked: &Asked) -> Answer {
        if self.loopback && !asked.host.as_deref().is_none_or(is_this_machine) {
            // A site whose name leads here would else read all of it in a visitor's browser.
            return Answer::text(403, "this is served to `localhost` and loopback addresses alone\n");
        }
        if !matches!(asked.method.as_str(), "GET" | "HEAD") {
            return Answer::text(405, "GET and HEAD alone: nothing can be changed here\n").with("Allow", "GET, HEAD");
        }
        match asked.path.as_str() {
            "/" => Answer::of(HTML, include_str!("serve/page.html")).with("Content-Security-Policy", POLICY),
            "/page.css" => Answer::of("text/css; charset=utf-8", include_str!("serve/page.css")),
            "/page.js" => Answer::of("text/javascript; charset=utf-8", include_str!("serve/page.js")),
            "/icon.svg" => Answer::of("image/svg+xml", include_str!("serve/icon.svg")),
            "/state.json" => Answer::of(JSON, self.served().json()),
            "/metrics" => Answer::of(EXPOSITION, metrics::exposition(&self.served())),
            "/healthz" => self.health(),
            _ => Answer::text(404, "there are `/`, `/metrics`, `/state.json` and `/healthz`\n"),
        }
    }

    fn health(&self) -> Answer {
        let served = self.served();
        let age = Duration::from_millis(served.age_ms);
        if served.is_old {
            return Answer::text(503, &format!("no look has ended for {:.1} s\n", age.as_secs_f64()));
        }
        Answer::of(TEXT, format!("ok: the last look ended {:.1} s ago\n", age.as_secs_f64()))
    }
}

/// `127.0.0.1:14207`, `[::1]:0`, `:8080` and `localhost:8080` on this machine, `8080` as well.
fn parse(text: &str) -> Result<SocketAddr, LabError> {
    let here = |port: &str| port.parse().ok().map(|port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port));
    let port = text.strip_prefix("localhost:").or_else(|| text.strip_prefix(':')).unwrap_or(text);
    here(port).or_else(|| text.parse().ok()).ok_or_else(|| {
        LabError::new(
            format!("cannot serve at `{text}`"),
            "it is no address with a port",
            format!("`--serve={DEFAULT}`"),
        )
    })
}

fn cannot_listen(address: SocketAddr, error: &std::io::Error) -> LabError {
    let try_this = match error.kind() {
        std::io::ErrorKind::AddrInUse => "another port, `--serve=:0` for any that is free, or end the other watch",
        std::io::ErrorKind::PermissionDenied => "a port from 1024 on",
        _ => "an address of this machine",
    };
    LabError::new(format!("cannot serve at `{address}`"), error, try_this)
}

/// Whether a `Host` names this machine: nobody else's name server can make it lead here.
fn is_this_machine(host: &str) -> bool {
    let host = host.trim();
    let port = |rest: &str| rest.is_empty() || rest.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok());
    if let Some((inside, rest)) = host.strip_prefix('[').and_then(|host| host.split_once(']')) {
        return port(rest) && inside.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    }
    let (name, rest) = host.split_at(host.find(':').unwrap_or(host.len()));
    port(rest) && (name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_this_machine() {
        for host in ["localhost", "LOCALHOST:14207", "127.0.0.1", "127.9.9.9:80", "[::1]", "[::1]:14207"] {
            assert!(is_this_machine(host), "{host}");
        }
        for host in ["", "evil.example", "localhost.evil.example", "127.0.0.1.evil.example:80", "10.0.0.1", "[::2]:80"]
        {
            assert!(!is_this_machine(host), "{host}");
        }
        assert!(!is_this_machine("localhost:80:80") && !is_this_machine("localhost@evil") && !is_this_machine("::1"));
    }

    #[test]
    fn addresses() {
        let parsed = |text: &str| parse(text).map(|address| address.to_string()).unwrap_or_default();
        assert_eq!(parsed(DEFAULT), DEFAULT);
        assert_eq!(parsed(":0"), "127.0.0.1:0");
        assert_eq!(parsed("8080"), "127.0.0.1:8080");
        assert_eq!(parsed("localhost:1"), "127.0.0.1:1");
        assert_eq!(parsed("[::1]:1"), "[::1]:1");
        assert_eq!(parsed("0.0.0.0:1"), "0.0.0.0:1");
        assert_eq!(parsed("example.com:1") + &parsed("70000") + &parsed("/data/app.db"), "");
    }

    fn shared(loopback: bool) -> Shared {
        Shared { state: Mutex::default(), began: Instant::now(), every: Duration::from_millis(500), loopback }
    }

    fn asked(method: &str, path: &str, host: Option<&str>) -> Asked {
        Asked { method: method.to_owned(), path: path.to_owned(), host: host.map(str::to_owned) }
    }

    #[test]
    fn who_gets_what() {
        let code = |shared: &Shared, method, path, host| shared.answer(&asked(method, path, host)).code;
        for path in ["/", "/page.js", "/page.css", "/icon.svg", "/state.json", "/metrics", "/healthz"] {
            assert_eq!(code(&shared(true), "GET", path, Some("localhost:1")), 200, "{path}");
            assert_eq!(code(&shared(true), "HEAD", path, None), 200, "{path}");
            assert_eq!(code(&shared(true), "GET", path, Some("rebound.example")), 403, "{path}");
            assert_eq!(code(&shared(false), "GET", path, Some("node-7.example")), 200, "{path}");
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS", "get"] {
            assert_eq!(code(&shared(true), method, "/", None), 405, "{method}");
        }
        assert_eq!(code(&shared(true), "GET", "/../etc/passwd", None), 404);
    }

    #[test]
    fn a_watch_that_does_not_look_is_not_healthy() {
        let long_ago = Instant::now().checked_sub(Duration::from_secs(100)).expect("it is up for so long");
        let stuck = Shared { began: long_ago, ..shared(true) };
        let answer = stuck.answer(&asked("GET", "/healthz", None));
        assert_eq!(answer.code, 503);
    }
}
