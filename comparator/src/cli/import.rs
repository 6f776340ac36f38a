//! `antumbra import`: another system's configuration as a policy.

use std::fs::File;
use std::io::{Read, stdin};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use antumbra_import::{Format, Imported, LARGEST_INPUT, import as read_as};

use super::output::{print, print_json};
use super::{Failure, Output};

/// What to read.
#[derive(clap::Args)]
pub(super) struct Options {
    /// Whose configuration it is
    #[arg(value_enum)]
    format: System,
    /// YAML, JSON or nginx's own; `-` reads stdin
    file: PathBuf,
    /// What the policy is called; without it, as the input calls what is imported
    #[arg(long)]
    name: Option<String>,
    /// How to print
    #[arg(long, value_enum, default_value_t)]
    output: Output,
}

/// Whose configuration is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum System {
    /// A route of Apache APISIX with `traffic-split` or `proxy-mirror`
    Apisix,
    /// nginx with `split_clients`, `map`, `geo`, `if` or `mirror`
    Nginx,
    /// Istio's `VirtualService`, with `DestinationRule` if at hand
    Istio,
    /// Gateway API's `HTTPRoute` and `GRPCRoute`
    GatewayApi,
    /// Envoy's virtual hosts and routes: a bootstrap, a route configuration or a config dump
    Envoy,
}

impl From<System> for Format {
    fn from(system: System) -> Self {
        match system {
            System::Apisix => Self::Apisix,
            System::Nginx => Self::Nginx,
            System::Istio => Self::Istio,
            System::GatewayApi => Self::GatewayApi,
            System::Envoy => Self::Envoy,
        }
    }
}

/// Prints the policy to stdout and the notes to stderr, or both as JSON.
pub(super) fn import(options: &Options) -> Result<ExitCode, Failure> {
    let file = options.file.as_path();
    let subject = if file == Path::new("-") { "stdin".to_owned() } else { file.display().to_string() };
    let text = read(file).map_err(|error| Failure::Usage(format!("{subject}: {error}")))?;
    let mut imported = read_as(options.format.into(), &text)
        .map_err(|error| Failure::Usage(format!("{subject}: {error}")))?;
    if let Some(name) = &options.name {
        imported.rename(name).map_err(|error| Failure::Usage(format!("--{error}")))?;
    }
    match options.output {
        Output::Json => print_json(&imported),
        Output::Text => {
            print(&yaml(&imported)?);
            eprint!("{}", notes(&imported));
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// One byte more than is taken tells that there is more.
fn read(file: &Path) -> std::io::Result<Vec<u8>> {
    let source: Box<dyn Read> =
        if file == Path::new("-") { Box::new(stdin()) } else { Box::new(File::open(file)?) };
    let mut text = Vec::new();
    source.take(LARGEST_INPUT as u64 + 1).read_to_end(&mut text)?;
    Ok(text)
}

fn yaml(imported: &Imported) -> Result<String, Failure> {
    serde_saphyr::to_string(&imported.policy).map_err(|error| Failure::Runtime(error.to_string()))
}

fn notes(imported: &Imported) -> String {
    imported.notes.iter().map(|note| format!("{}: {}\n", note.at.trim_end_matches(':'), note.what)).collect()
}

pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra import apisix route.json --name shop > shop.yaml
  nginx -T 2>/dev/null | antumbra import nginx - > shop.yaml
  kubectl get virtualservice,destinationrule -o yaml | antumbra import istio -
  antumbra import gateway-api httproute.yaml --output json | jq .notes
  curl -s localhost:9901/config_dump | antumbra import envoy -

The policy goes to stdout, what could not be carried over to stderr. A rule whose condition was not wholly understood \
is written with `enabled: false`; behind it stands a rule that keeps its requests away from those below. For nginx, what a \
policy cannot tell keeps the old version by a rule that is named after its line, such as kept-line-12.";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_read_is_wrong_usage() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("nginx.conf");
        for (text, expected) in [
            (None, ": No such file or directory"),
            (Some("server {"), "nginx.conf: line 1 is the last, but a block or a directive is not ended"),
            (
                Some(""),
                "nginx.conf: input has no proxy_pass, split_clients, map, geo or set: there is nothing to import",
            ),
        ] {
            if let Some(text) = text {
                std::fs::write(&file, text).unwrap();
            }
            let failure = import(&options(&file, None)).unwrap_err();
            assert_eq!(failure.code(), 2);
            assert!(failure.message().contains(expected), "{}", failure.message());
        }
    }

    fn options(file: &Path, name: Option<&str>) -> Options {
        let name = name.map(str::to_owned);
        Options { format: System::Nginx, file: file.to_owned(), name, output: Output::Text }
    }

    #[test]
    fn a_policy_gets_the_name_that_is_given() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("nginx.conf");
        std::fs::write(&file, "split_clients $request_uri $v { 50% a; * b; }").unwrap();
        assert_eq!(import(&options(&file, Some("shop"))).unwrap(), ExitCode::SUCCESS);
        let failure = import(&options(&file, Some("two words"))).unwrap_err();
        assert_eq!(failure.code(), 2);
        let said = failure.message();
        assert!(said.contains("--name is \"two words\", must be 1 to 63 letters"), "{said}");
    }

    #[test]
    fn notes_and_json_for_people_and_programs() {
        let text = "split_clients $request_uri $v { 50% a; * b; }";
        let imported = read_as(Format::Nginx, text.as_bytes()).unwrap();
        insta::assert_snapshot!(notes(&imported));
        insta::assert_snapshot!(serde_json::to_string_pretty(&imported).unwrap());
        assert!(yaml(&imported).unwrap().starts_with("version: 1\nname: nginx\n"));
    }
}
