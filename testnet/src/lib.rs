//! nupeer-testnet
