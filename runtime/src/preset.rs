//! The presets `mainnet`, `devnet` and `sim` (ledger.md §10): what is the same for every network of a kind. Who holds
//! what and which pools start is the caller's.

use crate::params::PARAMETERS;
use alloc::{
    string::{String, ToString},
    vec,
    vec::Vec,
};
use nupeer_primitives::cbor::Bytes;
use nupeer_primitives::genesis::{AssetRow, AssetStatus, Constants, Genesis, GenesisPool, Zone};
use nupeer_primitives::market::{
    Family, Fill, Grade, Instrument, METER_EGRESS_BYTES, METER_WASM_FUEL, Meter, Pair, Term,
};
use nupeer_primitives::{AccountId, Amount, AssetId, Hash, InstrumentId, VerificationKey, ZoneId};
use nupeer_tokens::credential::LEVEL_BUSINESS;

/// A kind of network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Preset {
    /// Real money.
    Mainnet,
    /// A network on one machine or among friends; funds are free.
    Devnet,
    /// As devnet, in virtual time.
    Sim,
}

/// The stablecoin row of the devnet asset table.
pub const USD: AssetId = AssetId(16);

/// Seed of the test issuer's key, for everybody to use: it certifies anyone, so its word means nothing.
pub const TEST_ISSUER_SEED: [u8; 32] = *b"nupeer devnet credential issuer!";
/// The key of [`TEST_ISSUER_SEED`].
pub const TEST_ISSUER: VerificationKey = VerificationKey([
    0x04, 0x57, 0x58, 0x60, 0xd1, 0xca, 0xb6, 0xad, 0x2e, 0xd5, 0xbb, 0x49, 0xb7, 0xb3, 0x1e, 0x47, 0x58, 0x01, 0x16,
    0xe0, 0x87, 0xc7, 0x38, 0x05, 0x75, 0x10, 0xd7, 0x98, 0xad, 0x5f, 0x8a, 0x4e,
]);

/// What the caller of a preset decides.
#[derive(Clone, Debug)]
pub struct Founders {
    /// Network name.
    pub name: String,
    /// Wall time of slot 0, ms since 1970.
    pub system_start_ms: u64,
    /// First nonce.
    pub seed: Hash,
    /// Free balances.
    pub accounts: Vec<(AccountId, AssetId, Amount)>,
    /// Stake pools.
    pub pools: Vec<GenesisPool>,
}

impl Preset {
    /// Consensus constants (consensus.md §15).
    #[must_use]
    pub const fn constants(self) -> Constants {
        match self {
            Self::Mainnet => Constants {
                slot_ms: 1_000,
                f: (1, 4),
                k: 1_080,
                epoch_slots: 86_400,
                freeze: 25_920,
                target: 30_240,
                kes_period: 129_600,
                kes_evolutions: 62,
            },
            Self::Devnet | Self::Sim => Constants {
                slot_ms: 1_000,
                f: (1, 2),
                k: 12,
                epoch_slots: 120,
                freeze: 24,
                target: 48,
                kes_period: 3_600,
                kes_evolutions: 62,
            },
        }
    }

    /// The whole genesis record.
    #[must_use]
    pub fn genesis(self, founders: Founders) -> Genesis {
        let value = |p: &crate::params::Parameter| if self == Self::Mainnet { p.mainnet } else { p.devnet };
        Genesis {
            name: founders.name,
            hrp: if self == Self::Mainnet { AccountId::HRP_MAIN } else { AccountId::HRP_TEST }.to_string(),
            system_start_ms: founders.system_start_ms,
            seed: founders.seed,
            constants: self.constants(),
            parameters: PARAMETERS.iter().map(|p| (p.name.to_string(), value(p))).collect(),
            assets: self.assets(),
            accounts: founders.accounts,
            pools: founders.pools,
            zones: zones(),
            instruments: instruments(),
            pairs: vec![Pair { base: AssetId::ADA, quote: USD, tick_size: 100 }],
            council: None,
            issuers: self.issuers(),
        }
    }

    /// Mainnet's issuers are appointed by the DAO; elsewhere one certifies anybody, as everybody has its key.
    fn issuers(self) -> Vec<(AccountId, VerificationKey, u8)> {
        match self {
            Self::Mainnet => vec![],
            Self::Devnet | Self::Sim => vec![(TEST_ISSUER.account(), TEST_ISSUER, LEVEL_BUSINESS)],
        }
    }

    fn assets(self) -> Vec<AssetRow> {
        let usd = if self == Self::Mainnet { "USDM" } else { "usd" };
        [(0, "ada"), (1, "IaaS"), (2, "PaaS"), (3, "SaaS"), (16, usd)]
            .into_iter()
            .map(|(id, ticker)| AssetRow {
                id: AssetId(id),
                policy: [0; 28],
                name: Bytes::default(),
                ticker: ticker.to_string(),
                status: AssetStatus::Active,
            })
            .collect()
    }
}

fn zones() -> Vec<Zone> {
    let rows: [(u16, Option<u16>, &str); 9] = [
        (1, None, "WORLD"),
        (2, Some(1), "EU"),
        (3, Some(2), "SK"),
        (4, Some(3), "SK/Bratislava"),
        (5, Some(2), "CZ"),
        (6, Some(5), "CZ/Prague"),
        (7, Some(1), "NA"),
        (8, Some(7), "US"),
        (9, Some(8), "US/Denver"),
    ];
    rows.map(|(id, parent, name)| Zone { id: ZoneId(id), parent: parent.map(ZoneId), name: name.to_string() }).to_vec()
}

/// The launch list of market.md §2: egress 0.01 per GB; fuel 0.1 per 10^12.
fn meters() -> Vec<Meter> {
    vec![
        Meter { kind: METER_EGRESS_BYTES, num: 10_000, den: 1_000_000_000, cap_per_s: 1_250_000 },
        Meter { kind: METER_WASM_FUEL, num: 100_000, den: 1_000_000_000_000, cap_per_s: 3_000_000_000 },
    ]
}

fn instruments() -> Vec<(InstrumentId, Instrument, (u16, u8))> {
    let row = |id: u32, name: &str, family, term, fill, ref_tick| {
        let instrument = Instrument {
            name: name.to_string(),
            family,
            zone: ZoneId(2),
            grade: Grade::D,
            term,
            device: None,
            quote: USD,
            tick_size: 1,
            fill,
            meters: meters(),
            ret_price: 75,
        };
        (InstrumentId(id), instrument, (ref_tick, 1))
    };
    vec![
        row(1, "W.EU.D.ROLL", Family::W, Term::Rolling, Fill::Packed, 1_250),
        row(2, "S.EU.D.ROLL", Family::S, Term::Rolling, Fill::Packed, 12_500),
        row(3, "W.EU.D.DAY", Family::W, Term::Day, Fill::Packed, 1_100),
        row(4, "S.EU.D.DIV", Family::S, Term::Rolling, Fill::Divisible, 12_500),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use ed25519_zebra::{SigningKey, VerificationKeyBytes};

    #[test]
    fn everybody_has_the_test_issuers_key() {
        let bytes: [u8; 32] = VerificationKeyBytes::from(&SigningKey::from(TEST_ISSUER_SEED)).into();
        assert_eq!(VerificationKey(bytes), TEST_ISSUER);
    }
}
