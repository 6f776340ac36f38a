//! Whether as many users got each variant as its weight says.

use crate::stats;

/// Returns ln of the evidence that users are not divided by the `weights`, of which each is above 0: how many distinct users got each variant, in
/// the same order. It may be read at any time; if they are divided so, P(ever ≥ ln(1/α)) ≤ α.
///
/// It is a Dirichlet mixture of multinomial likelihood ratios (Lindon & Malek 2022, "Anytime-valid inference for multinomial count data"),
/// centred on the weights. What takes one user in ten from a variant that a quarter should get, a redirect that fails or a cache that answers, shows
/// in some twenty thousand users.
pub fn ln_mismatch(users: &[u64], weights: &[f64]) -> f64 {
    let total: f64 = weights.iter().sum();
    let all: f64 = users.iter().map(|count| *count as f64).sum();
    let of = |(count, weight): (&u64, &f64)| {
        let (count, share) = (*count as f64, weight / total);
        let before = CENTRED * share;
        stats::ln_gamma(before + count) - stats::ln_gamma(before) - count * share.ln()
    };
    users.iter().zip(weights).map(of).sum::<f64>() + stats::ln_gamma(CENTRED) - stats::ln_gamma(CENTRED + all)
}

/// As many users as the mixture seems to have seen before.
const CENTRED: f64 = 100.0;
