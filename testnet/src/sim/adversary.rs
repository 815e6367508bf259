//! What dishonest pools do beside running the engine.

use super::network::Packet;
use super::node::{Node, Role};
use super::world::{Event, World};
use nupeer_consensus::effect::Topic;
use nupeer_consensus::forge::{PoolKeys, sign_header};
use nupeer_primitives::{BlockId, Cbor, Header, Link, SealedBody, Vote};
use nupeer_runtime::BlockContext;

impl World {
    /// A vote or certificate leaves a node, as its role has it.
    pub fn publish(&mut self, node: usize, topic: Topic, bytes: &[u8]) {
        let role = self.nodes.get(node).map(|node| node.role);
        match (role, topic) {
            (Some(Role::Equivocator), Topic::Vote) => self.vote_twice(node, bytes),
            (Some(Role::Withholder), Topic::Vote) if self.chance.chance(500) => self.count("vote_withheld"),
            (Some(Role::Withholder), Topic::Certificate) => {
                let (slots, bytes) = (self.chance.below(20).saturating_add(5), bytes.to_vec());
                self.schedule_slots(slots, Event::Release { node, topic, bytes });
            }
            (Some(Role::Honest | Role::Equivocator | Role::Withholder) | None, _) => {
                self.broadcast(node, None, topic, bytes);
            }
        }
    }

    /// Half of the network gets the honest vote, the other half one for another link: of the same round (S2), or one
    /// that surrounds an earlier vote (S3).
    fn vote_twice(&mut self, node: usize, bytes: &[u8]) {
        let genesis = self.shared.chain.genesis;
        let surround = self.chance.chance(500);
        let Some(it) = self.nodes.get_mut(node) else { return };
        let (Ok(vote), Some(seed)) = (Vote::decode(bytes), it.seed) else { return };
        let earlier = it.last_link.replace(vote.link).filter(|link| surround && link.src_round > 0);
        let link = match earlier {
            Some(earlier) => Link { src_round: earlier.src_round.saturating_sub(1), ..vote.link },
            None => Link { dst_hash: vote.link.src_hash, ..vote.link },
        };
        let signature = PoolKeys::from_seed(&seed).bls.sign(&link.digest(vote.committee, &genesis));
        let second = Vote { link, signature, ..vote }.to_cbor();
        self.count(if earlier.is_some() { "surround_vote" } else { "double_vote" });
        for to in 0..self.nodes.len() {
            let bytes = if to % 2 == 0 { bytes } else { &second };
            self.send(node, to, Packet::Gossip(Topic::Vote, bytes.to_vec()));
        }
    }
}

/// A second header of the same slot with an empty body, whose block the equivocator can serve like the first. `None`
/// when the first was empty too.
pub fn second_block(node: &mut Node, first: &Header) -> Option<(BlockId, Vec<u8>)> {
    let seed = node.seed?;
    let executor = &mut node.engine.as_mut()?.executor;
    let (chain, mut body) = (executor.chain.clone(), first.body.clone());
    let (_, parent_slot) = executor.point_of(&body.parent).ok()?;
    let ctx = BlockContext::of(&chain, &body, parent_slot);
    let built = executor.build(&ctx, &body, &[], std::iter::empty()).ok()?;
    let sealed = SealedBody::new(built.body);
    if sealed.hash() == body.body_hash {
        return None;
    }
    body.body_size = u32::try_from(sealed.size()).ok()?;
    (body.body_hash, body.state_root) = (sealed.hash(), built.applied.root);
    let mut kes = PoolKeys::from_seed(&seed).kes;
    let header = sign_header(&mut kes, body, &chain.genesis, &chain.constants).ok()?;
    let id = header.id(&chain.genesis);
    let bytes = header.to_cbor();
    executor.bodies.insert(sealed);
    executor.add_header(id, header);
    Some((id, bytes))
}
