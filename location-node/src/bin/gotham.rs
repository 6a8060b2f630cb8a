//! The process of the city gotham. All three cities are the same program with different names.

fn main() -> std::process::ExitCode {
    location_node::main("gotham")
}
