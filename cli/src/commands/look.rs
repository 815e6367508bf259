//! `nupeer block` and `nupeer node`: looking at the chain.

use crate::context::Context;
use crate::failure::Failure;
use crate::report::{Report, fields, short, table};
use crate::row;

pub(super) async fn status(context: &Context) -> Result<Report, Failure> {
    let s = context.client.status().await?;
    let behind = s.slot_now.saturating_sub(s.tip.slot);
    let text = fields(&[
        ("network", format!("{} ({})", s.network, short(&s.genesis))),
        ("node", format!("{} version {}", context.client.url(), s.version)),
        ("mode", s.mode.clone()),
        ("tip", format!("block {} at slot {}, {behind} slots ago, {}", s.tip.height, s.tip.slot, short(&s.tip.id))),
        ("final", format!("block {}", s.final_point.height)),
        ("state root", short(&s.state_root)),
        ("epoch", s.epoch.to_string()),
        ("peers", s.peers.to_string()),
        ("waiting transactions", s.mempool_txs.to_string()),
        ("pool", s.pool.as_deref().map_or("none: this node makes no blocks".into(), short)),
    ]);
    Ok(Report::of(&s, text))
}

pub(super) async fn block(context: &Context, at: &str) -> Result<Report, Failure> {
    // The text becomes part of a path.
    if at.len() > 64 || !at.bytes().all(|b| b.is_ascii_alphanumeric()) {
        return Err(Failure::usage(format!("`{at}` is neither a height, an id, `tip` nor `final`")));
    }
    let b = context.client.block(at).await?;
    let mut text = fields(&[
        ("block", format!("{}{}", b.point.height, if b.is_final { " (final)" } else { "" })),
        ("id", b.point.id.clone()),
        ("slot", b.point.slot.to_string()),
        ("parent", b.parent.clone()),
        ("pool", b.pool.clone()),
        ("state root", b.state_root.clone()),
        ("body", format!("{} bytes, {} transactions, {} events", b.body_bytes, b.txs.len(), b.events.len())),
    ]);
    for tx in &b.txs {
        text.push_str(&format!("\n  tx {tx}"));
    }
    for event in &b.events {
        text.push_str(&format!("\n  {} {}", event.name, event.fields));
    }
    Ok(Report::of(&b, text))
}

pub(super) async fn pools(context: &Context) -> Result<Report, Failure> {
    let pools = context.client.pools().await?;
    let mut rows = vec![row!["pool", "share", "weight", "rewards go to"]];
    rows.extend(pools.iter().map(|pool| {
        let share = format!("{}.{:02} %", pool.share_ppm / 10_000, pool.share_ppm / 100 % 100);
        row![pool.id, share, pool.weight, pool.reward_account]
    }));
    Ok(Report::of(&pools, table(&rows)))
}

pub(super) async fn parameters(context: &Context) -> Result<Report, Failure> {
    let parameters = context.client.parameters().await?;
    let mut rows = vec![row!["parameter", "value"]];
    rows.extend(parameters.iter().map(|parameter| row![parameter.name, parameter.value]));
    Ok(Report::of(&parameters, table(&rows)))
}
