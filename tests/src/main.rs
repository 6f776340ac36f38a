//! The harness's binary: the demo, the tools that scripts ask, and `antumbra` itself when the harness executes it so.

use std::process::ExitCode;
use std::time::Duration;

use antumbra_e2e::comparator::AS_ANTUMBRA;
use antumbra_e2e::toolchain::Question;
use antumbra_e2e::{bench, demo, pair, plugin, soak};
use anyhow::Result;
use clap::{Parser, Subcommand};

/// That of the binary `antumbra`, which this one is at times.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "cargo demo", bin_name = "cargo demo", version, about = ABOUT, after_help = demo::EXAMPLES)]
#[command(args_conflicts_with_subcommands = true, disable_help_subcommand = true)]
struct Arguments {
    #[command(flatten)]
    demo: demo::Options,
    #[command(subcommand)]
    tool: Option<Tool>,
}

#[derive(Subcommand)]
enum Tool {
    /// Build the filter, or say with what.
    Toolchain {
        #[command(subcommand)]
        question: Question,
    },
    #[command(after_help = pair::EXAMPLES)]
    Pair(pair::Options),
    /// CPU that the filter adds to a request in Envoy, beside other ways to route by cookie.
    BenchFilter {
        /// Rounds, after one that warms up.
        #[arg(long, default_value_t = 40, value_name = "N")]
        rounds: u32,
        /// Requests for each contender in each round.
        #[arg(long, default_value_t = 2000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        requests: u64,
    },
    /// Latency of the clients while everything is mirrored to a candidate that misbehaves, beside no mirroring.
    #[command(after_help = "Example: cargo demo bench-chaos --pairs 30 --rate 500")]
    BenchChaos {
        /// Pairs of rounds for each fault, after one that warms up.
        #[arg(long, default_value_t = 15, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        pairs: u32,
        /// Requests in each round.
        #[arg(long, default_value_t = 300, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        requests: u64,
        /// Requests a second.
        #[arg(long, default_value_t = 200, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=10_000))]
        rate: u64,
        /// Only candidates of whom this is said, as `never ends`.
        #[arg(long, value_name = "WORDS", default_value = "")]
        only: String,
    },
    /// CPU that a mirrored and delivered exchange adds to a request in Envoy, beside Envoy's own mirror, which throws the answers away.
    BenchMirror {
        /// Rounds, after one that warms up.
        #[arg(long, default_value_t = 40, value_name = "N")]
        rounds: u32,
        /// Requests for each contender in each round.
        #[arg(long, default_value_t = 1000, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        requests: u64,
    },
    /// Observations that a comparator compares and acknowledges in a second, beside one insert into SQLite for each.
    #[command(after_help = "Example: cargo demo bench-ingest --seconds 5 --rounds 1 --only \"3 noisy\"")]
    BenchIngest {
        /// Seconds that each measurement lasts; there are two for each row and round.
        #[arg(long, default_value_t = 2, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=60))]
        seconds: u64,
        /// Rounds; in every other one the rows come in the opposite order.
        #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        rounds: u32,
        /// Only rows in whose name this is, as `40 differ` or `1 core`.
        #[arg(long, value_name = "WORDS", default_value = "")]
        only: String,
    },
    /// Time until a batch is acknowledged while two viewers reload reports, beside none.
    BenchViewers {
        /// Pairs of rounds, after one that warms up.
        #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
        pairs: u32,
        /// Seconds that each round lasts.
        #[arg(long, default_value_t = 3, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=60))]
        seconds: u64,
        /// Observations in a second.
        #[arg(long, default_value_t = 2_000, value_name = "N", value_parser = clap::value_parser!(u64).range(32..))]
        rate: u64,
        /// Endpoints, each with 100 places that differ.
        #[arg(long, default_value_t = 300, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1_000))]
        endpoints: u16,
    },
    /// Whether a comparator can be asked, and a release be braked, while somebody attacks it. Exit code 1 if a question had no answer, or if
    /// what was acknowledged is lost.
    #[command(after_help = "Example: cargo demo bench-brake --seconds 5 --only \"wrong tokens\"")]
    BenchBrake {
        /// Seconds that each attack lasts before the comparator is told to end.
        #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=600))]
        seconds: u64,
        /// Only attacks in whose name this is, as `a byte at a time`.
        #[arg(long, value_name = "WORDS", default_value = "")]
        only: String,
    },
    /// Mixed traffic for a while: does memory grow, do the accounts add up? Exit code 1 if they do not, or if the filter ever failed.
    Soak {
        /// How long.
        #[arg(long, default_value_t = 10, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
        minutes: u64,
        /// Requests in a second.
        #[arg(long, default_value_t = 100, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=1000))]
        rate: u64,
    },
}

fn main() -> ExitCode {
    let mut arguments: Vec<_> = std::env::args_os().collect();
    if arguments.get(1).is_some_and(|first| first == AS_ANTUMBRA) {
        arguments.remove(0);
        return antumbra_comparator::run(arguments, &antumbra_comparator::NoRuntime);
    }
    match run(Arguments::parse_from(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("antumbra: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    match arguments.tool {
        None => demo::run(&arguments.demo),
        Some(Tool::Toolchain { question }) => {
            print!("{}", question.answer(plugin::component)?);
            Ok(())
        }
        Some(Tool::Pair(options)) => pair::run(&options),
        Some(Tool::BenchFilter { rounds, requests }) => bench::filter(rounds, requests),
        Some(Tool::BenchChaos { pairs, requests, rate, only }) => bench::chaos(pairs, requests, rate, &only),
        Some(Tool::BenchMirror { rounds, requests }) => bench::mirror(rounds, requests),
        Some(Tool::BenchIngest { seconds, rounds, only }) => {
            bench::ingest(Duration::from_secs(seconds), rounds, &only)
        }
        Some(Tool::BenchViewers { pairs, seconds, rate, endpoints }) => {
            bench::viewers(pairs, Duration::from_secs(seconds), rate, endpoints)
        }
        Some(Tool::BenchBrake { seconds, only }) => bench::brake(Duration::from_secs(seconds), &only),
        Some(Tool::Soak { minutes, rate }) => soak::run(Duration::from_secs(minutes * 60), rate),
    }
}

const ABOUT: &str =
    "A release behind a real Envoy: traffic is mirrored, the answers are compared, and a verdict is given";
