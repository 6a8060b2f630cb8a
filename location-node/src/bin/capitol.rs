//! The city of capitol, as a process. All three cities are the same program under another name.

fn main() -> std::process::ExitCode {
    location_node::main("capitol")
}
