//! Reads fields of a case; every surprise is an error that names the field.

use serde_json::Value;

/// A case that is not of the promised shape.
#[derive(Debug, thiserror::Error)]
#[error("field `{field}` is not {wanted}")]
pub struct Malformed {
    /// Where.
    pub field: String,
    /// What should stand there.
    pub wanted: &'static str,
}

/// An error for `field`.
#[must_use]
pub fn malformed(field: &str, wanted: &'static str) -> Malformed {
    Malformed { field: field.to_string(), wanted }
}

/// A field that must be there.
pub fn field<'a>(object: &'a Value, name: &str) -> Result<&'a Value, Malformed> {
    object.get(name).ok_or_else(|| malformed(name, "present"))
}

/// An unsigned integer.
pub fn uint(object: &Value, name: &str) -> Result<u64, Malformed> {
    field(object, name)?.as_u64().ok_or_else(|| malformed(name, "an integer that fits u64"))
}

/// An unsigned integer of a narrower type.
pub fn narrow<T: TryFrom<u64>>(object: &Value, name: &str) -> Result<T, Malformed> {
    T::try_from(uint(object, name)?).map_err(|_| malformed(name, "within its type's range"))
}

/// An unsigned integer or null.
pub fn maybe_uint(object: &Value, name: &str) -> Result<Option<u64>, Malformed> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(_) => uint(object, name).map(Some),
    }
}

/// A truth value.
pub fn boolean(object: &Value, name: &str) -> Result<bool, Malformed> {
    field(object, name)?.as_bool().ok_or_else(|| malformed(name, "true or false"))
}

/// A text.
pub fn text<'a>(object: &'a Value, name: &str) -> Result<&'a str, Malformed> {
    field(object, name)?.as_str().ok_or_else(|| malformed(name, "a text"))
}

/// A list.
pub fn list<'a>(object: &'a Value, name: &str) -> Result<&'a Vec<Value>, Malformed> {
    field(object, name)?.as_array().ok_or_else(|| malformed(name, "a list"))
}

/// A list of unsigned integers.
pub fn uints(object: &Value, name: &str) -> Result<Vec<u64>, Malformed> {
    let items = list(object, name)?.iter().map(Value::as_u64);
    items.collect::<Option<_>>().ok_or_else(|| malformed(name, "a list of integers that fit u64"))
}

/// A list of texts.
pub fn texts<'a>(object: &'a Value, name: &str) -> Result<Vec<&'a str>, Malformed> {
    let items = list(object, name)?.iter().map(Value::as_str);
    items.collect::<Option<_>>().ok_or_else(|| malformed(name, "a list of texts"))
}

/// Bytes in hex, of an exact length.
pub fn bytes<const N: usize>(object: &Value, name: &str) -> Result<[u8; N], Malformed> {
    let mut out = [0; N];
    hex::decode_to_slice(text(object, name)?, &mut out).map_err(|_| malformed(name, "hex of the right length"))?;
    Ok(out)
}
