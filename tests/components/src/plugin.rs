//! Plugins for tests, out of a few instructions, so that each does exactly one thing wrong.
//!
//! Nothing here answers errors: what tests are made of is not wrong, or the test is.

use wit_component::{StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

/// A normaliser of these instructions, which leave the address of the result on the stack.
pub fn normaliser(instructions: &str) -> Vec<u8> {
    let name = "antumbra:plugin/normaliser@0.1.0#normalise";
    let parameters = "i32 i32 i32 i32 i32 i32 i32";
    component(
        "normalising",
        &format!("(func (export \"{name}\") (param {parameters}) (result i32) {instructions})"),
    )
}

/// A judge of these instructions.
pub fn judge(instructions: &str) -> Vec<u8> {
    let name = "antumbra:plugin/judge@0.1.0#judge";
    let parameters = "i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32";
    component(
        "judging",
        &format!("(func (export \"{name}\") (param {parameters}) (result i32) {instructions})"),
    )
}

/// A component of another world, which exports nothing that is asked for.
pub fn stranger() -> Vec<u8> {
    let world = "package other:thing; world thing { export greet: func() -> u32; }";
    let mut resolve = Resolve::default();
    let package = resolve.push_str("thing.wit", world).unwrap();
    encoded(&resolve, package, "thing", "(func (export \"greet\") (result i32) (i32.const 7))")
}

/// A component whose judge has other parameters.
pub fn misshapen() -> Vec<u8> {
    let world = "package antumbra:plugin@0.1.0; interface judge { judge: func(a: u32) -> u32; } world w { export judge; }";
    let mut resolve = Resolve::default();
    let package = resolve.push_str("judge.wit", world).unwrap();
    let function =
        "(func (export \"antumbra:plugin/judge@0.1.0#judge\") (param i32) (result i32) (i32.const 7))";
    encoded(&resolve, package, "w", function)
}

fn component(world: &str, function: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let wit = concat!(env!("CARGO_MANIFEST_DIR"), "/../../wit/plugin.wit");
    let package = resolve.push_str("plugin.wit", &std::fs::read_to_string(wit).unwrap()).unwrap();
    encoded(&resolve, package, world, function)
}

fn encoded(resolve: &Resolve, package: wit_parser::PackageId, world: &str, function: &str) -> Vec<u8> {
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut module = crate::assembled::module(&format!("(module {MEMORY} {function})")).unwrap();
    embed_component_metadata(&mut module, resolve, world, StringEncoding::UTF8).unwrap();
    crate::assembled::component(&module).unwrap()
}

/// Memory, and the least allocator that there is.
const MEMORY: &str = "
    (memory (export \"memory\") 64)
    (global $next (mut i32) (i32.const 65536))
    (func (export \"cabi_realloc\") (param i32 i32 i32 i32) (result i32) (local $at i32)
        (local.set $at (i32.and (i32.add (global.get $next) (i32.sub (local.get 2) (i32.const 1)))
            (i32.sub (i32.const 0) (local.get 2))))
        (global.set $next (i32.add (local.get $at) (local.get 3)))
        (local.get $at))";

/// Leaves every answer as it is, or finds no difference: a result of zeros.
pub const NOTHING: &str = "(i32.const 1024)";
/// Never ends.
pub const LOOP: &str = "(loop $again (br $again)) unreachable";
/// Takes memory until there is none.
pub const HOG: &str = "(loop $again (drop (memory.grow (i32.const 16))) (br $again)) unreachable";
/// Breaks.
pub const TRAP: &str = "unreachable";
/// A body of so many bytes of what lies in memory.
pub fn bytes(count: u32) -> String {
    format!(
        "(i32.store8 (i32.const 1028) (i32.const 1)) (i32.store (i32.const 1040) (i32.const 2048))
         (i32.store (i32.const 1044) (i32.const {count})) (i32.const 1024)"
    )
}
