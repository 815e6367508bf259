//! A disk without room (see the engine's header): wait, and begin again from what is on it.

use super::executor::ExecuteError;
use super::{Engine, Health, Message, Outbound, SubmitError};
use nupeer_consensus::effect::Judgement;
use nupeer_consensus::input::Input;

impl Engine {
    /// After a failure: a pause where room on the disk may come back, else the end.
    pub(super) fn stop(&mut self, error: ExecuteError, out: &mut Vec<Outbound>) {
        if error.is_disk_full() {
            self.health = Health::Paused;
            out.push(Outbound::Paused(error));
        } else {
            self.health = Health::Halted;
            out.push(Outbound::Halt(error));
        }
    }

    /// Who is connected, as far as consensus was or would have been told.
    pub(super) fn remember_peer(&mut self, message: &Message) {
        let Message::Consensus(input) = message else { return };
        if let Input::PeerUp(peer, status) | Input::PeerStatus(peer, status) = input {
            self.peers.insert(*peer, *status);
        } else if let Input::PeerDown(peer) = input {
            self.peers.remove(peer);
        }
    }

    /// Everything but the clock can be had again: answers are to questions of the old boot, headers and transactions
    /// come again, peers are remembered.
    pub(super) fn wait_for_room(&mut self, message: Message, out: &mut Vec<Outbound>) {
        match message {
            Message::Txs(txs) => {
                out.extend(txs.iter().map(|tx| Outbound::TxRefused { id: tx.id, error: SubmitError::DiskFull }));
            }
            Message::Bodies(..) => {}
            Message::Consensus(input) => {
                if let Input::Gossip { id, .. } = input {
                    out.push(Outbound::Judge(id, Judgement::Ignore));
                } else if matches!(input, Input::Clock { .. }) {
                    match self.executor.storage.check_room() {
                        Ok(()) => self.begin_again(input, out),
                        Err(error) if error.is_retryable() => {}
                        Err(error) => self.stop(error.into(), out),
                    }
                }
            }
        }
    }

    fn begin_again(&mut self, clock: Input, out: &mut Vec<Outbound>) {
        self.executor.begin_again();
        self.state = self.state.reborn();
        let persisted = match self.load_persisted() {
            Ok(persisted) => persisted,
            Err(error) => return self.stop(error, out),
        };
        if let Err(error) = self.load_cases() {
            return self.stop(error, out);
        }
        self.health = Health::Running;
        out.push(Outbound::Resumed);
        self.step(Input::Boot(Box::new(persisted)), out);
        self.take(Message::Consensus(clock), out);
        for (peer, status) in self.peers.clone() {
            if self.health == Health::Running {
                self.step(Input::PeerUp(peer, status), out);
            }
        }
    }
}
