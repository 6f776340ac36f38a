//! CPU time of a process, and what a series of measurements says.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

/// The time that all threads of a process spent on a CPU so far: the first number of each
/// `/proc/<pid>/task/<tid>/schedstat`, in nanoseconds (Linux, `Documentation/scheduler/sched-stats.rst`).
pub(super) fn spent(pid: u32) -> Result<Duration> {
    let tasks = format!("/proc/{pid}/task");
    let mut total = 0;
    for task in fs::read_dir(&tasks).with_context(|| tasks.clone())? {
        // A thread may end between listing and reading.
        let Ok(text) = fs::read_to_string(task?.path().join("schedstat")) else { continue };
        let first = text.split_whitespace().next().context("schedstat is empty")?;
        total += first.parse::<u64>()?;
    }
    Ok(Duration::from_nanos(total))
}

/// The same for all threads that there ever were, in steps of 10 ms: `utime` and `stime` of `/proc/<pid>/stat` (Linux, proc(5)).
pub(super) fn spent_in_all(pid: u32) -> Result<Duration> {
    let file = format!("/proc/{pid}/stat");
    let text = fs::read_to_string(&file).with_context(|| file.clone())?;
    // The name of the program stands in brackets, and may hold blanks.
    let (_, fields) = text.rsplit_once(") ").with_context(|| format!("{file} has no name"))?;
    let ticks: u64 = fields.split(' ').skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Ok(Duration::from_millis(ticks * 10))
}

/// Median and the interval that holds the true median in 95 % of such series (order statistics, binomial).
pub(super) fn median(values: &[f64]) -> (f64, f64, f64) {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |rank: f64| {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the indices")]
        let index = rank.clamp(0.0, (sorted.len() - 1) as f64).round() as usize;
        sorted[index]
    };
    let (middle, spread) = ((sorted.len() - 1) as f64 / 2.0, 0.98 * (sorted.len() as f64).sqrt());
    (at(middle), at(middle - spread), at(middle + spread))
}

/// The ratio of the medians of two series that were measured round by round, and the interval that holds it in 95 % of rounds
/// drawn again with replacement (percentile bootstrap; Efron and Tibshirani, "An introduction to the bootstrap", 1993).
pub(super) fn ratio(values: &[f64], references: &[f64]) -> (f64, f64, f64) {
    let rounds: Vec<(f64, f64)> = values.iter().copied().zip(references.iter().copied()).collect();
    let of = |rounds: &[(f64, f64)]| {
        let (values, references): (Vec<f64>, Vec<f64>) = rounds.iter().copied().unzip();
        median(&values).0 / median(&references).0
    };
    let mut dice = antumbra_policy::Dice(1);
    let mut drawn: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let again = rounds.iter().map(|_| {
                #[expect(clippy::cast_possible_truncation, reason = "below the number of rounds")]
                let place = (dice.next() % rounds.len() as u64) as usize;
                rounds[place]
            });
            of(&again.collect::<Vec<_>>())
        })
        .collect();
    drawn.sort_by(f64::total_cmp);
    (of(&rounds), drawn[RESAMPLES / 40], drawn[RESAMPLES - 1 - RESAMPLES / 40])
}

const RESAMPLES: usize = 2_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ratio_of_medians_and_its_interval() {
        let references: Vec<f64> = (0..101).map(|n| 10.0 + f64::from(n % 7)).collect();
        let twice: Vec<f64> = references.iter().map(|value| value * 2.0).collect();
        let (middle, low, high) = ratio(&twice, &references);
        assert!((middle - 2.0).abs() < 1e-9 && low <= middle && middle <= high, "{low} {middle} {high}");
    }

    #[test]
    fn the_median_and_its_interval() {
        let values: Vec<f64> = (0..101).rev().map(f64::from).collect();
        assert_eq!(median(&values), (50.0, 40.0, 60.0));
        assert_eq!(median(&[3.0]), (3.0, 3.0, 3.0));
    }

    #[test]
    fn work_costs_time() {
        let this = std::process::id();
        let before = (spent(this).unwrap(), spent_in_all(this).unwrap());
        // A tick is 10 ms: what this takes is less than that on a fast machine, so it goes on until it shows.
        while spent_in_all(this).unwrap() <= before.1 {
            let sum: u64 = (0..50_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n));
            assert_ne!(sum, 1);
        }
        assert!(spent(this).unwrap() > before.0);
    }
}
