//! Child processes of a test network: started with a lifeline, logged to files, started again when they end by
//! themselves, ended by their id.

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use std::fs::File;
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// Where [`free_port`] looks.
const PORTS: std::ops::Range<u16> = 20_000..32_000;

/// How long a process may take to end by itself.
const GRACE: Duration = Duration::from_secs(8);
/// Restarts in [`RESTARTS_WITHIN`] before the network gives up (as provider.md §8 counts a storm).
const RESTARTS_MAX: usize = 5;
const RESTARTS_WITHIN: Duration = Duration::from_secs(600);
/// Before the first restart; it doubles.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// What is started.
#[derive(Clone, Debug)]
pub struct Program {
    /// What people call it, like `node-1`.
    pub name: String,
    /// The binary.
    pub path: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where its output goes.
    pub log: PathBuf,
}

impl Program {
    /// Its standard input is a pipe that we hold: a program that watches it ends when we do, however we end. It is in a
    /// process group of its own, so that a terminal's Ctrl-C comes to us alone and everything ends in order.
    fn spawn(&self) -> Result<Child> {
        let out = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("opening {}", self.log.display()))?;
        Command::new(&self.path)
            .args(&self.arguments)
            .stdin(Stdio::piped())
            .stdout(out.try_clone()?)
            .stderr(out)
            .env("NUPEER_LIFELINE", "stdin")
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {} ({})", self.name, self.path.display()))
    }
}

/// A child, running or not.
#[derive(Debug)]
pub struct Process {
    /// What it is.
    pub program: Program,
    child: Child,
    /// Crashed on purpose: nobody misses it.
    down: bool,
    /// When it ended by itself.
    ends: Vec<Instant>,
    restart_at: Option<Instant>,
}

impl Process {
    /// Starts it.
    pub fn start(program: Program) -> Result<Self> {
        let child = program.spawn()?;
        Ok(Self { program, child, down: false, ends: Vec::new(), restart_at: None })
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Fails with the end of its log if it has ended by itself.
    pub fn must_live(&mut self) -> Result<()> {
        match self.ended()? {
            Some(status) => bail!("{}", self.obituary(status)),
            None => Ok(()),
        }
    }

    /// Starts it again if it has ended by itself: after 1, 2, 4 ... seconds, a bounded number of times. Gives a line to
    /// tell when that begins.
    pub fn keep(&mut self) -> Result<Option<String>> {
        if let Some(at) = self.restart_at {
            if Instant::now() >= at {
                self.restart()?;
            }
            return Ok(None);
        }
        let Some(status) = self.ended()? else { return Ok(None) };
        let now = Instant::now();
        self.ends.retain(|end| now.duration_since(*end) < RESTARTS_WITHIN);
        self.ends.push(now);
        let count = self.ends.len();
        if count > RESTARTS_MAX {
            bail!("{RESTARTS_MAX} restarts did not help: {}", self.obituary(status));
        }
        let doublings = u32::try_from(count.saturating_sub(1)).unwrap_or(u32::MAX);
        let pause = RESTART_AFTER.saturating_mul(1u32.checked_shl(doublings).unwrap_or(u32::MAX));
        self.restart_at = Some(now + pause);
        let last = tail(&self.program.log, 1);
        Ok(Some(format!(
            "{} ended by itself ({status}); starting it again in {} s ({count} of {RESTARTS_MAX}); it said: {}",
            self.program.name,
            pause.as_secs(),
            last.trim()
        )))
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>> {
        if self.down { Ok(None) } else { Ok(self.child.try_wait()?) }
    }

    fn obituary(&self, status: ExitStatus) -> String {
        let Program { name, log, .. } = &self.program;
        format!("{name} ended ({status}); end of {}:\n{}", log.display(), tail(log, 15))
    }

    /// Asks it to end. A frozen process hears nothing, so it is thawed first.
    pub fn ask_to_end(&self) {
        self.signal(Signal::SIGCONT);
        self.signal(Signal::SIGTERM);
    }

    /// Ends it at once, as a crash would, and leaves it down until [`Self::restart`].
    pub fn crash(&mut self) -> Result<()> {
        self.signal(Signal::SIGKILL);
        self.child.wait()?;
        self.down = true;
        Ok(())
    }

    /// Starts it anew after its end.
    pub fn restart(&mut self) -> Result<()> {
        self.child = self.program.spawn()?;
        self.down = false;
        self.restart_at = None;
        Ok(())
    }

    /// Stops it where it stands, or lets it go on.
    pub fn freeze(&self, frozen: bool) {
        self.signal(if frozen { Signal::SIGSTOP } else { Signal::SIGCONT });
    }

    fn signal(&self, signal: Signal) {
        // An id that does not fit would be no process of ours; one that is gone needs no signal.
        if let (false, Ok(id)) = (self.down, i32::try_from(self.child.id())) {
            let _ = kill(Pid::from_raw(id), signal);
        }
    }

    /// Waits for its end; kills it after the grace. True when it ended by itself.
    pub fn end(&mut self) -> Result<bool> {
        if self.down || self.child.try_wait()?.is_some() {
            self.down = true;
            return Ok(true);
        }
        self.ask_to_end();
        drop(self.child.stdin.take());
        let deadline = Instant::now() + GRACE;
        while Instant::now() < deadline {
            if self.child.try_wait()?.is_some() {
                self.down = true;
                return Ok(true);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        self.crash()?;
        Ok(false)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if !self.down && matches!(self.child.try_wait(), Ok(None)) {
            let _ = self.crash();
        }
    }
}

/// Last lines of a file.
#[must_use]
pub fn tail(path: &Path, lines_max: usize) -> String {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.iter().skip(lines.len().saturating_sub(lines_max)).map(|line| format!("    {line}\n")).collect()
}

/// A free loopback port, below those that the system gives to connections: else one of them has it now and then when a
/// process that was ended starts again. It is free now; whoever binds it must still cope with losing the race.
pub fn free_port() -> Result<u16> {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let count = u32::from(PORTS.end - PORTS.start);
    // Programs that run side by side begin at places far apart.
    let first = std::process::id().wrapping_mul(7_919);
    for _ in 0..count {
        let at = first.wrapping_add(ASKED.fetch_add(1, Ordering::Relaxed)) % count;
        let port = PORTS.start.saturating_add(u16::try_from(at)?);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return Ok(port);
        }
    }
    bail!("no port from {} to {} is free on loopback", PORTS.start, PORTS.end)
}
