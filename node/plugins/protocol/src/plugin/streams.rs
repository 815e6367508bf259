//! The long-lived answers: inventory, samples, events, logs. Each ends when its reader goes away, reads only as fast
//! as the reader takes, and holds nothing that a workload waits for.

use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::sync::mpsc;
use tonic::Status;

use super::events::EventLog;
use super::lifecycle::Lifecycle;
use super::observe::{Observed, observe};
use super::ring::RingReader;
use super::workload::{StateDir, WorkloadDir};
use super::{Runtime, inventory};
use crate::limits::METER_EVERY_MS_MIN;
use crate::reason::Refusal;
use crate::v1::{Event, InventorySnapshot, LogChunk, LogsRequest, Sample};

type Sink<T> = mpsc::Sender<Result<T, Status>>;

const INVENTORY_EVERY: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(200);
const LOST_LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks for lost holders for as long as this configuration is the plugin's.
pub fn supervise<R: Runtime>(lifecycle: &Arc<Lifecycle<R>>) {
    let weak: Weak<Lifecycle<R>> = Arc::downgrade(lifecycle);
    drop(tokio::spawn(async move {
        while let Some(lifecycle) = weak.upgrade() {
            lifecycle.record_lost().await;
            drop(lifecycle);
            tokio::time::sleep(LOST_LOOK_EVERY).await;
        }
    }));
}

/// A snapshot now, and another whenever something other than free space changed.
pub async fn inventory(state: StateDir, sink: Sink<InventorySnapshot>) {
    let mut seq = 1u64;
    let mut last: Option<InventorySnapshot> = None;
    loop {
        let now = inventory::snapshot(seq, state.path());
        let same = last.as_ref().is_some_and(|last| {
            (last.cpu_milli, last.ram_bytes, last.healthy, &last.reason)
                == (now.cpu_milli, now.ram_bytes, now.healthy, &now.reason)
        });
        if !same {
            last = Some(now.clone());
            seq = seq.saturating_add(1);
            if sink.send(Ok(now)).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = sink.closed() => return,
            () = tokio::time::sleep(INVENTORY_EVERY) => {}
        }
    }
}

/// Samples of one workload until it ends; the last is final.
pub async fn meter(dir: WorkloadDir, every_ms: u32, sink: Sink<Sample>) {
    let every = Duration::from_millis(u64::from(every_ms.max(METER_EVERY_MS_MIN)));
    loop {
        match observe(&dir).await {
            Observed::Running(up) => {
                if let Some(sample) = up.0.sample
                    && sink.send(Ok(sample)).await.is_err()
                {
                    return;
                }
            }
            Observed::Exited(_) | Observed::Lost { .. } | Observed::LostInReboot { .. } => {
                if let Ok(Some(mut sample)) = dir.counters() {
                    sample.r#final = true;
                    let _ = sink.send(Ok(sample)).await;
                }
                return;
            }
            Observed::Absent => return,
            Observed::Prepared | Observed::Starting | Observed::Unknown(_) => {}
        }
        tokio::select! {
            () = sink.closed() => return,
            () = tokio::time::sleep(every) => {}
        }
    }
}

/// Events after a number, then those that come.
pub async fn events(log: EventLog, mut after: u64, sink: Sink<Event>) {
    let mut length = None;
    loop {
        let now = log.length();
        if length != Some(now) {
            length = Some(now);
            match log.after(after) {
                Ok(events) => {
                    for event in events {
                        after = event.seq;
                        if sink.send(Ok(event)).await.is_err() {
                            return;
                        }
                    }
                }
                Err(error) => {
                    let _ = sink.send(Err(Refusal::internal("events", error).into())).await;
                    return;
                }
            }
        }
        tokio::select! {
            () = sink.closed() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}

/// Output of one workload; ends at the end of the log, at `max_bytes`, or, following, with the workload.
pub async fn logs(dir: WorkloadDir, request: LogsRequest, sink: Sink<LogChunk>) {
    let mut reader = RingReader::new(dir.path(), request.since_ms);
    let mut left = if request.max_bytes == 0 { u64::MAX } else { request.max_bytes };
    loop {
        // Observed before reading: what was written before the end is then surely read.
        let over = !request.follow || !matches!(dir.is_held(), Ok(true));
        loop {
            match reader.read_next() {
                Ok(Some(mut chunk)) => {
                    let keep = usize::try_from(left).unwrap_or(usize::MAX).min(chunk.bytes.len());
                    chunk.bytes.truncate(keep);
                    left = left.saturating_sub(u64::try_from(keep).unwrap_or(u64::MAX));
                    if sink.send(Ok(chunk)).await.is_err() || left == 0 {
                        return;
                    }
                }
                Ok(None) => break,
                Err(error) => {
                    let _ = sink.send(Err(Refusal::internal("logs", error).into())).await;
                    return;
                }
            }
        }
        if over {
            return;
        }
        tokio::select! {
            () = sink.closed() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
    }
}
