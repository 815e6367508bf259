//! The event stream: `GET /v1/events`, server-sent events (ledger.md §9).
//!
//! # Protocol
//! 1. Each message is a [`BlockEvents`]: `applied` with the block's events, or `reverted` for a block that left the
//!    selected chain. Applied heights rise by one; a fork is told as reverted blocks, newest first, then applied ones.
//! 2. Without `from` the first message is the next block. With `?from=H` blocks from height H on are replayed first; H
//!    above the next height means the next.
//! 3. `finalised` tells that a block and all below it are never reverted. It comes after their `applied` messages, at most
//!    once for a height and rising; several blocks may become final with one message. With `from` the first one tells what
//!    is final above the start. It has no SSE id.
//! 4. A message's SSE id is its height. Who comes back asks `?from=` the height after the last applied one, and looks
//!    at that block's parent if a fork in between would matter.
//! 5. The stream ends with one message of another name, whose data is an [`ApiError`]: `lagged` (the client read too
//!    slowly after it had reached the tip, or a fork went below what this stream remembers) or `closing` (the node
//!    stops).
//!
//! # Invariants
//! - The stream pulls: it compares what it told with the selected chain. So nothing is queued for a slow client, none
//!   is told a block twice without its reverting, and none is left out.
//! - A client that reads nothing is cut off with its connection.

use super::Api;
use super::asked::Asked;
use super::blocks::{header, place, point};
use super::error::Problem;
use super::event_json;
use super::limits::{KEEP_ALIVE, LAG_BLOCKS_MAX, STREAMS_MAX};
use super::ports::{BlockAt, Chain, CommittedBlock, Mode, Place, Refusal};
use axum::extract::State;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::Stream;
use nupeer_client::api::{ApiError, BlockEvents};
use nupeer_primitives::{BlockId, Height};
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, watch};
use utoipa::IntoParams;

/// Blocks remembered beyond k, so that no permitted fork goes below what a stream told.
const TOLD_BEYOND_K: u64 = 64;
/// Blocks before the start that count as known, so that a fork right after it can be told.
const KNOWN_BEFORE: u64 = 64;

/// Where to start.
#[derive(Clone, Copy, Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct From {
    /// Height of the first block to be told.
    from: Option<u64>,
}

/// Blocks as they are applied, reverted and become final.
#[utoipa::path(get, path = "/v1/events", tag = "chain", params(From), responses(
    (status = 200, body = BlockEvents, content_type = "text/event-stream",
        description = "`applied`, `reverted`: one message a block; `finalised`: it and all below are never reverted"),
    (status = "default", body = ApiError)))]
pub async fn events(
    State(api): State<Api>,
    Asked(From { from }): Asked<From>,
) -> Result<Sse<impl Stream<Item = Result<Event, Infallible>>>, Problem> {
    let busy = || Problem::busy(format!("{STREAMS_MAX} event streams are open; close one or ask another node"));
    let place = Arc::clone(&api.streams).try_acquire_owned().map_err(|_| busy())?;
    if api.chain.standing().mode == Mode::Stopping {
        return Err(Refusal::Stopping.into());
    }
    let walk = api.blocking(move |chain| Ok(Walk::start(chain, from.map(Height)))).await?;
    let stopping = api.stopping.subscribe();
    let follower = Follower { api, walk: Some(walk), stopping, _place: place };
    let messages = futures::stream::unfold(follower, |mut follower| async move {
        let message = follower.next().await?;
        Some((Ok(message), follower))
    });
    Ok(Sse::new(messages).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)))
}

/// One client.
struct Follower {
    api: Api,
    /// Gone once the last message was sent.
    walk: Option<Walk>,
    stopping: watch::Receiver<bool>,
    _place: OwnedSemaphorePermit,
}

impl Follower {
    async fn next(&mut self) -> Option<Event> {
        loop {
            let mut walk = self.walk.take()?;
            let stepped = self.api.blocking(move |chain| walk.step(chain).map(|step| (walk, step))).await;
            match stepped {
                Err(problem) => return Some(last("lagged", &problem.body)),
                Ok((_, Step::Lagged { detail })) => return Some(last("lagged", &ended("stream.Lagged", detail))),
                Ok((_, Step::Stopping)) => return Some(closing()),
                Ok((walk, Step::Told(message))) => {
                    self.walk = Some(walk);
                    return Some(data(&message.kind, &message).id(message.point.height.to_string()));
                }
                Ok((walk, Step::Finalised(message))) => {
                    self.walk = Some(walk);
                    return Some(data(&message.kind, &message));
                }
                Ok((walk, Step::CaughtUp { tip, last })) => {
                    self.walk = Some(walk);
                    tokio::select! {
                        () = self.api.chain.moved(tip, last) => {}
                        _ = self.stopping.wait_for(|stopping| *stopping) => {
                            self.walk = None;
                            return Some(closing());
                        }
                    }
                }
            }
        }
    }
}

fn ended(error: &str, detail: String) -> ApiError {
    ApiError { error: error.into(), detail, code: None }
}

fn closing() -> Event {
    last("closing", &ended("node.Stopping", "the node is stopping; ask another one".into()))
}

fn last(name: &str, why: &ApiError) -> Event {
    data(name, why)
}

/// Our JSON has no line ends that a stream can't carry.
fn data<T: Serialize>(name: &str, body: &T) -> Event {
    Event::default().event(name).data(serde_json::to_string(body).unwrap_or_default())
}

/// What a stream does next.
#[derive(Debug)]
enum Step {
    Told(BlockEvents),
    Finalised(BlockEvents),
    CaughtUp { tip: BlockId, last: BlockId },
    Lagged { detail: String },
    Stopping,
}

/// The branch as the client knows it, newest last. Blocks from before the start count as known.
#[derive(Debug)]
struct Walk {
    told: VecDeque<Place>,
    told_max: usize,
    live: bool,
    /// Up to where blocks were told to be final.
    finalised: Height,
}

impl Walk {
    fn start(chain: &dyn Chain, from: Option<Height>) -> Self {
        let standing = chain.standing();
        let tip = standing.tip.height;
        let base = from.map_or(tip, |from| Height(from.0.saturating_sub(1)).min(tip));
        let lowest = base.0.saturating_sub(KNOWN_BEFORE);
        let told = (lowest..=base.0).filter_map(|height| chain.place(Height(height))).collect();
        let told_max = chain.rules().constants.k.saturating_add(TOLD_BEYOND_K);
        let told_max = usize::try_from(told_max).unwrap_or(usize::MAX);
        Self { told, told_max, live: false, finalised: base.min(standing.final_place.height) }
    }

    /// The chain may move between two looks; a step that sees it moving looks again.
    fn step(&mut self, chain: &dyn Chain) -> Result<Step, Problem> {
        let standing = chain.standing();
        if standing.mode == Mode::Stopping {
            return Ok(Step::Stopping);
        }
        loop {
            let Some(last) = self.told.back().copied() else {
                let detail = "a fork went below what this stream remembers; start again with `?from=`".into();
                return Ok(Step::Lagged { detail });
            };
            let behind = standing.tip.height.0.saturating_sub(last.height.0);
            let next = Height(last.height.0.saturating_add(1));
            if self.live && behind > LAG_BLOCKS_MAX {
                let detail = format!("{behind} blocks were not read in time; continue with `?from={next}`");
                return Ok(Step::Lagged { detail });
            }
            if chain.place(last.height) != Some(last) {
                self.told.pop_back();
                let message = BlockEvents { kind: "reverted".into(), point: point(&last), events: Vec::new() };
                return Ok(Step::Told(message));
            }
            let newest = standing.final_place;
            let is_news = newest.height > self.finalised && newest.height <= last.height;
            if is_news && chain.place(newest.height) == Some(newest) {
                self.finalised = newest.height;
                let message = BlockEvents { kind: "finalised".into(), point: point(&newest), events: Vec::new() };
                return Ok(Step::Finalised(message));
            }
            match chain.block(BlockAt::Height(next)) {
                Some(block) if header(&block)?.body.parent == last.id => return self.apply(chain, &block),
                Some(_) => {}
                None => {
                    self.live = true;
                    return Ok(Step::CaughtUp { tip: last.id, last: newest.id });
                }
            }
        }
    }

    fn apply(&mut self, chain: &dyn Chain, block: &CommittedBlock) -> Result<Step, Problem> {
        let place = place(block)?;
        if self.told.len() >= self.told_max {
            self.told.pop_front();
        }
        self.told.push_back(place);
        let events = event_json::events(&block.record.events, place.height, &chain.rules().hrp);
        Ok(Step::Told(BlockEvents { kind: "applied".into(), point: point(&place), events }))
    }
}
