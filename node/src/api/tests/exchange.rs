//! The exchange's records as JSON.
