//! The cases in which this engine answers otherwise than Diffy's.

/// Cases that the data itself calls a weakness of Diffy, and what is found here.
pub(super) const WEAKNESSES: &[(&str, &[&str])] = &[
    // Sorting by text pairs the wrong elements.
    ("array of objects sort shift: changed id re-sorts", &["id value"]),
    // An object is taken for a map by the look of its keys, and then for another class.
    ("map key hyphen missing", &["a-b missing"]),
    ("map vs object class", &["r missing", "r.a extra"]),
    // Strings are read again as JSON, and only to the end of the first token.
    ("numeric string vs number same", &["p type"]),
    ("string with leading number", &["p value"]),
    ("quoted prefix string", &["p value"]),
    ("number with exponent string", &["p value"]),
    ("hash starting with digit+space", &["p value"]),
    // Numbers wrap.
    ("beyond int64 +1", &["n value"]),
    // What follows the first document is not looked at.
    ("raw trailing garbage json", &[" type"]),
    ("raw two docs", &[" type"]),
    // The status is seen only with a body of a known type, and other bodies are not compared.
    ("http empty body, status differs (204 vs 200): undetected", &[" status"]),
    ("http no content type, status differs: undetected", &[" status"]),
    ("http plain text unsupported: pair dropped", &[" value"]),
    ("http malformed json: pair dropped", &[" type"]),
];

/// Cases that are no weakness of Diffy: name, what is found here, why.
pub(super) const ON_PURPOSE: &[(&str, &[&str], &str)] = &[
    ("array of objects reorder", &[" order"], ORDER),
    ("array in object reorder", &["tags order"], ORDER),
    ("array with nulls", &["v order"], ORDER),
    ("int vs float different value", &[" value"], "JSON has one type of number"),
    ("map keys set change", &[" extra", " missing", " value"], SETS),
    ("map keys and values differ", &[" extra", " missing", " value"], SETS),
    ("set members differ", &[" value"], SETS),
    ("key with dot", &["a.b value"], "a member keeps its name, whatever it looks like"),
    ("string holding json diff", &["p value"], STRINGS),
    ("numeric string vs text", &["p value"], STRINGS),
    ("leading zero string", &["p value"], STRINGS),
    ("html in string", &["p value"], STRINGS),
    ("html text differ", &["p value"], STRINGS),
    ("raw html attr", &[" value"], LINES),
    ("raw html tag change", &[" value"], LINES),
    ("raw html attr added", &[" value"], LINES),
    ("http html attribute differs", &[" value"], LINES),
    ("raw html vs json", &[" type"], KINDS),
    ("http json vs html", &[" type", "content-type value"], KINDS),
    ("http empty body vs json body", &[" type"], KINDS),
    ("http status differs same body", &[" status"], "another status is one difference, of the kind `status`"),
    (
        "http multi-value header order ignored",
        &["vary value"],
        "the order of field lines of one name is significant (RFC 9110, 5.3); a rule may say that it is not",
    ),
    ("http multi-value header count differs", &["cookie:b extra"], "cookies are compared by their names"),
    (
        "http no content type: body ignored",
        &[" value"],
        "a body is compared whatever it is called; as bytes, if nobody says",
    ),
];

const ORDER: &str = "the order of an array counts unless it is declared not to; see the test about that";
const SETS: &str = "each member that came or went is named, not the set as a whole";
const STRINGS: &str = "a string is a string: what stands in it is not read again";
const LINES: &str = "HTML is compared by its lines, as one difference of the body";
const KINDS: &str = "bodies of two kinds differ as wholes, not in each field";
