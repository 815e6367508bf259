//! Voting power: sums over epochs, accounts, areas, delegation (governance.md §2).
