//! The DAO: its clock, seats and voices.

use super::asked::{self, Part};
use super::error::Problem;
use super::stake::ticker;
use super::{Api, Ledger, Rows};
use axum::Json;
use axum::extract::State;
use nupeer_client::api::{
    ApiError, AreaInfo, CandidateInfo, CastInfo, DaoInfo, LendInfo, LentInfo, Micro, PauseInfo, PausedInfo,
    ScheduledInfo, SeatInfo, StreakInfo, SupportInfo, VoiceInfo,
};
use nupeer_governance::power::Amounts;
use nupeer_governance::seat::SeatState;
use nupeer_primitives::Amount;
use nupeer_primitives::governance::Area;
use nupeer_runtime::governance::{proposals, query};
use nupeer_runtime::params;

/// Power in the three tokens.
fn amounts(of: Amounts) -> Vec<Micro> {
    of.into_iter().map(|amount| Amount::new(amount).into()).collect()
}

/// An area's name.
pub(super) const fn area_name(area: Area) -> &'static str {
    match area {
        Area::General => "general",
        Area::Finance => "finance",
        Area::Legal => "legal",
        Area::Technical => "technical",
        Area::Infra => "infra",
        Area::Platform => "platform",
        Area::Apps => "apps",
    }
}

/// The clock, and where enough stake votes.
#[utoipa::path(get, path = "/v1/dao", tag = "dao",
    responses((status = 200, body = DaoInfo), (status = "default", body = ApiError)))]
pub async fn dao(State(api): State<Api>) -> Result<Json<DaoInfo>, Problem> {
    api.ledger(|ledger| {
        let view = ledger.snapshot.view;
        let now = query::now_of(view)?;
        let (active, areas) = query::areas(view)?;
        let area = |(area, mature): (Area, bool)| AreaInfo { name: area_name(area).into(), mature };
        let standing = proposals::query::standing(view)?;
        let paused = standing.paused.iter().map(|(module, until)| {
            let module = module.name().to_string();
            PausedInfo { module, until: *until }
        });
        let pauses = standing.pauses.iter().map(|(case, agreed)| PauseInfo {
            number: case.id.0,
            module: case.module.name().into(),
            ticks: case.ticks,
            agreed_ppm: (*agreed).into(),
            until: case.until,
        });
        let scheduled = standing.scheduled.into_iter().map(|(epoch, name, value)| {
            let epoch = epoch.0;
            ScheduledInfo { epoch, name, value }
        });
        Ok(DaoInfo {
            epoch: now.epoch.into(),
            governance_time: now.gt,
            tick: now.tick,
            tick_length: params::get(&ledger.work, "time.tick_gt")?,
            active: amounts(active),
            areas: areas.into_iter().map(area).collect(),
            deposit: Micro(standing.deposit),
            paused: paused.collect(),
            pauses: pauses.collect(),
            scheduled: scheduled.collect(),
        })
    })
    .await
    .map(Json)
}

/// Every seat with its candidates.
#[utoipa::path(get, path = "/v1/dao/seats", tag = "dao",
    responses((status = 200, body = Vec<SeatInfo>), (status = "default", body = ApiError)))]
pub async fn seats(State(api): State<Api>) -> Result<Rows<SeatInfo>, Problem> {
    let rows = api.ledger(|ledger| {
        let seats = query::seats(ledger.snapshot.view)?;
        seats.into_iter().map(|seat| seat_shown(ledger, seat)).collect()
    });
    rows.await.map(Rows::cut)
}

fn seat_shown(ledger: &Ledger<'_>, info: query::SeatInfo) -> Result<SeatInfo, Problem> {
    let query::SeatInfo { role, seat, holder, support_ppm, retain_ppm, need_ppm, weight_ppm, term_end, candidates } =
        info;
    let (state, since) = match seat.state {
        SeatState::Vacant => ("vacant", seat.opened),
        SeatState::Active => ("active", seat.since),
        SeatState::Grace => ("grace", seat.since),
        SeatState::Suspended => ("suspended", seat.since),
    };
    let in_grace = seat.state == SeatState::Grace;
    let candidate = |candidate: query::CandidateInfo| -> Result<_, Problem> {
        Ok(CandidateInfo {
            number: candidate.no.0,
            account: ledger.text_of(&candidate.account),
            support_ppm: candidate.support_ppm,
            support: amounts(candidate.support),
            bond: candidate.bond.into(),
            bond_token: ticker(ledger, candidate.bond_token)?,
            eligible: candidate.eligible,
            evicted_at: candidate.evicted_at,
            uri: String::from_utf8_lossy(&candidate.uri).into_owned(),
        })
    };
    Ok(SeatInfo {
        role: role.to_string(),
        state: state.into(),
        holder: holder.map(|holder| ledger.text_of(&holder)),
        instance: seat.instance,
        support_ppm,
        retain_ppm,
        ema_ppm: seat.ema,
        need_ppm,
        weight_ppm,
        since,
        grace_end: in_grace.then_some(seat.grace_end),
        grace_bar_ppm: in_grace.then_some(seat.bar),
        term_end,
        streak: seat.streak.map(|(candidate, ticks)| StreakInfo { candidate: candidate.0, ticks }),
        candidates: candidates.into_iter().map(candidate).collect::<Result<_, _>>()?,
    })
}

/// An account's voice: power, supports, votes lent and borrowed.
#[utoipa::path(get, path = "/v1/dao/voices/{account}", tag = "dao",
    params(("account" = String, Path, description = "hex or bech32")),
    responses((status = 200, body = VoiceInfo), (status = "default", body = ApiError)))]
pub async fn voice(State(api): State<Api>, Part(text): Part) -> Result<Json<VoiceInfo>, Problem> {
    let id = asked::account(&text, &api.chain.rules().hrp)?;
    api.ledger(move |ledger| {
        let voice = query::voice(ledger.snapshot.view, &id)?;
        let lends =
            voice.lends_to.iter().map(|(area, to)| LendInfo { area: area_name(*area).into(), to: ledger.text_of(to) });
        let lent = voice
            .lent
            .into_iter()
            .map(|(area, power)| LentInfo { area: area_name(area).into(), power: amounts(power) });
        let votes = voice
            .votes
            .iter()
            .map(|(proposal, option)| CastInfo { proposal: proposal.0, option: option.name().to_ascii_lowercase() });
        let support = voice.support.iter().map(|(role, no)| SupportInfo { role: role.to_string(), candidate: no.0 });
        Ok(VoiceInfo {
            account: ledger.text_of(&id),
            is_person: voice.is_person,
            power: amounts(voice.power),
            last_seen: voice.last_seen.into(),
            expiry: voice.expiry.into(),
            support: support.collect(),
            lends: lends.collect(),
            lent: lent.collect(),
            locked_until: voice.locked_until,
            votes: votes.collect(),
        })
    })
    .await
    .map(Json)
}
