//! An upstream's settings as the contract has them, read, shown and stored.

use std::collections::HashMap;

use llm2api_proto::{
    ContractError,
    v1::{self, AddUpstreamRequest},
};
use prost::Message;

use super::error::{invalid, missing};
use crate::{
    config::{ChatUiConfig, Cooldown, UpstreamConfig, UpstreamKind, WebSearch, notation},
    store::StoredUpstream,
};

const NAME_TAKES: &str = "1 to 32 letters a-z, digits and hyphens";
const DURATION_TAKES: &str = "a duration of at most a year, such as 500ms, 30s or 5m";

/// The upstream that a request describes.
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn read_new(
    name: &str,
    url: &str,
    kind: &str,
    settings: Option<&v1::UpstreamSettings>,
) -> Result<UpstreamConfig, ContractError> {
    let name = notation::upstream_name(name).ok_or_else(|| invalid("name", NAME_TAKES))?;
    let mut upstream = UpstreamConfig::new(name, read_kind(kind)?, read_url(url)?);
    if let Some(settings) = settings {
        change(&mut upstream, settings)?;
    }
    Ok(upstream)
}

/// Where an upstream is.
pub(super) fn read_url(url: &str) -> Result<url::Url, ContractError> {
    if url.is_empty() {
        return Err(missing("url"));
    }
    notation::http_url(url).ok_or_else(|| {
        invalid(
            "url",
            "an http:// or https:// address, such as https://chat.example.org",
        )
    })
}

/// Which protocol an upstream speaks.
pub(super) fn read_kind(kind: &str) -> Result<UpstreamKind, ContractError> {
    match kind {
        "" | "auto" => Ok(UpstreamKind::Auto),
        "openai" => Ok(UpstreamKind::OpenAi),
        "chat-ui" => Ok(UpstreamKind::ChatUi),
        _ => Err(invalid("kind", "`auto`, `openai` or `chat-ui`")),
    }
}

/// Changes what is given; an empty text gives a setting its default back.
///
/// # Errors
///
/// What is wrong with a value; the upstream may have been changed in part by then.
pub(super) fn change(
    upstream: &mut UpstreamConfig,
    settings: &v1::UpstreamSettings,
) -> Result<(), ContractError> {
    let v1::UpstreamSettings {
        models,
        aliases,
        priority,
        weight,
        cooldown,
        breaker,
        proxy,
        first_token_timeout,
        idle_timeout,
        cookie_name,
        origin,
        headers,
        web_search,
        propagate_trace,
    } = settings;
    match models.as_slice() {
        [] => {}
        [only] if only.is_empty() => upstream.models = None,
        models => upstream.models = Some(models.to_vec()),
    }
    if is_nothing(aliases) {
        upstream.aliases.clear();
    } else if !aliases.is_empty() {
        let aliases = aliases.iter();
        upstream.aliases = aliases
            .map(|(alias, model)| (alias.clone(), model.clone()))
            .collect();
    }
    if let Some(priority) = priority {
        upstream.priority = *priority;
    }
    if let Some(weight) = weight {
        let weight = u32::try_from(*weight);
        upstream.weight = weight.map_err(|_| invalid("weight", "a whole number, 0 or more"))?;
    }
    if let Some(text) = cooldown {
        let takes = "a duration such as 60s, or `off`";
        upstream.cooldown = read(text, "cooldown", takes, notation::cooldown)?;
    }
    if let Some(text) = breaker {
        upstream.has_breaker = match text.as_str() {
            "" | "on" => true,
            "off" => false,
            _ => return Err(invalid("breaker", "`on` or `off`")),
        };
    }
    if let Some(text) = proxy {
        let takes = "the address of an http, https, socks5 or socks5h proxy";
        upstream.proxy = read(text, "proxy", takes, notation::proxy_url)?;
    }
    let timeout = |text: &str| notation::duration(text).filter(|timeout| !timeout.is_zero());
    if let Some(text) = first_token_timeout {
        let name = "first_token_timeout";
        upstream.first_token_timeout = read(text, name, DURATION_TAKES, timeout)?;
    }
    if let Some(text) = idle_timeout {
        upstream.idle_timeout = read(text, "idle_timeout", DURATION_TAKES, timeout)?;
    }
    if let Some(text) = web_search {
        let takes = "`ours` or `upstream`";
        upstream.web_search =
            read(text, "web_search", takes, notation::web_search)?.unwrap_or_default();
    }
    if let Some(text) = propagate_trace {
        upstream.propagate_trace = match text.as_str() {
            "" => None,
            "on" => Some(true),
            "off" => Some(false),
            _ => return Err(invalid("propagate_trace", "`on` or `off`")),
        };
    }
    if let Some(text) = cookie_name {
        let name = |text: &str| notation::cookie_name(text).map(str::to_owned);
        upstream.chat_ui.cookie_name = read(text, "cookie_name", "the name of a cookie", name)?
            .unwrap_or_else(|| ChatUiConfig::default().cookie_name);
    }
    if let Some(text) = origin {
        let takes = "an http:// or https:// address";
        upstream.chat_ui.origin = read(text, "origin", takes, notation::http_url)?;
    }
    if is_nothing(headers) {
        upstream.chat_ui.headers.clear();
    } else if !headers.is_empty() {
        let pairs = headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()));
        upstream.chat_ui.headers = notation::headers(pairs).ok_or_else(|| {
            invalid(
                "headers",
                "headers, each name once, beside those that requests have anyway",
            )
        })?;
    }
    Ok(())
}

/// Whether a map says that there is to be nothing: one that is empty says nothing at all.
fn is_nothing(map: &HashMap<String, String>) -> bool {
    map.len() == 1 && map.get("").is_some_and(String::is_empty)
}

fn read<T>(
    text: &str,
    param: &str,
    takes: &str,
    read: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, ContractError> {
    if text.is_empty() {
        return Ok(None);
    }
    read(text).map(Some).ok_or_else(|| invalid(param, takes))
}

/// The settings that differ from the defaults, as they may be seen.
pub(crate) fn shown(upstream: &UpstreamConfig) -> v1::UpstreamSettings {
    let mut settings = revealed(upstream);
    if let Some(proxy) = &upstream.proxy {
        settings.proxy = Some(crate::config::without_userinfo(proxy));
    }
    settings
        .headers
        .values_mut()
        .for_each(|value| *value = "…".to_owned());
    settings
}

/// The settings that differ from the defaults, with their secrets.
fn revealed(upstream: &UpstreamConfig) -> v1::UpstreamSettings {
    let ChatUiConfig {
        cookie_name,
        origin,
        headers,
    } = &upstream.chat_ui;
    let default = ChatUiConfig::default();
    let aliases = upstream.aliases.iter();
    v1::UpstreamSettings {
        models: upstream.models.clone().unwrap_or_default(),
        aliases: aliases
            .map(|(alias, model)| (alias.clone(), model.clone()))
            .collect(),
        priority: Some(upstream.priority).filter(|&priority| priority != 0),
        weight: i32::try_from(upstream.weight)
            .ok()
            .filter(|&weight| weight != 1),
        cooldown: upstream.cooldown.map(|cooldown| match cooldown {
            Cooldown::Off => "off".to_owned(),
            Cooldown::For(duration) => notation::duration_text(duration),
        }),
        breaker: (!upstream.has_breaker).then(|| "off".to_owned()),
        proxy: upstream.proxy.as_ref().map(ToString::to_string),
        first_token_timeout: upstream.first_token_timeout.map(notation::duration_text),
        idle_timeout: upstream.idle_timeout.map(notation::duration_text),
        cookie_name: Some(cookie_name.clone()).filter(|name| *name != default.cookie_name),
        origin: origin.as_ref().map(ToString::to_string),
        headers: headers
            .iter()
            .map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.to_string(), value)
            })
            .collect(),
        web_search: match upstream.web_search {
            WebSearch::Ours => None,
            WebSearch::Upstream => Some("upstream".to_owned()),
        },
        propagate_trace: upstream.propagate_trace.map(|propagate| match propagate {
            true => "on".to_owned(),
            false => "off".to_owned(),
        }),
    }
}

/// An upstream in the form in which it is stored: the request that would add it.
pub(super) fn to_stored(upstream: &UpstreamConfig) -> StoredUpstream {
    let request = AddUpstreamRequest {
        name: upstream.name.clone(),
        url: upstream.url.to_string(),
        kind: upstream.kind.as_str().to_owned(),
        cookie: String::new(),
        settings: Some(revealed(upstream)),
    };
    StoredUpstream {
        name: upstream.name.clone(),
        settings: request.encode_to_vec(),
    }
}

/// An upstream that was stored. `None`: this version doesn't understand it.
pub(super) fn from_stored(stored: &StoredUpstream) -> Option<UpstreamConfig> {
    let request = AddUpstreamRequest::decode(stored.settings.as_slice()).ok()?;
    let settings = request.settings.as_ref();
    read_new(&stored.name, &request.url, &request.kind, settings).ok()
}

#[cfg(test)]
mod tests {
    use llm2api_proto::v1::ErrorReason;

    use super::*;

    fn settings() -> v1::UpstreamSettings {
        v1::UpstreamSettings {
            models: vec!["a".to_owned()],
            aliases: [("b".to_owned(), "a".to_owned())].into(),
            priority: Some(-1),
            weight: Some(3),
            cooldown: Some("off".to_owned()),
            breaker: Some("off".to_owned()),
            proxy: Some("http://me:secret@127.0.0.1:3128/".to_owned()),
            first_token_timeout: Some("90s".to_owned()),
            idle_timeout: Some("500ms".to_owned()),
            cookie_name: Some("session".to_owned()),
            origin: Some("https://chat.example.org/".to_owned()),
            headers: [("x-token".to_owned(), "secret".to_owned())].into(),
            web_search: Some("upstream".to_owned()),
            propagate_trace: Some("on".to_owned()),
        }
    }

    #[test]
    fn an_upstream_is_stored_as_it_was_added() {
        let url = "https://me:secret@chat.example.org/";
        let upstream = read_new("chat", url, "chat-ui", Some(&settings())).expect("valid");
        assert_eq!(revealed(&upstream), settings());
        let again = from_stored(&to_stored(&upstream)).expect("understood");
        assert!(again.is_set_up_like(&upstream));
        assert_eq!(revealed(&again), settings());
    }

    #[test]
    fn what_is_shown_has_no_secret() {
        let upstream = read_new("chat", "http://h", "", Some(&settings())).expect("valid");
        let shown = shown(&upstream);
        assert!(!format!("{shown:?}").contains("secret"), "{shown:?}");
        assert_eq!(shown.headers["x-token"], "…");
    }

    #[test]
    fn an_empty_text_gives_a_setting_its_default_back() {
        let mut upstream = read_new("chat", "http://h", "", Some(&settings())).expect("valid");
        let empty = || Some(String::new());
        let nothing = v1::UpstreamSettings {
            cooldown: empty(),
            breaker: empty(),
            proxy: empty(),
            first_token_timeout: empty(),
            idle_timeout: empty(),
            web_search: empty(),
            propagate_trace: empty(),
            cookie_name: empty(),
            origin: empty(),
            ..v1::UpstreamSettings::default()
        };
        change(&mut upstream, &nothing).expect("valid");
        let expected = v1::UpstreamSettings {
            models: settings().models,
            aliases: settings().aliases,
            priority: settings().priority,
            weight: settings().weight,
            headers: settings().headers,
            ..v1::UpstreamSettings::default()
        };
        assert_eq!(revealed(&upstream), expected);
    }

    #[test]
    fn what_is_wrong_is_named() {
        let with = |change: fn(&mut v1::UpstreamSettings)| {
            let mut settings = v1::UpstreamSettings::default();
            change(&mut settings);
            read_new("chat", "http://h", "", Some(&settings)).err()
        };
        let wrong = [
            read_new("Chat", "http://h", "", None).err(),
            read_new("chat", "ftp://h", "", None).err(),
            read_new("chat", "http://h", "local", None).err(),
            with(|settings| settings.weight = Some(-1)),
            with(|settings| settings.cooldown = Some("soon".to_owned())),
            with(|settings| settings.idle_timeout = Some("0".to_owned())),
            with(|settings| settings.web_search = Some("theirs".to_owned())),
            with(|settings| settings.propagate_trace = Some("maybe".to_owned())),
            with(|settings| settings.headers = [("cookie".to_owned(), "a=b".to_owned())].into()),
        ];
        let told: Vec<_> = wrong
            .into_iter()
            .flatten()
            .map(|error| (error.reason, error.param.expect("named")))
            .collect();
        let expected = [
            "name",
            "url",
            "kind",
            "weight",
            "cooldown",
            "idle_timeout",
            "web_search",
            "propagate_trace",
            "headers",
        ]
        .map(|param| (ErrorReason::InvalidValue, param.to_owned()));
        assert_eq!(told, expected);
    }
}
