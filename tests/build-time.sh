#!/usr/bin/env bash
# What compiling costs, and that nothing is compiled twice.
#
#   tests/build-time.sh [DIRECTORY]
#
# Builds the demo into a target directory, prints the CPU time that this took, and then builds in the same directory what people build next:
# the comparator by itself, the binary, and all tests. None of these may compile a crate that the demo consists of. Without DIRECTORY the
# target directory is a new one, which is removed at the end; one that holds a build already shows only the second half. The exit status is 1
# if something was compiled again, or if an empty directory took more than MAX_CPU_SECONDS.
set -euo pipefail
cd "$(dirname "$0")/.."

MAX_CPU_SECONDS=540

fail() {
  echo "build-time: $*" >&2
  exit 1
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
messages=$scratch/messages
mkdir "$messages"
target=${1:-$scratch/target}
if [ -d "$target" ] && [ -n "$(ls -A "$target")" ]; then empty=0; else empty=1; fi
export CARGO_TARGET_DIR=$target

# build NAME CARGO-ARGUMENTS…: one build; its messages go to a file of that name, its CPU seconds to standard output.
build() {
  local name=$1
  shift
  local TIMEFORMAT='%U %S'
  { time cargo "$@" --locked --quiet --message-format=json >"$messages/$name" 2>"$messages/$name.stderr"; } 2>&1 |
    awk '{ printf "%d\n", $1 + $2 + 0.5 }' || fail "cargo $* failed: $(tail -n 20 "$messages/$name.stderr")"
}

# crates NAME PATTERN: the crates of a build whose message has the pattern, one a line: package, kind and name. A crate compiled as its
# own test is another thing than the crate.
crates() {
  sed -n "/\"reason\":\"compiler-artifact\"/{/\"test\":true},\"features\"/d;/$2/p;}" "$messages/$1" |
    sed 's/.*"package_id":"\([^"]*\)".*"kind":\["\([^"]*\)".*"name":"\([^"]*\)".*/\1 \2 \3/' | sort -u
}

demo=$(build demo build -p antumbra-e2e --bin antumbra-demo)
crates demo . >"$messages/demo.crates"
[ -s "$messages/demo.crates" ] || fail "cargo named no crate: its messages have another form"
printf '%5d s of CPU for the demo: %d crates compiled, of %d\n' "$demo" "$(crates demo '"fresh":false' | wc -l)" \
  "$(wc -l <"$messages/demo.crates")"

again=0
# after NAME WHAT CARGO-ARGUMENTS…: that a build compiles nothing that the demo's compiled.
after() {
  local name=$1 what=$2 seconds
  shift 2
  seconds=$(build "$name" "$@")
  crates "$name" '"fresh":false' >"$messages/$name.compiled"
  comm -12 "$messages/demo.crates" "$messages/$name.compiled" >"$messages/$name.again"
  printf '%5d s of CPU more for %s: %d crates compiled, of those of the demo %d\n' "$seconds" "$what" \
    "$(wc -l <"$messages/$name.compiled")" "$(wc -l <"$messages/$name.again")"
  sed 's/^/        again: /' "$messages/$name.again"
  [ ! -s "$messages/$name.again" ] || again=1
}

after comparator "the comparator (cargo build -p antumbra-comparator)" build -p antumbra-comparator
after antumbra "the binary (cargo build -p antumbra)" build -p antumbra
after tests "all tests (cargo test --workspace)" test --workspace --no-run

[ "$again" -eq 0 ] || fail "what the demo's build had compiled was compiled again"
[ "$empty" -eq 0 ] || [ "$demo" -le "$MAX_CPU_SECONDS" ] || fail "the demo took $demo s of CPU, must take at most $MAX_CPU_SECONDS"
