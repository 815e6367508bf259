//! The stake and ISPO actions (codes 02xx, 06xx) and the token work of each block, over the rules of `nupeer-tokens`.
//!
//! # What it deliberately does not do
//! No evidence and no slashing: those are accepted elsewhere and use the same positions and pledges.

pub mod action;
pub mod emission;
pub mod invariants;
pub mod query;
pub mod rules;
pub mod work;

#[cfg(test)]
mod tests;
