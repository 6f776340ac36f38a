//! Positions in an array by a hash of what stands there, sorted, so that one pass finds those that two arrays have in common.
//!
//! A table would be quicker on most inputs, and quadratic on those that were made for it.

/// Hashes with their positions, ascending: both in one number, which sorts twice as fast as a pair.
#[derive(Debug)]
pub(crate) struct Hashed(Vec<u128>);

impl Hashed {
    pub(crate) fn new(hashes: impl Iterator<Item = (u64, usize)>) -> Self {
        let mut hashed: Vec<u128> = hashes.map(|(hash, at)| u128::from(hash) << 64 | at as u128).collect();
        hashed.sort_unstable();
        Self(hashed)
    }

    /// No two positions have the same.
    pub(crate) fn is_unique(&self) -> bool {
        self.0.windows(2).all(|pair| matches!(pair, [a, b] if hash(*a) != hash(*b)))
    }

    /// Positions with equal hashes, the n-th of one side with the n-th of the other.
    pub(crate) fn join(&self, other: &Self) -> Vec<(usize, usize)> {
        let mut pairs = Vec::new();
        let (mut lefts, mut rights) = (self.0.iter().peekable(), other.0.iter().peekable());
        while let (Some(&&l), Some(&&r)) = (lefts.peek(), rights.peek()) {
            match hash(l).cmp(&hash(r)) {
                std::cmp::Ordering::Less => drop(lefts.next()),
                std::cmp::Ordering::Greater => drop(rights.next()),
                std::cmp::Ordering::Equal => {
                    pairs.push((position(l), position(r)));
                    lefts.next();
                    rights.next();
                }
            }
        }
        pairs
    }
}

/// Takes the positions `gone` out of `rest`. All are below `length`.
pub(crate) fn remove(rest: &mut Vec<usize>, length: usize, gone: impl ExactSizeIterator<Item = usize>) {
    if gone.len() == rest.len() {
        return rest.clear();
    }
    if gone.len() == 0 {
        return;
    }
    let mut stays = vec![true; length];
    for at in gone {
        if let Some(stays) = stays.get_mut(at) {
            *stays = false;
        }
    }
    rest.retain(|&at| stays.get(at) == Some(&true));
}

fn hash(hashed: u128) -> u64 {
    u64::try_from(hashed >> 64).unwrap_or_default()
}

fn position(hashed: u128) -> usize {
    usize::try_from(hashed & u128::from(u64::MAX)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hashed(hashes: &[u64]) -> Hashed {
        Hashed::new(hashes.iter().enumerate().map(|(at, &hash)| (hash, at)))
    }

    #[test]
    fn the_nth_meets_the_nth() {
        let (max, top) = (u64::MAX, 1 << 63);
        let pairs = hashed(&[7, max, 7, 0, 7, top]).join(&hashed(&[top, 7, max, 7, 1]));
        assert_eq!(pairs, [(0, 1), (2, 3), (5, 0), (1, 2)]);
        assert!(hashed(&[1, 0, max]).is_unique() && !hashed(&[max, 0, max]).is_unique());
    }

    #[test]
    fn what_is_gone_is_taken_out() {
        let check = |gone: &[usize], left: &[usize]| {
            let mut rest = vec![1, 3, 4, 8];
            remove(&mut rest, 9, gone.iter().copied());
            assert_eq!(rest, left);
        };
        check(&[], &[1, 3, 4, 8]);
        check(&[8, 3], &[1, 4]);
        check(&[8, 3, 1, 4], &[]);
    }
}
