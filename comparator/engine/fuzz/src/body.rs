//! Two bodies: nothing panics, the same content is equal under whatever encoding, order of the two does not decide whether
//! they are equal, and what was not read is never equal.

use std::io::Write as _;
use std::sync::OnceLock;

use antumbra_engine::{Diff, Rules, Schemas, diff_answers};
use antumbra_observation::{Body, Leg};
use flate2::Compression;
use flate2::write::GzEncoder;
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto,
    ServiceDescriptorProto,
};

/// Byte 0 is the type of both bodies, byte 1 their encodings, byte 2 how many hundredths of the rest are the left one.
pub fn check(bytes: &[u8]) {
    let [media, encodings, share, rest @ ..] = bytes else { return };
    let media = MEDIA[usize::from(*media) % MEDIA.len()];
    let encoding = |number: u8| ENCODINGS[usize::from(number) % ENCODINGS.len()];
    let (left, right) = rest.split_at(rest.len() * usize::from(*share % 101) / 100);
    let answers = [
        answer(media, encoding(encodings & 0x0f), left.to_vec()),
        answer(media, encoding(encodings >> 4), right.to_vec()),
    ];
    both_ways(&answers);
    for (encoded, sent) in [(encodings & 0x0f, left), (encodings >> 4, right)] {
        once_more_encoded(media, encoding(encoded), sent);
    }
}

/// Equal one way, equal the other way; refused, so different.
fn both_ways([left, right]: &[Leg; 2]) {
    let (there, back) = (compared(left, right), compared(right, left));
    assert_eq!(bodies(&there).is_empty(), bodies(&back).is_empty(), "{left:?} {right:?}");
    for diff in [&there, &back] {
        assert!(diff.refused.is_none() || !bodies(diff).is_empty(), "silently equal: {left:?} {right:?}");
    }
}

/// What is sent with one encoding more is the same, unless it cannot be read.
fn once_more_encoded(media: &str, encoding: &str, sent: &[u8]) {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(sent).unwrap();
    let more = if encoding.is_empty() { "gzip".to_owned() } else { format!("{encoding}, gzip") };
    let zipped = answer(media, &more, encoder.finish().unwrap());
    let diff = compared(&answer(media, encoding, sent.to_vec()), &zipped);
    assert!(bodies(&diff).is_empty() || diff.refused.is_some(), "{media} {encoding} {sent:?}: {diff:?}");
}

/// Differences of the bodies.
fn bodies(diff: &Diff) -> Vec<&str> {
    let places = diff.differences.iter().map(|found| found.path.as_str());
    places.filter(|place| !place.starts_with("header:")).collect()
}

fn compared(left: &Leg, right: &Leg) -> Diff {
    static RULES: OnceLock<Rules> = OnceLock::new();
    diff_answers(left, right, b"/a.B/C", RULES.get_or_init(|| Rules::default().with_schemas(schemas())))
}

fn answer(media: &str, encoding: &str, body: Vec<u8>) -> Leg {
    let headers = [("content-type", media), ("content-encoding", encoding), ("grpc-encoding", encoding)];
    let headers = headers.into_iter().filter(|(_, value)| !value.is_empty());
    let leg = Leg::answer("", 200).with_kept(Body::Whole(body.into()));
    headers.fold(leg, |leg, (name, value)| leg.with_header(name, value))
}

/// `service a.B { rpc C(M) returns (M); }`, `message M { int64 i = 1; string s = 2; repeated M m = 3; bytes b = 4; float f = 5; }`.
fn schemas() -> Schemas {
    let field = |name: &str, number, kind: Type, label: Label| FieldDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        r#type: Some(kind.into()),
        label: Some(label.into()),
        type_name: (kind == Type::Message).then(|| ".a.M".to_owned()),
        ..FieldDescriptorProto::default()
    };
    let fields = vec![
        field("i", 1, Type::Int64, Label::Optional),
        field("s", 2, Type::String, Label::Optional),
        field("m", 3, Type::Message, Label::Repeated),
        field("b", 4, Type::Bytes, Label::Optional),
        field("f", 5, Type::Float, Label::Optional),
    ];
    let method = MethodDescriptorProto {
        name: Some("C".to_owned()),
        input_type: Some(".a.M".to_owned()),
        output_type: Some(".a.M".to_owned()),
        ..MethodDescriptorProto::default()
    };
    let service = ServiceDescriptorProto { name: Some("B".to_owned()), method: vec![method], options: None };
    let file = FileDescriptorProto {
        name: Some("a.proto".to_owned()),
        package: Some("a".to_owned()),
        syntax: Some("proto3".to_owned()),
        message_type: vec![DescriptorProto {
            name: Some("M".to_owned()),
            field: fields,
            ..Default::default()
        }],
        service: vec![service],
        ..FileDescriptorProto::default()
    };
    Schemas::decode(&FileDescriptorSet { file: vec![file] }.encode_to_vec()).unwrap()
}

const MEDIA: [&str; 12] = [
    "",
    "application/json",
    "application/x-ndjson",
    "text/event-stream",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "application/grpc",
    "text/html",
    "text/plain",
    "image/png",
    "application/grpc-web+proto",
    "application/json-seq",
];
const ENCODINGS: [&str; 8] = ["", "gzip", "deflate", "br", "zstd", "gzip, br", "deflate, zstd", "compress"];
