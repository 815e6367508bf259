//! People with a voice: certified, bonded, some of them executives.

use super::ledger::{Person, TOKENS, UNIT, World};
use anyhow::{Context, Result};
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::governance::{CandidateNo, ProposalId, RoleId, VoteOption};
use nupeer_primitives::hash::blake2b_256_of;
use nupeer_primitives::proposal::{AskedClass, Class, Inner};
use nupeer_primitives::{AccountId, Action, Amount, AssetId, Epoch};
use nupeer_runtime::governance::proposals::query::{self, ProposalInfo};
use nupeer_runtime::governance::query::{SeatInfo, seats, voice};

/// Transactions of one block at most.
const BATCH: usize = 60;

/// The issuer certifies somebody as a person of level 2.
pub fn certify(person: &Person) -> Action {
    certify_as(person, &person.account.0)
}

/// The issuer certifies an account for the person behind a secret.
pub fn certify_as(person: &Person, secret: &[u8]) -> Action {
    let nullifier = blake2b_256_of(&[b"nupeer/kyc/1", secret]);
    Action::CredIssue { holder: person.account, level: 2, expiry: Epoch(1_000), nullifier, schema: 0 }
}

/// A bond.
pub fn bond(token: AssetId, amount: u64) -> Action {
    Action::Bond { token, amount: Amount::new(amount) }
}

/// Steps in blocks that hold them, without moving to a next tick between.
pub fn all(world: &mut World, steps: &[(&Person, Action)]) -> Result<()> {
    steps.chunks(BATCH).try_for_each(|part| world.act_after(1, part))
}

/// Certifies everybody and bonds the same of each token.
pub fn settle(world: &mut World, people: &[&Person], stake: u64) -> Result<()> {
    let issuer = Person::issuer();
    all(world, &people.iter().map(|person| (&issuer, certify(person))).collect::<Vec<_>>())?;
    for token in TOKENS {
        all(world, &people.iter().map(|person| (*person, bond(token, stake))).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// Somebody stands for a role; gives the candidacy's number.
pub fn stand(world: &mut World, by: &Person, role: RoleId) -> Result<CandidateNo> {
    let action = Action::Candidate { role, bond: Amount::new(100 * UNIT), uri: Bytes::default(), hash: [7; 32] };
    world.act_after(1, &[(by, action)])?;
    let seat = seat(world, role)?;
    let own = seat.candidates.iter().find(|candidate| candidate.account == by.account);
    Ok(own.context("a candidacy that stands")?.no)
}

/// Puts everybody's power behind a candidate.
pub fn support(world: &mut World, people: &[&Person], role: RoleId, candidate: Option<CandidateNo>) -> Result<()> {
    let action = Action::Support { role, candidate };
    all(world, &people.iter().map(|person| (*person, action.clone())).collect::<Vec<_>>())
}

/// Elects one executive by everybody's support.
pub fn elect(world: &mut World, people: &[&Person], executive: &Person, role: RoleId) -> Result<()> {
    let no = stand(world, executive, role)?;
    support(world, people, role, Some(no))?;
    world.idle(4)?;
    anyhow::ensure!(seat(world, role)?.holder == Some(executive.account), "{role} was not elected");
    Ok(())
}

/// A seat.
pub fn seat(world: &World, role: RoleId) -> Result<SeatInfo> {
    seats(&world.state)?.into_iter().find(|seat| seat.role == role).context("a seat of the constitution")
}

/// A proposal of one class, or of what its actions ask for.
pub fn propose(class: Option<Class>, actions: Vec<Inner>, deposit: u64) -> Action {
    Action::Propose {
        class: AskedClass(class),
        actions,
        uri: Bytes::default(),
        hash: [1; 32],
        expedited: false,
        deposit: Amount::new(deposit),
    }
}

/// A payment of the treasury.
pub fn pay(to: AccountId, amount: u64) -> Inner {
    Inner::SpendTreasury { asset: AssetId::ADA, to, amount: Amount::new(amount) }
}

/// A text, so that two are never the same.
pub fn text(number: u64) -> Inner {
    Inner::Text { hash: blake2b_256_of(&[&number.to_be_bytes()]) }
}

/// A proposal as it stands.
pub fn proposal(world: &World, id: u64) -> Result<ProposalInfo> {
    query::info(&world.state, ProposalId(id))?.context("a proposal that was made")
}

/// The name of a proposal's status.
pub fn status(world: &World, id: u64) -> Result<&'static str> {
    Ok(proposal(world, id)?.proposal.life.status.name())
}

/// Empty ticks until a proposal stands so.
pub fn until(world: &mut World, id: u64, wanted: &str) -> Result<()> {
    for _ in 0..200 {
        if status(world, id)? == wanted {
            return Ok(());
        }
        world.idle(1)?;
    }
    anyhow::bail!("proposal {id} is {} and never {wanted}", status(world, id)?)
}

/// Empty ticks until a proposal is decided and done.
pub fn until_final(world: &mut World, id: u64) -> Result<&'static str> {
    for _ in 0..200 {
        if proposal(world, id)?.proposal.life.status.is_final() {
            // The sweeper returns what is due.
            world.idle(2)?;
            return status(world, id);
        }
        world.idle(1)?;
    }
    anyhow::bail!("proposal {id} is never decided")
}

/// Everybody votes the same.
pub fn vote(world: &mut World, people: &[&Person], id: u64, option: VoteOption) -> Result<()> {
    let action = Action::Vote { proposal: ProposalId(id), option };
    all(world, &people.iter().map(|person| (*person, action.clone())).collect::<Vec<_>>())
}

/// Power of an account in $IaaS now.
pub fn power(world: &World, person: &Person) -> Result<u64> {
    let [iaas, ..] = voice(&world.state, &person.account)?.power;
    Ok(iaas)
}

/// Everybody shows that they live, so that nobody falls asleep, while ticks pass.
pub fn live(world: &mut World, people: &[&Person], epochs: u64) -> Result<()> {
    for _ in 0..epochs.div_ceil(20) {
        all(world, &people.iter().map(|person| (*person, Action::Ping {})).collect::<Vec<_>>())?;
        let until = world.epoch() + epochs.min(20);
        world.until_epoch(until)?;
    }
    Ok(())
}
