//! Where transactions come in, from clients and from gossip (consensus.md §13): decoded, checked, offered to the engine.
//!
//! # Protocol
//! 1. Whoever brings transactions puts them into one bounded queue; when it is full, clients are told to come again and
//!    gossip is ignored without blame.
//! 2. One thread takes what waits, up to [`BATCH_TXS`], and checks all signatures in one batch. Under load batches grow
//!    and a signature costs half; alone, a transaction does not wait.
//! 3. What is malformed is refused alone. A gossip message with a malformed transaction is rejected as a whole: its
//!    relayer should have looked.
//! 4. The engine answers for each transaction, and whoever waits hears it.
//!
//! # What it deliberately does not do
//! It looks at no state: that is the engine's part.

use crate::checked::CheckedTxs;
use crate::core_thread::Core;
use crate::engine::{Message, Outbound, SubmitError};
use crate::wire;
use nupeer_consensus::effect::Judgement;
use nupeer_consensus::input::MsgId;
use nupeer_primitives::error::Malformed;
use nupeer_primitives::{Transaction, TxId};
use nupeer_runtime::validity::CheckedTx;
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use tokio::sync::{mpsc, oneshot};

/// Entries that wait to be checked: at 64 KiB a gossip batch 16 MiB at most, some tenths of a second of work.
const QUEUE_MAX: usize = 256;
/// Transactions checked in one batch. A batch of some hundred has nearly all that a larger one would gain.
pub const BATCH_TXS: usize = 512;

/// Why a transaction did not come in.
#[derive(Clone, Debug)]
pub enum DoorError {
    /// The bytes are to blame.
    Malformed(Malformed),
    /// Ledger or mempool refuse.
    Refused(SubmitError),
    /// Too many wait.
    Busy,
    /// The node is stopping.
    Closed,
}

type Answer = oneshot::Sender<Result<(TxId, u64), DoorError>>;

enum Entry {
    Client(Vec<u8>, Answer),
    Gossip(MsgId, Vec<u8>),
}

/// To the door. Clones share its queue; its thread ends with the last of them.
#[derive(Clone)]
pub struct Door(SyncSender<Entry>);

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Door")
    }
}

impl Door {
    /// Starts the thread. Effects of what comes in, and judgements of gossip, go to `out`.
    pub fn open(checked: Arc<CheckedTxs>, core: Core, out: mpsc::UnboundedSender<Outbound>) -> std::io::Result<Self> {
        let (sender, receiver) = sync_channel(QUEUE_MAX);
        let keeper = Keeper { checked, core, out };
        drop(std::thread::Builder::new().name("door".into()).spawn(move || keeper.run(&receiver))?);
        Ok(Self(sender))
    }

    /// Brings a client's transaction; its id and fee once the mempool has it.
    pub async fn enter(&self, bytes: Vec<u8>) -> Result<(TxId, u64), DoorError> {
        let (answer, answered) = oneshot::channel();
        match self.0.try_send(Entry::Client(bytes, answer)) {
            Ok(()) => answered.await.unwrap_or(Err(DoorError::Closed)),
            Err(TrySendError::Full(_)) => Err(DoorError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(DoorError::Closed),
        }
    }

    /// Brings a batch of gossip; false when there is no room, and then the message is the caller's to judge.
    #[must_use]
    pub fn bring(&self, id: MsgId, bytes: Vec<u8>) -> bool {
        self.0.try_send(Entry::Gossip(id, bytes)).is_ok()
    }
}

/// Who brought the next `count` transactions of a batch.
enum Origin {
    Client(Answer),
    Gossip(MsgId, usize),
}

struct Keeper {
    checked: Arc<CheckedTxs>,
    core: Core,
    out: mpsc::UnboundedSender<Outbound>,
}

impl Keeper {
    fn run(self, entries: &Receiver<Entry>) {
        while let Ok(first) = entries.recv() {
            let (mut origins, mut txs) = (Vec::new(), Vec::new());
            self.sort_in(first, &mut origins, &mut txs);
            while txs.len() < BATCH_TXS {
                let Ok(next) = entries.try_recv() else { break };
                self.sort_in(next, &mut origins, &mut txs);
            }
            self.pass(origins, self.checked.check(txs).into());
        }
    }

    /// Decodes an entry, or ends it here.
    fn sort_in(&self, entry: Entry, origins: &mut Vec<Origin>, txs: &mut Vec<Transaction>) {
        match entry {
            Entry::Client(bytes, answer) => match Transaction::decode(&bytes) {
                Ok(tx) => {
                    txs.push(tx);
                    origins.push(Origin::Client(answer));
                }
                Err(error) => drop(answer.send(Err(DoorError::Malformed(error)))),
            },
            Entry::Gossip(id, bytes) => match wire::txs_from_bytes(&bytes) {
                Ok(batch) => {
                    origins.push(Origin::Gossip(id, batch.len()));
                    txs.extend(batch);
                }
                Err(_) => self.judge(id, Judgement::Reject),
            },
        }
    }

    fn judge(&self, id: MsgId, judgement: Judgement) {
        drop(self.out.send(Outbound::Judge(id, judgement)));
    }

    /// Gives the good ones to the engine, each with whoever waits for its answer.
    fn pass(&self, origins: Vec<Origin>, mut verdicts: VecDeque<Result<Arc<CheckedTx>, Malformed>>) {
        let (mut txs, mut waiting) = (Vec::new(), VecDeque::new());
        for origin in origins {
            match origin {
                Origin::Client(answer) => match verdicts.pop_front() {
                    Some(Ok(tx)) => {
                        txs.push(tx);
                        waiting.push_back(Some(answer));
                    }
                    Some(Err(error)) => drop(answer.send(Err(DoorError::Malformed(error)))),
                    None => drop(answer.send(Err(DoorError::Closed))),
                },
                Origin::Gossip(id, count) => {
                    let good: Result<Vec<_>, Malformed> = verdicts.drain(..count.min(verdicts.len())).collect();
                    match good {
                        Ok(good) => {
                            self.judge(id, Judgement::Accept);
                            waiting.extend(good.iter().map(|_| None));
                            txs.extend(good);
                        }
                        Err(_) => self.judge(id, Judgement::Reject),
                    }
                }
            }
        }
        if txs.is_empty() {
            return;
        }
        let out = self.out.clone();
        self.core.send_then(Message::Txs(txs), move |effects| answer(effects, waiting, &out));
    }
}

/// Tells clients what became of their transactions. Those of gossip are relayed by gossip itself.
fn answer(effects: Vec<Outbound>, mut waiting: VecDeque<Option<Answer>>, out: &mpsc::UnboundedSender<Outbound>) {
    let mut by_client = false;
    for effect in effects {
        if let Outbound::TxTaken { id, fee } = &effect {
            let client = waiting.pop_front().flatten();
            by_client = client.is_some();
            client.map(|client| client.send(Ok((*id, *fee))));
        } else if let Outbound::TxRefused { error, .. } = &effect {
            let client = waiting.pop_front().flatten();
            client.map(|client| client.send(Err(DoorError::Refused(error.clone()))));
        } else if matches!(effect, Outbound::RelayTx(_)) && !by_client {
            continue;
        }
        drop(out.send(effect));
    }
}

#[cfg(test)]
mod tests;
