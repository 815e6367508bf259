//! Runs the test vectors of the specification: a file per module, a section per case.
//!
//! The folder is `NUPEER_TEST_VECTORS`, else `tests/vectors`; any file of the same name and format may stand there. A
//! case that does not parse is a case that differs, never a panic. Kinds whose rules do not exist yet are named in
//! `<module>.pending.toml` beside the repository's own vectors; a pending case that passes is an error too.

pub mod governance;
pub mod json;
pub mod market;
pub mod tokens;

use json::Malformed;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// Computes what a case's input leads to.
pub type Runner = fn(kind: &str, input: &Value) -> Result<Value, Failure>;

/// Modules with a runner, by file name without ending.
pub const RUNNERS: [(&str, Runner); 3] =
    [("market", market::run), ("tokens", tokens::run), ("governance", governance::run)];

/// Why a case has no result.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The case is not of the promised shape.
    #[error("malformed case: {0}")]
    Malformed(#[from] Malformed),
    /// No rule for this kind yet.
    #[error("kind `{kind}` is not built")]
    NotBuilt {
        /// The kind.
        kind: String,
    },
}

/// What became of a file.
#[derive(Debug, Default)]
pub struct Report {
    /// Cases run, pending ones included.
    pub run: usize,
    /// Cases that fail as listed.
    pub pending: usize,
    /// What is wrong.
    pub differing: Vec<Difference>,
}

/// A case that is not as it should be.
#[derive(Debug)]
pub struct Difference {
    /// Its id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// What the vector says.
    pub expected: Value,
    /// What came out.
    pub actual: Value,
}

#[derive(Deserialize)]
struct PendingFile {
    #[serde(default)]
    pending: Vec<PendingCase>,
}

#[derive(Deserialize)]
struct PendingCase {
    kind: String,
    reason: String,
}

/// The repository's own vectors.
#[must_use]
pub fn own_folder() -> PathBuf {
    crate::own_crate().join("vectors")
}

/// Where vectors are read from.
#[must_use]
pub fn folder() -> PathBuf {
    std::env::var_os("NUPEER_TEST_VECTORS").map_or_else(own_folder, PathBuf::from)
}

/// Runs `<module>.json` of `folder`.
pub fn run_file(folder: &Path, module: &str, runner: Runner) -> anyhow::Result<Report> {
    let path = folder.join(format!("{module}.json"));
    let text = std::fs::read_to_string(&path).map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?;
    let file: Value = serde_json::from_str(&text).map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?;
    let format = format!("nupeer-{module}-vectors/1");
    anyhow::ensure!(file.get("format") == Some(&json!(format)), "{}: format is not {format}", path.display());
    let cases = file.get("vectors").and_then(Value::as_array);
    let cases = cases.ok_or_else(|| anyhow::anyhow!("{}: no list `vectors`", path.display()))?;
    Ok(run_cases(cases, runner, &pending_of(module)?))
}

fn pending_of(module: &str) -> anyhow::Result<BTreeMap<String, String>> {
    let path = own_folder().join(format!("{module}.pending.toml"));
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let file: PendingFile = toml::from_str(&text).map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?;
            Ok(file.pending.into_iter().map(|case| (case.kind, case.reason)).collect())
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(e) => Err(anyhow::anyhow!("{}: {e}", path.display())),
    }
}

/// Runs cases in order.
#[must_use]
pub fn run_cases(cases: &[Value], runner: Runner, pending: &BTreeMap<String, String>) -> Report {
    let mut report = Report::default();
    for case in cases {
        report.run += 1;
        let text = |name: &str| case.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
        let (id, kind, title) = (text("id"), text("kind"), text("title"));
        let expected = case.get("expect").cloned().unwrap_or(Value::Null);
        let actual = match runner(&kind, case.get("input").unwrap_or(&Value::Null)) {
            Ok(actual) => actual,
            Err(failure) => json!({ "failure": failure.to_string() }),
        };
        match (actual == expected, pending.get(&kind)) {
            (true, None) => {}
            (false, Some(_)) => report.pending += 1,
            (true, Some(reason)) => report.differing.push(Difference {
                id,
                title,
                expected: json!({ "pending": reason }),
                actual: json!("passes: remove it from the pending list"),
            }),
            (false, None) => report.differing.push(Difference { id, title, expected, actual }),
        }
    }
    report
}
