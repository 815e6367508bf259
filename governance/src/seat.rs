//! Candidates, support, and a seat's states (governance.md §3).
