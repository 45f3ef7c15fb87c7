//! What the project's own commands are made of. The tests of browsers share its tools, and its server for the page.

pub mod binaries;
pub mod check;
pub mod fuzz;
pub mod parts;
pub mod run;
pub mod serve;
pub mod setup;
pub mod structure;
pub mod tools;
pub mod web;
