//! The process of the city metropolis.

fn main() -> std::process::ExitCode {
    location_node::main("metropolis")
}
