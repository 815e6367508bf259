//! The parameters that exist: value per preset, bounds, and who may change them (ledger.md §13, consensus.md §15,
//! market.md §15, and the tables of `tokens` and `governance`). One key each in state, so that a client can prove any
//! of them.

use nupeer_primitives::parameter::Owner;
pub use nupeer_primitives::parameter::{Parameter, get, key};
use nupeer_primitives::state::Bug;

macro_rules! parameters {
    ($($name:literal $mainnet:literal $devnet:literal $min:literal $max:literal $owner:ident)*) => {
        /// The ledger's, consensus' and the market's own rows; units stand at the end of their names.
        pub const OWN: &[Parameter] = &[$(Parameter {
            name: $name, unit: "", mainnet: $mainnet, devnet: $devnet, min: $min, max: $max, owner: Owner::$owner,
        }),*];
    };
}

parameters! {
    "body_max"                     524_288       524_288       65_536    2_097_152         Technical
    "bond_min"                     1_000_000     1_000_000     0         1_000_000_000_000 Financial
    "certs_max"                    4             4             1         4                 Technical
    "events_max"                   512           512           64        4_096             Technical
    "evidence_epochs"              14            2             1         100               Constitution
    "fee_base"                     1_000         1_000         100       100_000           Operational
    "fee_byte"                     10            10            1         1_000             Operational
    "fee_split_insurance_ppm"      200_000       200_000       100_000   1_000_000         Financial
    "fee_split_producer_ppm"       500_000       500_000       0         900_000           Financial
    "fee_weight"                   5             5             1         1_000             Operational
    "floor_ppm"                    200_000       200_000       50_000    500_000           Constitution
    "header_max"                   2_048         2_048         1_024     2_048             Technical
    "lag_slots"                    4             2             1         1_000             Constitution
    "leverage"                     20            20            5         100               Constitution
    "market.accept_ms"             30_000        10_000        7_500     120_000           Operational
    "market.anchor_age_ms"         3_600_000     120_000       900_000   14_400_000        Technical
    "market.asks_per_book"         2_048         2_048         512       8_192             Technical
    "market.auction_candidates"    9             9             3         33                Technical
    "market.auction_checks"        32_000_000    32_000_000    25_165_824 128_000_000      Technical
    "market.band_1_bps"            2_000         2_000         500       8_000             Financial
    "market.band_2_bps"            5_000         5_000         1_250     9_999             Financial
    "market.bids_per_book"         1_024         1_024         256       4_096             Technical
    "market.challenge_ms"          86_400_000    60_000        21_600_000 345_600_000      Technical
    "market.clock_gap_max_slots"   3_600         60            20        14_400            Technical
    "market.day_ms"                86_400_000    120_000       60_000    345_600_000       Financial
    "market.down_days"             3             2             1         12                Financial
    "market.down_ms"               90_000        10_000        22_500    360_000           Operational
    "market.down_sellers"          5             1             1         20                Financial
    "market.edge_bond"             500_000_000   5_000_000     125_000_000 2_000_000_000   Financial
    "market.edge_window_ms"        3_600_000     20_000        900_000   14_400_000        Technical
    "market.failover_ms"           1_800_000     60_000        450_000   7_200_000         Operational
    "market.fee_auditor_bps"       100           100           0         2_000             Financial
    "market.fee_bps"               1_000         1_000         0         2_000             Financial
    "market.fee_edge_bps"          300           300           0         2_000             Financial
    "market.fee_insurance_bps"     100           100           0         2_000             Financial
    "market.fee_treasury_bps"      500           500           0         2_000             Financial
    "market.grace_ms"              259_200_000   120_000       86_400_000 1_036_800_000    Operational
    "market.instruments_max"       24            64            6         64                Technical
    "market.lots_per_bid_max"      64            64            16        256               Technical
    "market.max_rematch"           3             3             1         12                Financial
    "market.max_unacked_ms"        300_000       15_000        75_000    1_200_000         Operational
    "market.min_run_ms"            3_600_000     60_000        900_000   14_400_000        Operational
    "market.mult_a_bps"            30_000        1_000         7_500     120_000           Financial
    "market.mult_b_bps"            20_000        1_000         5_000     80_000            Financial
    "market.mult_c_bps"            10_000        1_000         2_500     40_000            Financial
    "market.mult_d_bps"            2_500         1_000         625       10_000            Financial
    "market.name_ttl_ms"           30_000        5_000         7_500     120_000           Operational
    "market.no_show_ms"            3_600_000     3_600_000     900_000   14_400_000        Financial
    "market.order_life_ms"         2_592_000_000 3_600_000     648_000_000 10_368_000_000  Operational
    "market.phase_max"             3             3             0         3                 Financial
    "market.provision_ms"          600_000       60_000        150_000   2_400_000         Operational
    "market.receipt_every_ms"      60_000        5_000         15_000    240_000           Operational
    "market.reclaim_a_ms"          604_800_000   60_000        60_000    2_419_200_000     Operational
    "market.reclaim_b_ms"          259_200_000   60_000        60_000    1_036_800_000     Operational
    "market.reclaim_c_ms"          86_400_000    60_000        60_000    345_600_000       Operational
    "market.reclaim_d_ms"          21_600_000    60_000        60_000    86_400_000        Operational
    "market.settle_every_ms"       3_600_000     30_000        900_000   14_400_000        Operational
    "market.settle_ms"             3_600_000     20_000        900_000   14_400_000        Operational
    "market.skew_ms"               5_000         5_000         1_250     20_000            Technical
    "market.spot_ms"               3_600_000     60_000        60_000    14_400_000        Operational
    "market.spot_notice_ms"        300_000       10_000        75_000    1_200_000         Operational
    "market.stop_ms"               60_000        5_000         15_000    240_000           Operational
    "market.strikes_day"           3             3             1         12                Operational
    "market.sur_bps"               3_000         3_000         0         5_000             Financial
    "market.term_day_ms"           86_400_000    120_000       21_600_000 345_600_000      Operational
    "market.term_month_ms"         2_592_000_000 600_000       648_000_000 10_368_000_000  Operational
    "market.term_week_ms"          604_800_000   300_000       151_200_000 2_419_200_000   Operational
    "market.timers"                256           256           64        1_024             Technical
    "market.up_days"               14            2             3         56                Financial
    "market.up_lots"               500           10            125       2_000             Financial
    "market.up_sellers"            10            2             2         40                Financial
    "market.wipe_ms"               86_400_000    60_000        21_600_000 345_600_000      Operational
    "market.wipe_slash_bps"        2_000         2_000         500       8_000             Financial
    "max_validity_slots"           7_200         600           60        86_400            Technical
    "pledge_min"                   25_000_000_000 100_000_000  1_000_000 1_000_000_000_000 Financial
    "round_slots"                  10            5             2         3_600             Constitution
    "share_iaas_ppm"               333_334       333_334       0         1_000_000         Constitution
    "share_paas_ppm"               333_333       333_333       0         1_000_000         Constitution
    "share_saas_ppm"               333_333       333_333       0         1_000_000         Constitution
    "tiebreak_slots"               3             2             0         10                Technical
    "unbonding_epochs"             21            3             2         100               Constitution
    "weight_max"                   400_000       400_000       100_000   1_000_000         Technical
}

/// The tables that together hold every parameter.
const TABLES: [&[Parameter]; 3] = [OWN, nupeer_tokens::params::PARAMETERS, nupeer_governance::params::PARAMETERS];
const COUNT: usize = OWN.len() + nupeer_tokens::params::PARAMETERS.len() + nupeer_governance::params::PARAMETERS.len();
const SORTED: [Parameter; COUNT] = sorted();

/// Every parameter, ascending by name.
pub const PARAMETERS: &[Parameter] = &SORTED;

/// The row of a name.
#[must_use]
pub fn row(name: &str) -> Option<&'static Parameter> {
    PARAMETERS.binary_search_by(|p| p.name.cmp(name)).ok().and_then(|at| PARAMETERS.get(at))
}

/// The first guardrail that the values break: the DAO's own, then those of the ledger, consensus and the market. `value`
/// reads a parameter as it would stand.
pub fn broken_guardrail(
    value: impl Fn(&'static str) -> Result<u64, Bug>,
    largest_window: u64,
) -> Result<Option<&'static str>, Bug> {
    if let Some(name) = nupeer_governance::params::broken_guardrail(&value, largest_window)? {
        return Ok(Some(name));
    }
    let sum = |names: &[&'static str]| -> Result<u64, Bug> {
        names.iter().try_fold(0u64, |sum, name| Ok(sum.saturating_add(value(name)?)))
    };
    let fee_parts =
        ["market.fee_treasury_bps", "market.fee_edge_bps", "market.fee_auditor_bps", "market.fee_insurance_bps"];
    let holds = [
        ("FeeSplit", sum(&["fee_split_producer_ppm", "fee_split_insurance_ppm"])? <= 1_000_000),
        ("PlatformFee", sum(&fee_parts)? == value("market.fee_bps")?),
        ("ConsensusShares", sum(&["share_iaas_ppm", "share_paas_ppm", "share_saas_ppm"])? == 1_000_000),
        ("Unbonding", value("evidence_epochs")? < value("unbonding_epochs")?),
        ("StopBeforeRun", value("market.stop_ms")? <= value("market.min_run_ms")?),
    ];
    Ok(holds.into_iter().find(|(_, holds)| !holds).map(|(name, _)| name))
}

/// Insertion sort: runs in the compiler, where nothing else is at hand.
const fn sorted() -> [Parameter; COUNT] {
    let mut out = [Parameter { name: "", unit: "", mainnet: 0, devnet: 0, min: 0, max: 0, owner: Owner::Fixed }; COUNT];
    let (mut len, mut table) = (0, 0);
    while table < TABLES.len() {
        let mut row = 0;
        while row < TABLES[table].len() {
            let mut at = len;
            while at > 0 && is_before(TABLES[table][row].name, out[at - 1].name) {
                out[at] = out[at - 1];
                at -= 1;
            }
            out[at] = TABLES[table][row];
            len += 1;
            row += 1;
        }
        table += 1;
    }
    out
}

const fn is_before(a: &str, b: &str) -> bool {
    let (a, b) = (a.as_bytes(), b.as_bytes());
    let mut i = 0;
    while i < a.len() && i < b.len() {
        if a[i] != b[i] {
            return a[i] < b[i];
        }
        i += 1;
    }
    a.len() < b.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_mainnet_is_inside_its_bounds() {
        for pair in PARAMETERS.windows(2) {
            if let [a, b] = pair {
                assert!(a.name < b.name, "{} before {}", a.name, b.name);
            }
        }
        for p in PARAMETERS {
            assert!((p.min..=p.max).contains(&p.mainnet), "{}", p.name);
        }
    }

    #[test]
    fn parts_sum_to_their_whole() {
        let value = |name: &str| PARAMETERS.iter().find(|p| p.name == name).map_or(0, |p| p.mainnet);
        let parts = ["treasury", "edge", "auditor", "insurance"];
        let sum: u64 = parts.iter().map(|part| value(&alloc::format!("market.fee_{part}_bps"))).sum();
        assert_eq!(sum, value("market.fee_bps"));
        assert_eq!(value("share_iaas_ppm") + value("share_paas_ppm") + value("share_saas_ppm"), 1_000_000);
    }
}
