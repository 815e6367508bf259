//! The parameters that the DAO decides about, their bounds and guardrails (governance.md §12).
