//! Requests in, answers out: one request a connection, few connections at once, each with a time after which it ends.
//!
//! httparse reads the head, and nothing else of a request is read. Whoever is slow is the first to be put out when
//! others come. Why not a server of somebody else's: docs/decisions/0104-heads-by-httparse-no-server.md.
//!
//! What it must not do: keep memory or a thread for somebody who sends or reads slowly; know what is served.
//! Where to look next: `../serve.rs`.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

/// Connections at once; one more, and the oldest has to go.
const CONNECTIONS_MAX: usize = 16;
/// No connection lasts longer.
pub const LASTS: Duration = Duration::from_secs(5);
/// Bytes of a request's head.
const HEAD_BYTES_MAX: usize = 8 << 10;

/// What was asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// `GET`
    pub method: String,
    /// What stands before a `?`.
    pub path: String,
    /// The `Host`.
    pub host: Option<String>,
}

/// What is answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub code: u16,
    kind: &'static str,
    body: Cow<'static, str>,
    more: Option<(&'static str, &'static str)>,
}

impl Answer {
    /// It is there, and of this type.
    pub fn of(kind: &'static str, body: impl Into<Cow<'static, str>>) -> Self {
        Self { code: 200, kind, body: body.into(), more: None }
    }

    /// A line of text, mostly for what cannot be had.
    pub fn text(code: u16, body: &str) -> Self {
        Self { code, ..Self::of("text/plain; charset=utf-8", body.to_owned()) }
    }

    /// With one more header.
    pub fn with(self, name: &'static str, value: &'static str) -> Self {
        Self { more: Some((name, value)), ..self }
    }

    fn head(&self) -> String {
        let more = self.more.map_or_else(String::new, |(name, value)| format!("{name}: {value}\r\n"));
        format!(
            "HTTP/1.1 {} {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: no-store\r\n\
             X-Content-Type-Options: nosniff\r\nReferrer-Policy: no-referrer\r\n\
             Cross-Origin-Resource-Policy: same-origin\r\n{more}\r\n",
            self.code,
            reason(self.code),
            self.kind,
            self.body.len()
        )
    }
}

const fn reason(code: u16) -> &'static str {
    match code {
        200 => "OK",
        400 => "Bad Request",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        431 => "Request Header Fields Too Large",
        _ => "Service Unavailable",
    }
}

type Answering = Arc<dyn Fn(&Asked) -> Answer + Send + Sync>;

/// Answers in threads of its own until the process ends.
pub fn listen(listener: TcpListener, lasts: Duration, answering: Answering) -> io::Result<()> {
    thread::Builder::new().name("serve".to_owned()).spawn(move || accept(&listener, lasts, &answering)).map(drop)
}

fn accept(listener: &TcpListener, lasts: Duration, answering: &Answering) {
    let open = Arc::new(Open::default());
    for connection in listener.incoming() {
        // Descriptors may have run out; they come again. Without a pause this would spin meanwhile.
        let Ok(connection) = connection else {
            thread::sleep(Duration::from_millis(50));
            continue;
        };
        let connection = Arc::new(connection);
        open.enter(&connection);
        let (ours, answering, leaving) = (Arc::clone(&connection), Arc::clone(answering), Arc::clone(&open));
        let begun = thread::Builder::new().name("answer".to_owned()).stack_size(256 << 10).spawn(move || {
            let _ = converse(&ours, Instant::now() + lasts, &answering);
            leaving.leave(&ours);
        });
        if begun.is_err() {
            open.leave(&connection);
        }
    }
}

/// Connections that are open, oldest first.
#[derive(Debug, Default)]
struct Open(Mutex<VecDeque<Arc<TcpStream>>>);

impl Open {
    fn enter(&self, connection: &Arc<TcpStream>) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= CONNECTIONS_MAX
            && let Some(oldest) = open.pop_front()
        {
            // Its thread wakes up to that, and ends.
            let _ = oldest.shutdown(Shutdown::Both);
        }
        open.push_back(Arc::clone(connection));
    }

    fn leave(&self, connection: &Arc<TcpStream>) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        open.retain(|one| !Arc::ptr_eq(one, connection));
    }
}

fn converse(connection: &TcpStream, end: Instant, answering: &Answering) -> io::Result<()> {
    let (answer, method) = match read_head(connection, end)? {
        Ok(asked) => (answering(&asked), asked.method),
        Err(code) => (Answer::text(code, "walproof cannot read this request\n"), String::new()),
    };
    let head = answer.head();
    let body = if method == "HEAD" { "" } else { answer.body.as_ref() };
    write_until(connection, head.as_bytes(), end)?;
    write_until(connection, body.as_bytes(), end)?;
    // What is still unread of the request would make the kernel reset the connection and drop the answer on its way.
    connection.shutdown(Shutdown::Write)?;
    connection.set_read_timeout(Some(Duration::from_millis(200)))?;
    let _ = (&*connection).read(&mut [0; 4096]);
    Ok(())
}

/// The head of a request, or the status that says what is wrong with it.
fn read_head(mut connection: &TcpStream, end: Instant) -> io::Result<Result<Asked, u16>> {
    let mut head = Vec::with_capacity(1024);
    let mut piece = [0; 1024];
    loop {
        connection.set_read_timeout(Some(left(end)?))?;
        let length = connection.read(&mut piece)?;
        if length == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        head.extend_from_slice(&piece[..length]);
        match parse(&head) {
            Ok(Some(asked)) => return Ok(Ok(asked)),
            Ok(None) if head.len() < HEAD_BYTES_MAX => {}
            Ok(None) => return Ok(Err(431)),
            Err(code) => return Ok(Err(code)),
        }
    }
}

fn parse(head: &[u8]) -> Result<Option<Asked>, u16> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut request = httparse::Request::new(&mut headers);
    match request.parse(head) {
        Ok(httparse::Status::Partial) => return Ok(None),
        Err(httparse::Error::TooManyHeaders) => return Err(431),
        Err(_) => return Err(400),
        Ok(httparse::Status::Complete(_)) => {}
    }
    let (Some(method), Some(path)) = (request.method, request.path) else { return Err(400) };
    let mut hosts = request.headers.iter().filter(|header| header.name.eq_ignore_ascii_case("host"));
    let host = hosts.next().map(|header| String::from_utf8_lossy(header.value).into_owned());
    if hosts.next().is_some() {
        return Err(400);
    }
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    Ok(Some(Asked { method: method.to_owned(), path: path.to_owned(), host }))
}

fn write_until(mut connection: &TcpStream, mut bytes: &[u8], end: Instant) -> io::Result<()> {
    while !bytes.is_empty() {
        connection.set_write_timeout(Some(left(end)?))?;
        match connection.write(bytes)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => bytes = &bytes[written..],
        }
    }
    Ok(())
}

/// What is left until the end; nothing left is an error, since no time at all would mean for ever to a socket.
fn left(end: Instant) -> io::Result<Duration> {
    let left = end.saturating_duration_since(Instant::now());
    if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(left) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_read() {
        let asked = parse(b"GET /metrics?x=1 HTTP/1.1\r\nhOST: localhost:1\r\n\r\n").expect("sound").expect("whole");
        assert_eq!(asked, Asked { method: "GET".into(), path: "/metrics".into(), host: Some("localhost:1".into()) });
        assert_eq!(parse(b"GET / HTTP/1.1\r\nHost: a"), Ok(None));
        assert_eq!(parse(b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n"), Err(400));
        assert_eq!(parse(b"\x16\x03\x01\x02\x00"), Err(400));
        let many: String = (0..65).map(|number| format!("x{number}: y\r\n")).collect();
        assert_eq!(parse(format!("GET / HTTP/1.1\r\n{many}\r\n").as_bytes()), Err(431));
    }

    /// Many who sit on every connection for as long as they may, and somebody who wants an answer.
    #[test]
    fn slow_ones_do_not_hold_up_others() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        let long = Duration::from_secs(3600);
        listen(listener, long, Arc::new(|asked| Answer::text(200, &asked.path))).expect("a thread");
        let connect = || TcpStream::connect(address).expect("it listens");
        let mut slow: Vec<TcpStream> = (0..=CONNECTIONS_MAX).map(|_| connect()).collect();
        let _ = slow[CONNECTIONS_MAX].write_all(b"GET / HT");
        let mut quick = connect();
        quick.write_all(b"GET /here HTTP/1.1\r\n\r\n").expect("sent");
        let mut answer = String::new();
        quick.read_to_string(&mut answer).expect("answered");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.ends_with("\r\n\r\n/here"), "{answer}");
        // The oldest had to go; it would be waited for an hour else.
        assert!(matches!(slow[0].read(&mut [0; 1]), Ok(0) | Err(_)));
    }

    #[test]
    fn nobody_stays_longer_than_they_may() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound");
        listen(listener, Duration::from_millis(50), Arc::new(|_| unreachable!("nothing whole was asked")))
            .expect("a thread");
        let mut slow = TcpStream::connect(address).expect("it listens");
        slow.write_all(b"GET / HT").expect("sent");
        assert!(matches!(slow.read(&mut [0; 1]), Ok(0) | Err(_)));
    }
}
