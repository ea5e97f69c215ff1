//! The Kubernetes manifests, as an overlay renders them, held against the API's schemas and our own programs.
//!
//! Knows: what a service really has: settings, ports, secrets. Never: a cluster; none can be started here.
//! `ScaledObject` and `Cluster` are no kinds of the API itself: their shape is checked by name.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use e2e::manifests::{Api, Manifests, documents_of, list, name_in, name_of, rendered, text, text_of};
use e2e::programs::{binary, coverage};
use serde_json::{Value, json};
use stack::paths::Paths;
use stack::{postgres, wheels};

const OVERLAYS: [&str; 2] = ["overlays/demo", "overlays/production"];
/// Kinds that an operator adds to the API.
const OF_OPERATORS: [&str; 2] = ["keda.sh/v1alpha1", "postgresql.cnpg.io/v1"];
/// Where secrets are mounted.
const SECRETS: &str = "/run/secrets/";

/// Runs `check` on each overlay, or says loudly that it cannot.
fn on_every_overlay(check: impl Fn(&Manifests)) {
    for overlay in OVERLAYS {
        let Some(manifests) = rendered(overlay) else { return };
        eprintln!("{overlay}: {} documents", manifests.0.len());
        check(&manifests);
    }
}

/// The pods of every deployment: name of the deployment, and what its pods are.
fn pods(manifests: &Manifests) -> Vec<(&str, &Value)> {
    let pods: Vec<_> =
        manifests.of_kind("Deployment").map(|one| (name_of(one), &one["spec"]["template"])).collect();
    assert!(pods.len() >= 4, "{pods:?}");
    pods
}

/// Every container: of which deployment, and what it is.
fn containers(manifests: &Manifests) -> Vec<(&str, &Value)> {
    let of_pod = |(name, pod)| {
        let pod: &Value = pod;
        let both = list(&pod["spec"]["initContainers"]).iter().chain(list(&pod["spec"]["containers"]));
        both.map(move |container| (name, container)).collect::<Vec<_>>()
    };
    pods(manifests).into_iter().flat_map(of_pod).collect()
}

/// The program that a container of ours runs.
fn program(container: &Value) -> &str {
    let image = text(&container["image"]);
    let name = image.strip_prefix("polyfeed/").unwrap_or_else(|| panic!("`{image}` is none of ours"));
    name.split_once(':').unwrap_or_else(|| panic!("`{image}` has no version")).0
}

fn help_of(program: &str) -> String {
    let output = Command::new(binary(program)).arg("--help").env_clear().envs(coverage()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn the_api_accepts_every_document_and_knows_every_word() {
    on_every_overlay(|manifests| {
        let Some(api) = Api::fetched() else { return };
        for document in &manifests.0 {
            if !OF_OPERATORS.contains(&text(&document["apiVersion"])) {
                api.accepts(document).unwrap();
            }
        }
        let good = manifests.named("Deployment", "feed");
        for (place, value) in [
            ("/spec/replicas", json!("many")),
            ("/spec/template/spec/containers/0/securityContext", json!({ "readOnlyRootFileSystem": true })),
            ("/spec/template/spec/containers/0/ports/0", json!({ "name": "admin" })),
        ] {
            let mut bad = good.clone();
            *bad.pointer_mut(place).unwrap() = value;
            assert!(api.accepts(&bad).is_err(), "{place} went through");
        }
    });
}

#[test]
fn every_setting_is_one_of_its_program_and_the_program_takes_its_value() {
    on_every_overlay(|manifests| {
        let secrets = tempfile::tempdir().unwrap();
        for key in ["nats-password", "database-url"] {
            let url = "postgres://someone:something@postgres-rw:5432/polyfeed";
            std::fs::write(secrets.path().join(key), url).unwrap();
        }
        for (_, container) in containers(manifests) {
            let program = program(container);
            let help = help_of(program);
            let environment = manifests.environment(container);
            assert!(!environment.is_empty(), "{program} has no settings");
            for (name, value) in &environment {
                let known = help.contains(&format!("  {name}, --")) || help.contains(&format!("; {name})"));
                let plain = name.strip_suffix("_FILE").unwrap_or_default();
                let line =
                    help.lines().skip_while(|line| !line.starts_with(&format!("  {plain}, --"))).nth(2);
                let is_secret = line.is_some_and(|line| line.contains("secret;"));
                assert!(known || (is_secret && value.starts_with(SECRETS)), "{program} knows no {name}");
            }
            if !help.contains("healthcheck") {
                continue;
            }
            // Every value is read and judged before the question is asked; 64 is a faulty setting.
            let here = format!("{}/", secrets.path().display());
            let output = Command::new(binary(program))
                .arg("healthcheck")
                .env_clear()
                .envs(coverage())
                .envs(environment.into_iter().map(|(name, value)| (name, value.replace(SECRETS, &here))))
                .output()
                .unwrap();
            let said = String::from_utf8_lossy(&output.stderr);
            assert!(matches!(output.status.code(), Some(0 | 1)), "{program}: {said}");
        }
    });
}

#[test]
fn ports_and_probes_are_those_that_the_programs_have() {
    on_every_overlay(|manifests| {
        for (deployment, container) in containers(manifests) {
            let ports = list(&container["ports"]);
            if ports.is_empty() {
                assert_eq!(name_in(container), "migrate", "{deployment} opens no port");
                continue;
            }
            let (name, port) = (name_in(&ports[0]), &ports[0]["containerPort"]);
            let environment: BTreeMap<_, _> = manifests.environment(container).into_iter().collect();
            let address =
                ["ADMIN_ADDR", "DASHBOARD_ADDR", "SIM_ADDR"].iter().find_map(|one| environment.get(*one));
            assert_eq!(address, Some(&format!("0.0.0.0:{port}")), "{deployment}");
            // The port that the program itself calls its own.
            assert!(help_of(program(container)).contains(&format!("127.0.0.1:{port}")), "{deployment}");
            let annotations =
                &manifests.named("Deployment", deployment)["spec"]["template"]["metadata"]["annotations"];
            assert!(
                name == "venue" || annotations["prometheus.io/port"] == json!(port.to_string()),
                "{deployment}"
            );
            for (probe, path) in
                [("startupProbe", "/live"), ("livenessProbe", "/live"), ("readinessProbe", "/ready")]
            {
                let probe = &container[probe];
                let (get, socket, command) =
                    (&probe["httpGet"], &probe["tcpSocket"], &probe["exec"]["command"]);
                let path = if name == "venue" { "/sim/status" } else { path };
                let asks = get["port"] == name && get["path"] == path;
                // With a token the dashboard answers nobody else.
                let by_itself = socket["port"] == name || *command == json!(["/service", "healthcheck"]);
                assert!(if deployment == "dashboard" { by_itself } else { asks }, "{deployment}: {probe}");
            }
        }
        for service in manifests.of_kind("Service") {
            let ports = &service["spec"]["ports"];
            let name = name_of(service);
            let container = containers(manifests).into_iter().find(|(deployment, _)| *deployment == name);
            assert_eq!(ports[0]["targetPort"], container.unwrap().1["ports"][0]["name"], "{name}");
        }
    });
}

#[test]
fn no_pod_may_more_than_it_must() {
    on_every_overlay(|manifests| {
        for (name, pod) in pods(manifests) {
            let pod = &pod["spec"];
            assert_eq!(pod["automountServiceAccountToken"], false, "{name}");
            // Otherwise a service of the cluster becomes a setting by chance of its name.
            assert_eq!(pod["enableServiceLinks"], false, "{name}");
            let account = manifests.named("ServiceAccount", text(&pod["serviceAccountName"]));
            assert_eq!(account["automountServiceAccountToken"], false, "{name}");
            let context = &pod["securityContext"];
            assert_eq!(
                (&context["runAsNonRoot"], &context["runAsUser"]),
                (&json!(true), &json!(65532)),
                "{name}"
            );
            assert_eq!(context["seccompProfile"]["type"], "RuntimeDefault", "{name}");
            // Our programs end within ten seconds.
            assert!(pod["terminationGracePeriodSeconds"].as_u64().unwrap() > 10, "{name}");
        }
        for (name, container) in containers(manifests) {
            let context = &container["securityContext"];
            assert_eq!(context["allowPrivilegeEscalation"], false, "{name}");
            assert_eq!(context["readOnlyRootFilesystem"], true, "{name}");
            assert_eq!(context["capabilities"], json!({ "drop": ["ALL"] }), "{name}");
            assert!(container["resources"]["limits"]["memory"].is_string(), "{name}");
            assert!(container["resources"]["requests"]["cpu"].is_string(), "{name}");
        }
        assert_eq!(manifests.named("Deployment", "feed")["spec"]["strategy"]["type"], "Recreate");
    });
}

#[test]
fn secrets_are_named_never_held_and_the_readme_says_how_each_is_made() {
    let readme = text_of("deploy/kubernetes/README.md");
    on_every_overlay(|manifests| {
        assert_eq!(manifests.of_kind("Secret").count(), 0);
        let mut wanted = BTreeSet::new();
        for (_, pod) in pods(manifests) {
            let volumes = list(&pod["spec"]["volumes"]).iter();
            let secrets: BTreeMap<_, _> =
                volumes.map(|volume| (name_in(volume), text(&volume["secret"]["secretName"]))).collect();
            for container in
                list(&pod["spec"]["initContainers"]).iter().chain(list(&pod["spec"]["containers"]))
            {
                let mounts = list(&container["volumeMounts"]);
                let keys = manifests.environment(container).into_iter();
                for key in keys.filter_map(|(_, value)| value.strip_prefix(SECRETS).map(str::to_owned)) {
                    let [mount] = mounts else { panic!("one mount, not {mounts:?}") };
                    assert_eq!(
                        (text(&mount["mountPath"]), &mount["readOnly"]),
                        ("/run/secrets", &json!(true))
                    );
                    wanted.insert((secrets[name_in(mount)].to_owned(), key));
                }
            }
        }
        let cluster = manifests.named("Cluster", "postgres");
        for role in list(&cluster["spec"]["managed"]["roles"]) {
            wanted.insert((text(&role["passwordSecret"]["name"]).to_owned(), "password".to_owned()));
        }
        assert!(wanted.len() >= 10, "{wanted:?}");
        for (secret, key) in wanted {
            let row = readme.lines().find(|line| line.starts_with(&format!("| `{secret}` |")));
            assert!(
                row.is_some_and(|row| row.contains(&format!("`{key}`"))),
                "{secret}/{key} is not explained"
            );
        }
    });
}

/// Who may speak to whom inside the namespace, as the policies of one direction say it: `feed > nats:4222`.
fn arrows(manifests: &Manifests, direction: &str, peers: &str) -> BTreeSet<String> {
    let mut arrows = BTreeSet::new();
    for policy in manifests.of_kind("NetworkPolicy") {
        for rule in list(&policy["spec"][direction]) {
            for peer in list(&rule[peers]).iter().filter(|peer| peer["namespaceSelector"].is_null()) {
                for (port, one, other) in list(&rule["ports"]).iter().flat_map(|port| {
                    let selected = selected(&policy["spec"]["podSelector"]);
                    let others = selected_by_peer(&peer["podSelector"]);
                    selected.into_iter().flat_map(move |one| {
                        others
                            .clone()
                            .into_iter()
                            .map(move |other| (port["port"].clone(), one.clone(), other))
                    })
                }) {
                    let (from, to) = if direction == "egress" { (one, other) } else { (other, one) };
                    arrows.insert(format!("{from} > {to}:{port}"));
                }
            }
        }
    }
    arrows
}

/// The names that a selector of pods means.
fn selected(selector: &Value) -> Vec<String> {
    let labels = &selector["matchLabels"];
    let name =
        [&labels["app.kubernetes.io/name"], &labels["cnpg.io/cluster"]].into_iter().find_map(Value::as_str);
    let listed = list(&selector["matchExpressions"]).iter().flat_map(|one| list(&one["values"]));
    name.into_iter().chain(listed.map(text)).map(str::to_owned).collect()
}

fn selected_by_peer(selector: &Value) -> Vec<String> {
    if selector.is_null() { Vec::new() } else { selected(selector) }
}

#[test]
fn whoever_needs_a_way_has_it_on_both_sides_and_nobody_else() {
    on_every_overlay(|manifests| {
        let deny = manifests.named("NetworkPolicy", "default-deny");
        assert_eq!(deny["spec"], json!({ "podSelector": {}, "policyTypes": ["Ingress", "Egress"] }));
        let mut needed: BTreeSet<String> =
            ["nats > nats:6222", "postgres > postgres:5432", "postgres > postgres:8000"]
                .map(str::to_owned)
                .into();
        for (name, container) in containers(manifests) {
            for (setting, value) in manifests.environment(container) {
                if setting.ends_with("DATABASE_URL_FILE") {
                    needed.insert(format!("{name} > postgres:5432"));
                }
                let address =
                    value.split_once("://").map(|(_, rest)| rest.split('/').next().unwrap().to_owned());
                needed.extend(address.map(|address| format!("{name} > {address}")));
            }
        }
        assert_eq!(arrows(manifests, "egress", "to"), needed);
        assert_eq!(arrows(manifests, "ingress", "from"), needed);
        // Whoever has metrics can be asked for them.
        for (name, pod) in pods(manifests) {
            let Some(port) = pod["metadata"]["annotations"]["prometheus.io/port"].as_str() else { continue };
            let policy = &manifests.named("NetworkPolicy", &format!("metrics-of-{name}"))["spec"];
            assert_eq!(selected(&policy["podSelector"]), [name]);
            assert_eq!(policy["ingress"][0]["ports"][0]["port"].to_string(), port);
        }
    });
}

#[test]
fn what_points_at_pods_finds_them_and_the_scaler_a_consumer_that_there_is() {
    on_every_overlay(|manifests| {
        let names: BTreeSet<String> = pods(manifests).into_iter().map(|(name, _)| name.to_owned()).collect();
        for (name, pod) in pods(manifests) {
            assert_eq!(pod["metadata"]["labels"]["app.kubernetes.io/name"], name);
        }
        for budget in manifests.of_kind("PodDisruptionBudget") {
            assert!(selected(&budget["spec"]["selector"]).iter().all(|name| names.contains(name)));
        }
        for scaler in manifests.of_kind("ScaledObject") {
            let target = text(&scaler["spec"]["scaleTargetRef"]["name"]);
            let deployment = manifests.named("Deployment", target);
            assert!(deployment["spec"]["replicas"].is_null(), "two would say how many there are");
            let trigger = &scaler["spec"]["triggers"][0];
            assert_eq!(trigger["type"], "nats-jetstream");
            let (topology, accounts) =
                (text_of("shared/bus/src/topology.rs"), text_of("deploy/nats/accounts.conf"));
            for member in ["stream", "consumer"] {
                let name = text(&trigger["metadata"][member]);
                assert!(topology.contains(&format!("=> \"{name}\",")), "{member} `{name}`");
            }
            let account = text(&trigger["metadata"]["account"]);
            assert!(accounts.contains(&format!("\n  {account} {{")), "account `{account}`");
            let threshold: u32 = text(&trigger["metadata"]["lagThreshold"]).parse().unwrap();
            assert!(threshold > 4_096, "that much may be under way without being behind");
        }
    });
}

#[test]
fn the_values_for_the_nats_chart_hold_the_streams_in_three_copies() {
    let [values] = documents_of(&text_of("deploy/kubernetes/nats-values.yaml")).try_into().unwrap();
    assert_eq!(values["fullnameOverride"], "nats");
    let config = &values["config"];
    assert_eq!((&config["cluster"]["enabled"], &config["cluster"]["replicas"]), (&json!(true), &json!(3)));
    assert!(text(&config["merge"]["$include"]).ends_with("/accounts.conf"));
    let Some(manifests) = rendered("overlays/production") else { return };
    let settings = manifests.of_kind("ConfigMap").find(|map| name_of(map).starts_with("bus-")).unwrap();
    let number = |name: &str| text(&settings["data"][name]).parse::<u64>().unwrap();
    assert_eq!(number("BUS_REPLICAS"), 3);
    let size = text(&config["jetstream"]["fileStore"]["pvc"]["size"]).strip_suffix("Gi").unwrap();
    // Two streams of ticks and three of an eighth each; the server reserves them on each node.
    assert!(size.parse::<u64>().unwrap() * 1_024 > number("BUS_MAX_MB") * 19 / 8);
}

/// The operator makes owner and database, then runs the SQL as superuser, then sets the passwords.
#[tokio::test]
async fn the_migrator_of_the_cluster_may_migrate_and_both_logins_come_in() {
    const PASSWORD: &str = "a-password-for-one-test";
    let [cluster] = documents_of(&text_of("deploy/kubernetes/postgres/cluster.yaml")).try_into().unwrap();
    let start = &cluster["spec"]["bootstrap"]["initdb"];
    let (owner, database) = (text(&start["owner"]), text(&start["database"]));
    let programs =
        wheels::postgres(&Paths::of_workspace().unwrap(), &|line| eprintln!("{line}")).await.unwrap();
    let postgres = postgres::Server::disposable(&programs).await.unwrap();
    postgres.psql("postgres", &format!("create role {owner} login")).await.unwrap();
    postgres.psql("postgres", &format!("create database {database} owner {owner}")).await.unwrap();
    for sql in list(&start["postInitApplicationSQL"]) {
        postgres.psql(database, text(sql)).await.unwrap();
    }
    let roles = list(&cluster["spec"]["managed"]["roles"]);
    for role in roles {
        let sql = format!("alter role {} password '{PASSWORD}'", name_in(role));
        postgres.psql(database, &sql).await.unwrap();
    }
    let migration = Command::new(binary("writer"))
        .arg("migrate")
        .env_clear()
        .envs(coverage())
        .env("MIGRATE_DATABASE_URL", postgres.url(owner, PASSWORD, database))
        .output()
        .unwrap();
    assert!(migration.status.success(), "{}", String::from_utf8_lossy(&migration.stderr));
    for (login, sql) in [
        ("polyfeed_reader", "select count(*) from api.trades"),
        ("polyfeed_writer", "select count(*) from polyfeed.migrations"),
    ] {
        assert!(roles.iter().any(|role| name_in(role) == login), "{login} gets no password");
        let url = postgres.url(login, PASSWORD, database);
        let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls).await.unwrap();
        tokio::spawn(connection);
        client.query_one(sql, &[]).await.unwrap();
    }
}
