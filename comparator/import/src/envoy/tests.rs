//! Route configurations as a user would have them.
