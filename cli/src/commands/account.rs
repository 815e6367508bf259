//! `nupeer account` and `nupeer send`.

use super::tx;
use crate::context::{Context, parse_account, parse_amount};
use crate::failure::Failure;
use crate::report::{Report, fields, table};
use crate::row;
use nupeer_primitives::{Action, AssetId};

pub(super) async fn show(context: &Context, id: Option<&str>) -> Result<Report, Failure> {
    let id = context.account_or_own(id)?;
    let info = context.client.account(&id).await?;
    let mut lines = vec![fields(&[("account", info.account.clone()), ("next sequence", info.seq_base.to_string())])];
    if !info.exists {
        lines.push("the chain doesn't know this account yet: it begins with the first payment to it".into());
    }
    if !info.balances.is_empty() {
        let mut rows = vec![row!["asset", "free", "locked"]];
        rows.extend(info.balances.iter().map(|b| row![b.ticker, b.free, b.locked]));
        lines.push(table(&rows));
    }
    if !info.grants.is_empty() {
        let mut rows = vec![row!["session key", "scopes", "until slot", "host"]];
        let host = |host: Option<u32>| host.map_or("-".into(), |host| host.to_string());
        rows.extend(info.grants.iter().map(|g| row![g.key, format!("{:#x}", g.scopes), g.until, host(g.host)]));
        lines.push(table(&rows));
    }
    Ok(Report::of(&info, lines.join("\n\n")))
}

pub(super) async fn send(context: &Context, to: &str, amount: &str, asset: &str) -> Result<Report, Failure> {
    let (to, amount) = (parse_account(to)?, parse_amount(amount)?);
    let asset = context.asset(asset).await?;
    let info = context.transact(vec![Action::Transfer { to, asset: AssetId(asset.id), amount }]).await?;
    Ok(tx::report(&info, &format!("sent {amount} {}", asset.ticker)))
}
