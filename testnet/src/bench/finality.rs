//! Votes and certificates of a committee of 200: what one core checks in a second.

use super::report::Row;
use super::{Limit, best, per_second, timed};
use anyhow::{Context, Result, ensure};
use nupeer_consensus::finality::Bls;
use nupeer_consensus::finality::ballots::{Ballots, Outcome};
use nupeer_consensus::input::{MsgId, Peer};
use nupeer_primitives::bls::SecretKey;
use nupeer_primitives::finality::{Committee, Member};
use nupeer_primitives::{BlockId, Epoch, GenesisHash, Hash, Height, Link, PoolId, Vote};

const GENESIS: GenesisHash = GenesisHash(Hash([5; 32]));
/// P: the largest committee.
const MEMBERS: usize = 200;
/// Certificates and single votes checked in a round.
const CHECKED: usize = 40;

struct Made {
    committee: Committee,
    link: Link,
    votes: Vec<Vote>,
}

fn make() -> Result<Made> {
    let secrets: Vec<SecretKey> = (0..MEMBERS)
        .map(|n| SecretKey::from_seed(&nupeer_primitives::hash::blake2b_256_of(&[&n.to_be_bytes()]).0))
        .collect();
    let member = |(n, secret): (usize, &SecretKey)| {
        let mut pool = [0; 28];
        pool[..8].copy_from_slice(&n.to_be_bytes());
        Member { pool: PoolId(pool), key: secret.public(), weight: 1_000, ada: 0 }
    };
    let committee = Committee::new(Epoch(0), secrets.iter().enumerate().map(member).collect());
    let link =
        Link { round: 2, src_round: 1, src_hash: BlockId([1; 32]), dst_height: Height(9), dst_hash: BlockId([2; 32]) };
    let digest = link.digest(Epoch(0), &GENESIS);
    let votes = (0u16..).zip(&secrets);
    let votes = votes.map(|(index, key)| Vote { committee: Epoch(0), index, link, signature: key.sign(&digest) });
    Ok(Made { votes: votes.collect(), committee, link })
}

/// See the module header.
pub fn measure(limit: &Limit) -> Result<Vec<Row>> {
    let made = make()?;
    let summed = best(limit.rounds, || Ok(timed(|| made.add_up())?.1))?;
    let single = best(limit.rounds, || Ok(timed(|| made.one_by_one())?.1))?;
    let whole = best(limit.rounds, || Ok(timed(|| made.certificates(0))?.1))?;
    let third = best(limit.rounds, || Ok(timed(|| made.certificates(MEMBERS / 3))?.1))?;
    let single = per_second(CHECKED, single);
    Ok(vec![
        Row::new("votes checked one by one", single, "votes/s"),
        Row::new("votes of a committee added up, to a certificate", per_second(MEMBERS, summed), "votes/s"),
        Row::new("certificates of 200 members", per_second(CHECKED, whole), "certs/s"),
        Row::new("certificates without a third of 200", per_second(CHECKED, third), "certs/s"),
    ])
}

impl Made {
    /// As a node does it: each vote comes in alone, sums are checked.
    fn add_up(&self) -> Result<()> {
        let (mut ballots, mut certified) = (Ballots::default(), false);
        let seal = Bls(GENESIS);
        for vote in &self.votes {
            let from = Some((Peer([1; 32]), MsgId([1; 20])));
            let outcomes = ballots.add(vote.clone(), from, 0, &self.committee, &seal);
            certified |= outcomes.iter().any(|outcome| matches!(outcome, Outcome::Certified(_)));
        }
        let table = std::sync::Arc::new(self.committee.clone());
        let rest = ballots.flush(u64::MAX, &|_| Some(std::sync::Arc::clone(&table)), &seal);
        ensure!(certified && !rest.is_empty(), "the votes of the bench make no certificate");
        Ok(())
    }

    fn one_by_one(&self) -> Result<()> {
        for vote in self.votes.iter().take(CHECKED) {
            ensure!(self.committee.verify_vote(vote, &GENESIS), "a vote of the bench is not signed as it should be");
        }
        Ok(())
    }

    fn certificates(&self, absent: usize) -> Result<()> {
        let votes: Vec<_> = self.votes.iter().skip(absent).map(|vote| (vote.index, vote.signature)).collect();
        let certificate = self.committee.certify(self.link, &votes).context("no certificate")?;
        for _ in 0..CHECKED {
            self.committee.verify(&certificate, &GENESIS)?;
        }
        Ok(())
    }
}
