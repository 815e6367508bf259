//! House rules that a machine can check (STYLE.md).

use crate::source::{files, name, root, text};

const LINES_MAX: usize = 700;
const FUNCTION_LINES_MAX: usize = 70;
const ROOMS: [&str; 8] = ["runtime", "tokens", "governance", "node", "cli", "testnet", "tests", "README.md"];

#[test]
fn the_top_level_is_fixed() {
    let allowed = [
        "runtime",
        "tokens",
        "governance",
        "contracts",
        "node",
        "cli",
        "testnet",
        "tests",
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        "LICENSE",
    ];
    for entry in std::fs::read_dir(root()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        assert!(
            name.starts_with('.') || allowed.contains(&name.as_str()) || name == "target",
            "{name} has no room here"
        );
    }
}

#[test]
fn each_room_says_what_lives_there() {
    for room in ROOMS {
        let path = root().join(room);
        let readme = if path.is_dir() { path.join("README.md") } else { path };
        assert!(readme.exists(), "{} is missing", readme.display());
    }
}

#[test]
fn files_and_functions_fit() {
    let mut too_long = Vec::new();
    for file in files(&root(), ".rs") {
        let code = text(&file);
        let count = code.lines().count();
        if count > LINES_MAX {
            too_long.push(format!("{}: {count} lines", name(&file)));
        }
        // Tables of cases are as long as their cases.
        let is_test = name(&file).contains("tests");
        for (line, length) in long_functions(&code).into_iter().filter(|_| !is_test) {
            too_long.push(format!("{}:{line}: function of {length} lines", name(&file)));
        }
    }
    assert!(too_long.is_empty(), "{}", too_long.join("\n"));
}

/// Functions over the limit: from the line of `fn` to the closing brace at the same depth, as rustfmt lays it out.
fn long_functions(code: &str) -> Vec<(usize, usize)> {
    let mut out = Vec::new();
    let mut open: Vec<(usize, usize)> = Vec::new();
    let lines: Vec<&str> = code.lines().collect();
    for (number, line) in lines.iter().enumerate() {
        let depth = line.len() - line.trim_start().len();
        let trimmed = line.trim_start();
        let words = trimmed.split(['(', '<']).next().unwrap_or_default();
        // A function of a trait may have no body: its head ends with a semicolon.
        let head =
            lines[number..].iter().find(|line| line.ends_with('{') || line.ends_with(';') || line.ends_with('}'));
        let is_item = !trimmed.starts_with("//") && head.is_some_and(|head| head.ends_with('{'));
        if is_item
            && (words.starts_with("fn ") || words.contains(" fn "))
            && !words.contains('"')
            && !words.contains('|')
        {
            open.push((number, depth));
        }
        if trimmed.starts_with('}') && open.last().is_some_and(|(_, at)| *at == depth) {
            let (start, _) = open.pop().unwrap();
            let length = number - start + 1;
            if length > FUNCTION_LINES_MAX {
                out.push((start + 1, length));
            }
        }
    }
    out
}

#[test]
fn nothing_unshippable_is_left() {
    // The words are put together here, so that this file does not find itself.
    let forbidden = [["FIX", "ME"].concat(), ["#[ign", "ore"].concat(), ["unimpl", "emented!"].concat()];
    for file in files(&root(), ".rs") {
        let code = text(&file);
        for word in &forbidden {
            assert!(!code.contains(word), "{} contains {word}", name(&file));
        }
    }
}

#[test]
fn no_binary_is_committed() {
    for ending in [".wasm", ".so", ".a", ".o", ".exe", ".bin"] {
        let found = files(&root(), ending);
        assert!(found.is_empty(), "{found:?}");
    }
}
