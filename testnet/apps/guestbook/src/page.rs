//! What a visitor sees: the HTML page and the JSON list. Every stored character passes through an escape here.

use crate::book::{ENTRIES_MAX, Entry, NAME_CHARS_MAX, TEXT_CHARS_MAX};
use std::fmt::Write;

/// Entries on the page, the newest; `/entries` has them all.
const PAGE_ENTRIES_MAX: usize = 100;

const STYLE: &str = "body{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:2rem auto;padding:0 1rem;color:#222}\
input,textarea{font:inherit;width:100%;box-sizing:border-box;padding:.4rem;margin:.2rem 0 .8rem}\
button{font:inherit;padding:.4rem 1.2rem}li{margin:1rem 0}p{white-space:pre-wrap;overflow-wrap:anywhere;margin:0}\
ol{list-style:none;padding:0}small{color:#666}";

/// The page: form first, newest entry on top.
pub fn html(entries: &[Entry]) -> String {
    let mut list = String::new();
    for entry in entries.iter().rev().take(PAGE_ENTRIES_MAX) {
        list.push_str("<li><b>");
        push_html(&mut list, entry.name());
        list.push_str("</b> <small>");
        push_utc(&mut list, entry.at_ms());
        list.push_str("</small><p>");
        push_html(&mut list, entry.text());
        list.push_str("</p></li>");
    }
    let count = entries.len();
    format!(
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content=\"width=device-width\">\
<title>Guest book</title><style>{STYLE}</style><h1>Guest book</h1>\
<form method=post action=/><label>Name<input name=name maxlength={NAME_CHARS_MAX}></label>\
<label>Text<textarea name=text rows=3 maxlength={TEXT_CHARS_MAX} required></textarea></label>\
<button>Sign</button></form><p><small>{count} of {ENTRIES_MAX} entries; all of them: <a href=/entries>JSON</a></small></p>\
<ol>{list}</ol></html>"
    )
}

/// All entries, oldest first.
pub fn json(entries: &[Entry]) -> String {
    let mut out = format!("{{\"count\":{},\"entries_max\":{ENTRIES_MAX},\"entries\":[", entries.len());
    for (index, entry) in entries.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        out.push_str("{\"at_ms\":");
        out.push_str(&entry.at_ms().to_string());
        out.push_str(",\"name\":");
        push_json(&mut out, entry.name());
        out.push_str(",\"text\":");
        push_json(&mut out, entry.text());
        out.push('}');
    }
    out.push_str("]}\n");
    out
}

fn push_html(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c => out.push(c),
        }
    }
}

fn push_json(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            // `<` and the line separators are escaped too, so that the list can be pasted into a script.
            c if c.is_control() || matches!(c, '<' | '>' | '&' | '\u{2028}' | '\u{2029}') => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// `2026-11-21 12:30 UTC`, by the civil calendar counted from 1 March of year 0.
fn push_utc(out: &mut String, unix_ms: u64) {
    const DAY_MS: u64 = 86_400_000;
    const ERA_DAYS: u64 = 146_097;
    let minutes = unix_ms % DAY_MS / 60_000;
    let days = unix_ms / DAY_MS + 719_468;
    let (era, day_of_era) = (days / ERA_DAYS, days % ERA_DAYS);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    // Writing to a String cannot fail.
    let _ = write!(out, "{year:04}-{month:02}-{day:02} {:02}:{:02} UTC", minutes / 60, minutes % 60);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn nothing_a_visitor_writes_reaches_the_page_as_markup() {
        let entry = Entry::checked(0, "<b onload='x'>", "\"&</p><script>alert(1)</script>").unwrap();
        let page = html(std::slice::from_ref(&entry));
        assert!(!page.contains("<script>") && !page.contains("<b onload"), "{page}");
        assert!(page.contains("&lt;b onload=&#39;x&#39;&gt;") && page.contains("&quot;&amp;&lt;/p&gt;&lt;script&gt;"));
    }

    #[test]
    fn json_is_escaped() {
        let entry = Entry::checked(7, "q\"\\", "a\nb<\u{2028}").unwrap();
        assert_eq!(
            json(&[entry]),
            "{\"count\":1,\"entries_max\":1000,\"entries\":[{\"at_ms\":7,\"name\":\"q\\\"\\\\\",\
             \"text\":\"a\\u000ab\\u003c\"}]}\n"
        );
        assert_eq!(json(&[]), "{\"count\":0,\"entries_max\":1000,\"entries\":[]}\n");
    }

    #[test]
    fn the_page_shows_the_newest_hundred() {
        let book: Vec<Entry> = (0..150).map(|n| Entry::checked(n, "a", &format!("entry-{n};")).unwrap()).collect();
        let page = html(&book);
        assert!(page.contains("150 of 1000"));
        assert!(page.contains("entry-149;") && page.contains("entry-50;") && !page.contains("entry-49;"));
    }

    #[test]
    fn dates_are_civil() {
        let date = |ms| {
            let mut out = String::new();
            push_utc(&mut out, ms);
            out
        };
        assert_eq!(date(0), "1970-01-01 00:00 UTC");
        assert_eq!(date(951_782_399_999), "2000-02-28 23:59 UTC");
        assert_eq!(date(951_782_400_000), "2000-02-29 00:00 UTC");
        assert_eq!(date(1_795_261_173_000), "2026-11-21 11:39 UTC");
        assert!(date(u64::MAX).ends_with("UTC"));
    }
}
