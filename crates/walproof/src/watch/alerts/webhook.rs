//! An address that alerts are posted to, in the words of its service.
//!
//! Tried a few times with pauses; certificates are checked against roots that are compiled in. Addresses of webhooks are
//! secrets: no error tells one.
//! What it must not do: follow a redirection, which would turn a post into something else.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use ureq::Agent;
use walproof_judge::render::harmless;
use walproof_judge::watch::alarms::Level;

use super::telling::Alert;

/// How long one try may take.
const TIME: Duration = Duration::from_secs(10);
/// Before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_secs(1), Duration::from_secs(4)];
/// Discord takes no more letters.
const DISCORD_MAX: usize = 1900;

/// Where and how.
pub struct Webhook {
    agent: Agent,
    address: String,
    format: String,
    pauses: Vec<Duration>,
}

/// What is posted.
struct Post {
    kind: &'static str,
    body: String,
    headers: Vec<(&'static str, String)>,
}

/// Why a try failed, and whether another one might not.
struct Failed {
    why: String,
    for_good: bool,
}

impl Webhook {
    /// Nothing is asked yet.
    pub fn new(address: &str, format: &str) -> Self {
        let agent = Agent::config_builder()
            .timeout_global(Some(TIME))
            .http_status_as_error(false)
            .max_redirects(0)
            .max_redirects_will_error(false)
            .user_agent(concat!("walproof/", env!("CARGO_PKG_VERSION")))
            .build()
            .into();
        Self { agent, address: address.to_owned(), format: format.to_owned(), pauses: PAUSES.to_vec() }
    }

    /// Tells, and tries again for a while.
    pub fn tell(&self, alert: &Alert, stop: &AtomicBool) -> Result<(), String> {
        let post = post(&self.format, alert);
        let mut pauses = self.pauses.iter();
        loop {
            let failed = match self.once(&post) {
                Ok(()) => return Ok(()),
                Err(failed) => failed,
            };
            match pauses.next() {
                Some(pause) if !failed.for_good && sleep(*pause, stop) => {}
                _ => return Err(failed.why),
            }
        }
    }

    fn once(&self, post: &Post) -> Result<(), Failed> {
        let request = self.agent.post(&self.address).header("Content-Type", post.kind);
        let request = post.headers.iter().fold(request, |request, (name, value)| request.header(*name, value));
        match request.send(&post.body) {
            Ok(answer) if answer.status().is_success() => Ok(()),
            Ok(answer) => {
                let status = answer.status();
                let for_good =
                    status.is_redirection() || status.is_client_error() && !matches!(status.as_u16(), 408 | 429);
                Err(Failed { why: format!("it answered {status}"), for_good })
            }
            Err(error) => {
                let why = harmless(&error.to_string()).replace(&self.address, "the address");
                Err(Failed { why, for_good: false })
            }
        }
    }
}

/// Sleeps; `false`: it is to end.
fn sleep(time: Duration, stop: &AtomicBool) -> bool {
    let end = Instant::now() + time;
    while Instant::now() < end && !stop.load(Ordering::Relaxed) {
        std::thread::sleep(Duration::from_millis(20).min(time));
    }
    !stop.load(Ordering::Relaxed)
}

/// `WARNING frozen-lock-holder raised on HOST`.
fn head(alert: &Alert) -> String {
    let alarm = &alert.alarm;
    let untold = match alert.times_untold {
        0 => String::new(),
        times => format!(" (came and went {times} times before)"),
    };
    let host = if alert.host.is_empty() { String::new() } else { format!(" on {}", alert.host) };
    harmless(&format!("{} {} {}{host}{untold}", alarm.level.word().to_uppercase(), alarm.alarm, alert.state))
}

fn text(alert: &Alert) -> String {
    let says = harmless(&alert.alarm.says);
    match alert.state {
        "raised" => format!("{says}\ntry: {}", harmless(&alert.alarm.try_this)),
        _ => says,
    }
}

fn post(format: &str, alert: &Alert) -> Post {
    let whole = || format!("{}\n{}", head(alert), text(alert));
    let json =
        |value: serde_json::Value| Post { kind: "application/json", body: value.to_string(), headers: Vec::new() };
    match format {
        // What it takes for marks of its own is escaped: a container may be called `<!channel>`.
        "slack" => {
            let text = whole().replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            json(json!({ "text": text }))
        }
        "discord" => {
            let content: String = whole().chars().take(DISCORD_MAX).collect();
            json(json!({ "content": content, "allowed_mentions": { "parse": [] } }))
        }
        "ntfy" => {
            let (priority, tag) = match (alert.state, alert.alarm.level) {
                ("cleared", _) => ("default", "white_check_mark"),
                (_, Level::Critical) => ("urgent", "rotating_light"),
                (_, Level::Warning) => ("high", "warning"),
                (_, Level::Notice) => ("default", "information_source"),
            };
            let title = head(alert).replace(|c: char| !c.is_ascii(), "?");
            let headers = vec![("Title", title), ("Priority", priority.to_owned()), ("Tags", tag.to_owned())];
            Post { kind: "text/plain; charset=utf-8", body: text(alert), headers }
        }
        _ => json(serde_json::to_value(alert).expect("plain data")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::watch::alerts::telling::tests::alert;
    use std::io::{BufRead, BufReader, Read, Write};
    use std::net::TcpListener;

    /// A server that answers each request with the next of these; what it was asked.
    fn server(answers: &'static [&'static str]) -> (String, std::thread::JoinHandle<Vec<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback");
        let address = format!("http://{}/secret", listener.local_addr().expect("bound"));
        let thread = std::thread::spawn(move || {
            let each = answers.iter().map(|answer| {
                let (mut stream, _) = listener.accept().expect("a request");
                let mut reader = BufReader::new(stream.try_clone().expect("a clone"));
                let (mut asked, mut length) = (String::new(), 0);
                loop {
                    let mut line = String::new();
                    reader.read_line(&mut line).expect("a line");
                    let lower = line.to_ascii_lowercase();
                    length =
                        lower.strip_prefix("content-length:").map_or(length, |it| it.trim().parse().expect("a number"));
                    asked.push_str(&line);
                    if line.trim().is_empty() {
                        break;
                    }
                }
                let mut body = vec![0; length];
                reader.read_exact(&mut body).expect("the body");
                asked.push_str(&String::from_utf8(body).expect("text"));
                let answer = format!("HTTP/1.1 {answer}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                stream.write_all(answer.as_bytes()).expect("answers");
                asked
            });
            each.collect()
        });
        (address, thread)
    }

    fn quick(address: &str, format: &str) -> Webhook {
        // Whatever proxy the environment names is not asked about loopback.
        let config = Agent::config_builder().proxy(None).timeout_global(Some(TIME)).http_status_as_error(false);
        let agent = config.max_redirects(0).max_redirects_will_error(false).build().into();
        Webhook { agent, pauses: vec![Duration::from_millis(1); 2], ..Webhook::new(address, format) }
    }

    fn tell(webhook: &Webhook) -> Result<(), String> {
        webhook.tell(&alert(Level::Warning), &AtomicBool::new(false))
    }

    #[test]
    fn an_alert_is_posted_as_json() {
        let (address, server) = server(&["200 OK"]);
        assert_eq!(tell(&quick(&address, "json")), Ok(()));
        let asked = server.join().expect("it ends").remove(0);
        assert!(asked.starts_with("POST /secret HTTP/1.1"), "{asked}");
        let body: serde_json::Value = serde_json::from_str(asked.lines().last().expect("a body")).expect("JSON");
        assert_eq!((&body["walproof_alert"], &body["alarm"]["pid"]), (&json!(1), &json!(7)), "{body}");
    }

    #[test]
    fn it_is_tried_again_unless_that_is_no_use() {
        let (address, busy) = server(&["503 Busy", "429 Slow", "204 Done"]);
        assert_eq!(tell(&quick(&address, "json")), Ok(()));
        assert_eq!(busy.join().expect("it ends").len(), 3);
        let (address, wrong) = server(&["404 Not Found"]);
        let why = tell(&quick(&address, "json")).expect_err("refused");
        assert!(why.contains("404") && !why.contains("secret"), "{why}");
        wrong.join().expect("asked once");
        let (address, moved) = server(&["302 Found"]);
        assert!(tell(&quick(&address, "json")).expect_err("moved").contains("302"));
        moved.join().expect("asked once");
    }

    #[test]
    fn nobody_there_is_told_without_the_address() {
        let closed = TcpListener::bind("127.0.0.1:0").expect("loopback").local_addr().expect("bound");
        let why = tell(&quick(&format!("http://{closed}/secret"), "slack")).expect_err("closed");
        assert!(!why.contains("secret"), "{why}");
    }

    #[test]
    fn services_get_their_own_words() {
        let alert = alert(Level::Critical);
        let slack: serde_json::Value = serde_json::from_str(&post("slack", &alert).body).expect("JSON");
        assert_eq!(
            slack["text"],
            "CRITICAL frozen-lock-holder raised on machine\nworker is frozen &amp; holds &lt;WAL_WRITE_LOCK&gt;\ntry: let it go on"
        );
        let discord: serde_json::Value = serde_json::from_str(&post("discord", &alert).body).expect("JSON");
        assert_eq!(discord["allowed_mentions"]["parse"], json!([]));
        let ntfy = post("ntfy", &alert);
        assert!(ntfy.body.starts_with("worker is frozen"), "{}", ntfy.body);
        assert_eq!(ntfy.headers[1], ("Priority", "urgent".to_owned()));
    }
}
