//! Policy document → compiled policy → decision. Pure: the dice are an argument, there is no clock and no I/O.

pub mod document;
