//! Who may read the file of a secret.

/// Why others may read a secret's file. A group may read one that its user was given, as secrets are mounted in Kubernetes: the file is
/// another user's, and could not be read without.
pub(super) fn too_open(mode: u32, is_own: bool) -> Option<String> {
    let mode = mode & 0o777;
    let allowed = if is_own { 0o700 } else { 0o740 };
    (mode & !allowed != 0).then(|| {
        format!(
            "has mode {mode:04o}, so that others may read or change it; must be 0600: chmod 600 makes it so"
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_for_those_who_need_it() {
        for (mode, is_own, refused) in [
            (0o100_600, true, false),
            (0o100_400, true, false),
            (0o100_640, true, true),
            (0o100_604, true, true),
            (0o100_440, false, false),
            (0o100_460, false, true),
            (0o100_444, false, true),
        ] {
            assert_eq!(too_open(mode, is_own).is_some(), refused, "{mode:o} {is_own}");
        }
    }
}
