//! Depth first, each state once.

use super::check::{Look, agreement, liveness};
use super::model::{Bounds, Model, World};
use super::steps::{Broken, Step, options};
use std::collections::HashSet;

/// What was found within bounds.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// Different states.
    pub states: usize,
    /// Choices tried.
    pub transitions: u64,
    /// States between rounds from which P4 was shown.
    pub futures: u64,
    /// Highest final round in any state.
    pub last: u64,
    /// States in which final blocks contradict each other (P2 holds in each).
    pub convictions: u64,
    /// The first of them.
    pub first_conviction: Option<Vec<u16>>,
    /// True iff nothing within the bounds was left out.
    pub is_complete: bool,
    /// A property that does not hold, and the choices that lead there.
    pub broken: Option<(String, Vec<u16>)>,
}

/// An exploration.
#[derive(Debug)]
pub struct Search {
    model: Model,
    seen: HashSet<[u8; 16]>,
    /// How each state was reached first: from where, by which choice.
    ways: Vec<(u32, u16)>,
    outcome: Outcome,
}

impl Search {
    /// Within `bounds`.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let outcome = Outcome { is_complete: true, ..Outcome::default() };
        Self { model: Model::new(bounds), seen: HashSet::new(), ways: Vec::new(), outcome }
    }

    fn way_to(&self, mut state: u32) -> Vec<u16> {
        let mut way = Vec::new();
        while let Some((from, choice)) = self.ways.get(state as usize).filter(|_| state > 0) {
            way.push(*choice);
            state = *from;
        }
        way.reverse();
        way
    }

    fn is_new(&mut self, key: &[u8; 32]) -> bool {
        let mut short = [0; 16];
        short.copy_from_slice(&key[..16]);
        self.seen.insert(short)
    }

    /// Looks at everything.
    #[must_use]
    pub fn run(mut self) -> Outcome {
        let first = World::new(&self.model);
        self.is_new(&first.key(&self.model));
        self.ways.push((0, 0));
        let mut open = vec![(first, 0u32)];
        while let Some((world, at)) = open.pop() {
            if self.ways.len() >= self.model.bounds.states_max {
                self.outcome.is_complete = false;
                break;
            }
            match self.expand(&world, at) {
                Ok(next) => open.extend(next),
                Err(Broken(what)) => {
                    self.outcome.broken = Some((what, self.way_to(at)));
                    self.outcome.is_complete = false;
                    break;
                }
            }
        }
        self.outcome.states = self.ways.len();
        self.outcome
    }

    fn expand(&mut self, world: &World, at: u32) -> Result<Vec<(World, u32)>, Broken> {
        if world.turn == 0 && !self.look(world, at)? {
            return Ok(Vec::new());
        }
        if world.round > self.model.bounds.rounds {
            return Ok(Vec::new());
        }
        let mut next = Vec::new();
        for (choice, Step { world, key, .. }) in options(&self.model, world)?.into_iter().enumerate() {
            self.outcome.transitions += 1;
            if self.is_new(&key) {
                let index = u32::try_from(self.ways.len()).unwrap_or(u32::MAX);
                self.ways.push((at, u16::try_from(choice).unwrap_or(u16::MAX)));
                next.push((world, index));
            }
        }
        Ok(next)
    }

    /// The properties between rounds. False: this state is the end of its story.
    fn look(&mut self, world: &World, at: u32) -> Result<bool, Broken> {
        match agreement(&self.model, world)? {
            Look::Convicted => {
                self.outcome.convictions += 1;
                if self.outcome.first_conviction.is_none() {
                    self.outcome.first_conviction = Some(self.way_to(at));
                }
                Ok(false)
            }
            Look::Fine { last } => {
                self.outcome.last = self.outcome.last.max(last);
                if self.model.is_safe() {
                    liveness(&self.model, world, last)?;
                    self.outcome.futures += 1;
                }
                Ok(true)
            }
        }
    }
}

/// P10: does what a list of choices says. Gives the state's key after each, and what happened in words.
pub fn replay(bounds: Bounds, choices: &[u16]) -> Result<(Vec<[u8; 32]>, Vec<String>), String> {
    let model = Model::new(bounds);
    let mut world = World::new(&model);
    let (mut keys, mut story) = (Vec::new(), Vec::new());
    for choice in choices {
        let options = options(&model, &world).map_err(|Broken(what)| what)?;
        let count = options.len();
        let taken = options.into_iter().nth(usize::from(*choice));
        let Step { world: next, key, deed } = taken.ok_or(format!("choice {choice} of {count} does not exist"))?;
        story.push(deed.to_string());
        world = next;
        keys.push(key);
    }
    Ok((keys, story))
}
