//! What a command says: one JSON value for programs, lines for people.

use serde_json::Value;

/// The result of a command.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Report {
    /// For `--json`.
    pub json: Value,
    /// For people, without a line end.
    pub text: String,
}

impl Report {
    /// Both forms.
    pub fn new(json: Value, text: impl Into<String>) -> Self {
        Self { json, text: text.into() }
    }

    /// JSON from a shape of the API.
    pub fn of(shape: &impl serde::Serialize, text: impl Into<String>) -> Self {
        Self::new(serde_json::to_value(shape).unwrap_or(Value::Null), text)
    }
}

/// Lines with columns aligned; the first row is the heading.
#[must_use]
pub fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let line = |row: &Vec<String>| {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        cells.join("  ").trim_end().to_string()
    };
    rows.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// `name  value` lines.
#[must_use]
pub fn fields(rows: &[(&str, String)]) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|(name, value)| vec![(*name).to_string(), value.clone()]).collect();
    table(&rows)
}

/// A row of cells.
#[macro_export]
macro_rules! row {
    ($($cell:expr),* $(,)?) => { vec![$($cell.to_string()),*] };
}

/// The beginning of an id, enough for people.
#[must_use]
pub fn short(id: &str) -> String {
    if id.is_ascii() && id.len() > 12 { id.chars().take(12).collect() } else { id.into() }
}

/// `1 d 3 h`, `12 min 5 s`: two units are enough.
#[must_use]
pub fn duration(ms: u64) -> String {
    let units = [("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)];
    let mut rest = ms;
    let mut parts = Vec::new();
    for (name, length) in units {
        let count = rest / length;
        rest %= length;
        if count > 0 || (!parts.is_empty() && parts.len() < 2) {
            parts.push(format!("{count} {name}"));
        }
    }
    parts.truncate(2);
    if parts.is_empty() { format!("{ms} ms") } else { parts.join(" ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_align() {
        assert_eq!(table(&[row!["id", "name"], row![1, "a"], row![100, "b"]]), "id   name\n1    a\n100  b");
    }

    #[test]
    fn durations_read_well() {
        let cases =
            [(5, "5 ms"), (61_000, "1 min 1 s"), (3_600_000, "1 h 0 min"), (90_061_000, "1 d 1 h"), (2_000, "2 s")];
        for (ms, text) in cases {
            assert_eq!(duration(ms), text);
        }
    }
}
