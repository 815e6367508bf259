//! The parameters that the DAO decides about, their bounds and guardrails (governance.md §12). [params, param_change]

use crate::class::derive::owner_class;
use crate::error::GovernanceError;
use nupeer_primitives::parameter::Parameter;
use nupeer_primitives::parameters;
use nupeer_primitives::proposal::Class;

parameters! {
    /// Every row of governance.md §12, in its order.
    pub const PARAMETERS;
    "time.tick_gt"           "gt"            86_400            12             10        604_800             Fixed
    "time.clock_cap"         "gt"            3_600             12             1         86_400              Constitution
    "power.activation"       "epochs"        2                 2              1         8                   Constitution
    "power.liveness"         "epochs"        180               30             20        365                 Constitution
    "power.expiry_step"      "epochs"        5                 5              1         10                  Constitution
    "power.spike_factor"     "ppm"           1_500_000         1_500_000      1_100_000 3_000_000           Constitution
    "power.spike_lookback"   "epochs"        14                14             2         15                  Constitution
    "power.delegate_cap"     "ppm"           100_000           100_000        20_000    500_000             Constitution
    "power.maturity_min"     "amount"        5_000_000_000_000 10_000_000_000 1_000_000 100_000_000_000_000 Constitution
    "power.maturity_ppm"     "ppm of supply" 50_000            50_000         0         200_000             Constitution
    "power.mature_sum"       "ppm"           250_000           250_000        100_000   900_000             Constitution
    "seat.e_min"             "ppm"           50_000            50_000         10_000    200_000             Constitution
    "seat.k_min"             "ppm"           30_000            30_000         5_000     100_000             Constitution
    "seat.kappa"             "ppm of ema"    400_000           400_000        100_000   500_000             Constitution
    "seat.weight_ref"        "ppm of ema"    500_000           500_000        100_000   1_000_000           Constitution
    "seat.ema_div"           "divisor"       32                32             4         128                 Constitution
    "seat.confirm"           "ticks"         3                 3              1         10                  Constitution
    "seat.grace"             "ticks"         10                10             2         30                  Constitution
    "seat.suspend"           "ticks"         5                 5              1         30                  Constitution
    "seat.min_tenure"        "ticks"         10                10             0         60                  Constitution
    "seat.need_start"        "ppm"           600_000           600_000        300_000   900_000             Constitution
    "seat.need_step"         "ppm/tick"      10_000            10_000         1_000     100_000             Constitution
    "seat.need_floor"        "ppm"           250_000           250_000        100_000   600_000             Constitution
    "seat.challenge_margin"  "ppm"           1_100_000         1_100_000      1_010_000 2_000_000           Constitution
    "seat.challenge_share"   "ppm"           400_000           400_000        100_000   900_000             Constitution
    "seat.challenge_confirm" "ticks"         5                 5              1         20                  Constitution
    "seat.max_candidates"    "count"         32                32             2         32                  Constitution
    "seat.evict"             "ppm"           1_000             1_000          0         20_000              Constitution
    "seat.evict_after"       "ticks"         10                10             1         60                  Constitution
    "seat.evict_fee"         "ppm of bond"   50_000            50_000         0         200_000             Constitution
    "agree.min_committee"    "ppm weight"    3_000_000         3_000_000      1_000_000 8_000_000           Constitution
    "agree.expedite"         "ppm"           666_666           666_666        500_000   1_000_000           Constitution
    "prop.max_open"          "count"         64                64             8         64                  Technical
    "prop.max_per_proposer"  "count"         4                 4              1         16                  Technical
    "prop.deposit_floor"     "lovelace"      1_000_000_000     10_000_000     1_000_000 100_000_000_000     Financial
    "prop.deposit_up"        "ppm"           200_000           200_000        0         1_000_000           Financial
    "prop.deposit_down"      "ppm/tick"      50_000            50_000         0         500_000             Financial
    "prop.deposit_target"    "open"          8                 8              1         64                  Financial
    "prop.deposit_window"    "ticks"         10                10             1         30                  Financial
    "prop.forfeit_against"   "ppm"           800_000           800_000        500_000   1_000_000           Constitution
    "prop.forfeit_part"      "ppm"           100_000           100_000        0         500_000             Constitution
    "prop.extension"         "ticks"         2                 2              1         5                   Constitution
    "prop.extension_max"     "ticks"         6                 6              0         10                  Constitution
    "prop.exec_window"       "ticks"         5                 5              1         20                  Technical
    "prop.exec_tries"        "count"         3                 3              1         5                   Technical
    "prop.adopt_window"      "ticks"         5                 5              1         20                  Constitution
    "prop.resubmit_lock"     "ticks"         60                20             0         120                 Constitution
    "prop.sponsor"           "ppm"           10_000            10_000         1_000     100_000             Constitution
    "prop.discipline_t"      "ppm"           600_000           600_000        500_000   900_000             Constitution
    "prop.ruling_small"      "quote"         1_000_000_000     10_000_000     0         1_000_000_000_000   Financial
    "prop.sweep_items"       "per block"     64                64             8         256                 Technical
    "spend.window"           "ticks"         5                 5              1         30                  Constitution
    "spend.operational"      "ppm/window"    500               500            0         5_000               Constitution
    "spend.financial"        "ppm/window"    10_000            10_000         0         50_000              Constitution
    "pause.agree"            "ppm"           666_666           666_666        500_000   1_000_000           Constitution
    "pause.max"              "ticks"         3                 3              1         5                   Constitution
    "pause.lift_quorum"      "ppm"           50_000            50_000         10_000    200_000             Constitution
    "boot.sunset"            "epoch"         365               365            1         730                 Fixed
}

/// Most epoch starts that a proposal looks back on: the ring of a sum keeps 48.
pub const HISTORY_EPOCHS: u64 = 47;

/// A change of one parameter.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ParamChange<'a> {
    /// Which.
    pub name: &'a str,
    /// To what.
    pub value: u64,
}

/// Owner and bounds of a change. `row` is the parameter's row in whichever table holds it.
pub fn check_change(
    change: &ParamChange<'_>,
    row: Option<&Parameter>,
    class: Class,
    is_mainnet: bool,
) -> Result<(), GovernanceError> {
    let row = row.ok_or_else(|| GovernanceError::UnknownParam { name: change.name.into() })?;
    let needed = owner_class(row.owner).ok_or(GovernanceError::ParamFixed { name: row.name })?;
    if !class.covers(needed) {
        return Err(GovernanceError::ClassTooWeak { class, needed });
    }
    let (min, max) = row.bounds(is_mainnet);
    if !(min..=max).contains(&change.value) {
        return Err(GovernanceError::OutOfBounds { value: change.value, min, max });
    }
    Ok(())
}

/// The first guardrail that the values break. `value` reads a parameter as it would stand.
pub fn broken_guardrail<E>(
    value: impl Fn(&'static str) -> Result<u64, E>,
    largest_window: u64,
) -> Result<Option<&'static str>, E> {
    let sum = |a: u64, b: u64| a.saturating_add(b);
    let history = sum(sum(largest_window, value("prop.extension_max")?), sum(1, value("power.spike_lookback")?));
    let holds = [
        ("ClockCap", value("time.clock_cap")? <= value("time.tick_gt")?),
        ("Activation", sum(value("power.activation")?, value("power.expiry_step")?) < value("power.liveness")?),
        ("SeatFloor", value("seat.k_min")? < value("seat.e_min")?),
        ("SeatNeed", value("seat.need_floor")? <= value("seat.need_start")?),
        ("HistoryRing", history <= HISTORY_EPOCHS),
        ("SpendOrder", value("spend.operational")? <= value("spend.financial")?),
        ("SlashSplit", sum(value("slash.reporter")?, value("slash.victim")?) <= 1_000_000),
    ];
    Ok(holds.into_iter().find(|(_, holds)| !holds).map(|(name, _)| name))
}
