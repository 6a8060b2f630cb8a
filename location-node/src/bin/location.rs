//! The process of a further city, whose name is its argument.

fn main() -> std::process::ExitCode {
    location_node::main(shared::well_known::LOCATION)
}
