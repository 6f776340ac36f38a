//! JSON read and compared in the plainest way, for texts that are known to be short. Numbers are their digits, strings their
//! UTF-16 units, members are sorted by name and keep their order within one.

/// A value; equal if it means the same.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    /// `null`, `true` or `false`.
    Word(String),
    /// Negative, digits, power of ten of the last digit.
    Number(bool, String, i128),
    /// UTF-16, with surrogates that have no partner.
    Text(Vec<u16>),
    /// Elements.
    Array(Vec<Value>),
    /// Members.
    Object(Vec<(Vec<u16>, Value)>),
}

/// The value, if `text` is JSON in UTF-8 and nothing else.
pub fn read(text: &[u8]) -> Option<Value> {
    let text: Vec<char> = std::str::from_utf8(text).ok()?.chars().collect();
    let (value, rest) = value(blank(&text))?;
    blank(rest).is_empty().then_some(value)
}

fn value(text: &[char]) -> Option<(Value, &[char])> {
    match text.first()? {
        '{' => object(&text[1..]),
        '[' => array(&text[1..]),
        '"' => string(&text[1..]).map(|(text, rest)| (Value::Text(text), rest)),
        '-' | '0'..='9' => number(text),
        _ => ["null", "true", "false"].iter().find_map(|word| {
            let word_chars: Vec<char> = word.chars().collect();
            Some((Value::Word((*word).to_owned()), text.strip_prefix(word_chars.as_slice())?))
        }),
    }
}

fn object(text: &[char]) -> Option<(Value, &[char])> {
    let mut members = Vec::new();
    let mut rest = blank(text);
    if let ['}', after @ ..] = rest {
        return Some((Value::Object(members), after));
    }
    loop {
        let (name, after) = string(rest.strip_prefix(&['"'])?)?;
        let (member, after) = value(blank(blank(after).strip_prefix(&[':'])?))?;
        members.push((name, member));
        match blank(after) {
            [',', after @ ..] => rest = blank(after),
            ['}', after @ ..] => {
                members.sort_by(|left, right| left.0.cmp(&right.0));
                return Some((Value::Object(members), after));
            }
            _ => return None,
        }
    }
}

fn array(text: &[char]) -> Option<(Value, &[char])> {
    let mut elements = Vec::new();
    let mut rest = blank(text);
    if let [']', after @ ..] = rest {
        return Some((Value::Array(elements), after));
    }
    loop {
        let (element, after) = value(rest)?;
        elements.push(element);
        match blank(after) {
            [',', after @ ..] => rest = blank(after),
            [']', after @ ..] => return Some((Value::Array(elements), after)),
            _ => return None,
        }
    }
}

fn string(mut text: &[char]) -> Option<(Vec<u16>, &[char])> {
    let mut units = Vec::new();
    loop {
        let (first, rest) = text.split_first()?;
        text = rest;
        match first {
            '"' => return Some((units, rest)),
            '\\' => {
                let (letter, rest) = rest.split_first()?;
                text = rest;
                let at = "\"\\/bfnrt".chars().position(|known| known == *letter);
                match (letter, at) {
                    ('u', _) => {
                        let digits: String = rest.get(..4)?.iter().collect();
                        let plain = digits.chars().all(|digit| digit.is_ascii_hexdigit());
                        units.push(u16::from_str_radix(&digits, 16).ok().filter(|_| plain)?);
                        text = &rest[4..];
                    }
                    (_, at) => units.push([34, 92, 47, 8, 12, 10, 13, 9][at?]),
                }
            }
            '\0'..='\x1f' => return None,
            char => units.extend(char.encode_utf16(&mut [0; 2]).iter()),
        }
    }
}

fn number(text: &[char]) -> Option<(Value, &[char])> {
    let (negative, text) = match text {
        ['-', rest @ ..] => (true, rest),
        _ => (false, text),
    };
    let (whole, text) = digits(text)?;
    if whole.len() > 1 && whole.starts_with('0') {
        return None;
    }
    let (fraction, text) = match text {
        ['.', rest @ ..] => digits(rest)?,
        _ => (String::new(), text),
    };
    let (exponent, text) = match text {
        ['e' | 'E', '-', rest @ ..] => digits(rest).map(|(digits, rest)| (format!("-{digits}"), rest))?,
        ['e' | 'E', '+', rest @ ..] | ['e' | 'E', rest @ ..] => digits(rest)?,
        _ => ("0".to_owned(), text),
    };
    let all = whole + &fraction;
    let significant = all.trim_start_matches('0').trim_end_matches('0').to_owned();
    if significant.is_empty() && exponent.len() < 16 {
        return Some((Value::Number(false, significant, 0), text));
    }
    let zeros = all.len() - all.trim_end_matches('0').len();
    // Beyond 15 digits of exponent a number equals only its own spelling.
    let scale = match exponent.trim_start_matches('-').trim_start_matches('0').len() {
        ..16 => exponent.parse::<i128>().ok()? - fraction.len() as i128 + zeros as i128,
        _ => return Some((Value::Word(format!("{negative} {all} {} {exponent}", fraction.len())), text)),
    };
    if significant.is_empty() {
        return Some((Value::Number(false, significant, 0), text));
    }
    Some((Value::Number(negative, significant, scale), text))
}

fn digits(text: &[char]) -> Option<(String, &[char])> {
    let end = text.iter().position(|char| !char.is_ascii_digit()).unwrap_or(text.len());
    (end > 0).then(|| (text[..end].iter().collect(), &text[end..]))
}

fn blank(text: &[char]) -> &[char] {
    let end = text.iter().position(|char| !" \t\n\r".contains(*char)).unwrap_or(text.len());
    &text[end..]
}
