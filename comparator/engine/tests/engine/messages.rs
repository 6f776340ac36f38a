//! gRPC with a descriptor set: messages are compared field by field, under their names.

use antumbra_engine::{Evidence, Pattern, Rules, Schemas};
use antumbra_observation::Leg;
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, FileDescriptorSet, MethodDescriptorProto, ServiceDescriptorProto,
};

use crate::world::{exchange, read};

/// `service Cart { rpc Get(Item) returns (Item); }` with
/// `message Item { int64 id = 1; string name = 2; repeated Item parts = 3; Colour colour = 4; bytes raw = 5; double price = 6; }`.
fn schemas() -> Schemas {
    let field =
        |name: &str, number, kind: Type, label: Label, type_name: Option<&str>| FieldDescriptorProto {
            name: Some(name.to_owned()),
            number: Some(number),
            r#type: Some(kind.into()),
            label: Some(label.into()),
            type_name: type_name.map(str::to_owned),
            ..FieldDescriptorProto::default()
        };
    let fields = vec![
        field("id", 1, Type::Int64, Label::Optional, None),
        field("name", 2, Type::String, Label::Optional, None),
        field("parts", 3, Type::Message, Label::Repeated, Some(".shop.Item")),
        field("colour", 4, Type::Enum, Label::Optional, Some(".shop.Colour")),
        field("raw", 5, Type::Bytes, Label::Optional, None),
        field("price", 6, Type::Double, Label::Optional, None),
    ];
    let value = |name: &str, number| EnumValueDescriptorProto {
        name: Some(name.to_owned()),
        number: Some(number),
        ..EnumValueDescriptorProto::default()
    };
    let method = MethodDescriptorProto {
        name: Some("Get".to_owned()),
        input_type: Some(".shop.Item".to_owned()),
        output_type: Some(".shop.Item".to_owned()),
        ..MethodDescriptorProto::default()
    };
    let file = FileDescriptorProto {
        name: Some("shop.proto".to_owned()),
        package: Some("shop".to_owned()),
        syntax: Some("proto3".to_owned()),
        message_type: vec![DescriptorProto {
            name: Some("Item".to_owned()),
            field: fields,
            ..Default::default()
        }],
        enum_type: vec![EnumDescriptorProto {
            name: Some("Colour".to_owned()),
            value: vec![value("NONE", 0), value("RED", 1)],
            ..Default::default()
        }],
        service: vec![ServiceDescriptorProto {
            name: Some("Cart".to_owned()),
            method: vec![method],
            ..Default::default()
        }],
        ..FileDescriptorProto::default()
    };
    Schemas::decode(&FileDescriptorSet { file: vec![file] }.encode_to_vec()).unwrap()
}

fn answer(messages: &[&[u8]], trailers: &[(&str, &str)]) -> Leg {
    let frame =
        |message: &&[u8]| [&[0][..], &u32::try_from(message.len()).unwrap().to_be_bytes(), message].concat();
    let body: Vec<u8> = messages.iter().flat_map(frame).collect();
    let mut leg = Leg::answer("", 200).with_body("application/grpc", body);
    let trailers = trailers.iter().map(|(name, value)| ((*name).into(), (*value).into()));
    leg.response.as_mut().unwrap().trailers = trailers.collect();
    leg
}

fn differences(left: Leg, right: Leg, rules: &Rules) -> Vec<String> {
    let mut evidence = Evidence::new();
    evidence.observe(&exchange(1, "/shop.Cart/Get?x", left, right, None), rules);
    let report = read(&evidence);
    let shown = |found: &antumbra_engine::Uncontrolled| {
        let example = found.example.as_ref().unwrap();
        format!("{} {}: {} -> {}", found.path, found.kind, example.primary, example.candidate)
    };
    let refused = report.refused.iter().map(|refused| format!("not read: {}", refused.reason));
    report.uncontrolled.iter().map(shown).chain(refused).collect()
}

#[test]
fn messages_are_compared_by_field() {
    let rules = Rules::default().with_schemas(schemas());
    let check = |left: &[u8], right: &[u8], expected: &[&str]| {
        assert_eq!(differences(answer(&[left], &[]), answer(&[right], &[]), &rules), expected);
    };
    check(b"\x08\x01\x12\x01a", b"\x12\x01a\x08\x01", &[]);
    check(b"\x08\x01", b"\x08\x02", &["/*/id value: 1 -> 2"]);
    check(b"\x1a\x04\x12\x02hi", b"\x1a\x04\x12\x02ho", &["/*/parts/*/name value: \"hi\" -> \"ho\""]);
    check(b"\x20\x01", b"\x20\x07", &["/*/colour type: \"RED\" -> 7"]);
    check(
        b"\x2a\x01\xff",
        b"\x2a\x01\xfe",
        &["/*/raw/xxh3 value: \"d6bcec3c6b29d72e\" -> \"6c197e51b9364ce3\""],
    );
    check(b"", b"\x31\0\0\0\0\0\0\xf8\x7f", &["/*/price extra: (absent) -> \"NaN\""]);
    let unknown = differences(answer(&[b"\x78\x01"], &[]), answer(&[b"\x78\x02"], &[]), &rules);
    assert!(unknown.len() == 1 && unknown[0].starts_with("/*/*/xxh3 value: "), "{unknown:?}");
    let broken = differences(answer(&[b"\x08\x01"], &[]), answer(&[b"\x0a"], &[]), &rules);
    assert!(broken[0].starts_with(" type: ") && broken[1] == "not read: malformed", "{broken:?}");
}

#[test]
fn rules_and_trailers_hold_for_calls() {
    let rules = Rules::new(vec![Pattern::parse("/*/id").unwrap()], vec![]).with_schemas(schemas());
    let status = |code: &'static str| [("grpc-status", code)];
    let left = answer(&[b"\x08\x01", b"\x08\x02"], &status("0"));
    let right = answer(&[b"\x08\x03", b"\x08\x04"], &status("14"));
    assert_eq!(differences(left, right, &rules), ["trailer:grpc-status value: 0 -> 14"]);
}

#[test]
fn without_a_descriptor_messages_have_length_and_hash() {
    let found =
        differences(answer(&[b"\x08\x01"], &[]), answer(&[b"\x08\x02\x10\x01"], &[]), &Rules::default());
    let places: Vec<&str> = found.iter().map(|line| line.split(' ').next().unwrap()).collect();
    assert_eq!(places, ["/*/length", "/*/xxh3"]);
    assert!(Schemas::decode(b"\xff").is_err());
}
