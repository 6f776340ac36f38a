//! The report as text: a summary of at most twenty lines, which holds the verdict and why, and the whole.

mod page;
mod summary;
mod whole;

use crate::report::Report;

pub use page::TextStyle;
pub(crate) use page::{MAX_SHOWN, counted, cut, duration, findings, suspect};

impl Report {
    /// Writes the verdict, what it does not cover, the findings with one example each, and what is needed: at most twenty lines. `more` is
    /// the last of them if it is not empty; it says how to read the rest.
    pub fn to_summary(&self, style: TextStyle, more: &str) -> String {
        summary::written(self, style, more)
    }

    /// Writes everything that the report has.
    pub fn to_text(&self, style: TextStyle) -> String {
        whole::written(self, style)
    }
}
