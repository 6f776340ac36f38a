//! Instants as people read them.

/// RFC 3339 in UTC with milliseconds: `2026-01-02T03:04:05.006Z`. It has no year beyond 9999: what is later is the last instant of that.
pub fn rfc3339(ms: u64) -> String {
    let ms = ms.min(MAX_MS);
    let seconds = i64::try_from(ms / 1000).unwrap_or_default();
    let (year, month, day, hour, minute, second) = datealgo::secs_to_datetime(seconds);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{:03}Z", ms % 1000)
}

/// The last instant of the year 9999.
const MAX_MS: u64 = 253_402_300_799_999;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_written_as_rfc_3339() {
        for (ms, expected) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (951_782_400_000, "2000-02-29T00:00:00.000Z"),
            (1_709_251_199_999, "2024-02-29T23:59:59.999Z"),
            (4_102_444_800_001, "2100-01-01T00:00:00.001Z"),
            (253_402_300_799_999, "9999-12-31T23:59:59.999Z"),
            (u64::MAX, "9999-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(rfc3339(ms), expected);
        }
    }
}
