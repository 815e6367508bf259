//! Seats, voices, credentials (governance.md, tokens.md §8).

use super::Micro;
use super::chain::shapes;
use serde::{Deserialize, Serialize};

shapes! {
    /// `GET /v1/dao`: the clock and who decides.
    DaoInfo {
        /// Consensus epoch.
        epoch: u64,
        /// Governance time.
        governance_time: u64,
        /// Tick: political windows open and close on its boundaries.
        tick: u64,
        /// Governance time of a tick.
        tick_length: u64,
        /// Votable $IaaS, $PaaS, $SaaS.
        active: Vec<Micro>,
        /// Areas, and whether enough stake votes in each for optimistic decisions.
        areas: Vec<AreaInfo>,
        /// Deposit that a proposal asks for now, lovelace.
        deposit: Micro,
        /// Modules that stand still.
        paused: Vec<PausedInfo>,
        /// Pauses asked for or in force.
        pauses: Vec<PauseInfo>,
        /// Parameters that change at later epochs.
        scheduled: Vec<ScheduledInfo>,
    }
    /// A module that stands still.
    PausedInfo {
        /// Its name.
        module: String,
        /// Tick with which it goes on by itself.
        until: u64,
    }
    /// A pause that a seat asks for.
    PauseInfo {
        /// Number, for stances, and for votes on lifting it.
        number: u64,
        /// What stops.
        module: String,
        /// For how many ticks.
        ticks: u64,
        /// Share of the executives that agrees, ppm.
        agreed_ppm: u64,
        /// When it ends; none while too few agree.
        until: Option<u64>,
    }
    /// A parameter that changes.
    ScheduledInfo {
        /// First epoch with the new value.
        epoch: u64,
        /// Its name.
        name: String,
        /// Its new value.
        value: u64,
    }
    /// An area of decisions.
    AreaInfo {
        /// Name.
        name: String,
        /// Whether it is mature.
        mature: bool,
    }
    /// A row of `GET /v1/dao/seats`.
    SeatInfo {
        /// Role, like `CTO`.
        role: String,
        /// `vacant`, `active`, `grace` or `suspended`.
        state: String,
        /// bech32.
        holder: Option<String>,
        /// Number of the tenure; the role NFT carries it.
        instance: u64,
        /// Support of the holder, ppm.
        support_ppm: u64,
        /// Below this support grace begins, ppm.
        retain_ppm: u64,
        /// Moving average of all support, ppm.
        ema_ppm: u64,
        /// Share of all support that wins the seat while vacant, ppm.
        need_ppm: u64,
        /// Weight of its stances, ppm.
        weight_ppm: u64,
        /// Tick in which the tenure began, or in which the seat fell vacant.
        since: u64,
        /// Tick in which grace ends.
        grace_end: Option<u64>,
        /// Support that ends grace, ppm.
        grace_bar_ppm: Option<u64>,
        /// Tick in which the term ends.
        term_end: Option<u64>,
        /// Candidate about to take the seat, and for how many ticks it has met the conditions.
        streak: Option<StreakInfo>,
        /// Candidates, best first.
        candidates: Vec<CandidateInfo>,
    }
    /// Who is about to take a seat.
    StreakInfo {
        /// Candidate number.
        candidate: u64,
        /// Ticks in a row.
        ticks: u64,
    }
    /// A candidacy.
    CandidateInfo {
        /// Its number.
        number: u64,
        /// bech32.
        account: String,
        /// Support, ppm.
        support_ppm: u64,
        /// Support in $IaaS, $PaaS, $SaaS.
        support: Vec<Micro>,
        /// Role bond.
        bond: Micro,
        /// Ticker of the bond.
        bond_token: String,
        /// Whether it could take the seat.
        eligible: bool,
        /// Tick in which it is evicted unless its support grows.
        evicted_at: Option<u64>,
        /// Where its programme is published.
        uri: String,
    }
    /// `GET /v1/dao/voices/{account}`
    VoiceInfo {
        /// bech32.
        account: String,
        /// Whether it holds a valid level 1 credential.
        is_person: bool,
        /// Power in $IaaS, $PaaS, $SaaS.
        power: Vec<Micro>,
        /// Epoch of the last signature.
        last_seen: u64,
        /// First epoch without a voice unless it signs before.
        expiry: u64,
        /// Whom it supports.
        support: Vec<SupportInfo>,
        /// To whom it lends its vote.
        lends: Vec<LendInfo>,
        /// What others lend it.
        lent: Vec<LentInfo>,
        /// Governance time until which its votes keep what it unbonds.
        locked_until: u64,
        /// How it voted on proposals that are open.
        votes: Vec<CastInfo>,
    }
    /// A vote as it stands.
    CastInfo {
        /// Proposal.
        proposal: u64,
        /// `for`, `against` or `abstain`.
        option: String,
    }
    /// What an executive says about a proposal.
    StanceInfo {
        /// Role.
        role: String,
        /// Its tenure; a later one has said nothing.
        instance: u64,
        /// `endorse`, `object` or `none`.
        stance: String,
    }
    /// A support.
    SupportInfo {
        /// Role.
        role: String,
        /// Candidate number.
        candidate: u64,
    }
    /// A vote lent.
    LendInfo {
        /// Area.
        area: String,
        /// To whom, bech32.
        to: String,
    }
    /// Votes that others lend.
    LentInfo {
        /// Area.
        area: String,
        /// $IaaS, $PaaS, $SaaS.
        power: Vec<Micro>,
    }
    /// A row of `GET /v1/dao/proposals`, and `GET /v1/dao/proposals/{id}`.
    ProposalInfo {
        /// Number.
        id: u64,
        /// Class, like `FINANCIAL`.
        class: String,
        /// Area.
        area: String,
        /// `funding`, `review`, `voting`, `queued`, `executed`, ...
        status: String,
        /// Whoever answers for it, bech32.
        proposer: String,
        /// Role and tenure behind it.
        seat: Option<String>,
        /// What it does, action by action.
        actions: Vec<String>,
        /// Where its document is.
        uri: String,
        /// Deposit paid so far, lovelace.
        deposited: Micro,
        /// Deposit asked now, lovelace.
        asked: Micro,
        /// What executives say about it.
        stances: Vec<StanceInfo>,
        /// Agreement of the other executives, -1,000,000 to 1,000,000.
        agreement: Option<i64>,
        /// `optimistic` (executes unless blocked) or `active` (executes if approved).
        mode: Option<String>,
        /// Quorum, ppm.
        quorum_ppm: Option<u64>,
        /// Share against that blocks, or for that approves, ppm.
        threshold_ppm: Option<u64>,
        /// Share of the electorate for, ppm.
        for_ppm: u64,
        /// Share against, ppm.
        against_ppm: u64,
        /// Share that took part, ppm.
        taken_part_ppm: u64,
        /// What would happen if it closed now.
        would: Option<String>,
        /// Why, in words.
        why: String,
        /// The next tick that matters.
        next_tick: Option<u64>,
        /// What that tick brings.
        next: Option<String>,
        /// Tick in which voting closes.
        close: Option<u64>,
    }
    /// `GET /v1/dao/treasury`
    TreasuryInfo {
        /// What it holds.
        assets: Vec<TreasuryAsset>,
        /// Payments over time.
        streams: Vec<StreamInfo>,
    }
    /// An asset of the treasury.
    TreasuryAsset {
        /// Ticker.
        ticker: String,
        /// May be spent.
        free: Micro,
        /// Promised to streams and salaries.
        reserved: Micro,
        /// Share that rebalancing aims at, ppm.
        target_ppm: Option<u64>,
    }
    /// A payment over time.
    StreamInfo {
        /// Number.
        id: u64,
        /// To whom, bech32.
        to: String,
        /// Ticker.
        ticker: String,
        /// Whole amount.
        total: Micro,
        /// Paid out so far.
        claimed: Micro,
    }
    /// `GET /v1/credentials/{account}`
    CredentialInfo {
        /// bech32.
        holder: String,
        /// Level, 1 to 3; 0 without a credential.
        level: u64,
        /// First epoch without it.
        expiry: u64,
        /// Why it is not valid now.
        fault: Option<String>,
    }
}
