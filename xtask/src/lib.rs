//! What the project's own commands are made of, and what its tests share with them: the tools that they need, and the
//! server that shows the page.

pub mod fuzz;
pub mod parts;
pub mod run;
pub mod serve;
pub mod setup;
pub mod tools;
pub mod web;
