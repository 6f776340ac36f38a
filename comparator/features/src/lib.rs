//! No code. The manifest asks crates that several builds share for the features that any of these builds needs, so that cargo compiles
//! each crate once.
