//! The parameters of tokens and treasury (tokens.md §12).

use nupeer_primitives::parameters;

parameters! {
    /// Every row of tokens.md §12, in its order.
    pub const PARAMETERS;
    "bond.max_unbonding"   "entries"          8                  8                  2         8                          Technical
    "bond.provider_min"    "amount"           5_000_000_000      50_000_000         0         1_000_000_000_000          Constitution
    "bond.role"            "amount"           50_000_000_000     100_000_000        0         10_000_000_000_000         Constitution
    "emit.base"            "amount/epoch"     200_000_000_000    200_000_000_000    0         2_000_000_000_000          Constitution
    "emit.target"          "ppm bonded"       600_000            600_000            300_000   900_000                    Constitution
    "emit.step"            "ppm/year"         40_000             40_000             0         100_000                    Constitution
    "emit.max"             "ppm/year"         80_000             80_000             0         200_000                    Constitution
    "emit.epochs_per_year" "epochs"           365                365                12        5_000                      Fixed
    "ispo.saturation"      "lovelace"         70_000_000_000_000 70_000_000_000_000 1_000_000 18_446_744_073_709_551_615 Financial
    "ispo.max_pools"       "per token"        16                 16                 1         64                         Financial
    "pool.target_count"    "pools"            100                10                 4         1_000                      Constitution
    "pool.a0"              "ppm"              300_000            300_000            0         2_000_000                  Constitution
    "pool.perf_cap"        "ppm"              1_500_000          1_500_000          1_000_000 3_000_000                  Technical
    "pool.margin_max"      "ppm"              500_000            500_000            0         1_000_000                  Financial
    "work.cap_per_quote"   "tokens per quote" 10                 10                 0         1_000                      Financial
    "work.leverage"        "quote per token"  10                 10                 1         1_000                      Financial
    "slash.delay"          "epochs"           5                  1                  1         10                         Constitution
    "slash.header_floor"   "ppm"              100_000            100_000            10_000    1_000_000                  Constitution
    "slash.finality_floor" "ppm"              200_000            200_000            10_000    1_000_000                  Constitution
    "slash.reporter"       "ppm of slash"     100_000            100_000            0         200_000                    Constitution
    "slash.reporter_max"   "amount"           5_000_000_000      5_000_000_000      0         100_000_000_000            Constitution
    "slash.victim"         "ppm of slash"     400_000            400_000            0         800_000                    Constitution
    "slash.jail"           "epochs"           20                 3                  1         180                        Constitution
    "kyc.revoke_per_block" "count"            64                 64                 1         256                        Technical
    "role.dev_lapse"       "epochs"           180                30                 20        730                        Operational
    "role.hw_lapse"        "epochs"           10                 5                  1         60                         Operational
    "treasury.band"        "ppm"              50_000             50_000             5_000     300_000                    Financial
    "treasury.trade"       "ppm/tick"         2_000              20_000             0         50_000                     Financial
    "treasury.slip"        "ppm"              10_000             10_000             0         100_000                    Financial
    "treasury.jump"        "ppm"              100_000            500_000            10_000    1_000_000                  Financial
    "treasury.min_lots"    "lots/day"         10_000             10                 0         1_000_000_000              Financial
}
