//! Proposals and their prospects, the treasury, credentials.

use super::asked::{self, Part};
use super::dao::area_name;
use super::error::Problem;
use super::limits::ROWS_MAX;
use super::stake::ticker;
use super::{Api, Ledger, Rows};
use axum::Json;
use axum::extract::State;
use nupeer_client::api::{
    ApiError, CredentialInfo, Micro, ProposalInfo, StanceInfo, StreamInfo, TreasuryAsset, TreasuryInfo,
};
use nupeer_governance::agreement::{Mode, StanceOf};
use nupeer_governance::decide::Outcome;
use nupeer_primitives::AssetId;
use nupeer_primitives::governance::ProposalId;
use nupeer_primitives::signing_text::{TextContext, inner_summary};
use nupeer_runtime::governance::proposals::query::{self, ProposalInfo as Described};
use nupeer_runtime::query::{cursor, guarding};
use nupeer_tokens::asset;
use std::collections::BTreeMap;

/// Proposals that one answer lists: each is judged anew.
const PROPOSALS_MAX: usize = 100;

/// Proposals, newest first, each with what would happen if it closed now.
#[utoipa::path(get, path = "/v1/dao/proposals", tag = "dao",
    responses((status = 200, body = Vec<ProposalInfo>), (status = "default", body = ApiError)))]
pub async fn list(State(api): State<Api>) -> Result<Rows<ProposalInfo>, Problem> {
    let rows = api.ledger(|ledger| {
        let rows = query::list(ledger.snapshot.view, None, PROPOSALS_MAX)?;
        let tickers = asset::tickers(&ledger.work)?;
        Ok(rows.into_iter().map(|described| shown(ledger, described, &tickers)).collect())
    });
    rows.await.map(Rows::cut)
}

/// A proposal with what would happen if it closed now, and why.
#[utoipa::path(get, path = "/v1/dao/proposals/{id}", tag = "dao",
    params(("id" = u64, Path, description = "number")),
    responses((status = 200, body = ProposalInfo), (status = "default", body = ApiError)))]
pub async fn one(State(api): State<Api>, Part(text): Part) -> Result<Json<ProposalInfo>, Problem> {
    let id = ProposalId(asked::number(&text)?);
    api.ledger(move |ledger| {
        let described = query::info(ledger.snapshot.view, id)?;
        let missing = || Problem::not_found(format!("there is no proposal {id}"));
        let tickers = asset::tickers(&ledger.work)?;
        described.map(|described| shown(ledger, described, &tickers)).ok_or_else(missing)
    })
    .await
    .map(Json)
}

fn shown(ledger: &Ledger<'_>, described: Described, tickers: &BTreeMap<AssetId, String>) -> ProposalInfo {
    let rules = ledger.chain.rules();
    let words = TextContext { network: &rules.name, genesis: rules.genesis, hrp: &rules.hrp, tickers };
    let Described { proposal, asked, sponsored: _, judgement, shares, why, next } = described;
    let thresholds = judgement.as_ref().map(|j| j.thresholds);
    ProposalInfo {
        id: proposal.id.0,
        class: proposal.class.text().into(),
        area: area_name(proposal.area).into(),
        status: format!("{:?}", proposal.life.status).to_lowercase(),
        proposer: ledger.text_of(&proposal.proposer),
        seat: proposal.seat.map(|(role, instance)| format!("{role} {instance}")),
        actions: proposal.actions.iter().map(|action| inner_summary(action, &words)).collect(),
        uri: String::from_utf8_lossy(proposal.uri.as_slice()).into_owned(),
        deposited: Micro(proposal.deposited()),
        asked: Micro(asked),
        stances: proposal.stances.iter().map(stance).collect(),
        agreement: judgement.as_ref().map(|j| j.agreement.g),
        mode: thresholds.map(|t| if t.mode == Mode::Optimistic { "optimistic" } else { "active" }.into()),
        quorum_ppm: thresholds.map(|t| u64::from(t.q)),
        threshold_ppm: thresholds.map(|t| u64::from(t.x)),
        for_ppm: shares.0,
        against_ppm: shares.1,
        taken_part_ppm: shares.2,
        would: judgement.map(|j| if j.outcome == Outcome::Execute { "execute" } else { "block" }.into()),
        why,
        next_tick: next.map(|(tick, _)| tick),
        next: next.map(|(_, what)| what.into()),
        close: proposal.terms.is_some().then_some(proposal.life.windows.close),
    }
}

fn stance(of: &StanceOf) -> StanceInfo {
    let stance = of.stance.name().to_ascii_lowercase();
    StanceInfo { role: of.role.to_string(), instance: of.instance, stance }
}

/// The treasury: what is free, what is promised, what streams out of it.
#[utoipa::path(get, path = "/v1/dao/treasury", tag = "dao",
    responses((status = 200, body = TreasuryInfo), (status = "default", body = ApiError)))]
pub async fn treasury(State(api): State<Api>) -> Result<Json<TreasuryInfo>, Problem> {
    api.ledger(|ledger| {
        let view = ledger.snapshot.view;
        let targets = guarding::targets(view)?;
        let mut assets = Vec::new();
        for (asset, balance) in guarding::treasury(view)? {
            let target = targets.iter().find(|(of, _)| *of == asset).map(|(_, ppm)| u64::from(*ppm));
            assets.push(TreasuryAsset {
                ticker: ticker(ledger, asset)?,
                free: balance.free.into(),
                reserved: balance.locked.into(),
                target_ppm: target,
            });
        }
        let mut streams = Vec::new();
        for (id, stream) in guarding::streams(view, 0, ROWS_MAX)? {
            streams.push(StreamInfo {
                id,
                to: ledger.text_of(&stream.to),
                ticker: ticker(ledger, stream.asset)?,
                total: stream.total.into(),
                claimed: stream.claimed.into(),
            });
        }
        Ok(TreasuryInfo { assets, streams })
    })
    .await
    .map(Json)
}

/// An account's credential, and why it is not valid if it is not.
#[utoipa::path(get, path = "/v1/credentials/{account}", tag = "dao",
    params(("account" = String, Path, description = "hex or bech32")),
    responses((status = 200, body = CredentialInfo), (status = "default", body = ApiError)))]
pub async fn credential(State(api): State<Api>, Part(text): Part) -> Result<Json<CredentialInfo>, Problem> {
    let id = asked::account(&text, &api.chain.rules().hrp)?;
    api.ledger(move |ledger| {
        let epoch = cursor(ledger.snapshot.view)?.epoch;
        let found = guarding::credential_of(ledger.snapshot.view, &id, epoch)?;
        let holder = ledger.text_of(&id);
        Ok(match found {
            None => CredentialInfo { holder, level: 0, expiry: 0, fault: Some("there is none".into()) },
            Some(view) => CredentialInfo {
                holder,
                level: view.credential.level.into(),
                expiry: view.credential.expiry.0,
                fault: view.fault.map(|fault| fault.to_string()),
            },
        })
    })
    .await
    .map(Json)
}
