//! The treasury of many assets: streams, salaries, rebalancing (tokens.md §9).
