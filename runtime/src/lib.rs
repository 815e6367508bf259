//! nupeer-runtime
