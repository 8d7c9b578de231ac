use super::*;
use crate::{
    config::{Config, UpstreamConfig},
    registry::Registry,
};

fn registry(upstreams: Vec<UpstreamConfig>) -> Registry {
    Registry::of_config(&Config::of_upstreams(upstreams))
}

fn names(models: &[(&str, &[&str])], aliases: &[(&str, &str)]) -> Names {
    Names {
        models: models
            .iter()
            .map(|(name, targets)| {
                (
                    (*name).to_owned(),
                    targets.iter().map(|&target| target.to_owned()).collect(),
                )
            })
            .collect(),
        aliases: aliases
            .iter()
            .map(|(name, target)| ((*name).to_owned(), (*target).to_owned()))
            .collect(),
    }
}

/// The candidates as `upstream:model`, and whether the model is renamed.
fn routed(registry: &Registry, names: &Names, asked: &str) -> Option<(Vec<String>, bool)> {
    let routing = Routing {
        entries: registry.routing().entries.clone(),
        names: names.clone(),
    };
    route(&routing, asked).map(|route| {
        let candidates = route.candidates.iter();
        (
            candidates
                .map(|candidate| format!("{}:{}", candidate.entry.name(), candidate.model))
                .collect(),
            route.is_renamed,
        )
    })
}

fn to(candidates: &[&str], is_renamed: bool) -> Option<(Vec<String>, bool)> {
    Some((
        candidates
            .iter()
            .map(|&candidate| candidate.to_owned())
            .collect(),
        is_renamed,
    ))
}

#[test]
fn names_are_looked_up_in_order() {
    let mut chat = UpstreamConfig::named("chat", Some(&["b", "meta/llama"]));
    chat.aliases
        .insert("llama".to_owned(), "meta/llama".to_owned());
    chat.priority = 1;
    let registry = registry(vec![
        UpstreamConfig::named("vllm", Some(&["a", "b", "chat/b"])),
        chat,
    ]);
    let names = names(
        &[("fast", &["chat/b", "vllm/a"])],
        &[("gpt-4o", "meta/llama"), ("quick", "fast")],
    );

    for (asked, expected) in [
        ("fast", to(&["vllm:chat/b", "vllm:a"], true)),
        ("gpt-4o", to(&["chat:meta/llama"], true)),
        ("quick", to(&["vllm:chat/b", "vllm:a"], true)),
        ("a", to(&["vllm:a"], false)),
        ("b", to(&["vllm:b", "chat:b"], false)),
        // An id that an upstream lists is taken whole, though its beginning is an upstream's name.
        ("chat/b", to(&["vllm:chat/b"], false)),
        ("chat/meta/llama", to(&["chat:meta/llama"], true)),
        ("chat/llama", to(&["chat:meta/llama"], true)),
        ("llama", to(&["chat:meta/llama"], true)),
        ("vllm/nothing", None),
        ("nothing", None),
        ("vllm/", None),
    ] {
        assert_eq!(routed(&registry, &names, asked), expected, "{asked}");
    }
}

#[test]
fn an_upstream_without_a_known_list_is_sent_what_nobody_lists() {
    let registry = registry(vec![
        UpstreamConfig::named("known", Some(&["a"])),
        UpstreamConfig::named("new", None),
        UpstreamConfig::named("bare", Some(&[])),
    ]);
    let names = Names::default();
    assert_eq!(routed(&registry, &names, "a"), to(&["known:a"], false));
    let (mut candidates, is_renamed) = routed(&registry, &names, "x").expect("sent all the same");
    candidates.sort();
    assert_eq!(
        (candidates, is_renamed),
        (vec!["bare:x".to_owned(), "new:x".to_owned()], false)
    );
    assert_eq!(routed(&registry, &names, "new/x"), to(&["new:x"], true));
}

#[test]
fn a_lost_model_is_not_sent_to_who_lost_it() {
    let registry = registry(vec![
        UpstreamConfig::named("one", Some(&["a"])),
        UpstreamConfig::named("two", Some(&["a"])),
    ]);
    registry.routing().entries[0].model_list.lose("a");
    assert_eq!(
        routed(&registry, &Names::default(), "a"),
        to(&["two:a"], false)
    );
}

#[test]
fn equal_priorities_share_by_weight_and_weight_0_comes_last() {
    let weighted = |name: &str, weight| UpstreamConfig {
        weight,
        ..UpstreamConfig::named(name, Some(&["a"]))
    };
    let registry = registry(vec![
        weighted("light", 1),
        weighted("heavy", 3),
        weighted("spare", 0),
    ]);
    let mut heavy_first = 0;
    for _ in 0..4000 {
        let (candidates, _) = routed(&registry, &Names::default(), "a").expect("listed");
        assert_eq!(candidates[2], "spare:a");
        heavy_first += u32::from(candidates[0] == "heavy:a");
    }
    // 3000 expected, standard deviation 27: eight of them either way.
    assert!((2780..3220).contains(&heavy_first), "{heavy_first}");
}
