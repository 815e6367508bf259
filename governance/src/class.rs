//! Classes of proposals and what puts an action into one (governance.md §4).
