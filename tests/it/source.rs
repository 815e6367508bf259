//! The files of the repository, as git would list them.

use std::path::{Path, PathBuf};

/// The repository's root.
pub fn root() -> PathBuf {
    nupeer_tests::own_crate().parent().unwrap().to_path_buf()
}

/// All files below `folder` whose name ends with `ending`, without build products.
pub fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut out = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if !["target", ".git", "node_modules", "build", "__pycache__"].contains(&name.as_str()) {
                    open.push(path);
                }
            } else if name.ends_with(ending) {
                out.push(path);
            }
        }
    }
    out.sort();
    out
}

/// A file's text.
pub fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

/// A path as people write it.
pub fn name(path: &Path) -> String {
    path.strip_prefix(root()).unwrap().display().to_string()
}
