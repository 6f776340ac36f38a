//! nginx's configurations and requests out of a seed: every directive that chooses a destination, in every combination that
//! nginx accepts.
//!
//! All names begin with the number of the configuration, since many share one nginx. Conditions look at few names and values,
//! and requests have these most of the time. Every place (a server, a location) belongs to a service with an old version, where
//! what the place does not decide otherwise goes at last.
//!
//! A configuration has two texts. nginx gets the whole one, in which every place leaves its number in a variable; what is
//! imported lacks some files, and has Lua in the place of what it would do.

mod access;
mod hidden;
mod place;
mod requests;
mod script;
mod server;
mod texts;
mod variables;

use std::collections::BTreeSet;

use antumbra_policy::Dice;

use crate::exchange::Sent;
use crate::plan::{Place, Plan};
use texts::Texts;

/// A configuration.
pub(crate) struct Made {
    pub(crate) seed: u64,
    texts: Texts,
    ports: [u16; 2],
    paths: Vec<String>,
}

impl Made {
    /// What is imported: the file, or all of them as `nginx -T` prints them.
    pub(crate) fn text(&self) -> String {
        texts::printed(&self.texts.told())
    }

    /// What nginx runs: names and texts of files, of which the first includes the others.
    pub(crate) fn files(&self) -> Vec<(String, String)> {
        self.texts.real()
    }

    /// Which place each line of the imported text belongs to.
    pub(crate) fn plan(&self) -> Plan {
        Plan::of(&self.texts.told(), self.texts.places.clone())
    }

    /// The port that the policy is for.
    pub(crate) fn port(&self) -> u16 {
        self.ports[0]
    }

    /// Requests of this configuration.
    pub(crate) fn requests(&self, count: u64) -> Vec<Sent> {
        let mut maker = Maker::new(self.seed ^ 0xA5A5, [0, 0], self.ports);
        (0..count).map(|_| requests::request(&mut maker, &self.paths)).collect()
    }
}

/// The configuration of a seed. Its upstreams lead to the first of `upstreams`, which speaks HTTP/1.1, and to the second for gRPC.
pub(crate) fn configuration(seed: u64, upstreams: [u16; 2], ports: [u16; 2]) -> Made {
    let mut maker = Maker::new(seed, upstreams, ports);
    let mut text = maker.upstreams();
    text.push_str(&access::zone(&maker));
    text.push_str(&variables::all(&mut maker));
    text.push_str(&server::all(&mut maker));
    let mut texts = maker.texts;
    texts.files.insert(0, (format!("{}/main.conf", maker.prefix), text));
    Made { seed, texts, ports, paths: maker.paths }
}

/// What a configuration is made with.
struct Maker {
    dice: Dice,
    prefix: String,
    upstreams: [u16; 2],
    ports: [u16; 2],
    texts: Texts,
    /// The service of the place that is being made.
    service: &'static str,
    /// The server that is being made, as a place.
    server: usize,
    /// Whether what is being made is kept from the import.
    hides: bool,
    /// Whether the server that is being made has rules of access.
    asks: bool,
    /// Paths of locations.
    paths: Vec<String>,
    /// Variables that are worth a group, with their dollar sign.
    groups: Vec<String>,
    /// Those that chance has a part in.
    drawn: BTreeSet<String>,
    /// Variables that are worth an upstream, with its service.
    targets: Vec<(&'static str, String)>,
    /// Variables that are worth the end of an upstream's name.
    ends: Vec<String>,
    count: usize,
}

impl Maker {
    fn new(seed: u64, upstreams: [u16; 2], ports: [u16; 2]) -> Self {
        let prefix = format!("c{seed}");
        Self {
            dice: Dice(seed.wrapping_mul(0x2545_F491_4F6C_DD1D)),
            texts: Texts::of(&prefix),
            prefix,
            upstreams,
            ports,
            service: SERVICES[0],
            server: 0,
            hides: false,
            asks: false,
            paths: vec!["/".to_owned()],
            groups: Vec::new(),
            drawn: BTreeSet::new(),
            targets: Vec::new(),
            ends: Vec::new(),
            count: 0,
        }
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.dice.next() % bound.max(1) as u64).unwrap()
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }

    fn pick<'t>(&mut self, of: &[&'t str]) -> &'t str {
        of[self.below(of.len())]
    }

    fn any_of(&mut self, of: &[String]) -> String {
        of[self.below(of.len())].clone()
    }

    /// A new name.
    fn name(&mut self, what: &str) -> String {
        self.count += 1;
        format!("{}_{what}{}", self.prefix, self.count)
    }

    /// The name of a version of the service that is being made for.
    fn version(&self, version: &str) -> String {
        format!("{}_{}_{version}", self.prefix, self.service)
    }

    /// Any version of the service.
    fn host(&mut self) -> String {
        let version = self.pick(&VERSIONS);
        self.version(version)
    }

    /// A new place of the server that is being made, and the line that leaves its number.
    fn place(&mut self) -> (usize, String) {
        let server = self.server;
        let place = Place { hidden: self.hides, old: self.version("old"), ..Place::of(server) };
        self.texts.place(place)
    }

    /// A page of the server for what a place does not answer, or now and then a path.
    fn page(&mut self, number: usize, pages: &[String], paths: &[&str], one_in: usize) -> String {
        let page = if self.one_in(one_in) { self.pick(paths).to_owned() } else { self.any_of(pages) };
        let lead = if page.starts_with('/') { "/".to_owned() } else { page.clone() };
        self.texts.places[number].leads.insert(lead);
        page
    }

    fn upstreams(&mut self) -> String {
        let mut text = String::new();
        for service in SERVICES {
            self.service = service;
            for version in VERSIONS {
                text.push_str(&self.upstream(version));
            }
            let (name, port) = (self.version("grpc"), self.upstreams[1]);
            text.push_str(&format!("upstream {name} {{ server 127.0.0.1:{port}; }}\n"));
        }
        text
    }

    fn upstream(&mut self, version: &str) -> String {
        let port = self.upstreams[0];
        let weight = self.pick(&["", "", " weight=3", " max_fails=2"]);
        let backup = if self.one_in(6) { format!(" server 127.0.0.1:{port} backup;") } else { String::new() };
        let balancer = if backup.is_empty() && self.one_in(8) { " ip_hash;" } else { "" };
        let name = self.version(version);
        format!("upstream {name} {{{balancer} server 127.0.0.1:{port}{weight};{backup} }}\n")
    }

    /// Text as it stands, or now and then in a file of its own.
    fn perhaps_included(&mut self, text: String) -> String {
        if !self.one_in(12) || text.is_empty() || self.hides {
            return text;
        }
        let name = format!("{}/part{}.conf", self.prefix, self.texts.files.len());
        self.texts.files.push((name.clone(), text));
        format!("include {name};\n")
    }
}

const SERVICES: [&str; 2] = ["shop", "blog"];
const VERSIONS: [&str; 3] = ["old", "new", "third"];
