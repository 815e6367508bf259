//! nupeer-testnet

pub mod bench;
pub mod up {
    //! A network of processes on this machine.
    pub mod network;
    pub mod process;
}
