//! Parameters: numbers that the DAO may change (governance.md §12, tokens.md §12, ledger.md §13, consensus.md §15,
//! market.md §15). Each module keeps its own table in this one shape; the runtime looks a name up over all of them.
//!
//! One key each in state, so that a client can prove any of them.

use crate::state::{Bug, Key, Work};

/// Who decides about a parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Owner {
    /// Genesis only.
    Fixed,
    /// Proposals of class OPERATIONAL and above.
    Operational,
    /// Proposals of class FINANCIAL and above.
    Financial,
    /// Proposals of class TECHNICAL and above.
    Technical,
    /// Proposals of class CONSTITUTION.
    Constitution,
}

impl Owner {
    /// Text for people and vectors: the class that decides, or `fixed`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fixed => "fixed",
            Self::Operational => "OPERATIONAL",
            Self::Financial => "FINANCIAL",
            Self::Technical => "TECHNICAL",
            Self::Constitution => "CONSTITUTION",
        }
    }
}

/// A row of a table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Parameter {
    /// Name, unique over all tables.
    pub name: &'static str,
    /// Unit; empty where the name ends with it.
    pub unit: &'static str,
    /// Value on mainnet.
    pub mainnet: u64,
    /// Value on devnet and in the simulator.
    pub devnet: u64,
    /// Least permitted value.
    pub min: u64,
    /// Greatest permitted value.
    pub max: u64,
    /// Who decides.
    pub owner: Owner,
}

impl Parameter {
    /// Permitted values. Bounds bind mainnet; a network for tests may also be as small or large as its preset starts.
    #[must_use]
    pub fn bounds(&self, is_mainnet: bool) -> (u64, u64) {
        if is_mainnet { (self.min, self.max) } else { (self.min.min(self.devnet), self.max.max(self.devnet)) }
    }
}

/// Declares a module's table: `name unit mainnet devnet min max owner`.
#[macro_export]
macro_rules! parameters {
    ($(#[$meta:meta])* $vis:vis const $table:ident;
     $($name:literal $unit:literal $mainnet:literal $devnet:literal $min:literal $max:literal $owner:ident)*) => {
        $(#[$meta])*
        $vis const $table: &[$crate::parameter::Parameter] = &[$($crate::parameter::Parameter {
            name: $name, unit: $unit, mainnet: $mainnet, devnet: $devnet, min: $min, max: $max,
            owner: $crate::parameter::Owner::$owner,
        }),*];
    };
}

/// Key of a parameter.
#[must_use]
pub fn key(name: &str) -> Key {
    Key::new(0x00).u8(1).bytes(name.as_bytes())
}

/// Value of a parameter.
pub fn get(work: &Work<'_>, name: &'static str) -> Result<u64, Bug> {
    work.expect(&key(name), name)
}
