//! What clients really got of the variants of a split, and whether one of them is worse off.
//!
//! Mirrored answers say what a candidate would do with safe requests. Once a weight sends users to it, their own outcomes count, writes
//! above all. Users are assigned to variants by a hash of their key, so chance alone decides who gets which, and what differs between
//! variants beyond chance is the versions' doing. That holds between the variants of one split, under one generation of its weights:
//! nothing here may be asked of clients that a header, a list or a region chose.
//!
//! There is no control leg, and nothing is paired: the only reference is the stable version's own users at the same time.
//!
//! These are the tests alone, held against made-up traffic; no filter counts for them yet, and no verdict asks them.

mod errors;
mod goals;
mod users;

pub use errors::{Errors, Outcomes, Standing};
pub use goals::{Bucketed, Difference, Goal, USER_BUCKETS};
pub use users::ln_mismatch;
