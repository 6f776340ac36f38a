//! Canaries: secrets of every name and form, at every place of an exchange. None of them may be found in anything that the comparator
//! stores, shows, exports or logs, and what is no secret must still be there.

use std::io::Write as _;
use std::path::Path;

use antumbra_observation::{Body, Leg, Observation};

/// A name of the list, in some spelling.
const NAMES: [&str; 30] = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "apiKey",
    "token",
    "access_token",
    "refreshToken",
    "client-secret",
    "password",
    "newPassword2",
    "passwd",
    "user_pwd",
    "otp",
    "smsOtp",
    "pin",
    "ssn",
    "payee_iban",
    "cardNumber",
    "cvv2",
    "sessionId",
    "PHPSESSID",
    "connect.sid",
    "X-Amz-Signature",
    "sig",
    "csrf_token",
    "XSRF-TOKEN",
    "privateKey",
    "jwt",
    "recovery_code",
    "Passphrase",
];

/// What an attacker would look for: a value that nobody but the exchange has. It has no form of its own.
fn named(name: usize, place: &str) -> String {
    format!("hush{name:02}{place}9k")
}

/// Values whose form shows that they are secrets. They are put together here, so that no scanner takes this file for a leak.
pub(crate) fn formed() -> Vec<String> {
    let body = "Zq7Rt2Wx9Kd4Lm8Pv3Ns6Yb1Hc5Jf0GaTeUi";
    let with = |prefix: &[&str]| format!("{}{body}", prefix.concat());
    vec![
        ["AKIA", "Q7RT2WX9KD4LM8PV"].concat(),
        ["ASIA", "Q7RT2WX9KD4LM8PW"].concat(),
        with(&["AI", "za"]),
        with(&["ya", "29."]),
        with(&["gh", "p_"]),
        with(&["github", "_pat_"]),
        with(&["gl", "pat-"]),
        with(&["xox", "b-"]),
        with(&["sk_", "live_"]),
        with(&["wh", "sec_"]),
        with(&["sk-", ""]),
        with(&["sk-ant-", "api03-"]),
        with(&["npm", "_"]),
        with(&["py", "pi-"]),
        with(&["S", "G."]),
        with(&["h", "f_"]),
        ["eyJ", "hbGciOiJIUzI1NiJ9.eyJzdWIiOiJxN3J0MnciZXIifQ.Zq7Rt2Wx9Kd4Lm8Pv3Ns6Yb1Hc5Jf0Ga"].concat(),
        ["-----BEGIN PRIVATE", " KEY-----MIIEvQIBADANBgkqhkiG9w0Zq7Rt2Wx-----END PRIVATE KEY-----"].concat(),
        "4539 5787 6362 1486".to_owned(),
        "5425233430109903".to_owned(),
        "3742-454554-00126".to_owned(),
        "DE75 5121 0800 1245 1261 99".to_owned(),
        "FR7630006000011234567890189".to_owned(),
        "219-09-9999".to_owned(),
        "https://svc:q7Rt2Wx9Kd@db.internal/x".to_owned(),
        ["Bearer ", "q7Rt2Wx9Kd4Lm8Pv3Ns6"].concat(),
        ["Basic ", "cTdydDJ3eDlrZDpsbTg="].concat(),
    ]
}

/// As a part of a path.
fn escaped(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

/// What is looked for of a secret: of an address only its password, and nothing of the scheme's name.
fn looked_for(secret: &str) -> &str {
    let secret = secret.strip_prefix("Bearer ").or(secret.strip_prefix("Basic ")).unwrap_or(secret);
    if secret.starts_with("https:") {
        "q7Rt2Wx9Kd"
    } else {
        secret.get(secret.len().saturating_sub(40)..).unwrap()
    }
}

/// Makes the body that has a canary.
type Made = Box<dyn Fn(&str) -> String>;

/// Which of the exchanges a request is.
pub(crate) const TURN: &str = "x-turn";

/// An exchange, and the canaries in it.
pub(crate) struct Told(pub(crate) Observation, pub(crate) Vec<String>);

fn leg(variant: &str, media: &str, body: &str) -> Leg {
    Leg::answer(variant, 200)
        .with_header("content-type", media)
        .with_kept(Body::Whole(body.into()))
        .with_latency_us(2_000)
}

/// An exchange whose candidate answers otherwise: `body` makes the body of each leg of its own canary.
pub(crate) fn differing(
    id: u128,
    path: &str,
    media: &str,
    body: &dyn Fn(&str) -> String,
    canaries: &[String; 3],
) -> Told {
    let [own, other, third] = canaries;
    let one = Observation::new("shop", "POST", path)
        .with_id(id)
        .with_rule("shadow")
        .with_arrival_us(1_700_000_000_000_000 + u64::try_from(id).unwrap() * 10_000_000)
        .with_primary(leg("stable", media, &body(own)))
        .with_candidate(leg("canary", media, &body(other)))
        .with_control(leg("control", media, &body(third)));
    Told(one, canaries.to_vec())
}

/// Each name at each place, and each form.
pub(crate) fn exchanges() -> Vec<Told> {
    let mut all = Vec::new();
    let mut next = {
        let mut id = 0_u128;
        move || {
            id += 1;
            id
        }
    };
    for (at, name) in NAMES.iter().enumerate() {
        let canaries = |place: &str| ["a", "b", "a"].map(|leg| named(at, &format!("{place}{leg}")));
        let json = "application/json";
        let bodies: [(&str, &str, Made); 8] = [
            ("member", json, Box::new(move |canary| format!(r#"{{"kept":1,"{name}":"{canary}"}}"#))),
            (
                "nested",
                json,
                Box::new(move |canary| format!(r#"{{"a":[{{"b":{{"{name}":["{canary}"]}}}}]}}"#)),
            ),
            (
                "graphql",
                json,
                Box::new(move |canary| format!(r#"{{"query":"m","variables":{{"{name}":"{canary}"}}}}"#)),
            ),
            ("beside", json, Box::new(move |canary| format!(r#"{{"name":"{name}","value":"{canary}"}}"#))),
            (
                "form",
                "application/x-www-form-urlencoded",
                Box::new(move |canary| format!("kept=1&{name}={canary}")),
            ),
            ("xml", "application/xml", Box::new(move |canary| format!("<r><{name}>{canary}</{name}></r>"))),
            ("error", "text/plain", Box::new(move |canary| format!("wrong {name}: \"{canary}\""))),
            (
                "part",
                "multipart/form-data; boundary=b",
                Box::new(move |canary| {
                    format!(
                        "--b\r\ncontent-disposition: form-data; name=\"{name}\"\r\n\r\n{canary}\r\n--b--\r\n"
                    )
                }),
            ),
        ];
        for (place, media, body) in &bodies {
            let mut told = differing(next(), "/answers", media, body, &canaries(place));
            // The request has the same body, with a canary of its own.
            let asked = named(at, &format!("{place}q"));
            told.0.request.headers.push(("content-type".into(), (*media).into()));
            told.0.request.body = Body::Whole(body(&asked).as_str().into());
            told.1.push(asked);
            all.push(told);
        }
        let mut told =
            differing(next(), "/headers", json, &|_| r#"{"price":10}"#.into(), &canaries("header"));
        let place = |kind: &str| named(at, kind);
        let (query, matrix, segment, cookie, sent) =
            (place("query"), place("matrix"), place("segment"), place("cookie"), place("sent"));
        told.0.request.path =
            format!("/at/{name}/{segment}/list;{name}={matrix}?page=2&{name}={query}").as_str().into();
        told.0.request.headers.push((name.replace('.', "-").as_str().into(), sent.as_str().into()));
        told.0.request.headers.push(("cookie".into(), format!("{name}={cookie}").as_str().into()));
        let referer = format!("https://shop.test/a?{name}={}", place("referer"));
        told.0.request.headers.push(("referer".into(), referer.as_str().into()));
        for (leg, canary) in [&mut told.0.primary, &mut told.0.candidate].into_iter().zip(&told.1) {
            let response = leg.response.as_mut().unwrap();
            response.headers.push((name.replace('.', "-").as_str().into(), canary.as_str().into()));
            response.headers.push(("set-cookie".into(), format!("{name}={canary}; Path=/").as_str().into()));
            response.headers.push(("location".into(), format!("/next?{name}={canary}").as_str().into()));
            response.trailers.push((name.replace('.', "-").as_str().into(), canary.as_str().into()));
        }
        told.1.extend([query, matrix, segment, cookie, sent, place("referer")]);
        all.push(told);
    }
    for secret in formed() {
        let escaped = escaped(&secret);
        for (media, before, after) in [
            ("application/json", r#"{"note":"see "#, r#", please"}"#),
            ("application/json", r#"{"list":[{"note":""#, r#""}]}"#),
            ("text/plain", "a note of ", "."),
            ("text/html", "<p>a note of <b>", "</b></p>"),
        ] {
            let body = |text: &str| format!("{before}{text}{after}");
            let mut told = differing(
                next(),
                &format!("/at/{escaped}?q={escaped}"),
                media,
                &body,
                &[secret.clone(), "nothing".into(), secret.clone()],
            );
            told.0.request.body = Body::Whole(body(&secret).as_str().into());
            told.0.request.headers.push(("content-type".into(), media.into()));
            let answered = told.0.candidate.response.as_mut().unwrap();
            answered.headers.push(("x-note".into(), format!("see {secret}").as_str().into()));
            told.1 = vec![looked_for(&secret).to_owned()];
            all.push(told);
        }
    }
    all.push(compressed(next()));
    for (turn, Told(one, _)) in all.iter_mut().enumerate() {
        one.request.headers.push((TURN.into(), turn.to_string().as_str().into()));
    }
    all
}

/// A secret behind an encoding.
fn compressed(id: u128) -> Told {
    let canary = "hush99packed9k".to_owned();
    let mut told = differing(
        id,
        "/packed",
        "application/json",
        &|text| format!(r#"{{"pin":"{text}"}}"#),
        &[canary, "hush98packed9k".into(), "hush99packed9k".into()],
    );
    for leg in [&mut told.0.primary, &mut told.0.candidate, told.0.control.as_mut().unwrap()] {
        let response = leg.response.as_mut().unwrap();
        let Body::Whole(plain) = &response.body else { panic!("a body") };
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(plain).unwrap();
        response.body = Body::Whole(encoder.finish().unwrap().into());
        response.headers.push(("content-encoding".into(), "gzip".into()));
    }
    told
}

/// Where secrets could be found, by name.
pub(crate) struct Places(pub(crate) Vec<(String, Vec<u8>)>);

impl Places {
    /// Which canaries are found, and where.
    pub(crate) fn found(&self, canaries: &[String]) -> Vec<String> {
        let mut found = Vec::new();
        for (place, bytes) in &self.0 {
            for canary in canaries {
                if memchr::memmem::find(bytes, canary.as_bytes()).is_some() {
                    found.push(format!("{canary} in {place}"));
                }
            }
        }
        found
    }

    pub(crate) fn files(&mut self, dir: &Path) {
        for file in std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path()) {
            self.0.push((file.display().to_string(), std::fs::read(&file).unwrap()));
        }
    }
}
