//! The dispatch process.

fn main() -> std::process::ExitCode {
    dispatch_node::main()
}
