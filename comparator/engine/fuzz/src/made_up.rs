//! A document made up from bytes, and the same one changed: a value replaced, a member or element gone, moved or new, names
//! and values spelled otherwise, spaces between tokens.

/// A document before it is written.
#[derive(Clone)]
enum Made {
    Scalar(&'static str),
    Array(Vec<Made>),
    Object(Vec<(&'static str, Made)>),
}

/// Each byte is a choice; when there are no more, every choice is the first.
struct Choices<'a>(&'a [u8]);

/// Two documents of JSON.
pub fn documents(bytes: &[u8]) -> (String, String) {
    let mut choices = Choices(bytes);
    let left = made(&mut choices, 5);
    let mut right = left.clone();
    change(&mut right, &mut choices);
    let spaced = choices.of(4);
    let (mut left_text, mut right_text) = (String::new(), String::new());
    write(&left, "", &mut left_text);
    write(&right, if spaced == 3 { " " } else { "" }, &mut right_text);
    (left_text, right_text)
}

impl Choices<'_> {
    fn of(&mut self, count: usize) -> usize {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        usize::from(first) % count
    }
}

fn made(choices: &mut Choices<'_>, depth: u32) -> Made {
    match choices.of(if depth == 0 { 1 } else { 4 }) {
        0 | 1 => Made::Scalar(SCALARS[choices.of(SCALARS.len())]),
        2 => Made::Array((0..choices.of(6)).map(|_| made(choices, depth - 1)).collect()),
        _ => Made::Object(
            (0..choices.of(5)).map(|_| (NAMES[choices.of(NAMES.len())], made(choices, depth - 1))).collect(),
        ),
    }
}

fn change(value: &mut Made, choices: &mut Choices<'_>) {
    match choices.of(8) {
        1 => *value = made(choices, 2),
        2 => rearrange(value, choices),
        _ => {}
    }
    match value {
        Made::Scalar(_) => {}
        Made::Array(elements) => elements.iter_mut().for_each(|element| change(element, choices)),
        Made::Object(members) => members.iter_mut().for_each(|(_, member)| change(member, choices)),
    }
}

fn rearrange(value: &mut Made, choices: &mut Choices<'_>) {
    match value {
        Made::Scalar(scalar) => *scalar = SCALARS[choices.of(SCALARS.len())],
        Made::Array(elements) => {
            let new = made(choices, 1);
            rearrange_list(elements, new, choices);
        }
        Made::Object(members) => {
            let new = (NAMES[choices.of(NAMES.len())], made(choices, 1));
            rearrange_list(members, new, choices);
        }
    }
}

fn rearrange_list<T>(list: &mut Vec<T>, new: T, choices: &mut Choices<'_>) {
    let at = choices.of(list.len() + 1);
    match choices.of(4) {
        0 => list.insert(at, new),
        1 => drop(list.drain(at..).next()),
        2 => list.rotate_left(at),
        _ => list.reverse(),
    }
}

fn write(value: &Made, space: &str, into: &mut String) {
    let (open, close) = match value {
        Made::Scalar(scalar) => return into.push_str(scalar),
        Made::Array(_) => ('[', ']'),
        Made::Object(_) => ('{', '}'),
    };
    into.push(open);
    into.push_str(space);
    let mut between = "";
    let mut next = |into: &mut String| into.push_str(std::mem::replace(&mut between, ","));
    match value {
        Made::Scalar(_) => {}
        Made::Array(elements) => elements.iter().for_each(|element| {
            next(into);
            write(element, space, into);
        }),
        Made::Object(members) => members.iter().for_each(|(name, member)| {
            next(into);
            into.push_str(space);
            into.push_str(name);
            into.push_str(space);
            into.push(':');
            write(member, space, into);
            into.push_str(space);
        }),
    }
    into.push(close);
}

const NAMES: [&str; 9] = [
    r#""a""#,
    r#""b""#,
    r#""id""#,
    r#""\u0061""#,
    r#""a/b""#,
    r#""0""#,
    r#""~""#,
    r#""password""#,
    r#""qWeRtYuIoPaSdFgHjKlZxCvB""#,
];

const SCALARS: [&str; 24] = [
    "null",
    "true",
    "false",
    "0",
    "-0",
    "1",
    "1.0",
    "10e-1",
    "12",
    "1e400",
    "10E399",
    "123456789012345678901234567890",
    "123456789012345678901234567891",
    "1e9999999999999999",
    r#""""#,
    r#""a""#,
    r#""\u0061""#,
    r#""b""#,
    r#""\ud800""#,
    r#""\ud83d\ude00""#,
    "\"\u{1f600}\"",
    "\"twelve letters\"",
    "\"with \\\"quotes\\\"\"",
    r#""Bearer x""#,
];
