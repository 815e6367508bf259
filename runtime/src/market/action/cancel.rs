//! 0409 Cancel: takes an order out of its book and refunds it in the same block.

use crate::context::Actor;
use crate::market::book;
use crate::market::error::MarketError;
use crate::market::hold::InHand;
use crate::market::lease::Event as LeaseEvent;
use crate::market::pairs;
use crate::market::state::{AskEntry, Book, Order, key};
use nupeer_primitives::OrderId;
use nupeer_primitives::state::{Abort, Work};

/// Action 0409. A host's session key cancels its host's asks only.
pub fn cancel(work: &mut Work<'_>, now_ms: u64, actor: &Actor, id: OrderId) -> Result<(), Abort> {
    let refused = MarketError::NotAuthorised { account: actor.account };
    let order: Order = work.get(&key::order(id))?.ok_or(MarketError::OrderUnknown { order: id })?;
    if order.owner != actor.account {
        return Err(refused.into());
    }
    let host_key = actor.session.and_then(|session| session.host);
    match order.book {
        Book::Ask(instrument) => {
            let entry: AskEntry = work.expect(&key::ask(instrument, id), "ask of an open order")?;
            if host_key.is_some_and(|host| host != entry.host) {
                return Err(refused.into());
            }
            book::close_ask(work, instrument, id)
        }
        Book::Bid(..) | Book::Pair(_) if host_key.is_some() => Err(refused.into()),
        Book::Bid(_, lease) => {
            let mut hand = InHand::touch(work, now_ms, &lease)?;
            hand.apply(work, now_ms, LeaseEvent::Cancel)?;
            hand.save(work, now_ms)
        }
        Book::Pair(pair) => pairs::close(work, pair, id),
    }
}
