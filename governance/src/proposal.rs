//! The life of a proposal, from its deposit to its execution (governance.md §6, §7).
