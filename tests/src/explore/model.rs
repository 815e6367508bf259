//! Blocks, committees, members and the state of the whole.

use super::steps::contest;
use nupeer_consensus::finality::{ChainFacts, ChainView, Checkpoints, Voted};
use nupeer_primitives::finality::{Committee, Member, Place, Rounds};
use nupeer_primitives::{
    BlockId, BlsKey, BlsSignature, Certificate, Checkpoint, Epoch, Height, Link, PoolId, Slot, blake2b_256,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Slots of a round: a block in the first, and one more so that LAG fits.
const SLOTS: u64 = 2;
/// Epochs whose committees exist: the explored ones and the future of P4.
const EPOCHS: u64 = 24;
const TRUNK: u8 = 2;

/// What is explored.
#[derive(Clone, Copy, Debug)]
pub struct Bounds {
    /// For the report.
    pub name: &'static str,
    /// Weight of each member, and its seats: bit 0 in committees of even epochs, bit 1 in those of odd ones.
    pub members: &'static [(u64, u8)],
    /// The last so many members lie.
    pub byzantine: usize,
    /// Rounds of an epoch.
    pub epoch_rounds: u64,
    /// Round of the last common block.
    pub fork: u64,
    /// First round in which anybody acts; before, nobody voted.
    pub start: u64,
    /// Last round explored.
    pub rounds: u64,
    /// Whether a member's newest block may be a round old.
    pub stale: bool,
    /// Whether a member may crash between writing and sending a vote.
    pub crashes: bool,
    /// Whether the schedule decides which certificates the chains carry; else they carry none (F14 needs two epochs).
    pub inclusion: bool,
    /// Give up after so many states.
    pub states_max: usize,
}

impl Bounds {
    /// Members that keep to the protocol.
    #[must_use]
    pub fn honest(&self) -> usize {
        self.members.len().saturating_sub(self.byzantine)
    }
}

/// Bounds with their committees.
#[derive(Debug)]
pub struct Model {
    /// What is explored.
    pub bounds: Bounds,
    /// R, LAG, E.
    pub rounds: Rounds,
    /// By epoch.
    pub committees: BTreeMap<Epoch, Arc<Committee>>,
}

/// The pool of a member.
#[must_use]
pub fn pool(member: usize) -> PoolId {
    PoolId([u8::try_from(member).unwrap_or(u8::MAX); 28])
}

impl Model {
    /// Builds the committees.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        let table = |epoch: u64| {
            let seat = if epoch.is_multiple_of(2) { 1 } else { 2 };
            let sits = bounds.members.iter().enumerate().filter(|(_, (_, seats))| seats & seat != 0);
            let row = |(n, (weight, _)): (usize, &(u64, u8))| Member {
                pool: pool(n),
                key: BlsKey([0; 48]),
                weight: *weight,
                ada: 0,
            };
            Arc::new(Committee::new(Epoch(epoch), sits.map(row).collect()))
        };
        let rounds = Rounds { slots: SLOTS, lag: 1, epoch_slots: bounds.epoch_rounds * SLOTS };
        Self { bounds, rounds, committees: (0..EPOCHS).map(|epoch| (Epoch(epoch), table(epoch))).collect() }
    }

    /// Weight of the liars in a committee.
    #[must_use]
    pub fn lying(&self, committee: &Committee) -> u128 {
        let honest = self.bounds.honest();
        let liars = (honest..self.bounds.members.len()).filter_map(|n| committee.index_of(&pool(n)));
        committee.weight_of(liars)
    }

    /// True iff liars weigh less than a third of every committee.
    #[must_use]
    pub fn is_safe(&self) -> bool {
        self.committees.values().all(|committee| 3 * self.lying(committee) < committee.total())
    }

    /// The block of a round on a branch; round 0 is genesis.
    #[must_use]
    pub fn block(&self, branch: u8, round: u64) -> BlockId {
        let branch = if round <= self.bounds.fork { TRUNK } else { branch };
        let mut id = [branch; 32];
        id[1..9].copy_from_slice(&round.to_be_bytes());
        BlockId(id)
    }

    /// Where everything begins.
    #[must_use]
    pub fn genesis(&self) -> Checkpoint {
        Checkpoint { round: 0, block: self.block(0, 0), height: Height(0) }
    }
}

/// Branch and round of a block.
#[must_use]
pub fn parts(id: &BlockId) -> (u8, u64) {
    let mut round = [0; 8];
    round.copy_from_slice(&id.0[1..9]);
    (id.0[0], u64::from_be_bytes(round))
}

/// True iff `block` is `from` or follows it.
#[must_use]
pub fn descends(block: &BlockId, from: &BlockId) -> bool {
    let ((branch, round), (from_branch, from_round)) = (parts(block), parts(from));
    from_round <= round && (from_branch == TRUNK || from_branch == branch)
}

/// An honest member.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Honest {
    /// What it has heard.
    pub checkpoints: Checkpoints,
    /// What it has written.
    pub voted: Option<Voted>,
    /// Its selected branch.
    pub branch: u8,
}

/// Everything between two choices.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct World {
    /// The round in which members act.
    pub round: u64,
    /// The member that acts next.
    pub turn: usize,
    /// Honest members.
    pub members: Vec<Honest>,
    /// Votes sent in this round.
    pub cast: Vec<(usize, Link)>,
    /// Every certificate that can be made, by link and committee.
    pub formed: BTreeSet<(Link, Epoch)>,
    /// What the chains carry: (branch, round of the body) -> highest target round, where it grows.
    pub carried: BTreeMap<(u8, u64), u64>,
}

impl World {
    /// Before the first round.
    #[must_use]
    pub fn new(model: &Model) -> Self {
        let checkpoints = Checkpoints::new(model.rounds, model.genesis(), Vec::new());
        let members = vec![Honest { checkpoints, voted: None, branch: 0 }; model.bounds.honest()];
        let (cast, formed, carried) = (Vec::new(), BTreeSet::new(), BTreeMap::new());
        Self { round: model.bounds.start, turn: 0, members, cast, formed, carried }
    }

    /// States with equal keys have equal futures. Members of equal weight and seats are interchangeable, those that have
    /// acted and those that have not; so are the two branches.
    #[must_use]
    pub fn key(&self, model: &Model) -> [u8; 32] {
        self.key_as(model, false).min(self.key_as(model, true))
    }

    fn key_as(&self, model: &Model, turned: bool) -> [u8; 32] {
        let of_member = |(index, member): (usize, &Honest)| {
            let (weight, seats) = model.bounds.members.get(index).copied().unwrap_or_default();
            let mut out = vec![u8::from(index < self.turn), seats];
            put(&mut out, &[weight]);
            let is_free = contest(model, self, member, member.branch).is_none();
            encode(&mut out, member, is_free, turned);
            for (_, link) in self.cast.iter().filter(|(by, _)| *by == index) {
                put_link(&mut out, link, turned);
            }
            out
        };
        let mut members: Vec<Vec<u8>> = self.members.iter().enumerate().map(of_member).collect();
        members.sort();
        let mut formed: Vec<Vec<u8>> = self.formed.iter().map(|(link, epoch)| of_link(link, *epoch, turned)).collect();
        formed.sort();
        let mut all = members.concat();
        put(&mut all, &[self.round, self.turn as u64, self.formed.len() as u64]);
        all.extend(formed.concat());
        let mut carried: Vec<(u8, u64, u64)> =
            self.carried.iter().map(|((branch, body), round)| (turn(*branch, turned), *body, *round)).collect();
        carried.sort_unstable();
        for (branch, body, certified) in carried {
            put(&mut all, &[u64::from(branch), body, certified]);
        }
        blake2b_256(&all).0
    }

    /// Highest target round that the chain up to a block carries.
    #[must_use]
    pub fn certified(&self, block: &BlockId) -> Option<u64> {
        let (branch, round) = parts(block);
        let up_to = self.carried.iter().filter(|((of, body), _)| *body <= round && (*of == branch || *of == TRUNK));
        up_to.map(|(_, certified)| *certified).max()
    }

    /// The chain as a member sees it that has blocks up to `newest` on `branch`.
    #[must_use]
    pub fn view<'w>(&'w self, model: &'w Model, branch: u8, newest: u64) -> View<'w> {
        let mut facts = BTreeMap::new();
        // Before epoch 2 nothing can be recovered, and nobody asks.
        for branch in [0, 1] {
            for round in model.bounds.epoch_rounds..=self.round {
                let id = model.block(branch, round);
                let epoch = round / model.bounds.epoch_rounds;
                let end = |e: u64| (Epoch(e), model.block(branch, (e + 1) * model.bounds.epoch_rounds - 1));
                let epoch_ends = (epoch.saturating_sub(3)..epoch).map(end).collect();
                facts.insert(id, ChainFacts { certified: self.certified(&id), final_round: 0, epoch_ends });
            }
        }
        View { model, now: self.round, branch, newest, facts }
    }
}

fn put(out: &mut Vec<u8>, numbers: &[u64]) {
    numbers.iter().for_each(|number| out.extend(number.to_be_bytes()));
}

/// A branch's name, or its sister's.
const fn turn(branch: u8, turned: bool) -> u8 {
    if turned && branch < TRUNK { 1 - branch } else { branch }
}

fn put_link(out: &mut Vec<u8>, link: &Link, turned: bool) {
    let ((from, from_round), (to, to_round)) = (parts(&link.src_hash), parts(&link.dst_hash));
    put(out, &[link.round, link.src_round, from_round, to_round]);
    out.extend([turn(from, turned), turn(to, turned)]);
}

fn of_link(link: &Link, epoch: Epoch, turned: bool) -> Vec<u8> {
    let mut out = Vec::new();
    put(&mut out, &[epoch.0]);
    put_link(&mut out, link, turned);
    out
}

/// What tells two members apart; the rest follows from it. The round of the last vote is over or will be when the
/// member acts again; a branch that it may leave and come back to is no difference.
fn encode(out: &mut Vec<u8>, member: &Honest, is_free: bool, turned: bool) {
    let Honest { checkpoints, voted, branch } = member;
    out.push(if is_free { TRUNK } else { turn(*branch, turned) });
    for checkpoint in std::iter::once(checkpoints.last()).chain(checkpoints.proven()) {
        let (branch, block) = parts(&checkpoint.block);
        put(out, &[checkpoint.round, u64::from(turn(branch, turned)), block]);
    }
    let mut known: Vec<Vec<u8>> = checkpoints.certificates().map(|c| of_link(&c.link, c.committee, turned)).collect();
    known.sort();
    put(out, &[voted.map_or(0, |voted| voted.source), known.len() as u64]);
    out.extend(known.concat());
}

/// The certificate of a link; its signature was checked.
#[must_use]
pub fn certificate(link: Link, committee: Epoch) -> Certificate {
    Certificate { committee, absent: Vec::new(), link, signature: BlsSignature([0; 96]) }
}

/// See [`World::view`].
#[derive(Debug)]
pub struct View<'w> {
    model: &'w Model,
    now: u64,
    branch: u8,
    newest: u64,
    facts: BTreeMap<BlockId, ChainFacts>,
}

impl ChainView for View<'_> {
    fn place(&self, id: &BlockId) -> Option<Place> {
        let (_, round) = parts(id);
        (round <= self.now).then_some(Place { id: *id, height: Height(round), slot: Slot(round * SLOTS) })
    }
    fn descends(&self, block: &BlockId, from: &BlockId) -> bool {
        descends(block, from)
    }
    fn is_selected(&self, id: &BlockId) -> bool {
        descends(&self.model.block(self.branch, self.newest), id)
    }
    fn newest_selected(&self, slot: u64) -> Option<Place> {
        self.place(&self.model.block(self.branch, self.newest.min(slot / SLOTS)))
    }
    fn facts(&self, id: &BlockId) -> Option<&ChainFacts> {
        self.facts.get(id)
    }
}
