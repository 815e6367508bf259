//! `fixture`: a workload for the conformance kit. It serves HTTP on the port given and does, on request, the things
//! that limits and isolation are there to stop, and says how far it got.
//!
//! | Path | Does |
//! |---|---|
//! | `/` | answers `ok` |
//! | `/burn?ms=N` | computes for N ms |
//! | `/alloc?mib=N` | touches N MiB and answers how many it has |
//! | `/tasks?n=N` | starts N sleeping threads and answers how many it could |
//! | `/fill?path=P&mib=N` | writes N MiB and answers how many it could |
//! | `/connect?to=ADDRESS` | dials an address and answers `connected` or the error |
//! | `/write?path=P&text=T`, `/read?path=P` | a file, or the error |
//! | `/print?mib=N`, `/print?text=T` | prints N MiB of lines, or one line |
//! | `/exit?code=N` | ends |

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant};

use anyhow::Context as _;

const REQUEST_BYTES_MAX: u64 = 16 << 10;
const MIB: usize = 1 << 20;
const DIAL_WITHIN: Duration = Duration::from_secs(2);

/// The subcommand's work.
///
/// # Errors
/// When the port cannot be listened on.
pub fn fixture(arguments: &[&str]) -> anyhow::Result<()> {
    let [port] = arguments else { anyhow::bail!("fixture PORT") };
    let listener = TcpListener::bind(("127.0.0.1", port.parse()?)).context("listening")?;
    println!("listening on {port}");
    for stream in listener.incoming().flatten() {
        let Ok(again) = stream.try_clone() else { continue };
        // While `/tasks` holds all threads that were bought, there may be none for a request.
        if std::thread::Builder::new().spawn(move || drop(serve(again))).is_err() {
            drop(serve(stream));
        }
    }
    Ok(())
}

fn serve(stream: TcpStream) -> anyhow::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?.take(REQUEST_BYTES_MAX));
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut header = String::new();
    while reader.read_line(&mut header)? > 2 {
        header.clear();
    }
    let target = line.split(' ').nth(1).unwrap_or("/");
    let answer = act(target);
    let mut stream = stream;
    write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{answer}", answer.len())?;
    Ok(())
}

fn act(target: &str) -> String {
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let value = |key: &str| {
        let pair = query.split('&').find_map(|pair| pair.split_once('=').filter(|(name, _)| *name == key));
        pair.map(|(_, value)| value.to_owned()).unwrap_or_default()
    };
    let number = |key: &str| value(key).parse::<usize>().unwrap_or(0);
    match path {
        "/" => "ok\n".to_owned(),
        "/burn" => burn(Duration::from_millis(u64::try_from(number("ms")).unwrap_or(0))),
        "/alloc" => alloc(number("mib")),
        "/tasks" => tasks(number("n")),
        "/fill" => fill(&value("path"), number("mib")),
        "/connect" => connect(&value("to")),
        "/write" => match std::fs::write(value("path"), value("text")) {
            Ok(()) => "written\n".to_owned(),
            Err(error) => format!("error: {error}\n"),
        },
        "/read" => std::fs::read_to_string(value("path")).unwrap_or_else(|error| format!("error: {error}\n")),
        "/print" => print(number("mib"), &value("text")),
        "/exit" => std::process::exit(i32::try_from(number("code")).unwrap_or(1)),
        _ => "unknown\n".to_owned(),
    }
}

fn print(mib: usize, text: &str) -> String {
    let mut out = std::io::stdout().lock();
    let mut line = vec![b'x'; 1_023];
    line.push(b'\n');
    if (0..mib.saturating_mul(1_024)).any(|_| out.write_all(&line).is_err()) {
        return "error: output is closed\n".to_owned();
    }
    if !text.is_empty() && writeln!(out, "{text}").is_err() {
        return "error: output is closed\n".to_owned();
    }
    "printed\n".to_owned()
}

fn burn(time: Duration) -> String {
    let (start, mut rounds) = (Instant::now(), 0u64);
    while start.elapsed() < time {
        rounds = std::hint::black_box(rounds.wrapping_add(1));
    }
    format!("{rounds}\n")
}

fn alloc(mib: usize) -> String {
    let mut held: Vec<Vec<u8>> = Vec::new();
    for _ in 0..mib {
        held.push(std::hint::black_box(vec![1; MIB]));
    }
    format!("{}\n", held.len())
}

fn tasks(count: usize) -> String {
    let mut started = 0usize;
    for _ in 0..count {
        let sleeping = std::thread::Builder::new().stack_size(64 << 10).spawn(|| {
            std::thread::sleep(Duration::from_secs(5));
        });
        match sleeping {
            Ok(_) => started = started.saturating_add(1),
            Err(_) => break,
        }
    }
    format!("{started}\n")
}

fn fill(path: &str, mib: usize) -> String {
    let mut answer = String::new();
    let Ok(mut file) = std::fs::File::create(path) else { return "0\n".to_owned() };
    let block = vec![1; MIB];
    let written = (0..mib).take_while(|_| file.write_all(&block).and_then(|()| file.flush()).is_ok()).count();
    let _ = writeln!(answer, "{written}");
    answer
}

fn connect(to: &str) -> String {
    let Some(address) = to.to_socket_addrs().ok().and_then(|mut found| found.next()) else {
        return "error: no address\n".to_owned();
    };
    match TcpStream::connect_timeout(&address, DIAL_WITHIN) {
        Ok(_) => "connected\n".to_owned(),
        Err(error) => format!("error: {error}\n"),
    }
}
