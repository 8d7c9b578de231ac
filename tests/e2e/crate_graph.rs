//! Who may know whom: gateway and core see nothing of each other but the contract.

use std::collections::BTreeSet;

use llm2api_test_support::command::run_well;
use serde_json::Value;
use tokio::process::Command;

/// The crates that each of ours may name, of ours; tests' own dependencies apart.
const ALLOWED: [(&str, &[&str]); 6] = [
    ("llm2api-proto", &[]),
    ("llm2api-core", &["llm2api-local", "llm2api-proto"]),
    ("llm2api-local", &[]),
    ("llm2api-gateway", &["llm2api-proto"]),
    (
        "llm2api",
        &["llm2api-core", "llm2api-gateway", "llm2api-proto"],
    ),
    ("llm2api-test-support", &[]),
];

#[tokio::test]
async fn gateway_and_core_know_only_the_contract() {
    let metadata = run_well(
        Command::new(env!("CARGO"))
            .args([
                "metadata",
                "--format-version",
                "1",
                "--no-deps",
                "--offline",
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR")),
    )
    .await;
    let metadata: Value = serde_json::from_str(&metadata).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    for (name, allowed) in ALLOWED {
        let package = packages
            .iter()
            .find(|package| package["name"] == name)
            .unwrap_or_else(|| panic!("there is no {name}"));
        let named: BTreeSet<&str> = package["dependencies"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|dependency| dependency["kind"] != "dev")
            .filter_map(|dependency| dependency["name"].as_str())
            .filter(|dependency| dependency.starts_with("llm2api"))
            .collect();
        let allowed: BTreeSet<&str> = allowed.iter().copied().collect();
        assert!(
            named.is_subset(&allowed),
            "{name} names {:?}",
            named.difference(&allowed)
        );
    }
}
