//! 0404 HostSet: changes a listed machine. Asks that no longer hold are closed; leases go on.

use super::host::{declare, grant_session};
use crate::context::Actor;
use crate::grant;
use crate::market::book;
use crate::market::error::MarketError;
use crate::market::state::{Host, key};
use nupeer_primitives::action::Action;
use nupeer_primitives::market::HostState;
use nupeer_primitives::state::{Abort, Bug, Work};

/// Action 0404.
pub fn host_set(work: &mut Work<'_>, actor: &Actor, action: &Action) -> Result<(), Abort> {
    let Action::HostSet { host: id, lots, traits, session_key, seal_key, state } = action else {
        return Err(Bug::Missing { what: "dispatch of HostSet" }.into());
    };
    let before: Host = work.get(&key::host(*id))?.ok_or(MarketError::HostUnknown { host: *id })?;
    if before.provider != actor.account {
        return Err(MarketError::NotAuthorised { account: actor.account }.into());
    }
    let draining = *state == HostState::Draining;
    book::close_asks(work, *id, |ask| draining || ask.traits & !traits != 0)?;
    let mut host: Host = work.expect(&key::host(*id), "host being changed")?;
    host.capacity = declare(lots, &host.capacity)?;
    host.traits = *traits;
    host.seal_key = *seal_key;
    host.state = *state;
    if host.session_key != *session_key {
        grant::remove(work, &actor.account, &host.session_key)?;
        grant_session(work, &actor.account, session_key, *id)?;
        host.session_key = *session_key;
    }
    work.put(key::host(*id), &host);
    Ok(())
}
