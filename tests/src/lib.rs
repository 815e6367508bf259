//! What all tests of the house share: the test vectors and their runner.

pub mod vectors;
