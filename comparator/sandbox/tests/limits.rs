//! Each bound on a component, met by one that does exactly that wrong.

use std::time::Duration;

use antumbra_components::plugin::{HOG, LOOP, NOTHING, TRAP, bytes, misshapen, normaliser, stranger};
use antumbra_plugin::{Answer, Failure, Limits, Rewritten, Runtime};
use antumbra_sandbox::Wasmtime;

const ANSWER: Answer<'_> = Answer { status: 200, headers: &[], body: b"{\"a\":1}" };

fn normalised(component: &[u8], limits: Limits) -> Result<Option<Rewritten>, Failure> {
    let component = Wasmtime.load(component, limits).unwrap_or_else(|error| panic!("{error}"));
    assert!(component.normalises() && !component.judges());
    let rewritten = component.normalise("GET /", ANSWER);
    let again = component.normalise("GET /", ANSWER);
    let reason = |result: &Result<_, Failure>| result.as_ref().err().map(Failure::reason);
    assert_eq!(reason(&rewritten), reason(&again), "a call leaves nothing to the next");
    rewritten.and_then(|rewritten| rewritten.map(|rewritten| rewritten.bounded(ANSWER.size())).transpose())
}

#[test]
fn each_way_to_fail_has_its_reason() {
    for (instructions, reason) in [
        (LOOP, "fuel"),
        (HOG, "memory"),
        (TRAP, "trap"),
        ("(drop (i32.load (i32.const -8))) unreachable", "trap"),
        // More than it may say, and so much that it is not even copied.
        (&bytes(100_000), "output"),
        (&bytes(3_000_000), "output"),
        // Beyond its memory.
        (&bytes(u32::MAX), "output"),
        // No such case of a result.
        ("(i32.store8 (i32.const 1024) (i32.const 9)) (i32.const 1024)", "output"),
        // An error of which the text is none.
        (
            "(i32.store8 (i32.const 1024) (i32.const 1)) (i32.store (i32.const 1028) (i32.const 1024))
             (i32.store (i32.const 1032) (i32.const 2)) (i32.store8 (i32.const 1025) (i32.const 255)) (i32.const 1024)",
            "output",
        ),
        ("(i32.store8 (i32.const 1024) (i32.const 1)) (i32.const 1024)", "refused"),
    ] {
        let failed = normalised(&normaliser(instructions), Limits::default());
        assert_eq!(failed.as_ref().err().map(Failure::reason), Some(reason), "{instructions}: {failed:?}");
    }
    assert_eq!(normalised(&normaliser(NOTHING), Limits::default()), Ok(None));
    let zeros = normalised(&normaliser(&bytes(9)), Limits::default());
    assert_eq!(zeros, Ok(Some(Rewritten { headers: vec![], body: vec![0; 9] })));
}

/// With fuel for ever there is still the clock.
#[test]
fn time_is_a_bound_of_its_own() {
    let limits = Limits { fuel: u64::MAX, time: Duration::from_millis(30), ..Limits::default() };
    let failed = normalised(&normaliser(LOOP), limits);
    assert_eq!(failed.err(), Some(Failure::Time));
}

#[test]
fn components_that_are_no_plugins() {
    for (bytes, said) in [
        (
            stranger(),
            "exports neither antumbra:plugin/normaliser@0.1.0 nor antumbra:plugin/judge@0.1.0, but greet",
        ),
        (misshapen(), "antumbra:plugin/judge@0.1.0 is not as antumbra has it"),
        (b"\0asm\x0d\0\x01\0nonsense".to_vec(), "is no component"),
    ] {
        let error = Wasmtime.load(&bytes, Limits::default()).err().unwrap().to_string();
        assert!(error.contains(said), "{error}");
    }
}
