//! How far the other executives agree, and what that makes of quorum and threshold (governance.md §5).
