//! Lines of the actions of proposals (0305-030B, 030D-030F) and words for their inner actions.

use super::{TextContext, list, money, plain};
use crate::action::Action;
use crate::proposal::{AskedClass, AssetOp, Inner, InstrumentOp, IssuerOp, PersonnelOp, Stance, TableRow};
use alloc::format;
use alloc::string::String;

/// The line of an action of proposals; nothing for the others.
#[expect(clippy::wildcard_enum_match_arm, reason = "other modules have their own lines")]
pub(super) fn line(action: &Action, c: &TextContext<'_>) -> Option<String> {
    Some(match action {
        Action::Propose { class: asked, actions, hash, expedited, deposit, .. } => {
            let (class, what) = (class(*asked), list(actions, |action| inner(action, c)));
            let haste = if *expedited { " expedited" } else { "" };
            format!("propose{haste} {class}: {what}, document {}, deposit {deposit} ada", hex::encode(hash))
        }
        Action::Deposit { proposal, amount } => format!("deposit {amount} ada for proposal {proposal}"),
        Action::CancelProposal { proposal } => format!("cancel proposal {proposal}"),
        Action::Adopt { proposal } => format!("adopt proposal {proposal}"),
        Action::Stance { proposal, stance } => match stance {
            Stance::Endorse => format!("endorse proposal {proposal}"),
            Stance::Object => format!("object to proposal {proposal}"),
            Stance::None => format!("take back the stance on proposal {proposal}"),
        },
        Action::Sponsor { proposal } => format!("sponsor proposal {proposal}"),
        Action::Vote { proposal, option } => {
            format!("vote {} on proposal {proposal}", option.name().to_ascii_lowercase())
        }
        Action::Execute { proposal } => format!("execute proposal {proposal}"),
        Action::SignalReady { version: (major, minor) } => format!("signal readiness for version {major}.{minor}"),
        Action::Pause { module, ticks } => format!("pause {} for {ticks} ticks", module.name()),
        _ => return None,
    })
}

/// `class FINANCIAL`, or that the actions decide.
fn class(asked: AskedClass) -> String {
    asked.0.map_or_else(|| "of the class of its actions".into(), |class| format!("of class {}", class.text()))
}

/// What an inner action would do.
pub(super) fn inner(action: &Inner, c: &TextContext<'_>) -> String {
    match action {
        Inner::Text { hash } => format!("resolve {hash}"),
        Inner::SpendTreasury { .. }
        | Inner::Stream { .. }
        | Inner::StopStream { .. }
        | Inner::Salary { .. }
        | Inner::Settlement { .. }
        | Inner::Targets { .. } => treasury(action, c),
        Inner::SetParam { name, value, at } => format!("set {} to {value} from epoch {at}", plain(name)),
        Inner::Table { row } => table(row),
        Inner::ScheduleUpgrade { version: (major, minor), height } => {
            format!("run version {major}.{minor} from height {height}")
        }
        Inner::AssetRow { op, row } => {
            let verb = match op {
                AssetOp::Add => "add",
                AssetOp::Activate => "activate",
                AssetOp::WithdrawOnly => "only withdraw",
                AssetOp::Off => "switch off",
            };
            format!("{verb} asset {} {}", row.id, plain(&row.ticker))
        }
        Inner::Instrument { id, op, area } => {
            let what = match op {
                InstrumentOp::List(instrument, tick) => format!("list as {} at tick {tick}", plain(&instrument.name)),
                InstrumentOp::Delist => "delist".into(),
                InstrumentOp::RefPrice(tick) => format!("move the reference to tick {tick}"),
                InstrumentOp::Band(phase) => format!("set phase {phase}"),
            };
            format!("market {id} of {}: {what}", area.name())
        }
        Inner::Role { role, row: Some(row) } => format!("define {role} with bond {}", row.bond),
        Inner::Role { role, row: None } => format!("retire {role}"),
        Inner::Personnel { role, instance, op } => match op {
            PersonnelOp::ForceElection => format!("vacate {role} instance {instance}"),
            PersonnelOp::Discipline(ppm, ban) => {
                format!("vacate {role} instance {instance}, slash {ppm} ppm of its bond, ban for {ban} ticks")
            }
        },
        Inner::StrikeProposal { id } => format!("strike proposal {id}"),
        Inner::SlashRuling { target, kind, ppm, evidence } => {
            format!("slash {ppm} ppm of {} for kind {kind}, evidence {evidence}", target.to_bech32(c.hrp))
        }
        Inner::StrikeSlash { id } => format!("cancel slash {id}"),
        Inner::Issuers { op, issuer, key, level } => {
            let issuer = issuer.to_bech32(c.hrp);
            match op {
                IssuerOp::Add => format!("let {issuer} with key {key} certify up to level {level}"),
                IssuerOp::Suspend => format!("suspend issuer {issuer}"),
                IssuerOp::Remove => format!("remove issuer {issuer}"),
            }
        }
        Inner::IspoPools { token, pools } => {
            format!(
                "reward delegators of {} with asset {token}",
                list(pools, |(pool, ppm)| format!("{pool} x {ppm} ppm"))
            )
        }
        Inner::MintDeveloper { holder, scope, level } => {
            format!("make {} developer of scope {scope} level {level}", holder.to_bech32(c.hrp))
        }
        Inner::RevokeNft { nft } => format!("revoke role NFT {nft}"),
        Inner::PauseRearm { role } => format!("let {role} pause again"),
    }
}

/// What a treasury action would do.
#[expect(clippy::wildcard_enum_match_arm, reason = "other actions have their own words")]
fn treasury(action: &Inner, c: &TextContext<'_>) -> String {
    match action {
        Inner::SpendTreasury { asset, to, amount } => {
            format!("pay {} from the treasury to {}", money(*amount, *asset, c), to.to_bech32(c.hrp))
        }
        Inner::Stream { asset, to, amount, start, ticks, cliff } => format!(
            "stream {} to {} over {ticks} ticks from {start}, cliff {cliff}",
            money(*amount, *asset, c),
            to.to_bech32(c.hrp)
        ),
        Inner::StopStream { id } => format!("stop stream {id}"),
        Inner::Salary { role, asset, per_tick } => format!("pay {role} {} a tick", money(*per_tick, *asset, c)),
        Inner::Settlement { to, asset, amount, agreement } => {
            format!("settle agreement {agreement} with {} to {}", money(*amount, *asset, c), to.to_bech32(c.hrp))
        }
        Inner::Targets { targets } => {
            format!("aim the treasury at {}", list(targets, |(asset, ppm)| format!("{ppm} ppm of asset {asset}")))
        }
        _ => String::from(action.name()),
    }
}

fn table(row: &TableRow) -> String {
    match row {
        TableRow::Class(class, _) => format!("change the rules of class {}", class.text()),
        TableRow::Area(area, (a, b, c)) => format!("weigh area {} {a}/{b}/{c} ppm", area.name()),
        TableRow::Weight(class, role, ppm) => format!("weigh {role} {ppm} ppm in class {}", class.text()),
        TableRow::Emission(token, _) => format!("change the emission shares of asset {token}"),
        TableRow::Consensus((a, b, c)) => format!("share consensus {a}/{b}/{c} ppm"),
        TableRow::QuoteRate(asset, rate) => format!("value asset {asset} at {rate} quote units"),
    }
}
