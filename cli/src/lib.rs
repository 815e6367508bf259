//! nupeer
