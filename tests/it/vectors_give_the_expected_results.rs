//! Every vector of the specification gives exactly the expected result, or is listed as pending with its reason.

use nupeer_tests::vectors::{RUNNERS, folder, run_cases, run_file};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[test]
fn no_case_differs() {
    for (module, runner) in RUNNERS {
        let report = run_file(&folder(), module, runner).unwrap();
        assert!(report.run > 0, "{module}.json has no cases");
        assert!(report.differing.is_empty(), "{module}.json: {:#?}", report.differing);
    }
}

#[test]
fn a_pending_case_that_passes_is_an_error() {
    let case = json!({"id": "X", "kind": "echo", "title": "", "input": 1, "expect": 1});
    let pending = BTreeMap::from([("echo".to_string(), "not built".to_string())]);
    let echo = |_: &str, input: &Value| Ok(input.clone());
    assert!(run_cases(std::slice::from_ref(&case), echo, &BTreeMap::new()).differing.is_empty());
    assert_eq!(run_cases(&[case], echo, &pending).differing.len(), 1);
}

/// Any piece of a real case may be missing or hold something else.
fn spoil(value: &mut Value, path: &mut impl Iterator<Item = usize>, with: &Value) {
    let at = path.next().unwrap_or(0);
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            let key = fields.keys().nth(at % fields.len()).cloned().unwrap_or_default();
            match path.next() {
                Some(depth) if depth % 3 > 0 => spoil(&mut fields[&key], path, with),
                Some(_) => {
                    fields.insert(key, with.clone());
                }
                None => {
                    fields.remove(&key);
                }
            }
        }
        Value::Array(items) if !items.is_empty() => {
            let len = items.len();
            spoil(&mut items[at % len], path, with);
        }
        Value::Object(_) | Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            *value = with.clone();
        }
    }
}

proptest! {
    #[test]
    fn spoiled_cases_are_reported_and_never_panic(which: usize, path in prop::collection::vec(any::<usize>(), 0..8), with in 0usize..6) {
        let (module, runner) = RUNNERS[which % RUNNERS.len()];
        let text = std::fs::read_to_string(nupeer_tests::vectors::own_folder().join(format!("{module}.json"))).unwrap();
        let mut file: Value = serde_json::from_str(&text).unwrap();
        let cases = file["vectors"].as_array_mut().unwrap();
        let at = which % cases.len();
        let with = [json!(null), json!(-1), json!(u64::MAX), json!("x"), json!([[]]), json!({})][with].clone();
        spoil(&mut cases[at]["input"], &mut path.into_iter(), &with);
        let _ = run_cases(&cases[at..=at], runner, &BTreeMap::new());
    }
}
