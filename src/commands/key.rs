//! `llm2api key`: the client keys of a running instance, and the key for administration.

mod list;

use std::{
    io::{self, Write},
    process::ExitCode,
    time::SystemTime,
};

use llm2api_gateway::objects::{Deleted, KeyObject, NewKeyObject};
use llm2api_proto::v1::{
    CreateKeyRequest, DeleteKeyRequest, Key, RotateKeyRequest, UpdateKeyRequest,
};
use prost_types::Timestamp;
use secrecy::ExposeSecret;
use serde::Serialize;

use super::{
    cookie::print_json,
    failure,
    ids::KEY_IDS,
    instance::{self, Instance, explain},
    question::confirmed,
    talk,
};
use crate::{
    cli::{Expiry, KeyCommand, KeyCreateOptions, KeyId, KeyRevokeOptions, KeyUpdateOptions},
    config::Configuration,
};

/// The word for no bound in lists of models and networks.
const ALL: &str = "all";

/// Runs a subcommand.
pub(super) fn run(command: KeyCommand, configuration: &Configuration, json: bool) -> ExitCode {
    if let KeyCommand::Admin = command {
        return match show_admin(configuration, json) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failure(&error),
        };
    }
    talk(async move {
        let instance = Instance::connect(configuration).await?;
        match command {
            KeyCommand::Create(options) => create(options, &instance, json).await,
            KeyCommand::List => list::run(&instance, json).await,
            KeyCommand::Update(options) => update(options, &instance, json).await,
            KeyCommand::Revoke(options) => revoke(options, &instance, json).await,
            KeyCommand::Rotate(key) => rotate(key, &instance, json).await,
            KeyCommand::Admin => Ok(ExitCode::SUCCESS),
        }
    })
}

/// The key for administration.
#[derive(Serialize)]
struct Admin<'a> {
    object: &'static str,
    key: &'a str,
}

fn show_admin(configuration: &Configuration, json: bool) -> anyhow::Result<()> {
    let key = instance::key(configuration)?.ok_or_else(|| {
        anyhow::anyhow!(
            "there is no admin key here: neither ADMIN_KEY nor API_KEY is set, and no instance has made one in DATA_DIR"
        )
    })?;
    let key = key.expose_secret();
    if json {
        return print_json(&Admin {
            object: "admin_key",
            key,
        });
    }
    writeln!(io::stdout(), "{key}")?;
    Ok(())
}

async fn create(
    options: KeyCreateOptions,
    instance: &Instance,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let request = CreateKeyRequest {
        label: options.label,
        expires_at: match options.expires {
            Some(Expiry::At(end)) => Some(end.into()),
            Some(Expiry::Never) | None => None,
        },
        models: options.models,
        networks: options.networks,
        requests_per_minute: options.requests_per_minute,
        tokens_per_day: options.tokens_per_day,
        tokens_total: options.tokens_total,
        web_search: Some(!options.no_web_search),
        introspection: options.introspection,
    };
    let made = instance.keys().create_key(request).await;
    let made = made.map_err(explain)?.into_inner();
    tell(made.key.unwrap_or_default(), made.secret, json)
}

/// Writes a value where it can be piped to, and beside it that it isn't shown again.
fn tell(key: Key, secret: String, json: bool) -> anyhow::Result<ExitCode> {
    if json {
        print_json(&NewKeyObject {
            described: key.into(),
            key: secret,
        })?;
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!(
        "llm2api: {} is made; this is its value, which is not shown again:",
        key.id
    );
    writeln!(io::stdout(), "{secret}")?;
    Ok(ExitCode::SUCCESS)
}

async fn update(
    options: KeyUpdateOptions,
    instance: &Instance,
    json: bool,
) -> anyhow::Result<ExitCode> {
    // In the contract one empty text stands for no bound.
    let list = |texts: Vec<String>| match texts.as_slice() {
        [only] if only == ALL => vec![String::new()],
        _ => texts,
    };
    let request = UpdateKeyRequest {
        id: only(options.key, instance).await?,
        label: options.label,
        expires_at: options.expires.map(|expiry| match expiry {
            Expiry::Never => Timestamp::default(),
            Expiry::At(end) => end.into(),
        }),
        models: list(options.models),
        networks: list(options.networks),
        requests_per_minute: options.requests_per_minute,
        tokens_per_day: options.tokens_per_day,
        tokens_total: options.tokens_total,
        web_search: options.web_search,
        introspection: options.introspection,
    };
    let updated = instance.keys().update_key(request).await;
    let key = updated
        .map_err(explain)?
        .into_inner()
        .key
        .unwrap_or_default();
    if json {
        print_json(&KeyObject::from(key))?;
    } else {
        writeln!(io::stdout(), "{}", list::line(&key, SystemTime::now()))?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn rotate(key: KeyId, instance: &Instance, json: bool) -> anyhow::Result<ExitCode> {
    let request = RotateKeyRequest {
        id: only(key, instance).await?,
    };
    let rotated = instance.keys().rotate_key(request).await;
    let rotated = rotated.map_err(explain)?.into_inner();
    tell(rotated.key.unwrap_or_default(), rotated.secret, json)
}

async fn revoke(
    options: KeyRevokeOptions,
    instance: &Instance,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let ids = KEY_IDS
        .resolve(&options.ids, async || list::ids(instance).await)
        .await?;
    if !confirmed(&format!("Revoke {}?", ids.join(", ")), options.yes)? {
        return Ok(ExitCode::FAILURE);
    }
    let mut code = ExitCode::SUCCESS;
    for id in ids {
        let request = DeleteKeyRequest { id: id.clone() };
        match instance.keys().delete_key(request).await {
            Ok(_) if json => print_json(&Deleted::key(id))?,
            Ok(_) => writeln!(io::stdout(), "{id} revoked")?,
            Err(status) => {
                eprintln!("llm2api: {id}: {:#}", explain(status));
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

/// The whole id of one key.
async fn only(key: KeyId, instance: &Instance) -> anyhow::Result<String> {
    let ids = KEY_IDS
        .resolve(&[key.id], async || list::ids(instance).await)
        .await?;
    Ok(ids.concat())
}
