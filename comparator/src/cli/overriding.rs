//! `antumbra override`: a signed header for testers, made where the key is.

use std::process::ExitCode;

use antumbra_policy::signed_override;

use super::output::print;
use super::{Failure, OverrideOptions, local};
use crate::clock;

/// Prints the header as `name: value`, ready for curl's `-H`.
pub(super) fn sign(options: &OverrideOptions) -> Result<ExitCode, Failure> {
    let policy = local::document(&options.file)?.into_policy();
    let Some(header) = policy.override_header() else {
        return Err(Failure::Usage(format!("{} has no override", options.file.display())));
    };
    let Some(variant) = policy.variants().find(|variant| variant.name == options.variant) else {
        let known: Vec<&str> = policy.variants().map(|variant| variant.name.as_str()).collect();
        let known = known.join(", ");
        return Err(Failure::Usage(format!(
            "--variant {:?} is not a variant, must be one of {known}",
            options.variant
        )));
    };
    let secret = local::secret(&options.secret)?;
    let expires = clock::now_ms() / 1000 + options.lasting.0.as_secs();
    print(&format!("{header}: {}\n", signed_override(&secret, policy.name(), &variant.name, expires)));
    Ok(ExitCode::SUCCESS)
}
