//! nginx's configurations and requests out of a seed: every directive that chooses a destination, in every combination that
//! nginx accepts.
//!
//! All names begin with the number of the configuration, since many share one nginx. Conditions look at few names and values,
//! and requests have these most of the time.

mod requests;
mod server;
mod variables;

use antumbra_policy::Dice;

use crate::exchange::Sent;

/// A configuration.
pub(crate) struct Made {
    pub(crate) seed: u64,
    /// Name and text; the first includes the others.
    pub(crate) files: Vec<(String, String)>,
    ports: [u16; 2],
    paths: Vec<String>,
}

impl Made {
    /// What is imported: the file, or all of them as `nginx -T` prints them.
    pub(crate) fn text(&self) -> String {
        let [(name, text)] = self.files.as_slice() else {
            let first = format!(
                "# configuration file /etc/nginx/nginx.conf:\nhttp {{ include {}; }}\n",
                self.files[0].0
            );
            let others = self.files.iter();
            return others.fold(first, |all, (name, text)| {
                format!("{all}\n# configuration file /etc/nginx/{name}:\n{text}\n")
            });
        };
        let _ = name;
        text.clone()
    }

    /// The port that the policy is for.
    pub(crate) fn port(&self) -> u16 {
        self.ports[0]
    }

    /// Requests of this configuration.
    pub(crate) fn requests(&self, count: u64) -> Vec<Sent> {
        let mut maker = Maker::new(self.seed ^ 0xA5A5, 0, self.ports);
        (0..count).map(|_| requests::request(&mut maker, &self.paths)).collect()
    }
}

/// The configuration of a seed.
pub(crate) fn configuration(seed: u64, upstream: u16, ports: [u16; 2]) -> Made {
    let mut maker = Maker::new(seed, upstream, ports);
    let mut text = maker.upstreams();
    text.push_str(&variables::all(&mut maker));
    text.push_str(&server::all(&mut maker));
    let mut files = vec![(format!("{}/main.conf", maker.prefix), text)];
    files.append(&mut maker.files);
    Made { seed, files, ports, paths: maker.paths }
}

/// What a configuration is made with.
struct Maker {
    dice: Dice,
    prefix: String,
    upstream: u16,
    ports: [u16; 2],
    files: Vec<(String, String)>,
    /// Paths of locations.
    paths: Vec<String>,
    /// Variables that are worth a group, with their dollar sign.
    groups: Vec<String>,
    /// Variables that are worth an upstream.
    targets: Vec<String>,
    /// Variables that are worth the end of an upstream's name.
    ends: Vec<String>,
    count: usize,
}

impl Maker {
    fn new(seed: u64, upstream: u16, ports: [u16; 2]) -> Self {
        Self {
            dice: Dice(seed.wrapping_mul(0x2545_F491_4F6C_DD1D)),
            prefix: format!("c{seed}"),
            upstream,
            ports,
            files: Vec::new(),
            paths: vec!["/".to_owned()],
            groups: Vec::new(),
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

    /// An upstream's name.
    fn host(&mut self) -> String {
        let name = self.pick(&UPSTREAMS);
        format!("{}_{name}", self.prefix)
    }

    fn upstreams(&mut self) -> String {
        let mut text = String::new();
        for name in UPSTREAMS {
            let weight = self.pick(&["", "", " weight=3", " max_fails=2"]);
            let backup = if self.one_in(6) {
                format!(" server 127.0.0.1:{} backup;", self.upstream)
            } else {
                String::new()
            };
            let balancer = if backup.is_empty() && self.one_in(8) { " ip_hash;" } else { "" };
            text.push_str(&format!(
                "upstream {}_{name} {{{balancer} server 127.0.0.1:{}{weight};{backup} }}\n",
                self.prefix, self.upstream
            ));
        }
        text
    }

    /// Text as it stands, or now and then in a file of its own.
    fn perhaps_included(&mut self, text: String) -> String {
        if !self.one_in(12) || text.is_empty() {
            return text;
        }
        let name = format!("{}/part{}.conf", self.prefix, self.files.len());
        self.files.push((name.clone(), text));
        format!("include {name};\n")
    }
}

const UPSTREAMS: [&str; 3] = ["old", "new", "third"];
