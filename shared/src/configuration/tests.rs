//! Tests with kinds of options that no node has.

use clap::{FromArgMatches, Parser};

use super::*;

#[derive(Debug, Parser)]
struct Toy {
    #[arg(long)]
    insecure: bool,
    #[arg(long, default_value_t = 5)]
    limit: u64,
    #[arg(long = "name", value_delimiter = ',')]
    names: Vec<String>,
    #[arg(long, default_value = "hush", hide_env_values = true)]
    secret: String,
}

fn read<O: FromArgMatches>(
    command: Command,
    text: &str,
    flags: &[&str],
) -> Result<Loaded<O>, String> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("toy.toml");
    std::fs::write(&path, text).unwrap();
    let arguments = ["toy", "--config", path.to_str().unwrap()]
        .iter()
        .chain(flags)
        .map(OsString::from)
        .collect();
    options("gotham", command, arguments).map_err(|refusal| match refusal {
        Refusal::CommandLine(error) => error.to_string(),
        Refusal::File(Invalid { place, what, .. }) => {
            place.map_or(what.clone(), |at| format!("{}:{}: {what}", at.line, at.column))
        }
    })
}

fn toy(text: &str, flags: &[&str]) -> Result<Loaded<Toy>, String> {
    use clap::CommandFactory as _;
    read(Toy::command(), text, flags)
}

#[test]
fn switches_numbers_and_lists_are_native_toml_values() {
    let Toy { insecure, limit, names, .. } =
        toy("insecure = true\nlimit = 0x1_0\nname = ['a', 'b,c']\n", &[]).unwrap().options;
    assert_eq!((insecure, limit, names), (true, 16, ["a", "b", "c"].map(str::to_owned).to_vec()));
    let Toy { limit, names, .. } =
        toy("limit = 18446744073709551615\nname = 'a'\n", &["--name", "b"]).unwrap().options;
    assert_eq!(
        (limit, names),
        (u64::MAX, vec!["b".to_owned()]),
        "a flag replaces the list of the file"
    );
    assert!(toy("insecure = 1\n", &[]).unwrap_err().ends_with("expected one of true, false"));
    assert!(toy("limit = -1\n", &[]).unwrap_err().starts_with("1:9: limit cannot be \"-1\""));
}

#[test]
fn printed_config_reads_as_the_same_values_without_secrets() {
    let first = toy(
        "name = [\"a\\\"\\n#b\"]\nsecret = \"quiet\"\n",
        &["--limit", "18446744073709551615", "--print-config"],
    )
    .unwrap();
    let printed = first.printout.unwrap().to_string();
    assert!(
        !printed.contains("quiet")
            && !printed.contains("hush")
            && printed.contains("# secret is set (hidden)"),
        "{printed}"
    );
    let second = toy(&printed, &[]).unwrap().options;
    assert_eq!((second.limit, second.names), (u64::MAX, first.options.names), "{printed}");
}
