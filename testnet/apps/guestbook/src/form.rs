//! `application/x-www-form-urlencoded`, as the URL standard reads it, within limits.

use std::fmt;

/// Fields looked at; a form of ours has two.
const FIELDS_MAX: usize = 16;

/// Why a form is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FormRefused {
    /// More than the limit of fields.
    TooManyFields,
    /// A `%` without two hex digits after it.
    BadEscape,
    /// A field is not UTF-8.
    NotUtf8,
}

impl fmt::Display for FormRefused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooManyFields => write!(f, "the form has more than {FIELDS_MAX} fields"),
            Self::BadEscape => write!(f, "the form has a % without two hex digits after it"),
            Self::NotUtf8 => write!(f, "the form is not utf-8"),
        }
    }
}

impl std::error::Error for FormRefused {}

/// The fields of a body, in order.
pub fn fields(body: &[u8]) -> Result<Vec<(String, String)>, FormRefused> {
    let mut out = Vec::new();
    for field in body.split(|byte| *byte == b'&').filter(|field| !field.is_empty()) {
        if out.len() == FIELDS_MAX {
            return Err(FormRefused::TooManyFields);
        }
        let mut halves = field.splitn(2, |byte| *byte == b'=');
        let key = decoded(halves.next().unwrap_or_default())?;
        let value = decoded(halves.next().unwrap_or_default())?;
        out.push((key, value));
    }
    Ok(out)
}

fn decoded(raw: &[u8]) -> Result<String, FormRefused> {
    let mut out = Vec::with_capacity(raw.len());
    let mut bytes = raw.iter();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'+' => b' ',
            b'%' => {
                let mut digit = || bytes.next().and_then(|byte| char::from(*byte).to_digit(16));
                match (digit(), digit()) {
                    (Some(high), Some(low)) => u8::try_from(high * 16 + low).map_err(|_| FormRefused::BadEscape)?,
                    (_, _) => return Err(FormRefused::BadEscape),
                }
            }
            byte => *byte,
        });
    }
    String::from_utf8(out).map_err(|_| FormRefused::NotUtf8)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]
    use super::*;

    #[test]
    fn fields_are_decoded_and_bad_ones_refused() {
        let pair = |k: &str, v: &str| (k.to_owned(), v.to_owned());
        let check = |body: &str, expected| assert_eq!(fields(body.as_bytes()), expected, "{body}");
        check("", Ok(vec![]));
        check("&&", Ok(vec![]));
        check("name=Anna+B&text=a%26b%3Dc%0D%0Ad", Ok(vec![pair("name", "Anna B"), pair("text", "a&b=c\r\nd")]));
        check("text", Ok(vec![pair("text", "")]));
        check("text=a=b", Ok(vec![pair("text", "a=b")]));
        check("text=%F0%9F%A6%80", Ok(vec![pair("text", "🦀")]));
        for body in ["text=%", "text=%4", "text=%zz", "text=%+1"] {
            check(body, Err(FormRefused::BadEscape));
        }
        check("text=%ff", Err(FormRefused::NotUtf8));
        check(&"a=b&".repeat(17), Err(FormRefused::TooManyFields));
    }
}
