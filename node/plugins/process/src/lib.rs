//! nupeer-plugin-process
