//! The comparator as its users meet it: over real HTTP on a free port, with a real database in a directory of its own.

mod capture;
mod command_line;
mod durability;
mod guards;
mod ingest;
mod policies;
mod replay;
mod server;
mod service;
