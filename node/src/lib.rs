//! nupeer-node
