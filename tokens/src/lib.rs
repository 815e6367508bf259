//! nupeer-tokens
