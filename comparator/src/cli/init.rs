//! `antumbra init`: a policy and an Envoy configuration for a service, from flags or answers.
//!
//! Both are the shipped examples with the site's own addresses in them, so what is tested there holds here.

use std::fs::OpenOptions;
use std::io::{self, BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use antumbra_policy::document::{Invalid, is_name};
use http::uri::Authority;

use super::Failure;
use super::output::print;

/// What the two files say.
#[derive(clap::Args)]
pub(super) struct Options {
    /// The folder for policy.yaml and envoy.yaml
    #[arg(default_value = ".", value_name = "FOLDER")]
    folder: PathBuf,
    /// The release's name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Where the version that serves today is
    #[arg(long, value_name = "HOST:PORT")]
    stable: Option<String>,
    /// Where the new version is
    #[arg(long, value_name = "HOST:PORT")]
    candidate: Option<String>,
    /// Where the stable version answers mirrored requests: instances of their own
    #[arg(long, value_name = "HOST:PORT")]
    control: Option<String>,
    /// What tells users apart: cookie:NAME, header:NAME or ip
    #[arg(long, value_name = "KEY")]
    by: Option<String>,
    /// Where the proxy listens
    #[arg(long, value_name = "HOST:PORT")]
    listen: Option<String>,
    /// Where the comparator is
    #[arg(long, value_name = "HOST:PORT")]
    comparator: Option<String>,
    /// The filter's module, as the proxy finds it
    #[arg(long, value_name = "FILE")]
    module: Option<String>,
    /// Take the default for each flag that is not given, and ask nothing
    #[arg(long)]
    yes: bool,
    /// Replace files that are there
    #[arg(long)]
    force: bool,
}

/// `antumbra init`.
pub(super) fn init(options: &Options) -> Result<ExitCode, Failure> {
    let asks = !options.yes;
    if asks && !io::stdin().is_terminal() {
        return Err(Failure::Usage(
            "stdin is not a terminal, so nothing can be asked; --yes takes the defaults".to_owned(),
        ));
    }
    let files = ["policy.yaml", "envoy.yaml"].map(|file| options.folder.join(file));
    if !options.force {
        refuse_present(&files)?;
    }
    let site = Site::of(options, &mut |question| if asks { answer(question) } else { Ok(None) })?;
    std::fs::create_dir_all(&options.folder)
        .map_err(|error| Failure::Usage(format!("{}: {error}", options.folder.display())))?;
    for (file, text) in files.iter().zip([site.policy(), site.envoy()]) {
        write(file, &text, options.force)?;
    }
    print(&site.next_steps(&options.folder));
    Ok(ExitCode::SUCCESS)
}

/// Before anything is asked: answers that cannot be written down are lost.
fn refuse_present(files: &[PathBuf]) -> Result<(), Failure> {
    let present: Vec<String> =
        files.iter().filter(|file| file.exists()).map(|file| file.display().to_string()).collect();
    match present.as_slice() {
        [] => Ok(()),
        [one] => Err(Failure::Usage(format!("{one} is there already; --force replaces it"))),
        several => {
            Err(Failure::Usage(format!("{} are there already; --force replaces them", several.join(" and "))))
        }
    }
}

/// One thing to be known of a site.
struct Question {
    flag: &'static str,
    text: &'static str,
    default: &'static str,
    /// What was wrong with the answer before, if there was one.
    refused: Option<String>,
}

/// Whom to ask; nothing is the default.
type Ask<'a> = dyn FnMut(&Question) -> Result<Option<String>, Failure> + 'a;

impl Question {
    fn new(flag: &'static str, text: &'static str, default: &'static str) -> Self {
        Self { flag, text, default, refused: None }
    }

    /// What a flag says, else what is answered, else the default. An answer that cannot be is asked for again; a flag is refused.
    fn settle<T>(
        mut self,
        given: Option<&String>,
        ask: &mut Ask<'_>,
        read: impl Fn(&str) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        if let Some(given) = given {
            return read(given);
        }
        loop {
            let Some(answer) = ask(&self)? else { return read(self.default) };
            match read(&answer) {
                Ok(value) => return Ok(value),
                Err(failure) => self.refused = Some(failure.message().to_owned()),
            }
        }
    }
}

/// Asks a person; an empty line takes the default.
fn answer(question: &Question) -> Result<Option<String>, Failure> {
    let failed = |error: io::Error| Failure::Runtime(error.to_string());
    let mut out = io::stderr();
    if let Some(refused) = &question.refused {
        writeln!(out, "{refused}").map_err(failed)?;
    }
    write!(out, "{} ({}) [{}]: ", question.text, question.flag, question.default).map_err(failed)?;
    out.flush().map_err(failed)?;
    let mut line = String::new();
    if io::stdin().lock().read_line(&mut line).map_err(failed)? == 0 {
        return Err(Failure::Usage(format!(
            "stdin ended before {} was answered; nothing is written",
            question.flag
        )));
    }
    let line = line.trim();
    Ok((!line.is_empty()).then(|| line.to_owned()))
}

/// What is particular to a site.
struct Site {
    name: String,
    stable: Authority,
    candidate: Authority,
    control: Authority,
    by: String,
    listen: Authority,
    comparator: Authority,
    module: String,
}

impl Site {
    /// From flags, else from answers, else from defaults.
    fn of(options: &Options, ask: &mut Ask<'_>) -> Result<Self, Failure> {
        let name = Question::new("--name", "Name of the release", "shop");
        let name = name.settle(options.name.as_ref(), ask, named)?;
        let mut place = |given: &Option<String>, flag, text, default| {
            Question::new(flag, text, default).settle(given.as_ref(), ask, |text| address(flag, text))
        };
        let stable = "Where the stable version is, HOST:PORT";
        let stable = place(&options.stable, "--stable", stable, "127.0.0.1:8001")?;
        let candidate = "Where the new version is, HOST:PORT";
        let candidate = place(&options.candidate, "--candidate", candidate, "127.0.0.1:8002")?;
        let control =
            "Where the stable version answers mirrored requests (instances of their own), HOST:PORT";
        let control = place(&options.control, "--control", control, "127.0.0.1:8003")?;
        let listen = "Where the proxy is to listen, HOST:PORT";
        let listen = place(&options.listen, "--listen", listen, "0.0.0.0:10000")?;
        let comparator = "Where the comparator is, HOST:PORT";
        let comparator = place(&options.comparator, "--comparator", comparator, "127.0.0.1:7400")?;
        let by =
            Question::new("--by", "What tells users apart: cookie:NAME, header:NAME or ip", "cookie:uid");
        let by = by.settle(options.by.as_ref(), ask, key)?;
        let module = "The filter's module, a file as the proxy finds it";
        let module = Question::new("--module", module, "/etc/envoy/antumbra_filter.wasm");
        let module = module.settle(options.module.as_ref(), ask, |text| Ok(text.to_owned()))?;
        Ok(Self { name, stable, candidate, control, by, listen, comparator, module })
    }

    fn policy(&self) -> String {
        policy(&self.name, &self.by)
    }

    fn envoy(&self) -> String {
        let places = [
            ("address: 0.0.0.0, port_value: 10000", &self.listen),
            ("address: 127.0.0.1, port_value: 8001", &self.stable),
            ("address: 127.0.0.1, port_value: 8002", &self.candidate),
            ("address: 127.0.0.1, port_value: 8003", &self.control),
            ("address: 127.0.0.1, port_value: 7400", &self.comparator),
        ];
        let module = serde_json::to_string(&self.module).unwrap_or_default();
        let named = ENVOY
            .replace("name: shop\n", &format!("name: {}\n", self.name))
            .replace("stat_prefix: shop\n", &format!("stat_prefix: {}\n", self.name))
            .replace("root_id: shop\n", &format!("root_id: {}\n", self.name))
            .replace("release=\"shop\"", &format!("release=\"{}\"", self.name))
            .replace("\"release\": \"shop\"", &format!("\"release\": \"{}\"", self.name))
            .replace("/etc/envoy/antumbra_filter.wasm", &module);
        // A placeholder first: an address that was put in may look like one that is still to be replaced.
        let marked = places
            .iter()
            .enumerate()
            .fold(named, |text, (at, (shipped, _))| text.replace(shipped, &format!("address: \u{0}{at}")));
        places.iter().enumerate().fold(marked, |text, (at, (_, place))| {
            let (host, port) = (place.host(), place.port_u16().unwrap_or_default());
            let host = host.trim_start_matches('[').trim_end_matches(']');
            text.replace(&format!("address: \u{0}{at}"), &format!("address: \"{host}\", port_value: {port}"))
        })
    }

    fn next_steps(&self, folder: &Path) -> String {
        let at = |file: &str| folder.join(file).display().to_string();
        let (policy, envoy) = (at("policy.yaml"), at("envoy.yaml"));
        let port = self.listen.port_u16().unwrap_or_default();
        format!(
            "wrote {policy} and {envoy}\n\nNext:\n  antumbra check {policy}\n  antumbra serve --policy {policy} --listen {}\n  envoy -c {envoy}\n  \
             curl http://127.0.0.1:{port}/\n  antumbra doctor --envoy http://127.0.0.1:9901\n",
            self.comparator
        )
    }
}

fn policy(name: &str, by: &str) -> String {
    POLICY
        .replace("name: shop\n", &format!("name: {name}\n"))
        .replace("`shop`", &format!("`{name}`"))
        .replace("\"cookie:uid\"", &serde_json::to_string(by).unwrap_or_default())
}

fn named(name: &str) -> Result<String, Failure> {
    if is_name(name) {
        return Ok(name.to_owned());
    }
    Err(Failure::Usage(format!(
        "--name is {name:?}, must be 1 to 63 letters, digits, '.', '_' or '-', beginning with a letter or a digit"
    )))
}

/// The policy's reader knows what a key is.
fn key(by: &str) -> Result<String, Failure> {
    match antumbra_control::Document::from_yaml(policy("shop", by).as_bytes()) {
        Ok(_) => Ok(by.to_owned()),
        Err(Invalid { problems }) => {
            let problems: Vec<&str> = problems.iter().map(|problem| problem.message.as_str()).collect();
            Err(Failure::Usage(format!("--by {}", problems.join("; "))))
        }
    }
}

/// `host:port`; the host is a name or an address, one of version 6 in brackets.
fn address(flag: &str, text: &str) -> Result<Authority, Failure> {
    let bad = || Failure::Usage(format!("{flag} is {text:?}, must be HOST:PORT, such as 10.0.0.5:8080"));
    let authority: Authority = text.parse().map_err(|_| bad())?;
    let plain = !text.contains('@')
        && authority.port_u16().is_some_and(|port| port > 0)
        && !authority.host().is_empty();
    if plain { Ok(authority) } else { Err(bad()) }
}

fn write(file: &Path, text: &str, force: bool) -> Result<(), Failure> {
    let mut options = OpenOptions::new();
    options.write(true);
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let written = options.open(file).and_then(|mut open| open.write_all(text.as_bytes()));
    written.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            Failure::Usage(format!("{} is there already; --force replaces it", file.display()))
        }
        _ => Failure::Runtime(format!("{}: {error}", file.display())),
    })
}

const POLICY: &str = include_str!("../../../envoy/policy.yaml");
const ENVOY: &str = include_str!("../../../envoy/envoy.yaml");

pub(super) const EXAMPLES: &str = "\
Examples:
  antumbra init                            ask for each, and write policy.yaml and envoy.yaml here
  antumbra init shop --yes                 with the defaults, into the folder shop
  antumbra init --name till --stable till-v1:8080 --candidate till-v2:8080 --control till-control:8080 --yes

The policy mirrors a tenth of the reads, sends testers with the cookie canary=1 to the new version, and nobody else.";

#[cfg(test)]
mod tests {
    use super::*;

    fn site(change: impl FnOnce(&mut Options)) -> Result<Site, Failure> {
        let mut options = Options {
            folder: PathBuf::new(),
            name: None,
            stable: None,
            candidate: None,
            control: None,
            by: None,
            listen: None,
            comparator: None,
            module: None,
            yes: true,
            force: false,
        };
        change(&mut options);
        Site::of(&options, &mut |_| Ok(None))
    }

    #[test]
    fn defaults_are_the_shipped_files() {
        let site = site(|_| ()).unwrap();
        assert_eq!(site.policy(), POLICY);
        let parsed = |text: &str| serde_saphyr::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(parsed(&site.envoy()), parsed(ENVOY));
    }

    /// Each place of the shipped files that a flag names is found, though two of the new addresses look like shipped ones.
    #[test]
    fn each_flag_has_its_place() {
        let site = site(|options| {
            options.name = Some("till".to_owned());
            options.stable = Some("127.0.0.1:8002".to_owned());
            options.candidate = Some("till-v2:8080".to_owned());
            options.control = Some("[::1]:8001".to_owned());
            options.by = Some("header:x-user".to_owned());
            options.listen = Some("127.0.0.1:1234".to_owned());
            options.comparator = Some("antumbra:7400".to_owned());
            options.module = Some("/opt/a b.wasm".to_owned());
        });
        let site = site.unwrap();
        let envoy: serde_json::Value = serde_saphyr::from_str(&site.envoy()).unwrap();
        let resources = &envoy["static_resources"];
        let address = |socket: &serde_json::Value| {
            let socket = &socket["socket_address"];
            format!("{} {}", socket["address"].as_str().unwrap(), socket["port_value"])
        };
        let clusters: Vec<String> = resources["clusters"]
            .as_array()
            .unwrap()
            .iter()
            .map(|cluster| {
                let endpoint = &cluster["load_assignment"]["endpoints"][0]["lb_endpoints"][0]["endpoint"];
                format!("{} {}", cluster["name"].as_str().unwrap(), address(&endpoint["address"]))
            })
            .collect();
        assert_eq!(
            clusters,
            [
                "stable 127.0.0.1 8002",
                "canary till-v2 8080",
                "canary-shadow till-v2 8080",
                "control ::1 8001",
                "antumbra antumbra 7400"
            ]
        );
        assert_eq!(address(&resources["listeners"][0]["address"]), "127.0.0.1 1234");
        let text = site.envoy();
        for said in ["\"release\": \"till\"", "root_id: till", "filename: \"/opt/a b.wasm\""] {
            assert!(text.contains(said), "{said}");
        }
        assert!(!text.contains("shop\n") && !text.contains("\"shop\""), "{text}");
        assert!(site.policy().contains("by: [\"header:x-user\"]") && site.policy().contains("name: till\n"));
    }

    #[test]
    fn what_cannot_be_is_named() {
        let told = |change: fn(&mut Options)| match site(change) {
            Err(Failure::Usage(why)) => why,
            _ => panic!("taken"),
        };
        assert!(told(|o| o.name = Some("a b".to_owned())).starts_with("--name is \"a b\", must be "));
        assert!(
            told(|o| o.stable = Some("shop".to_owned()))
                .starts_with("--stable is \"shop\", must be HOST:PORT")
        );
        assert!(told(|o| o.control = Some("a:99999".to_owned())).starts_with("--control is \"a:99999\""));
        assert!(told(|o| o.by = Some("cokie:uid".to_owned())).starts_with("--by is \"cokie:uid\", must "));
    }

    fn unsaid() -> Options {
        Options {
            folder: PathBuf::new(),
            name: None,
            stable: Some("a:1".to_owned()),
            candidate: Some("b:2".to_owned()),
            control: Some("c:3".to_owned()),
            by: None,
            listen: Some("0.0.0.0:80".to_owned()),
            comparator: Some("d:4".to_owned()),
            module: Some("m".to_owned()),
            yes: false,
            force: false,
        }
    }

    /// What was asked of a person who answers these, in turn, with what was said of the answer before.
    fn asked(options: &Options, answers: &[&str]) -> (Site, Vec<String>) {
        let (mut answers, mut asked) = (answers.iter(), Vec::new());
        let site = Site::of(options, &mut |question| {
            asked.push(format!("{} {}", question.flag, question.refused.as_deref().unwrap_or("first")));
            Ok(answers.next().filter(|answer| !answer.is_empty()).map(|answer| (*answer).to_owned()))
        });
        (site.unwrap(), asked)
    }

    /// A person is asked for what no flag says, in an order that makes sense to them.
    #[test]
    fn what_no_flag_says_is_asked() {
        let (site, asked) = asked(&unsaid(), &["till", "ip"]);
        assert_eq!((site.name.as_str(), site.by.as_str()), ("till", "ip"));
        assert_eq!(asked, ["--name first", "--by first"]);
    }

    /// What was answered before is not lost to one slip.
    #[test]
    fn what_cannot_be_is_asked_again() {
        let options = Options { stable: None, ..unsaid() };
        let (site, asked) = asked(&options, &["a b", "till", "shop", "shop:80", "cokie:uid", ""]);
        let stable = site.stable.to_string();
        assert_eq!(
            (site.name.as_str(), stable.as_str(), site.by.as_str()),
            ("till", "shop:80", "cookie:uid")
        );
        let flags: Vec<&str> = asked.iter().filter_map(|one| one.split(' ').next()).collect();
        assert_eq!(flags, ["--name", "--name", "--stable", "--stable", "--by", "--by"]);
        assert!(asked[1].starts_with("--name --name is \"a b\", must be 1 to 63 letters"), "{asked:?}");
        assert_eq!(asked[3], "--stable --stable is \"shop\", must be HOST:PORT, such as 10.0.0.5:8080");
        assert!(asked[5].starts_with("--by --by is \"cokie:uid\", must "), "{asked:?}");
    }

    #[test]
    fn files_that_are_there_are_named_before_anything_is_asked() {
        let folder = tempfile::tempdir().unwrap();
        let options = Options { folder: folder.path().to_owned(), yes: true, ..unsaid() };
        let files = ["policy.yaml", "envoy.yaml"].map(|file| folder.path().join(file));
        assert!(refuse_present(&files).is_ok());
        std::fs::write(&files[1], "mine").unwrap();
        let refused =
            |options: &Options| init(options).err().map(|failure| failure.message().to_owned()).unwrap();
        assert!(refused(&options).ends_with("envoy.yaml is there already; --force replaces it"));
        assert!(!files[0].exists(), "nothing is written");
        std::fs::write(&files[0], "mine").unwrap();
        assert!(refused(&options).ends_with("envoy.yaml are there already; --force replaces them"));
        // An answer is worth nothing where it cannot be written down.
        assert!(
            refused(&Options { yes: true, name: Some("a b".to_owned()), ..options })
                .contains("are there already")
        );
    }
}
