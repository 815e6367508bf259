//! Names of the rules whose numbers receipts carry (ledger.md §8). A number is never given anew, so a table is enough;
//! a test holds it against the rules themselves.

use nupeer_runtime::market::MarketError;
use nupeer_runtime::treasury::TreasuryError;
use nupeer_tokens::TokensError;
use nupeer_tokens::credential::CredentialError;
use nupeer_tokens::slashing::SlashingError;

/// Core rules from 8192.
const NAMES: &[(u16, &str)] = &[
    (8_192, "core.ScopeUnknown"),
    (8_193, "core.GrantInPast"),
    (8_194, "core.TooManyGrants"),
    (8_195, "core.GrantUnknown"),
    (8_196, "core.SessionLimit"),
    (8_197, "core.SystemAccount"),
];

/// `module.Variant`; a number that this version doesn't know stays a number.
pub fn rule_name(code: u16) -> String {
    let tables = [NAMES, TokensError::NAMES, SlashingError::NAMES, CredentialError::NAMES, TreasuryError::NAMES];
    let known = tables.iter().copied().flatten().chain(MarketError::NAMES).find(|(known, _)| *known == code);
    known.map_or_else(|| format!("unknown.{code}"), |(_, name)| (*name).to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use nupeer_primitives::state::Rule;
    use nupeer_primitives::{Amount, AssetId, Slot, VerificationKey};
    use nupeer_runtime::core::error::CoreError;

    #[test]
    fn names_are_those_of_the_rules() {
        let (asset, amount, key) = (AssetId(0), Amount::ZERO, VerificationKey([0; 32]));
        let rules: [&dyn Rule; 6] = [
            &CoreError::ScopeUnknown { scopes: 0 },
            &CoreError::GrantInPast { until: Slot(0), slot: Slot(0) },
            &CoreError::TooManyGrants { permitted: 0 },
            &CoreError::GrantUnknown { key },
            &CoreError::SessionLimit { asset, amount, permitted: amount },
            &CoreError::SystemAccount,
        ];
        for (rule, (code, name)) in rules.iter().zip(NAMES) {
            assert_eq!((rule.code(), rule.name()), (*code, *name));
        }
        let token = TokensError::NotPaymentAsset { asset };
        assert_eq!(rule_name(token.code()), token.name());
        let market = MarketError::DepositTooSmall { deposit: 1, minimum: 2 };
        assert_eq!(rule_name(market.code()), market.name());
        assert_eq!(rule_name(65_000), "unknown.65000");
    }
}
