//! nupeer-provider
