//! What dishonest pools do beside running the engine.

use super::node::Node;
use nupeer_consensus::forge::{PoolKeys, sign_header};
use nupeer_primitives::{BlockId, Cbor, Header, SealedBody};
use nupeer_runtime::BlockContext;

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
