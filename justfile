# Short names; each is one command.

# The names.
default:
    @just --list

# Build the filter module and print its path.
wasm:
    cargo demo toolchain module

# Build a plugin out of a Rust crate and print the component's path.
plugin directory="wit/examples/shop":
    cargo demo toolchain plugin {{directory}}

# The main job on real traffic.
demo *options:
    cargo demo {{options}}

# Two published versions of a service that others wrote, side by side.
pair *options:
    cargo demo pair {{options}}

# Ten seeds, each with and without defects; a line for each.
demos:
    for seed in 1 2 3 4 5 6 7 8 9 10; do for mode in "" --healthy; do cargo demo $mode --seed $seed --output json 2>/dev/null | node -e 'let d=JSON.parse(require("fs").readFileSync(0)); console.log(d.seeded.length ? "defective" : "healthy", d.verdict, "found", d.found.length, "of", d.seeded.length, "false alarms", d.false_alarms.length)'; done; done

# Twenty seeds of alike versions whose instances pause, restart and lose their caches; a line for each, and a failure if one is rolled back.
unrest:
    failed=0; for seed in $(seq 20); do cargo demo --healthy --unrest --seed $seed --output json 2>/dev/null | node -e 'let d=JSON.parse(require("fs").readFileSync(0)); console.log("seed", process.argv[1], d.verdict, "suspected", d.report.suspected.length, "false alarms", d.false_alarms.length); process.exitCode = d.verdict === "roll back" ? 1 : 0' $seed || failed=1; done; exit $failed

# Many made-up releases of each kind: how many are ever rolled back or promoted, and a failure if a promise is broken; hours in full.
simulate-verdict scenario="all" runs="100" exchanges="60000" every="1000":
    ANTUMBRA_SIMULATE_SCENARIO={{scenario}} ANTUMBRA_SIMULATE_RUNS={{runs}} ANTUMBRA_SIMULATE_EXCHANGES={{exchanges}} ANTUMBRA_SIMULATE_EVERY={{every}} cargo test --release --locked -p antumbra-engine --test engine -- --ignored --exact --nocapture simulate::long

# All tests, those on the real Envoy included.
test:
    cargo test --workspace

# The filter's module in a host that others wrote; the first time that compiles for minutes.
oracle *options:
    cd tests/oracle && cargo test --locked --ignore-rust-version {{options}}

# CPU seconds that compiling the demo takes, and that nothing is compiled twice; takes minutes.
build-time *directory:
    tests/build-time.sh {{directory}}

# What is quick: format and lints.
check:
    cargo fmt --all --check
    cd tests/oracle && cargo fmt --check
    cd wit/examples/shop && cargo fmt --check
    cargo clippy --workspace --all-targets --locked -- -D warnings

# Everything that a change has to pass.
ci:
    .ci/run

# CPU that the filter adds to a request, beside other ways of doing it.
bench-filter *options:
    cargo demo bench-filter {{options}}

# Latency of the clients while everything is mirrored to a candidate that misbehaves, beside no mirroring.
bench-chaos *options:
    cargo demo bench-chaos {{options}}

# CPU that a mirrored and delivered exchange adds to a request, beside Envoy's own mirror.
bench-mirror *options:
    cargo demo bench-mirror {{options}}

# Observations acknowledged in a second, beside one insert into SQLite for each; options are --seconds, --rounds and --only.
bench-ingest *options:
    cargo build --release --locked -p antumbra-store --example group_commit
    cargo run --release --locked --quiet -p antumbra-e2e --bin antumbra-demo -- bench-ingest {{options}}

# Bytes that the comparator writes for batches that touch every endpoint of a full release.
bench-written:
    cargo test --locked -p antumbra --test over_http -- --ignored --exact --nocapture amplified::what_a_batch_has_written_is_in_proportion_to_its_size

# Time until a batch is acknowledged while two viewers reload reports, beside none.
bench-viewers *options:
    cargo run --release --locked --quiet -p antumbra-e2e --bin antumbra-demo -- bench-viewers {{options}}

# How long health, status and changes of a policy take while a comparator is attacked, and its memory; options are --seconds and --only.
bench-brake *options:
    cargo run --release --locked --quiet -p antumbra-e2e --bin antumbra-demo -- bench-brake {{options}}

# 200 kills of the comparator amid changes of a policy; fails if one has the audit look broken.
audit-kills kills="200":
    ANTUMBRA_KILLS={{kills}} cargo test --locked -p antumbra --test over_http -- --nocapture audits::a_kill

# 1,000 kills of the comparator under load; fails if an observation that was acknowledged is lost or counts twice.
crash kills="1000" seed="7":
    ANTUMBRA_KILLS={{kills}} ANTUMBRA_KILLS_SEED={{seed}} cargo test --locked -p antumbra --test over_http -- --nocapture kills::

# The comparator under 1,000 slow connections of each kind; fails unless every probe of its health is answered (needs slowhttptest).
slow-connections binary="target/debug/antumbra":
    cargo build --locked -p antumbra
    tests/slow-connections.sh {{binary}}

# Mixed traffic for a while, and whether memory grows; options are --minutes and --rate.
soak *options:
    cargo demo soak {{options}}

# Nanoseconds per decision, natively.
bench-policy *options:
    cargo bench -p antumbra-policy --bench decide {{options}}

# Microseconds per pair of bodies that are compared, beside serde_json parsing both.
bench-compare *options:
    cargo bench -p antumbra-engine --bench compare -- {{options}}

# Exchanges per second that are compared, counted and written to the journal, beside serde_json parsing their bodies.
bench-take *options:
    cargo bench -p antumbra-engine --bench take -- {{options}}

# Bytes that evidence holds when every cap is reached.
bench-evidence:
    cargo bench -p antumbra-engine --bench evidence

# Fuzz policy, budget, cookie, query, header or address until it fails; options are libFuzzer's, such as -max_total_time=600.
fuzz target *options:
    mkdir -p filter/policy/fuzz/corpus/{{target}}
    cd filter/policy && cargo +nightly fuzz run --sanitizer none {{target}} fuzz/corpus/{{target}} fuzz/seeds/{{target}} -- -dict=fuzz/dictionaries/{{target}}.dict -max_len=4096 -timeout=10 {{options}}

# Fuzz body, json_diff, merge or tokens likewise.
fuzz-engine target *options:
    mkdir -p comparator/engine/fuzz/corpus/{{target}}
    cd comparator/engine && cargo +nightly fuzz run --sanitizer none {{target}} fuzz/corpus/{{target}} fuzz/seeds/{{target}} -- -dict=fuzz/dictionaries/{{target}}.dict -max_len=4096 -timeout=10 {{options}}

# Hostile requests through a real Envoy, made up from a seed; prints what became of them.
hostile requests="100000" seed="1":
    ANTUMBRA_HOSTILE_REQUESTS={{requests}} ANTUMBRA_HOSTILE_SEED={{seed}} cargo test -p antumbra-e2e --test hostile -- --nocapture made_up

# Policies at the bounds of their budget in a real Envoy: memory, and time for the values that cost most.
budget:
    cargo test -p antumbra-e2e --test hostile -- --nocapture budget

# Made-up configurations on a real nginx beside what is imported from them; prints how many requests went the same way.
import-nginx configurations="2000" seed="1":
    ANTUMBRA_IMPORT_CONFIGURATIONS={{configurations}} ANTUMBRA_IMPORT_SEED={{seed}} cargo test -p antumbra-e2e --test nginx_import -- --nocapture decides

# Every file of a directory as each system that its words or its name suggest: no panic, and what is imported is a valid policy.
import-files directory:
    ANTUMBRA_IMPORT_FILES={{directory}} cargo test -p antumbra-e2e --test nginx_import -- --nocapture files_of

# Licences, advisories and sources of all dependencies (needs cargo-deny).
deny:
    cargo deny check
