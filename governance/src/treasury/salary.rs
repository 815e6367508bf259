//! Salaries of seats: pay per ACTIVE tick, claimed by the instance's holder at any time (tokens.md §9).

use nupeer_primitives::{AccountId, Amount, AssetId, record};

record! {
    /// What a seat earns in each tick in which it is ACTIVE.
    #[derive(Copy)]
    pub struct Salary {
        /// What is paid.
        pub asset: AssetId,
        /// For a tick; 0 ends it.
        pub per_tick: Amount,
    }
}

record! {
    /// What an instance of a seat has earned and not claimed, all of it reserved.
    #[derive(Copy)]
    pub struct SalaryDue {
        /// Who held the seat.
        pub holder: AccountId,
        /// What is due.
        pub amount: Amount,
    }
}
