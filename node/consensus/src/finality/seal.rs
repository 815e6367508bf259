//! Signatures as the overlay needs them: real ones, and in a model that explores schedules, none.

use core::fmt::Debug;
use nupeer_primitives::finality::{Certificate, CertificateError, Committee, Link, Vote};
use nupeer_primitives::{BlsSignature, GenesisHash};

/// Checks and makes what a committee signs.
pub trait Seal: Debug + Send + Sync {
    /// Whether the sum of these members' signatures over `link` is right.
    fn check_sum(&self, committee: &Committee, link: &Link, votes: &[(u16, BlsSignature)]) -> bool;
    /// Whether one vote is its member's.
    fn check_vote(&self, committee: &Committee, vote: &Vote) -> bool;
    /// The certificate of checked votes, ascending by index.
    fn certify(&self, committee: &Committee, link: Link, votes: &[(u16, BlsSignature)]) -> Option<Certificate>;
    /// Whether a certificate is the committee's.
    fn check_certificate(&self, committee: &Committee, certificate: &Certificate) -> Result<(), CertificateError>;
    /// The network whose votes these are.
    fn genesis(&self) -> GenesisHash;
}

/// BLS12-381 on one network.
#[derive(Clone, Copy, Debug)]
pub struct Bls(pub GenesisHash);

impl Seal for Bls {
    fn check_sum(&self, committee: &Committee, link: &Link, votes: &[(u16, BlsSignature)]) -> bool {
        committee.verify_sum(link, votes, &self.0)
    }
    fn check_vote(&self, committee: &Committee, vote: &Vote) -> bool {
        committee.verify_vote(vote, &self.0)
    }
    fn certify(&self, committee: &Committee, link: Link, votes: &[(u16, BlsSignature)]) -> Option<Certificate> {
        committee.certify(link, votes)
    }
    fn check_certificate(&self, committee: &Committee, certificate: &Certificate) -> Result<(), CertificateError> {
        committee.verify(certificate, &self.0).map(|_| ())
    }
    fn genesis(&self) -> GenesisHash {
        self.0
    }
}
