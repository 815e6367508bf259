//! What state a workload is in, from its files and its holder. Nothing here changes anything.
//!
//! The holder's file lock decides whether it lives; pids do not, since they are reused. A holder that lives but does
//! not answer, or files that cannot be read, give Unknown: lack of information is never an ending (law L1).

use std::io;

use super::boot_id;
use super::control;
use super::workload::WorkloadDir;
use crate::proto::hold::v1::{Exit, HoldRequest, HoldResponse, StatusAsk, hold_request::Ask};
use crate::v1::Handle;

/// Exit code reported for a holder that died without writing D/exit: what SIGKILL gives.
pub const LOST_CODE: i32 = 137;

/// A workload as observed.
#[derive(Debug, Clone)]
pub enum Observed {
    /// No such directory, a Prepare that never finished, or a Destroy that began.
    Absent,
    /// Prepared, never started.
    Prepared,
    /// A holder began and has not said that the workload is up.
    Starting,
    /// Up; the holder's answer and the handle.
    Running(Box<(HoldResponse, Handle)>),
    /// Over.
    Exited(Exit),
    /// The holder is gone without an ending, in this boot.
    Lost {
        /// The generation that was lost.
        generation: u64,
    },
    /// The holder is gone because the machine restarted.
    LostInReboot {
        /// The generation that was lost.
        generation: u64,
    },
    /// Cannot be told.
    Unknown(String),
}

/// Observes one workload.
pub async fn observe(dir: &WorkloadDir) -> Observed {
    match observe_files(dir) {
        Ok(Files::Held) => {}
        Ok(Files::Settled(observed)) => return observed,
        Err(error) => return Observed::Unknown(error.to_string()),
    }
    let handle = match dir.handle() {
        Ok(Some(handle)) => handle,
        Ok(None) => return Observed::Starting,
        Err(error) => return Observed::Unknown(error.to_string()),
    };
    let request = HoldRequest { ask: Some(Ask::Status(StatusAsk {})) };
    match control::ask(&dir.join("sock"), &request).await {
        Ok(response) => Observed::Running(Box::new((response, handle))),
        // The holder may have ended between the look at its lock and the question.
        Err(error) => match observe_files(dir) {
            Ok(Files::Settled(observed)) => observed,
            Ok(Files::Held) | Err(_) => Observed::Unknown(format!("holder is alive but mute: {error}")),
        },
    }
}

enum Files {
    Held,
    Settled(Observed),
}

fn observe_files(dir: &WorkloadDir) -> io::Result<Files> {
    if !dir.path().try_exists()? || dir.wiping()?.is_some() || dir.spec()?.is_none() {
        return Ok(Files::Settled(Observed::Absent));
    }
    if dir.is_held()? {
        return Ok(Files::Held);
    }
    let generation = dir.generation()?;
    if generation == 0 {
        return Ok(Files::Settled(Observed::Prepared));
    }
    if let Some(exit) = dir.exit()?
        && exit.generation == generation
    {
        return Ok(Files::Settled(Observed::Exited(exit)));
    }
    let same_boot = match dir.handle()? {
        Some(handle) => handle.boot_id == boot_id()?,
        None => true,
    };
    Ok(Files::Settled(if same_boot { Observed::Lost { generation } } else { Observed::LostInReboot { generation } }))
}
