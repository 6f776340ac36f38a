//! Checksums of rows: SQLite has none, so a bit that a disk flips within a row would otherwise be read as another number.

use rusqlite::Row;
use xxhash_rust::xxh3::Xxh3Default;

use crate::error::StoreError;

/// The checksum of a row's values, each preceded by its length: XXH3 with 64 bits, as SQLite's signed integer.
pub(super) fn sum(values: &[&[u8]]) -> i64 {
    let mut hash = Xxh3Default::new();
    for value in values {
        hash.update(&(value.len() as u64).to_le_bytes());
        hash.update(value);
    }
    hash.digest().cast_signed()
}

/// Checks a row's values against the sum in its column `at`. A row that an earlier version wrote has none.
///
/// # Errors
/// They do not agree; `what` says which row that is.
pub(super) fn check(
    row: &Row<'_>,
    at: usize,
    values: &[&[u8]],
    what: impl FnOnce() -> String,
) -> Result<(), StoreError> {
    let stored: Option<i64> = row.get(at)?;
    if stored.is_none_or(|stored| stored == sum(values)) {
        return Ok(());
    }
    Err(StoreError::Damaged { what: what(), message: "its checksum does not match".to_owned() })
}

/// The values of a row of `policies`.
pub(super) fn policy_values<'a>(name: &'a str, numbers: &'a [[u8; 8]; 2], text: &'a str) -> [&'a [u8]; 4] {
    [name.as_bytes(), &numbers[0], &numbers[1], text.as_bytes()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_bit_and_any_border_between_values_counts() {
        let of = sum(&[b"shop", b"12"]);
        assert_eq!(of, sum(&[b"shop", b"12"]));
        for other in [[&b"shop1"[..], b"2"], [b"sho", b"p12"], [b"shop", b"13"], [b"shop", b""]] {
            assert_ne!(of, sum(&other), "{other:?}");
        }
    }
}
