//! The node's core: consensus, ledger and mempool moved by one thread, one message at a time.
//!
//! [`Engine::handle`] takes a message and gives what is to be sent. It does no networking and reads no clock, so the
//! simulator drives the same engine with a virtual network, clock and disk. Persisting and signing happen inside, in
//! the order that consensus asks (contract D1-D11 of `nupeer_consensus::step`): nothing is given out before what it
//! rests on is durable.
//!
//! # Invariants
//! - A write that fails stops signing at once; nothing after it in the same step is carried out.
//! - Where the disk is full that is a pause ([`Outbound::Paused`]): reads are served, transactions refused, and with the
//!   first clock tick that finds room the engine boots again from what is on disk, as after a crash, so nothing that the
//!   lost write should have preceded can have happened. Any other failure is the end ([`Outbound::Halt`]).
//! - The API and peers see a block only after it is committed.
//!
//! # What it deliberately does not do
//! No sockets, no tasks, no wall clock: those are `node.rs` and `p2p`.

pub mod accuser;
pub mod agent;
pub mod bodies;
mod effects;
pub mod executor;
mod finality;
pub mod header_state;
mod pause;
mod serve;
mod submit;

use crate::mempool::Mempool;
use crate::storage::StoredBlock;
use accuser::Accuser;
use agent::Agent;
use bodies::Arrived;
use executor::{ExecuteError, Executor};
use nupeer_consensus::effect::{DropReason, FaultKind, Judgement, Metric, Topic};
use nupeer_consensus::header::CryptoJob;
use nupeer_consensus::input::{Input, Job, MsgId, NetErr, Peer, Point, Req, Status};
use nupeer_consensus::state::State;
use nupeer_primitives::{BlockId, Certificate, TxId};
use nupeer_runtime::validity::CheckedTx;
use std::collections::BTreeMap;
use std::sync::Arc;

pub use submit::SubmitError;

/// What the engine hears.
#[derive(Debug)]
pub enum Message {
    /// Anything for consensus itself.
    Consensus(Input),
    /// Answer to [`Outbound::GetBodies`]: position n answers the n-th id.
    Bodies(Req, Vec<BlockId>, Result<Vec<Option<Arrived>>, NetErr>),
    /// Checked transactions; for each the answer stands in [`Outbound::TxTaken`] or [`Outbound::TxRefused`], in order.
    Txs(Vec<Arc<CheckedTx>>),
}

/// What the engine wants done, in order.
#[derive(Debug)]
pub enum Outbound {
    /// Publish a header on `head/1`.
    Announce(Vec<u8>),
    /// Publish a vote or a certificate.
    Publish(Topic, Vec<u8>),
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
    /// Ask for certificates from a round on.
    GetCerts(Req, Peer, u64),
    /// Run a crypto job and answer with `Input::Verified`.
    Verify(Job, Box<CryptoJob>),
    /// Send a clock input then.
    WakeAt {
        /// Slot.
        slot: u64,
        /// Milliseconds into it.
        ms: u16,
    },
    /// Evidence of an offence.
    Evidence(Vec<u8>),
    /// The committed chain changed.
    Moved {
        /// Blocks that left, newest first.
        reverted: Vec<StoredBlock>,
        /// Blocks that came, oldest first.
        applied: Vec<BlockId>,
    },
    /// A checkpoint is final: its block and all below are never reverted.
    Finalized {
        /// Its round.
        round: u64,
        /// Its block.
        point: Point,
        /// What proves it.
        proof: Vec<Certificate>,
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
    /// The disk is full: nothing is signed or committed until [`Outbound::Resumed`].
    Paused(ExecuteError),
    /// There is room again.
    Resumed,
    /// Our own failure, or the disk's: the node must stop.
    Halt(ExecuteError),
}

/// Whether the engine moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Health {
    Running,
    Paused,
    Halted,
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
    accuser: Accuser,
    slot: u64,
    health: Health,
    /// Connected peers, for another boot.
    peers: BTreeMap<Peer, Status>,
}

impl Engine {
    /// Boots from disk. `state` is fresh; the executor holds the committed chain.
    pub fn boot(state: State, executor: Executor, agent: Option<Agent>) -> Result<(Self, Vec<Outbound>), ExecuteError> {
        let (mempool, health, peers) = (Mempool::default(), Health::Running, BTreeMap::new());
        let accuser = Accuser::default();
        let mut engine = Self { state, executor, mempool, agent, accuser, slot: 0, health, peers };
        let persisted = engine.load_persisted()?;
        engine.load_cases()?;
        let out = engine.handle(Message::Consensus(Input::Boot(Box::new(persisted))));
        Ok((engine, out))
    }

    /// Consensus' state, to look at.
    #[must_use]
    pub const fn consensus(&self) -> &State {
        &self.state
    }

    /// Whether it waits for room on the disk.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        matches!(self.health, Health::Paused)
    }

    /// How signing stands; none on a relay.
    #[must_use]
    pub fn signing(&self) -> Option<agent::Signing> {
        self.agent.as_ref().map(|agent| agent.standing(self.slot))
    }

    /// Takes one message in.
    pub fn handle(&mut self, message: Message) -> Vec<Outbound> {
        let mut out = Vec::new();
        self.remember_peer(&message);
        match self.health {
            Health::Running => self.take(message, &mut out),
            Health::Paused => self.wait_for_room(message, &mut out),
            Health::Halted => {}
        }
        out
    }

    fn take(&mut self, message: Message, out: &mut Vec<Outbound>) {
        match message {
            Message::Consensus(input) => {
                let slot = self.slot;
                if let Input::Clock { slot, .. } = input {
                    self.tick(slot);
                }
                self.step(input, out);
                if self.slot > slot
                    && self.health == Health::Running
                    && let Err(error) = self.press_cases(out)
                {
                    self.stop(error, out);
                }
            }
            Message::Bodies(req, ids, answer) => {
                let answer = answer.map(|bodies| self.take_bodies(&ids, bodies));
                self.step(Input::Bodies(req, answer), out);
            }
            Message::Txs(txs) => self.submit(txs, out),
        }
    }

    fn tick(&mut self, slot: u64) {
        if slot > self.slot {
            self.slot = slot;
            self.mempool.expire(nupeer_primitives::Slot(slot));
            if let Some(agent) = &mut self.agent {
                agent.tick(slot);
            }
        }
    }

    /// Feeds consensus and carries out what it wants; answers that are known at once go back in, in order.
    fn step(&mut self, input: Input, out: &mut Vec<Outbound>) {
        let mut inputs = std::collections::VecDeque::from([input]);
        while let Some(input) = inputs.pop_front() {
            for effect in nupeer_consensus::step::step(&mut self.state, input) {
                match self.carry_out(effect, out) {
                    Ok(answer) => inputs.extend(answer),
                    Err(error) => return self.stop(error, out),
                }
            }
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
