//! 0403 Host: lists a machine. Its session key may then do the lease actions of that host, so the daemon never holds the
//! account key.

use super::provider;
use crate::context::Actor;
use crate::grant::{self, Grant};
use crate::market::error::MarketError;
use crate::market::listing;
use crate::market::state::{Capacity, Host, key, next_host};
use alloc::vec::Vec;
use nupeer_primitives::action::Action;
use nupeer_primitives::event::Event;
use nupeer_primitives::market::{Family, Grade, HostState};
use nupeer_primitives::state::{Abort, Bug, Work};
use nupeer_primitives::{AccountId, HostId, Slot, VerificationKey};

/// Machines of one provider.
const HOSTS_MAX: u64 = 256;
/// Lots of one family that a machine may declare.
const LOTS_MAX: u32 = 65_535;

/// Action 0403.
pub fn host(work: &mut Work<'_>, actor: &Actor, action: &Action) -> Result<(), Abort> {
    let Action::Host { site, grade, session_key, seal_key, traits, lots, attestation_hash } = action else {
        return Err(Bug::Missing { what: "dispatch of Host" }.into());
    };
    let mut owner = provider::load(work, &actor.account)?;
    require_grade(*grade)?;
    let zones = listing::ancestors(work, *site)?;
    let capacity = declare(lots, &[])?;
    owner.hosts = owner.hosts.saturating_add(1);
    if owner.hosts > HOSTS_MAX {
        return Err(MarketError::HostsTooMany { permitted: HOSTS_MAX }.into());
    }
    let id = next_host(work)?;
    let record = Host {
        provider: actor.account,
        site: *site,
        zones,
        grade: *grade,
        session_key: *session_key,
        seal_key: *seal_key,
        traits: *traits,
        capacity,
        attestation_hash: *attestation_hash,
        state: HostState::Open,
        asks: Vec::new(),
        strikes: Vec::new(),
        suspended_until_ms: 0,
    };
    grant_session(work, &actor.account, session_key, id)?;
    work.put(key::provider(&actor.account), &owner);
    work.put(key::host(id), &record);
    work.put(key::host_of(&actor.account, id), &1u8);
    work.emit(Event::HostListed { host: id, provider: actor.account });
    Ok(())
}

/// Grades above D need a credential, and credentials come with a later module.
fn require_grade(grade: Grade) -> Result<(), MarketError> {
    match grade {
        Grade::D => Ok(()),
        Grade::A | Grade::B | Grade::C => Err(MarketError::CredentialMissing { grade }),
    }
}

/// Lots by family; what is in use stays so and must be covered.
pub fn declare(lots: &[(Family, u32)], before: &[Capacity]) -> Result<Vec<Capacity>, MarketError> {
    let mut capacity: Vec<Capacity> = Vec::new();
    for (family, declared) in lots {
        let twice = capacity.iter().any(|other| other.family == *family);
        if twice || *declared == 0 || *declared > LOTS_MAX {
            return Err(MarketError::LotsOutOfRange { lots: u64::from(*declared), max: u64::from(LOTS_MAX) });
        }
        capacity.push(Capacity { family: *family, declared: u64::from(*declared), used: 0 });
    }
    for old in before.iter().filter(|old| old.used > 0) {
        let new = capacity.iter_mut().find(|new| new.family == old.family);
        match new {
            Some(new) if new.declared >= old.used => new.used = old.used,
            Some(new) => return Err(MarketError::CapacityDoubleSold { lots: old.used, free: new.declared }),
            None => return Err(MarketError::CapacityDoubleSold { lots: old.used, free: 0 }),
        }
    }
    Ok(capacity)
}

/// Gives a session key the lease actions of one host.
pub fn grant_session(
    work: &mut Work<'_>,
    owner: &AccountId,
    session_key: &VerificationKey,
    host: HostId,
) -> Result<(), Abort> {
    if work.has(&grant::key(owner, session_key)) {
        return Err(MarketError::KeyInUse { key: *session_key }.into());
    }
    let grant = Grant { scopes: 0, limits: Vec::new(), until: Slot(u64::MAX), host: Some(host) };
    grant::write(work, owner, session_key, &grant)
}
