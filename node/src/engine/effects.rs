//! Carrying out what consensus wants.

use super::bodies::Arrived;
use super::executor::ExecuteError;
use super::{Engine, Outbound};
use nupeer_consensus::bodies::NO_CARDANO;
use nupeer_consensus::effect::{Effect, Record, SignReq, Topic};
use nupeer_consensus::input::{BlockRule, BodyDigest, Exec, ForgeError, Input};
use nupeer_primitives::{
    BlockBody, BlockId, Certificate, Hash, Header, HeaderBody, OpCert, SealedBody, Signature, Slot, VerificationKey,
};
use nupeer_runtime::BlockContext;
use nupeer_runtime::InvalidBlock;
use std::sync::Arc;

/// Transactions looked at for one block: more than any body holds.
const CANDIDATES_MAX: usize = 8_192;

impl Engine {
    /// One effect; gives the input that answers it, where it is known at once.
    pub(super) fn carry_out(&mut self, effect: Effect, out: &mut Vec<Outbound>) -> Result<Option<Input>, ExecuteError> {
        match effect {
            Effect::Persist(record) => self.persist(record)?,
            Effect::Gossip(Topic::Head, bytes) => out.push(Outbound::Announce(bytes)),
            Effect::Gossip(Topic::Evidence, bytes) | Effect::Evidence(bytes) => self.accuse(bytes, out)?,
            Effect::Gossip(topic @ (Topic::Vote | Topic::Certificate), bytes) => {
                out.push(Outbound::Publish(topic, bytes))
            }
            Effect::Judge(id, judgement) => out.push(Outbound::Judge(id, judgement)),
            Effect::Fault(peer, kind, _) => out.push(Outbound::Fault(peer, kind)),
            Effect::Drop(peer, why) => out.push(Outbound::Drop(peer, why)),
            Effect::GetHeaders(req, peer, locator) => out.push(Outbound::GetHeaders(req, peer, locator)),
            Effect::GetBodies(req, peer, ids) => out.push(Outbound::GetBodies(req, peer, ids)),
            Effect::Verify(job, work) => out.push(Outbound::Verify(job, work)),
            Effect::Execute { block, parent, body_hash: _ } => return self.execute(block, parent).map(Some),
            Effect::Switch { rollback_to, apply } => self.switch(rollback_to, apply, out)?,
            Effect::AskLeader { slot, eta, weight, total } => {
                let claim = self.agent.as_ref().and_then(|agent| agent.claim(slot, &eta, weight, total));
                return Ok(Some(Input::LeaderProof { slot, eta, claim: claim.map(Box::new) }));
            }
            Effect::Forge { slot, parent, vrf_out, certificates } => {
                return self.forge(slot, parent, &vrf_out, &certificates).map(Some);
            }
            Effect::Sign(request) => return Ok(Some(self.sign(*request))),
            Effect::WakeAt { slot, ms } => out.push(Outbound::WakeAt { slot, ms }),
            Effect::Note(metric) => out.push(Outbound::Note(metric)),
            Effect::SignVote(request) => return Ok(Some(self.sign_vote(request))),
            Effect::GetCerts(req, peer, round) => out.push(Outbound::GetCerts(req, peer, round)),
            Effect::Justified { checkpoint, certificates: _ } => {
                tracing::debug!(round = checkpoint.round, block = %checkpoint.block, "justified");
            }
            Effect::Finalized { round, point, proof } => self.finalised(round, point, proof, out)?,
        }
        Ok(None)
    }

    fn persist(&mut self, record: Record) -> Result<(), ExecuteError> {
        match &record {
            Record::Header { id, bytes } => {
                let header = Header::decode(bytes).map_err(|_| ExecuteError::HeaderUnknown(*id))?;
                if let Some(agent) = &mut self.agent {
                    agent.saw(&header.body, *id);
                }
                self.executor.add_header(*id, header);
            }
            Record::Forgotten(ids) => self.executor.forget(ids),
            Record::Final { .. }
            | Record::Signed { .. }
            | Record::Ban(_)
            | Record::Certificate { .. }
            | Record::Finalized { .. }
            | Record::Voted(_) => {}
        }
        self.executor.storage.persist(&record)?;
        Ok(())
    }

    fn execute(&mut self, block: BlockId, parent: BlockId) -> Result<Input, ExecuteError> {
        let exec = match self.executor.execute(block, parent) {
            Ok((root, view)) => {
                let certificates = self.executor.certificates_of(&block);
                Exec::Valid { root, view, certificates }
            }
            Err(ExecuteError::Invalid(InvalidBlock::Bug(bug))) => return Err(ExecuteError::Bug(bug)),
            Err(ExecuteError::Invalid(invalid)) => {
                tracing::warn!(%block, %invalid, "block refused");
                Exec::Invalid(rule_of(&invalid))
            }
            Err(other) => return Err(other),
        };
        Ok(Input::Executed(block, exec))
    }

    fn switch(
        &mut self,
        rollback_to: BlockId,
        apply: Vec<BlockId>,
        out: &mut Vec<Outbound>,
    ) -> Result<(), ExecuteError> {
        let reverted = self.executor.switch(rollback_to, &apply)?;
        self.renew_mempool(&reverted, &apply, out);
        out.push(Outbound::Moved { reverted, applied: apply });
        Ok(())
    }

    /// Transactions of blocks that left wait again; those of blocks that came are gone.
    fn renew_mempool(
        &mut self,
        reverted: &[crate::storage::StoredBlock],
        applied: &[BlockId],
        out: &mut Vec<Outbound>,
    ) {
        for stored in reverted {
            let Ok(body) = BlockBody::decode(&stored.body, usize::MAX) else { continue };
            let checked = self.executor.checked.check(body.txs).into_iter().flatten().collect();
            self.resubmit(checked, out);
        }
        for id in applied {
            for tx in self.executor.txs_of(id) {
                self.mempool.remove(&tx);
            }
        }
    }

    fn forge(
        &mut self,
        slot: u64,
        parent: BlockId,
        vrf_out: &[u8; 64],
        certificates: &[Certificate],
    ) -> Result<Input, ExecuteError> {
        let Some(agent) = &self.agent else { return Ok(Input::ForgeFailed { slot, why: ForgeError::UnknownParent }) };
        let identity = agent.identity();
        let (height, parent_slot) = self.executor.point_of(&parent)?;
        let counter = agent.opcert_counter();
        let header =
            draft(identity.issuer, identity.vrf_key, slot, parent, vrf_out, counter, height.0.saturating_add(1));
        let chain = self.executor.chain.clone();
        let ctx = BlockContext::of(&chain, &header, parent_slot);
        let mut candidates = self.mempool.candidates(CANDIDATES_MAX);
        let first = match self.accusations(&ctx, &mut candidates) {
            Ok(first) => first,
            Err(ExecuteError::StateUnknown(_)) => {
                return Ok(Input::ForgeFailed { slot, why: ForgeError::UnknownParent });
            }
            Err(other) => return Err(other),
        };
        let candidates = first.iter().chain(&candidates).map(Arc::as_ref);
        match self.executor.forge(&ctx, &header, certificates, candidates) {
            Ok((body, applied, refused)) => {
                for (id, why) in &refused {
                    tracing::debug!(tx = %id, %why, "transaction left the mempool");
                    self.mempool.remove(id);
                }
                Ok(Input::Forged { slot, parent, body: digest_of(&body), root: applied.root })
            }
            Err(ExecuteError::StateUnknown(_)) => Ok(Input::ForgeFailed { slot, why: ForgeError::UnknownParent }),
            Err(other) => Err(other),
        }
    }

    fn sign(&mut self, request: SignReq) -> Input {
        let SignReq { slot, id, header } = request;
        let signature = self.agent.as_mut().and_then(|agent| match agent.sign(*header) {
            Ok(signature) => Some(Box::new(signature)),
            Err(error) => {
                tracing::error!(slot, block = %id, %error, "not signed");
                None
            }
        });
        Input::Signed { slot, id, signature }
    }

    /// Stores bodies that a peer sent, and says what they are.
    pub(super) fn take_bodies(&mut self, ids: &[BlockId], bodies: Vec<Option<Arrived>>) -> Vec<Option<BodyDigest>> {
        let mut digest = |arrived| match arrived {
            Arrived::Whole(body) => digest_of(&self.executor.bodies.insert(*body)),
            Arrived::Garbled { size } => BodyDigest { size, hash: None },
        };
        bodies.into_iter().take(ids.len()).map(|body| body.map(&mut digest)).collect()
    }
}

/// What consensus wants to know about a body.
#[must_use]
pub fn digest_of(body: &SealedBody) -> BodyDigest {
    BodyDigest { size: u32::try_from(body.size()).unwrap_or(u32::MAX), hash: Some(body.hash()) }
}

/// The header as far as the ledger looks at it before its body exists.
fn draft(
    issuer: VerificationKey,
    vrf_key: [u8; 32],
    slot: u64,
    parent: BlockId,
    vrf_out: &[u8; 64],
    counter: u64,
    height: u64,
) -> HeaderBody {
    HeaderBody {
        height: nupeer_primitives::Height(height),
        slot: Slot(slot),
        parent,
        issuer,
        vrf_key,
        vrf: (*vrf_out, [0; 80]),
        body_size: 0,
        body_hash: Hash::ZERO,
        opcert: OpCert { hot_key: [0; 32], counter, start: 0, sigma: Signature([0; 64]) },
        version: (0, 0),
        mc: NO_CARDANO,
        z: None,
        state_root: Hash::ZERO,
    }
}

fn rule_of(invalid: &InvalidBlock) -> BlockRule {
    match invalid {
        InvalidBlock::BadStateRoot { .. } => BlockRule::BadStateRoot,
        InvalidBlock::Malformed { error, .. } => BlockRule::Ledger(error.code()),
        InvalidBlock::BodyMismatch { .. }
        | InvalidBlock::BadCertificate(_)
        | InvalidBlock::Rejected { .. }
        | InvalidBlock::Bug(_) => BlockRule::Ledger(u16::MAX),
    }
}
