//! An entry and its line in the file.
//!
//! `length TAB unix_ms TAB name TAB text LF`, where `length` counts the bytes after its own TAB. Tab, line feed and
//! backslash are written `\t`, `\n`, `\\`. A line torn by a crash has the wrong length and is skipped, so a reader
//! never shows half an entry.

use std::fmt;

/// Longest text, in characters.
pub const TEXT_CHARS_MAX: usize = 280;
/// Longest name, in characters.
pub const NAME_CHARS_MAX: usize = 40;
/// Entries the book holds; then it is full. Keeps file, page and fuel of a visit bounded.
pub const ENTRIES_MAX: usize = 1000;

/// The name of a visitor who gave none.
const ANONYMOUS: &str = "anonymous";

/// Why an entry is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryRefused {
    /// Nothing but white space.
    TextEmpty,
    /// More than [`TEXT_CHARS_MAX`].
    TextTooLong {
        /// Characters given.
        chars: usize,
    },
    /// More than [`NAME_CHARS_MAX`].
    NameTooLong {
        /// Characters given.
        chars: usize,
    },
    /// A control character that is not a line feed.
    ControlCharacter {
        /// Its code point.
        code: u32,
    },
}

impl fmt::Display for EntryRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TextEmpty => write!(f, "the text is empty: write something"),
            Self::TextTooLong { chars } => write!(f, "the text has {chars} characters, the limit is {TEXT_CHARS_MAX}"),
            Self::NameTooLong { chars } => write!(f, "the name has {chars} characters, the limit is {NAME_CHARS_MAX}"),
            Self::ControlCharacter { code } => write!(f, "the control character U+{code:04X} is not allowed"),
        }
    }
}

impl std::error::Error for EntryRefused {}

/// One entry of the book, within its limits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    at_ms: u64,
    name: String,
    text: String,
}

impl Entry {
    /// An entry written at `at_ms` (Unix milliseconds), trimmed and checked.
    pub fn checked(at_ms: u64, name: &str, text: &str) -> Result<Self, EntryRefused> {
        let name = name.trim();
        let name = if name.is_empty() { ANONYMOUS } else { name };
        // A browser sends a text area's line ends as CR LF.
        let text = text.replace("\r\n", "\n");
        let text = text.trim();
        if text.is_empty() {
            return Err(EntryRefused::TextEmpty);
        }
        let chars = text.chars().count();
        if chars > TEXT_CHARS_MAX {
            return Err(EntryRefused::TextTooLong { chars });
        }
        let chars = name.chars().count();
        if chars > NAME_CHARS_MAX {
            return Err(EntryRefused::NameTooLong { chars });
        }
        let refused =
            name.chars().find(|c| c.is_control()).or_else(|| text.chars().find(|c| c.is_control() && *c != '\n'));
        if let Some(c) = refused {
            return Err(EntryRefused::ControlCharacter { code: u32::from(c) });
        }
        Ok(Self { at_ms, name: name.to_owned(), text: text.to_owned() })
    }

    /// When it was written, in Unix milliseconds.
    pub fn at_ms(&self) -> u64 {
        self.at_ms
    }

    /// Who wrote it, as they said.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What they wrote.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Its line, line feed included.
    pub fn to_line(&self) -> String {
        let rest = format!("{}\t{}\t{}", self.at_ms, escaped(&self.name), escaped(&self.text));
        format!("{}\t{rest}\n", rest.len())
    }

    /// The entry of a line without its line feed; none when the line is torn, foreign or beyond the limits.
    pub fn from_line(line: &str) -> Option<Self> {
        let (length, rest) = line.split_once('\t')?;
        if length.parse() != Ok(rest.len()) {
            return None;
        }
        let mut fields = rest.split('\t');
        let (at_ms, name, text) = (fields.next()?, fields.next()?, fields.next()?);
        if fields.next().is_some() {
            return None;
        }
        Self::checked(at_ms.parse().ok()?, &unescaped(name)?, &unescaped(text)?).ok()
    }
}

/// The entries of a file, oldest first, at most [`ENTRIES_MAX`].
pub fn entries(file: &[u8]) -> Vec<Entry> {
    file.split(|byte| *byte == b'\n')
        .filter_map(|line| std::str::from_utf8(line).ok())
        .filter_map(Entry::from_line)
        .take(ENTRIES_MAX)
        .collect()
}

fn escaped(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    for c in field.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            c => out.push(c),
        }
    }
    out
}

fn unescaped(field: &str) -> Option<String> {
    let mut out = String::with_capacity(field.len());
    let mut chars = field.chars();
    while let Some(c) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        out.push(match chars.next()? {
            '\\' => '\\',
            'n' => '\n',
            't' => '\t',
            _ => return None,
        });
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn a_line_reads_back_as_the_entry_that_wrote_it() {
        for text in ["hi", "two\nlines", "back\\slash \\n and \\\\", "žltý 🦀", "<script>", &"é".repeat(TEXT_CHARS_MAX)]
        {
            let entry = Entry::checked(1_700_000_000_123, "Anna \\ B", text).unwrap();
            let line = entry.to_line();
            assert!(line.ends_with('\n') && !line.trim_end_matches('\n').contains('\n'));
            assert_eq!(Entry::from_line(line.trim_end_matches('\n')), Some(entry));
        }
    }

    #[test]
    fn entries_beyond_the_limits_are_refused_by_name() {
        let check = |name: &str, text: &str| Entry::checked(0, name, text).unwrap_err();
        assert_eq!(check("a", " \n\t "), EntryRefused::TextEmpty);
        assert_eq!(check("a", &"x".repeat(281)), EntryRefused::TextTooLong { chars: 281 });
        assert_eq!(check(&"x".repeat(41), "t"), EntryRefused::NameTooLong { chars: 41 });
        assert_eq!(check("a", "be\u{7}ll"), EntryRefused::ControlCharacter { code: 7 });
        assert_eq!(check("a\nb", "t"), EntryRefused::ControlCharacter { code: 10 });
        assert_eq!(Entry::checked(0, "  ", "t").unwrap().name(), ANONYMOUS);
        assert_eq!(Entry::checked(0, "", "a\r\nb").unwrap().text(), "a\nb");
    }

    #[test]
    fn every_torn_prefix_of_a_file_shows_only_whole_entries() {
        let first = Entry::checked(1, "a", "first").unwrap();
        let second = Entry::checked(2, "b", "second\nline").unwrap();
        let whole = first.to_line() + &second.to_line();
        for cut in 0..=whole.len() {
            // What the store does before it appends to a file that does not end a line.
            let mut file = whole.as_bytes()[..cut].to_vec();
            file.push(b'\n');
            for entry in entries(&file) {
                assert!(entry == first || entry == second, "cut at {cut}: {entry:?}");
            }
        }
        assert_eq!(entries(whole.as_bytes()), vec![first, second]);
    }

    #[test]
    fn foreign_lines_are_skipped_and_the_count_is_bounded() {
        let good = Entry::checked(1, "a", "good").unwrap();
        let mut file =
            b"garbage\n\xff\xfe\n\n9\t1\ta\tb\n5\t1\ta\tb\n99999999999999999999999\tx\n5\tx\ta\tb\n".to_vec();
        file.extend(good.to_line().into_bytes());
        let read = entries(&file);
        assert_eq!(read.len(), 2, "the line of length 5 and the good one: {read:?}");
        let many = good.to_line().repeat(ENTRIES_MAX + 5);
        assert_eq!(entries(many.as_bytes()).len(), ENTRIES_MAX);
    }
}
