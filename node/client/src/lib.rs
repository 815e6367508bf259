//! nupeer-client
