//! The rules that hold the house together: who may depend on whom, which room knows which, and which file may name what.

mod crates;
mod documents;
mod doors;
mod house;
mod modules;
mod order;
mod picture;
mod plans;
mod reading;
mod rooms;
mod sources;
mod tokens;
