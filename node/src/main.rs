//! The program `paxoskv`: nodes, one-shot commands, a shell, a benchmark.

mod cli;

fn main() {
    std::process::exit(cli::main());
}
