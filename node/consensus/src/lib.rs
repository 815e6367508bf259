//! nupeer-consensus
