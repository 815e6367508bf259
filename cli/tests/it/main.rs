//! The `nupeer` program as a user runs it, against a node and gateway of this process.
#![allow(clippy::unwrap_used, clippy::panic, missing_docs)]

mod a_pool_operator_makes_and_rotates_keys;
mod an_app_is_deployed_and_its_bundle_opens_on_the_host;
mod every_failure_has_its_exit_code;
mod keys_are_made_kept_and_used;
mod obliging_node;

use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

pub const PASSWORD: &str = "correct horse battery";

/// A user's home with a keystore in it.
pub struct User {
    pub home: tempfile::TempDir,
    pub node: String,
}

impl User {
    pub fn new(node: &str) -> Self {
        Self { home: tempfile::tempdir().unwrap(), node: node.to_string() }
    }

    pub fn with_keys(node: &str) -> Self {
        let user = Self::new(node);
        user.json(&["keys", "generate"]);
        user
    }

    pub fn keystore(&self) -> PathBuf {
        self.home.path().join("keystore.json")
    }

    pub fn run_with(&self, password: &str, args: &[&str]) -> Output {
        Command::new(env!("CARGO_BIN_EXE_nupeer"))
            .args(args)
            .env_clear()
            .env("HOME", self.home.path())
            .env("NUPEER_NODE", &self.node)
            .env("NUPEER_GATEWAY", &self.node)
            .env("NUPEER_KEYSTORE", self.keystore())
            .env("NUPEER_PASSWORD", password)
            .output()
            .unwrap()
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.run_with(PASSWORD, args)
    }

    /// The JSON of a command that must succeed.
    pub fn json(&self, args: &[&str]) -> Value {
        let output = self.run(&[args, &["--json"]].concat());
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    /// Exit code and error JSON of a command that must fail.
    pub fn failure(&self, args: &[&str]) -> (i32, Value) {
        let output = self.run(&[args, &["--json"]].concat());
        assert!(!output.status.success(), "{args:?} succeeded");
        assert!(output.stdout.is_empty(), "{args:?} printed a result");
        let error = serde_json::from_slice(&output.stderr);
        (
            output.status.code().unwrap(),
            error.unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&output.stderr))),
        )
    }

    pub fn write(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.home.path().join(name);
        std::fs::write(&path, content).unwrap();
        text(&path)
    }
}

pub fn text(path: &Path) -> String {
    path.to_str().unwrap().to_string()
}
