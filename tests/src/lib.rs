//! nupeer-tests
