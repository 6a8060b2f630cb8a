//! The nodes' settings in the files of deploy/, read as Docker, Kubernetes and systemd read them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde::Deserialize as _;
use serde_json::Value;

/// Variables that name a file.
pub(crate) const FILES: [&str; 6] = [
    "SUPERHERO_COOKIE_FILE",
    "SUPERHERO_HOST_TOKEN_FILE",
    "SUPERHERO_VIEWER_TOKEN_FILE",
    "SUPERHERO_TLS_CA",
    "SUPERHERO_TLS_CERT",
    "SUPERHERO_TLS_KEY",
];

/// The settings that a deployment method gives to one node.
#[derive(Clone, Debug)]
pub(crate) struct NodeSettings {
    pub(crate) command: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
    pub(crate) healthcheck: Vec<String>,
}

/// A deployment method: returns the settings of the node with this name.
pub(crate) type Method = fn(&str) -> NodeSettings;

/// Returns the text of a file in the repository.
pub(crate) fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Returns the documents of a YAML file, with merge keys resolved.
pub(crate) fn documents(path: &str) -> Vec<Value> {
    let text = text(path);
    let document = |document| {
        let mut value = yaml_serde::Value::deserialize(document)
            .unwrap_or_else(|error| panic!("{path}: {error}"));
        value.apply_merge().unwrap_or_else(|error| panic!("{path}: {error}"));
        serde_json::to_value(value).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    yaml_serde::Deserializer::from_str(&text).map(document).collect()
}

/// Returns a list of strings.
pub(crate) fn strings(list: &Value) -> Vec<String> {
    let list = list.as_array().unwrap_or_else(|| panic!("expected a list, got {list}"));
    list.iter().map(|item| item.as_str().expect("a string").to_owned()).collect()
}

/// Returns the services of the compose file.
pub(crate) fn services() -> Value {
    documents("deploy/compose.yaml").remove(0)["services"].take()
}

pub(crate) fn compose(node: &str) -> NodeSettings {
    let service = &services()[node];
    let environment = service["environment"].as_object().expect("an environment");
    let test = strings(&service["healthcheck"]["test"]);
    assert_eq!(test[0], "CMD", "the image has no shell");
    NodeSettings {
        command: strings(&service["command"]),
        environment: environment
            .iter()
            .map(|(name, value)| (name.clone(), value.as_str().expect("a string").to_owned()))
            .collect(),
        healthcheck: test[1..].to_vec(),
    }
}

/// Returns the pod of a node's manifest.
pub(crate) fn pod(node: &str) -> Value {
    documents(&format!("deploy/kubernetes/{node}.yaml")).remove(0)["spec"]["template"]["spec"]
        .take()
}

pub(crate) fn kubernetes(node: &str) -> NodeSettings {
    let container = &pod(node)["containers"][0];
    let text = |value: &Value| value.as_str().expect("a string").to_owned();
    let environment = container["env"].as_array().expect("an environment");
    NodeSettings {
        command: strings(&container["command"]),
        environment: environment
            .iter()
            .map(|variable| (text(&variable["name"]), text(&variable["value"])))
            .collect(),
        healthcheck: vec![node.to_owned(), "--healthcheck".to_owned()],
    }
}

/// Returns the settings of this name in the unit.
pub(crate) fn unit_settings(node: &str, name: &str) -> Vec<String> {
    let unit = text("deploy/systemd/superhero@.service");
    let values = unit.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('='));
    values.map(|value| value.replace("%i", node)).collect()
}

pub(crate) fn systemd(node: &str) -> NodeSettings {
    let program = unit_settings(node, "ExecStart").remove(0);
    let program = program
        .strip_prefix("/opt/superhero-cluster/bin/")
        .expect("a program of the archive")
        .to_owned();
    let file = unit_settings(node, "EnvironmentFile")
        .remove(0)
        .replace("/etc/superhero/", "deploy/systemd/");
    let lines = text(&file)
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(str::to_owned)
        .collect::<Vec<_>>();
    let credentials: BTreeSet<String> = unit_settings(node, "LoadCredential")
        .iter()
        .map(|loaded| format!("%d/{}", loaded.split_once(':').expect("NAME:PATH").0))
        .collect();
    let environment: BTreeMap<String, String> = lines
        .into_iter()
        .chain(unit_settings(node, "Environment"))
        .map(|line| {
            line.split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .expect("NAME=VALUE")
        })
        .collect();
    let read: BTreeSet<String> =
        FILES.iter().filter_map(|file| environment.get(*file).cloned()).collect();
    assert_eq!(read, credentials, "{node} must read exactly the credentials that it is given");
    NodeSettings {
        command: vec![program.clone()],
        environment,
        healthcheck: vec![program, "--healthcheck".to_owned()],
    }
}
