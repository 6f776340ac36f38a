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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_and_its_interval() {
        let values: Vec<f64> = (0..101).rev().map(f64::from).collect();
        assert_eq!(median(&values), (50.0, 40.0, 60.0));
        assert_eq!(median(&[3.0]), (3.0, 3.0, 3.0));
    }

    #[test]
    fn work_costs_time() {
        let before = spent(std::process::id()).unwrap();
        let sum: u64 = (0..50_000_000_u64).fold(0, |sum, n| std::hint::black_box(sum ^ n));
        assert_ne!(sum, 1);
        assert!(spent(std::process::id()).unwrap() > before);
    }
}
