//! nupeer-plugin-wasm
