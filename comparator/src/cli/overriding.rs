//! `antumbra override`: a signed header for testers, made where the key is.

use std::path::PathBuf;
use std::process::ExitCode;

use antumbra_policy::signed_override;

use super::output::print;
use super::{Failure, local, values};
use crate::clock;

/// What to sign.
#[derive(clap::Args)]
pub(super) struct Options {
    /// The policy, YAML or JSON, with an `override` that is `signedWith` a key
    file: PathBuf,
    /// The variant to get
    #[arg(long)]
    variant: String,
    /// For how long, as 30m, 8h or 14d
    #[arg(long = "for", value_name = "DURATION", default_value = "8h")]
    lasting: values::Lasting,
    /// The file that has the key
    #[arg(long, value_name = "FILE")]
    secret: PathBuf,
}

/// Prints the header as `name: value`, ready for curl's `-H`.
pub(super) fn sign(options: &Options) -> Result<ExitCode, Failure> {
    let (_, policy) = local::compiled(&options.file)?;
    let Some(header) = policy.signed_override_header() else {
        return Err(Failure::Usage(format!(
            "{} has no override that is signedWith a key",
            options.file.display()
        )));
    };
    let Some(variant) = policy.variants().find(|variant| variant.name == options.variant) else {
        let known: Vec<&str> = policy.variants().map(|variant| variant.name.as_str()).collect();
        let known = known.join(", ");
        return Err(Failure::Usage(format!(
            "--variant {:?} is not a variant, must be one of {known}",
            options.variant
        )));
    };
    if variant.is_red() {
        return Err(Failure::Usage(format!("--variant {:?} is red: it is never chosen", options.variant)));
    }
    let secret = local::secret(&options.secret)?;
    let expires = clock::now_ms() / 1000 + options.lasting.0.as_secs();
    print(&format!("{header}: {}\n", signed_override(&secret, policy.name(), &variant.name, expires)));
    Ok(ExitCode::SUCCESS)
}

pub(super) const EXAMPLES: &str = "\
Example:
  antumbra override shop.yaml --variant canary --for 8h --secret testers.key
  curl -H \"$(antumbra override shop.yaml --variant canary --secret testers.key)\" http://127.0.0.1:10000/

The filter has the same key under its name in the plugin configuration: \"secrets\": {\"testers\": \"...\"}.";
