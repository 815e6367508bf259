//! The node's core: consensus, ledger and mempool moved by one thread, one message at a time.
//!
//! [`Engine::handle`] takes a message and gives what is to be sent. It does no networking and reads no clock, so the
//! simulator drives the same engine with a virtual network, clock and disk. Persisting and signing happen inside, in
//! the order that consensus asks (contract D1-D11 of `nupeer_consensus::step`): nothing is given out before what it
//! rests on is durable.
//!
//! # Invariants
//! - A write that fails stops signing at once ([`Outbound::Halt`]); nothing after it in the same step is carried out.
//! - The API and peers see a block only after it is committed.
//!
//! # What it deliberately does not do
//! No sockets, no tasks, no wall clock: those are `node.rs` and `p2p`.

pub mod agent;
pub mod bodies;
mod effects;
pub mod executor;
pub mod header_state;
mod serve;
mod submit;

use crate::mempool::Mempool;
use crate::storage::StoredBlock;
use agent::Agent;
use executor::{ExecuteError, Executor};
use nupeer_consensus::effect::{DropReason, FaultKind, Judgement, Metric};
use nupeer_consensus::header::CryptoJob;
use nupeer_consensus::input::{Input, Job, MsgId, NetErr, Peer, Req};
use nupeer_consensus::state::State;
use nupeer_primitives::{BlockId, TxId};
use nupeer_runtime::validity::CheckedTx;
use std::sync::Arc;

pub use submit::SubmitError;

/// What the engine hears.
#[derive(Debug)]
pub enum Message {
    /// Anything for consensus itself.
    Consensus(Input),
    /// Answer to [`Outbound::GetBodies`]: position n answers the n-th id.
    Bodies(Req, Vec<BlockId>, Result<Vec<Option<Vec<u8>>>, NetErr>),
    /// A checked transaction; the answer stands in [`Outbound::TxTaken`] or [`Outbound::TxRefused`].
    Tx(Arc<CheckedTx>),
}

/// What the engine wants done, in order.
#[derive(Debug)]
pub enum Outbound {
    /// Publish a header on `head/1`.
    Announce(Vec<u8>),
    /// Relay a transaction.
    RelayTx(Arc<CheckedTx>),
    /// Judge a gossip message.
    Judge(MsgId, Judgement),
    /// A provable fault.
    Fault(Peer, FaultKind),
    /// End a connection.
    Drop(Peer, DropReason),
    /// Ask for headers.
    GetHeaders(Req, Peer, Vec<BlockId>),
    /// Ask for bodies.
    GetBodies(Req, Peer, Vec<BlockId>),
    /// Run a crypto job and answer with `Input::Verified`.
    Verify(Job, Box<CryptoJob>),
    /// Send a clock input then.
    WakeAt {
        /// Slot.
        slot: u64,
        /// Milliseconds into it.
        ms: u16,
    },
    /// Evidence of two headers for one slot.
    Evidence(Vec<u8>),
    /// The committed chain changed.
    Moved {
        /// Blocks that left, newest first.
        reverted: Vec<StoredBlock>,
        /// Blocks that came, oldest first.
        applied: Vec<BlockId>,
    },
    /// A transaction waits.
    TxTaken {
        /// Which.
        id: TxId,
        /// Its fee.
        fee: u64,
    },
    /// A transaction was not taken.
    TxRefused {
        /// Which.
        id: TxId,
        /// Why.
        error: SubmitError,
    },
    /// For the operator.
    Note(Metric),
    /// Our own failure: the node must stop (bug) or stop signing (disk).
    Halt(ExecuteError),
}

/// See the module header.
#[derive(Debug)]
pub struct Engine {
    state: State,
    /// Ledger side.
    pub executor: Executor,
    /// Waiting transactions.
    pub mempool: Mempool,
    agent: Option<Agent>,
    slot: u64,
    halted: bool,
}

impl Engine {
    /// Boots from disk. `state` is fresh; the executor holds the committed chain.
    pub fn boot(state: State, executor: Executor, agent: Option<Agent>) -> Result<(Self, Vec<Outbound>), ExecuteError> {
        let mut engine = Self { state, executor, mempool: Mempool::default(), agent, slot: 0, halted: false };
        let persisted = engine.load_persisted()?;
        let out = engine.handle(Message::Consensus(Input::Boot(Box::new(persisted))));
        Ok((engine, out))
    }

    /// Consensus' state, to look at.
    #[must_use]
    pub const fn consensus(&self) -> &State {
        &self.state
    }

    /// Takes one message in.
    pub fn handle(&mut self, message: Message) -> Vec<Outbound> {
        let mut out = Vec::new();
        if self.halted {
            return out;
        }
        match message {
            Message::Consensus(input) => {
                if let Input::Clock { slot, .. } = input {
                    self.tick(slot);
                }
                self.step(input, &mut out);
            }
            Message::Bodies(req, ids, answer) => {
                let answer = answer.map(|bodies| self.take_bodies(&ids, bodies));
                self.step(Input::Bodies(req, answer), &mut out);
            }
            Message::Tx(tx) => self.submit(tx, &mut out),
        }
        out
    }

    fn tick(&mut self, slot: u64) {
        if slot > self.slot {
            self.slot = slot;
            self.mempool.expire(nupeer_primitives::Slot(slot));
        }
    }

    /// Feeds consensus and carries out what it wants; answers that are known at once go back in, in order.
    fn step(&mut self, input: Input, out: &mut Vec<Outbound>) {
        let mut inputs = std::collections::VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for effect in nupeer_consensus::step::step(&mut self.state, input) {
                match self.carry_out(effect, out) {
                    Ok(answer) => inputs.extend(answer),
                    Err(error) => {
                        self.halted = true;
                        out.push(Outbound::Halt(error));
                        return;
                    }
                }
            }
        }
    }
}
