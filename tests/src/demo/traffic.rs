//! What the demo's clients ask for: a mix of endpoints, every request decided by the seed and its number alone.

/// The path of request `number`.
pub(super) fn path(seed: u64, number: u64) -> String {
    let dice = mixed(seed ^ mixed(number));
    let (endpoint, key) = (dice % 100, dice >> 32);
    match endpoint {
        0..35 => format!("/products/{}", key % 5_000),
        35..55 => format!("/search?q={}", TERMS[usize::try_from(key).unwrap_or(0) % TERMS.len()]),
        55..70 => {
            format!("/cart/{:08x}-{:04x}-4000-8000-{:012x}", key, key & 0xffff, dice & 0xffff_ffff_ffff)
        }
        70..85 => format!("/orders/{}", 10_000 + key % 90_000),
        85..97 => format!("/recommendations?user={}", key % 900),
        _ => "/".to_owned(),
    }
}

/// Splitmix64's finaliser (Steele, Lea & Flood 2014).
fn mixed(seed: u64) -> u64 {
    let mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

const TERMS: [&str; 6] = ["lamp", "desk", "chair", "rug", "shelf", "bench"];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_mix_is_as_said_and_repeatable() {
        let count = |prefix: &str| (0..10_000).filter(|number| path(7, *number).starts_with(prefix)).count();
        for (prefix, expected) in
            [("/products/", 3500), ("/search?", 2000), ("/cart/", 1500), ("/recommendations", 1200)]
        {
            assert!(count(prefix).abs_diff(expected) < 200, "{prefix}: {}", count(prefix));
        }
        assert_eq!(path(7, 3), path(7, 3));
        assert_ne!(
            (0..20).map(|n| path(7, n)).collect::<Vec<_>>(),
            (0..20).map(|n| path(8, n)).collect::<Vec<_>>()
        );
    }
}
