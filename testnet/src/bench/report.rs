//! The table.

use serde::Serialize;

/// What a row is held against.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// The ratio is to be at least this.
    RatioAtLeast(f64),
    /// The value is to be at least this.
    AtLeast(f64),
    /// The value is to be at most this.
    AtMost(f64),
}

/// One measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What.
    pub name: String,
    /// How much.
    pub value: f64,
    /// Of what.
    pub unit: &'static str,
    /// Part of the machine's limit, or of the cost that can't be avoided.
    pub ratio: Option<f64>,
    /// What issue 2 wants.
    pub goal: Option<Goal>,
}

impl Row {
    /// A measurement without a goal.
    #[must_use]
    pub fn new(name: impl Into<String>, value: f64, unit: &'static str) -> Self {
        Self { name: name.into(), value, unit, ratio: None, goal: None }
    }
    /// As a part of something.
    #[must_use]
    pub fn of(mut self, whole: f64) -> Self {
        self.ratio = Some(self.value / whole);
        self
    }
    /// With what is wanted.
    #[must_use]
    pub const fn goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }
    /// Whether the goal is met; `None` without one.
    #[must_use]
    pub fn is_met(&self) -> Option<bool> {
        self.goal.map(|goal| match goal {
            Goal::RatioAtLeast(least) => self.ratio.is_some_and(|ratio| ratio >= least),
            Goal::AtLeast(least) => self.value >= least,
            Goal::AtMost(most) => self.value <= most,
        })
    }
    fn goal_text(&self) -> String {
        match self.goal {
            None => String::new(),
            Some(Goal::RatioAtLeast(least)) => format!("ratio >= {least}"),
            Some(Goal::AtLeast(least)) => format!(">= {least} {}", self.unit),
            Some(Goal::AtMost(most)) => format!("<= {most} {}", self.unit),
        }
    }
}

/// All rows of a run.
#[derive(Clone, Debug, Default)]
pub struct Table(Vec<Row>);

impl Table {
    /// Adds a row.
    pub fn push(&mut self, row: Row) {
        self.0.push(row);
    }

    /// For people.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut out = format!("{:<44} {:>12} {:<12} {:>6}  {:<22} met\n", "", "value", "unit", "ratio", "goal");
        for row in &self.0 {
            let ratio = row.ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
            let met = row.is_met().map_or("", |met| if met { "yes" } else { "NO" });
            let value = if row.value < 100.0 { format!("{:.1}", row.value) } else { format!("{:.0}", row.value) };
            let goal = row.goal_text();
            out.push_str(&format!("{:<44} {value:>12} {:<12} {ratio:>6}  {goal:<22} {met}\n", row.name, row.unit));
        }
        out
    }

    /// For programs.
    #[must_use]
    pub fn to_json(&self) -> serde_json::Value {
        let rows: Vec<serde_json::Value> = self
            .0
            .iter()
            .map(|row| {
                let Row { name, value, unit, ratio, goal } = row;
                serde_json::json!({
                    "name": name, "value": value, "unit": unit, "ratio": ratio, "goal": goal, "met": row.is_met(),
                })
            })
            .collect();
        serde_json::json!({ "rows": rows })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_is_met_by_its_own_measure() {
        let row = Row::new("x", 60.0, "/s").of(100.0);
        assert_eq!(row.clone().is_met(), None);
        assert_eq!(row.clone().goal(Goal::RatioAtLeast(0.6)).is_met(), Some(true));
        assert_eq!(row.clone().goal(Goal::AtLeast(61.0)).is_met(), Some(false));
        assert_eq!(row.goal(Goal::AtMost(60.0)).is_met(), Some(true));
        assert_eq!(Row::new("x", 1.0, "/s").goal(Goal::RatioAtLeast(0.1)).is_met(), Some(false));
    }
}
