//! The process of the city capitol.

fn main() -> std::process::ExitCode {
    location_node::main("capitol")
}
