//! The DAO: who has a voice, who holds a seat, what may be proposed, and when it is decided (governance.md).
//!
//! # What it deliberately does not do
//! It moves no value but the treasury's, reads no clock (time is governance time, counted from slots), and carries no
//! effect out itself: effects on market, bridge and consensus are values that the runtime applies.
#![no_std]
extern crate alloc;

pub mod agreement;
pub mod bootstrap;
pub mod class;
pub mod clock;
pub mod decide;
pub mod deposit;
pub mod error;
pub mod params;
pub mod pause;
pub mod power;
pub mod proposal;
pub mod resubmit;
pub mod seat;
pub mod spend;
pub mod treasury;
pub mod vote;

pub use error::GovernanceError;
