//! Events as JSON: ids in hex, accounts in bech32, amounts as strings of smallest units, times and counts as numbers.

use nupeer_client::api::{EventInfo, Micro};
use nupeer_primitives::Height;
use nupeer_primitives::event::{Event, Field};
use nupeer_runtime::market::lease::LeaseState;
use serde_json::{Map, Value, json};

/// All events of a block.
pub fn events(events: &[Event], height: Height, hrp: &str) -> Vec<EventInfo> {
    events_from(events, 0, height, hrp)
}

/// Events of a block from position `first` on.
pub fn events_from(events: &[Event], first: u32, height: Height, hrp: &str) -> Vec<EventInfo> {
    let info = |(index, event): (u32, &Event)| EventInfo {
        height: height.0,
        index,
        name: event.name().into(),
        fields: fields(event, hrp),
    };
    (first..=u32::MAX).zip(events).map(info).collect()
}

/// Every field under its own name; numbers that stand for words get the word.
fn fields(event: &Event, hrp: &str) -> Value {
    let fields = event.fields().into_iter().map(|(name, field)| (name.to_string(), shown(&field, hrp)));
    let mut fields: Map<String, Value> = fields.collect();
    if let Event::LeaseMoved { state, .. } = event {
        fields.insert("state".to_string(), state_name(*state));
    }
    if let Event::ReceiptRefused { code, .. } = event {
        fields.insert("error".to_string(), json!(super::rule_names::rule_name(*code)));
    }
    Value::Object(fields)
}

fn shown(field: &Field, hrp: &str) -> Value {
    match field {
        Field::Uint(number) => json!(number),
        Field::Money(amount) => json!(Micro::from(*amount)),
        Field::Wide(number) => json!(number.to_string()),
        Field::Flag(flag) => json!(flag),
        Field::Account(account) => json!(account.to_bech32(hrp)),
        Field::Bytes(bytes) => json!(hex::encode(bytes)),
        Field::Text(text) => json!(text),
        Field::List(items) => items.iter().map(|item| shown(item, hrp)).collect(),
        Field::Nothing => Value::Null,
    }
}

/// The state's name; a number that no version of ours knows stays a number.
fn state_name(code: u8) -> Value {
    let known = LeaseState::ALL.iter().find(|state| state.code() == code);
    known.map_or_else(|| json!(code), |state| json!(state.name()))
}
