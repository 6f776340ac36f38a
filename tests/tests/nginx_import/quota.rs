//! Whether a share is below a bound, whatever seed the requests are made up from: requests of one configuration are alike, so that
//! chance moves a share by more than their number says.

/// Whether a share is below a bound by more than chance: `each` has, for every configuration, how many of its requests count, and
/// how many there are. The error is that of a ratio of clusters (Cochran, *Sampling Techniques*, 3rd edition, section 6.3).
pub(crate) fn is_surely_below(each: &[(u32, u32)], bound: f64) -> bool {
    let (counted, all) = each
        .iter()
        .fold((0.0, 0.0), |(counted, all), (some, of)| (counted + f64::from(*some), all + f64::from(*of)));
    let share: f64 = counted / all;
    let residual = |(some, of): &(u32, u32)| (f64::from(*some) - share * f64::from(*of)).powi(2);
    let error = each.iter().map(residual).sum::<f64>().sqrt() / all;
    share + ERRORS * error < bound
}

/// Standard errors that a share may be below a bound.
const ERRORS: f64 = 4.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_may_be_below_by_chance_alone() {
        let (none, some) = ((0, 20), (20, 20));
        let mixed = |many: usize| [vec![none; many * 19], vec![some; many]].concat();
        for (each, bound, expected) in [
            (mixed(10), 0.05, false),
            (mixed(10), 0.06, false),
            (mixed(10), 0.2, true),
            (mixed(1_000), 0.06, true),
            (vec![(1, 20); 200], 0.05, false),
            (vec![(1, 20); 200], 0.06, true),
            (vec![none; 200], 0.01, true),
        ] {
            assert_eq!(is_surely_below(&each, bound), expected, "{} below {bound}", each.len());
        }
    }
}
