//! What each token weighs in each area of the first constitution (governance.md §2.3).

use super::Weights;
use nupeer_primitives::governance::Area;

/// Weights of an area in ppm; each row sums to 10^6.
#[must_use]
pub const fn weights(area: Area) -> Weights {
    match area {
        Area::General | Area::Finance | Area::Legal => [334_000, 333_000, 333_000],
        Area::Technical => [400_000, 400_000, 200_000],
        Area::Infra => [800_000, 100_000, 100_000],
        Area::Platform => [100_000, 800_000, 100_000],
        Area::Apps => [100_000, 100_000, 800_000],
    }
}
