//! What the overlay wants of the node: votes signed, certificates served, and for clients the steps from committee to
//! committee (`nupeer_client::light`).

use super::{Engine, Outbound};
use crate::engine::executor::ExecuteError;
use nupeer_client::light::{FinalityProof, MemberRow, StateRow, Step};
use nupeer_consensus::finality::voter::VoteRequest;
use nupeer_consensus::input::{Input, Point};
use nupeer_primitives::imt::prove_inclusion;
use nupeer_primitives::state::View;
use nupeer_primitives::{BlsKey, BlsSignature, Cbor, Certificate, Epoch, Header};
use nupeer_runtime::query;

impl Engine {
    /// D13: the mark is durable before the signature exists.
    pub(super) fn sign_vote(&mut self, request: VoteRequest) -> Input {
        let signature = match self.key_of(&request) {
            Ok(Some(key)) => self.agent.as_mut().map(|agent| agent.vote(&key, request.committee, &request.link)),
            Ok(None) => None,
            Err(error) => Some(Err(error.into())),
        };
        let signature: Option<BlsSignature> = signature.and_then(|signed| match signed {
            Ok(signature) => Some(signature),
            Err(error) => {
                tracing::error!(round = request.link.round, error = format!("{error:#}"), "vote not signed");
                None
            }
        });
        Input::VoteSigned(request, signature)
    }

    /// The key under which the request's committee knows us.
    fn key_of(&self, request: &VoteRequest) -> Result<Option<BlsKey>, ExecuteError> {
        let snapshot = self.executor.storage.snapshot();
        let epoch = query::cursor(&snapshot)?.epoch;
        let tables = query::committees(&snapshot, epoch)?;
        let table = tables.into_iter().find(|(of, _)| *of == request.committee).map(|(_, table)| table);
        Ok(table.and_then(|table| table.get(usize::from(request.index)).map(|member| member.key)))
    }

    /// A checkpoint is final: clients learn of it, and of the next committee.
    pub(super) fn finalised(
        &mut self,
        round: u64,
        point: Point,
        proof: Vec<Certificate>,
        out: &mut Vec<Outbound>,
    ) -> Result<(), ExecuteError> {
        self.keep_step(point, &proof)?;
        self.retire_key(point)?;
        out.push(Outbound::Finalized { round, point, proof });
        Ok(())
    }

    /// Once an epoch: the proof that leads from its committee to the next one.
    fn keep_step(&self, point: Point, proof: &[Certificate]) -> Result<(), ExecuteError> {
        let executor = &self.executor;
        let epoch = Epoch(executor.chain.constants.epoch(point.slot.0));
        if executor.storage.step(epoch)?.is_some() {
            return Ok(());
        }
        let Some(stored) = executor.storage.block_at(point.height)?.filter(|stored| stored.id == point.id) else {
            return Ok(());
        };
        let next = Epoch(epoch.0.saturating_add(1));
        let key = nupeer_client::light::committee_key(next);
        let snapshot = executor.storage.snapshot();
        let undone = executor.storage.undone(&snapshot, point.height)?;
        let state = undone.over(&snapshot);
        let tables = query::committees(&state, epoch)?;
        let table = tables.into_iter().find(|(of, _)| *of == next).map(|(_, table)| table);
        let (Some(table), Some(inclusion), Some(value)) =
            (table, prove_inclusion(&state, key.as_slice()), state.get(key.as_slice()))
        else {
            return Ok(());
        };
        let header = Header::decode(&stored.header).map_err(|_| ExecuteError::HeaderUnknown(point.id))?;
        let finality = FinalityProof { headers: vec![header], certificates: proof.to_vec() };
        let step = Step {
            finality: hex::encode(finality.to_cbor()),
            digest: StateRow {
                what: format!("committee of epoch {}", next.0),
                key: hex::encode(key.as_slice()),
                value: Some(hex::encode(value)),
                proof: hex::encode(inclusion.to_cbor()),
            },
            committee: table.iter().map(MemberRow::of).collect(),
        };
        if let Ok(bytes) = serde_json::to_vec(&step) {
            executor.storage.keep_step(epoch, bytes)?;
        }
        Ok(())
    }

    /// Key deletion (consensus.md §10): the old BLS key goes once neither the final state nor the newest one names it, in
    /// a committee that may still sign or as the key of the next. The final state, because a rotation may be rolled
    /// back; the newest, because a key that was rotated back serves again.
    fn retire_key(&mut self, point: Point) -> Result<(), ExecuteError> {
        let Some(agent) = self.agent.as_mut().filter(|agent| agent.bls_keys().len() > 1) else { return Ok(()) };
        let (pool, executor) = (agent.identity().issuer.pool(), &self.executor);
        let snapshot = executor.storage.snapshot();
        let undone = executor.storage.undone(&snapshot, point.height)?;
        let mut in_use = query::bls_keys_of(&undone.over(&snapshot), &pool)?;
        in_use.extend(query::bls_keys_of(&snapshot, &pool)?);
        if let Err(error) = agent.retire_bls(&in_use) {
            tracing::error!(error = format!("{error:#}"), "the old BLS key can't be erased yet");
        }
        Ok(())
    }

    /// D15: certificates from a round on, each encoded.
    #[must_use]
    pub fn certificates_from(&self, round: u64) -> Vec<Vec<u8>> {
        let overlay = self.state.overlay();
        let certificates = overlay.map(|overlay| overlay.certificates_from(round)).unwrap_or_default();
        certificates.iter().map(Cbor::to_cbor).collect()
    }
}
