//! The plugin configuration: written JSON → settings that cannot be wrong.

use std::time::Duration;

use antumbra_policy::document::{Field, Invalid, Problems, Tree, optional};
use antumbra_policy::{Policy, SHORTEST_SECRET, Secrets};

/// What the proxy's operator configured for one instance of the filter.
#[derive(Debug)]
pub struct Settings {
    /// Whether the filter does anything: `false` passes everything untouched.
    pub enabled: bool,
    /// What the filter may ask of the proxy.
    pub host: Host,
    /// The name of the policy.
    pub release: String,
    /// The policy until the comparator answers, or for good if there is no comparator.
    pub inline: Option<Policy>,
    /// Where policies come from and observations go.
    pub comparator: Option<Comparator>,
    /// Whether the host shows the body of a request whose headers wait for it, so that rules may look into bodies.
    pub bodies: bool,
    /// The keys that policies name, for what is signed.
    pub secrets: Secrets,
    /// What mirroring may use of one proxy worker.
    pub limits: Limits,
}

/// What the filter may ask of the proxy that it runs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Host {
    /// The proxy is Envoy, and does all that the filter may ask.
    #[default]
    Envoy,
    /// What every host of the proxy-wasm ABI 0.2.1 does: calls leave on the tick alone, there are no gauges, the tick is asked
    /// for once, and a header that was removed may still go on.
    Generic,
}

/// How the filter reaches the comparator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Comparator {
    /// The cluster of the proxy through which the comparator is reached.
    pub cluster: String,
    /// The `:authority` of the calls.
    pub authority: String,
    /// The token that is sent as `authorization: Bearer …`, if there is one.
    pub token: Option<String>,
    /// The time between two polls, 100 ms to 60 s.
    pub poll: Duration,
    /// The time that one call may take, 100 ms to 60 s.
    pub timeout: Duration,
}

/// What mirroring may use of one proxy worker. What exceeds a limit is not mirrored, or not delivered, and is counted by reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many exchanges may be recorded or wait for shadow answers at a time.
    pub exchanges_in_flight: usize,
    /// How many bytes of recorded bodies and unacknowledged observations may be held.
    pub bytes_in_flight: usize,
    /// How many exchanges may begin to be mirrored in a second, at most 1,000,000; a tenth of them may come at once.
    pub mirrored_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { exchanges_in_flight: 128, bytes_in_flight: 32 << 20, mirrored_per_second: 5_000 }
    }
}

impl Settings {
    /// Reads the plugin configuration.
    ///
    /// # Errors
    /// Everything that is wrong with it, the inline policy included.
    pub fn from_json(text: &[u8]) -> Result<Self, Invalid> {
        let tree = Tree::from_json(text)?;
        let problems = Problems::default();
        let settings = read(&problems.root(&tree));
        let mut settings = problems.finish(settings)?;
        settings.inline = settings.inline.map(|policy| policy.bind(&settings.secrets)).transpose()?;
        Ok(settings)
    }
}

fn read(root: &Field<'_>) -> Option<Settings> {
    let map =
        root.map(&["enabled", "host", "release", "policy", "comparator", "bodies", "secrets", "limits"])?;
    let enabled = map.get("enabled").map_or(Some(true), Field::boolean);
    let host = map.get("host").map_or(Some(Host::default()), |field| field.one_of(&HOSTS));
    let inline = map.get("policy").map(Policy::read);
    let comparator = map.get("comparator").map(comparator);
    let bodies = map.get("bodies").map_or(Some(false), Field::boolean);
    let secrets = map.get("secrets").map_or_else(|| Some(Secrets::new()), secrets);
    let limits = map.get("limits").map_or_else(|| Some(Limits::default()), limits);
    let release = map.get("release").map(|field| (field, field.name()));
    if comparator.is_none() && inline.is_none() {
        root.note("has neither a policy nor a comparator to get one from".to_owned());
    }
    let release = match (release, inline.as_ref()) {
        (Some((field, Some(name))), Some(Some(policy))) if policy.name() != name => {
            field.problem(format_args!("must be the policy's name {:?}, or absent", policy.name()));
            None
        }
        (Some((_, name)), _) => name.map(str::to_owned),
        (None, Some(policy)) => policy.as_ref().map(|policy| policy.name().to_owned()),
        (None, None) => {
            map.required("release");
            None
        }
    };
    Some(Settings {
        enabled: enabled?,
        host: host?,
        release: release?,
        inline: optional(inline)?,
        comparator: optional(comparator)?,
        bodies: bodies?,
        secrets: secrets?,
        limits: limits?,
    })
}

fn comparator(field: &Field<'_>) -> Option<Comparator> {
    let map = field.map(&["cluster", "authority", "token", "poll", "timeout"])?;
    let duration =
        |name, default| map.get(name).map_or(Some(default), |f: &Field<'_>| f.duration(SHORTEST..=LONGEST));
    let cluster = map.required("cluster").and_then(Field::text);
    let authority = map.get("authority").map_or(Some("antumbra"), Field::text);
    let token = map.get("token").map(Field::text);
    let poll = duration("poll", DEFAULT_POLL);
    let timeout = duration("timeout", DEFAULT_TIMEOUT);
    Some(Comparator {
        cluster: cluster?.to_owned(),
        authority: authority?.to_owned(),
        token: optional(token)?.map(str::to_owned),
        poll: poll?,
        timeout: timeout?,
    })
}

fn limits(field: &Field<'_>) -> Option<Limits> {
    let map = field.map(&["exchangesInFlight", "bytesInFlight", "mirroredPerSecond"])?;
    let default = Limits::default();
    let read = |name, default: usize, most: u64| match map.get(name) {
        None => Some(default),
        Some(field) => field.integer(0..=most).and_then(|value| usize::try_from(value).ok()),
    };
    let mirrored_per_second = match map.get("mirroredPerSecond") {
        None => Some(default.mirrored_per_second),
        Some(field) => field.integer(0..=1_000_000).and_then(|value| u32::try_from(value).ok()),
    };
    let exchanges_in_flight = read("exchangesInFlight", default.exchanges_in_flight, 65_536);
    let bytes_in_flight = read("bytesInFlight", default.bytes_in_flight, 512 << 20);
    Some(Limits {
        exchanges_in_flight: exchanges_in_flight?,
        bytes_in_flight: bytes_in_flight?,
        mirrored_per_second: mirrored_per_second?,
    })
}

/// `{name: key}`. A key that is too short is not shown.
fn secrets(field: &Field<'_>) -> Option<Secrets> {
    let read = |(name, field): &(&str, Field<'_>)| {
        let key = field.text()?;
        if key.len() < SHORTEST_SECRET {
            field.note(format!("has {} bytes, must have at least {SHORTEST_SECRET}", key.len()));
            return None;
        }
        Some(((*name).to_owned(), key.as_bytes().to_vec()))
    };
    let secrets: Vec<_> = field.entries()?.iter().map(read).collect();
    secrets.into_iter().collect()
}

const HOSTS: [(&str, Host); 2] = [("envoy", Host::Envoy), ("generic", Host::Generic)];
const DEFAULT_POLL: Duration = Duration::from_secs(1);
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(2);
const SHORTEST: Duration = Duration::from_millis(100);
const LONGEST: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_family = "wasm")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn defaults() {
        let settings =
            Settings::from_json(br#"{"release":"shop","comparator":{"cluster":"antumbra"}}"#).unwrap();
        assert!(settings.enabled && settings.inline.is_none());
        assert_eq!(settings.release, "shop");
        let comparator = settings.comparator.unwrap();
        assert_eq!((comparator.authority.as_str(), comparator.poll), ("antumbra", DEFAULT_POLL));
    }

    #[test]
    fn the_host_is_envoy_unless_it_is_said() {
        let host = |host: &str| {
            let text = format!(r#"{{"release":"shop","comparator":{{"cluster":"antumbra"}}{host}}}"#);
            Settings::from_json(text.as_bytes()).map(|settings| settings.host).map_err(|e| e.to_string())
        };
        assert_eq!(host(""), Ok(Host::Envoy));
        assert_eq!(host(r#","host":"envoy""#), Ok(Host::Envoy));
        assert_eq!(host(r#","host":"generic""#), Ok(Host::Generic));
        let unknown = host(r#","host":"nginx""#).unwrap_err();
        assert!(unknown.starts_with("host is \"nginx\", must be"), "{unknown}");
    }

    #[test]
    fn the_inline_policy_names_the_release() {
        let text =
            br#"{"policy":{"version":1,"name":"shop","variants":{"a":null},"default":"a","rules":[]}}"#;
        assert_eq!(Settings::from_json(text).unwrap().release, "shop");
    }

    #[test]
    fn a_policy_needs_the_keys_that_it_names() {
        let settings = |secrets: &str| {
            let text = format!(
                r#"{{"secrets": {secrets}, "policy": {{"version": 1, "name": "shop", "variants": {{"a": null}}, "default": "a",
                "override": {{"header": "x-force", "signedWith": "testers"}}, "rules": []}}}}"#
            );
            Settings::from_json(text.as_bytes()).map(|_| ()).map_err(|invalid| invalid.to_string())
        };
        assert_eq!(settings(r#"{"testers": "0123456789abcdef"}"#), Ok(()));
        let missing = "override is signed with \"testers\", which is not among the secrets";
        assert_eq!(settings(r#"{"others": "0123456789abcdef"}"#), Err(missing.to_owned()));
        let short = "secrets.testers has 5 bytes, must have at least 16";
        assert_eq!(settings(r#"{"testers": "short"}"#), Err(short.to_owned()));
    }

    #[test]
    fn everything_wrong_is_said_at_once() {
        let cases: [(&str, &[&str]); 4] = [
            (
                "{}",
                &[
                    "document has neither a policy nor a comparator to get one from",
                    "document has no field \"release\", which is required",
                ],
            ),
            ("nonsense", &["document is not JSON: expected ident at line 1 column 2"]),
            (
                r#"{"release":"a b","comparator":{"cluster":1,"poll":"1ms","tokn":"x"},"limits":{"bytesInFlight":-1}}"#,
                &[
                    "comparator.tokn is not a known field; did you mean \"token\"?",
                    "comparator.cluster is 1, must be a string",
                    "comparator.poll is \"1ms\", must be within 100ms..=60s",
                    "limits.bytesInFlight is -1, must be within 0..=536870912",
                    "release is \"a b\", must be 1 to 63 letters, digits, '.', '_' or '-', beginning with a letter or a digit",
                ],
            ),
            (
                r#"{"release":"x","policy":{"version":1,"name":"shop","variants":{"a":null},"default":"a","rules":[]}}"#,
                &["release is \"x\", must be the policy's name \"shop\", or absent"],
            ),
        ];
        for (text, expected) in cases {
            let invalid = Settings::from_json(text.as_bytes()).unwrap_err();
            let said: Vec<String> = invalid.problems.iter().map(ToString::to_string).collect();
            assert_eq!(said, expected, "{text}");
        }
    }
}
