//! `KeyService`.

use std::{
    net::IpAddr,
    time::{SystemTime, UNIX_EPOCH},
};

use ipnet::IpNet;
use llm2api_proto::{
    ContractError,
    v1::{
        CreateKeyRequest, CreateKeyResponse, DeleteKeyRequest, DeleteKeyResponse, ErrorReason, Key,
        ListKeysRequest, ListKeysResponse, RotateKeyRequest, RotateKeyResponse, UpdateKeyRequest,
        UpdateKeyResponse, key_service_server::KeyService,
    },
};
use prost_types::Timestamp;
use secrecy::ExposeSecret;
use tonic::{Request, Response, Status, async_trait};

use crate::{
    keys::{ClientKey, KeyAdministration, KeyChanges, KeyId, KeySettings, no_key},
    limits::{Grant, Limits, Moment},
};

/// Keys on a page, where nobody says how many.
const USUAL_PAGE: usize = 100;
/// Keys on a page, at most.
const MAX_PAGE: usize = 1000;
/// Characters of a label, as of a cookie's.
const MAX_LABEL: usize = 200;
/// Models or networks of one key; each request is compared with all of them.
const MAX_ENTRIES: usize = 1000;
/// Characters of a model's name.
const MAX_NAME: usize = 512;
/// Requests a minute that a limit may allow: what is more is no limit.
const MAX_REQUESTS: i64 = 1_000_000;

/// The service.
#[derive(Clone)]
pub(crate) struct KeyRpc {
    pub(crate) keys: KeyAdministration,
}

#[async_trait]
impl KeyService for KeyRpc {
    async fn create_key(
        &self,
        request: Request<CreateKeyRequest>,
    ) -> Result<Response<CreateKeyResponse>, Status> {
        let request = request.into_inner();
        let settings = KeySettings {
            label: label(request.label)?,
            expires_at: request.expires_at.map(expiry).transpose()?,
            networks: networks(&request.networks)?,
            may_introspect: request.introspection,
        };
        let is_over = |end: SystemTime| end <= SystemTime::now();
        if settings.expires_at.is_some_and(is_over) {
            return Err(invalid("expires_at", "a time that lies ahead").into());
        }
        let grant = Grant {
            limits: Limits {
                requests_per_minute: requests_per_minute(request.requests_per_minute)?,
                tokens_per_day: bound("tokens_per_day", request.tokens_per_day)?,
                tokens_total: bound("tokens_total", request.tokens_total)?,
            },
            models: models(request.models)?,
            web_search: request.web_search.unwrap_or(true),
        };
        let new = self.keys.create(settings, grant).await?;
        Ok(Response::new(CreateKeyResponse {
            key: Some(shown(&new.key)),
            secret: new.secret.expose_secret().to_owned(),
        }))
    }

    async fn delete_key(
        &self,
        request: Request<DeleteKeyRequest>,
    ) -> Result<Response<DeleteKeyResponse>, Status> {
        self.keys.delete(read_id(&request.into_inner().id)?).await?;
        Ok(Response::new(DeleteKeyResponse {}))
    }

    async fn list_keys(
        &self,
        request: Request<ListKeysRequest>,
    ) -> Result<Response<ListKeysResponse>, Status> {
        let request = request.into_inner();
        let limit = match usize::try_from(request.page_size) {
            Ok(0) => USUAL_PAGE,
            Ok(limit) if limit <= MAX_PAGE => limit,
            Ok(_) | Err(_) => return Err(invalid("page_size", "1 to 1000").into()),
        };
        let after = match request.page_token.as_str() {
            "" => None,
            token => Some(token.parse().map_err(|_| {
                invalid("page_token", "the id of a key, as the page before gave it")
            })?),
        };
        // One more tells whether there is another page.
        let mut page = self.keys.ring().after(after, limit + 1);
        let has_more = page.len() > limit;
        page.truncate(limit);
        let last = page.last().filter(|_| has_more);
        Ok(Response::new(ListKeysResponse {
            next_page_token: last.map(|key| key.id.to_string()).unwrap_or_default(),
            keys: page.iter().map(|key| shown(key)).collect(),
        }))
    }

    async fn rotate_key(
        &self,
        request: Request<RotateKeyRequest>,
    ) -> Result<Response<RotateKeyResponse>, Status> {
        let new = self.keys.rotate(read_id(&request.into_inner().id)?).await?;
        Ok(Response::new(RotateKeyResponse {
            key: Some(shown(&new.key)),
            secret: new.secret.expose_secret().to_owned(),
        }))
    }

    async fn update_key(
        &self,
        request: Request<UpdateKeyRequest>,
    ) -> Result<Response<UpdateKeyResponse>, Status> {
        let request = request.into_inner();
        let changes = KeyChanges {
            label: request.label.map(label).transpose()?,
            expires_at: match request.expires_at {
                None => None,
                Some(Timestamp { seconds: 0, .. }) => Some(None),
                Some(end) => Some(Some(expiry(end)?)),
            },
            networks: match request.networks.as_slice() {
                [] => None,
                [only] if only.is_empty() => Some(Vec::new()),
                texts => Some(networks(texts)?),
            },
            may_introspect: request.introspection,
            models: match request.models.as_slice() {
                [] => None,
                [only] if only.is_empty() => Some(None),
                _ => Some(models(request.models)?),
            },
            web_search: request.web_search,
            requests_per_minute: request
                .requests_per_minute
                .map(requests_per_minute)
                .transpose()?,
            tokens_per_day: request
                .tokens_per_day
                .map(|tokens| bound("tokens_per_day", tokens))
                .transpose()?,
            tokens_total: request
                .tokens_total
                .map(|tokens| bound("tokens_total", tokens))
                .transpose()?,
        };
        let key = self.keys.update(read_id(&request.id)?, changes).await?;
        Ok(Response::new(UpdateKeyResponse {
            key: Some(shown(&key)),
        }))
    }
}

fn invalid(param: &str, takes: &str) -> ContractError {
    ContractError::new(
        ErrorReason::InvalidValue,
        format!("`{param}` takes {takes}."),
    )
    .with_param(param)
}

/// Reads an id. What has not the form of one is nobody's.
fn read_id(id: &str) -> Result<KeyId, ContractError> {
    if id.is_empty() {
        let message = "`id` is missing.";
        let error = ContractError::new(ErrorReason::MissingRequiredParameter, message);
        return Err(error.with_param("id"));
    }
    id.parse().map_err(|_| no_key(id))
}

fn label(label: String) -> Result<String, ContractError> {
    let is_shown = label.chars().count() <= MAX_LABEL && !label.chars().any(char::is_control);
    is_shown.then_some(label).ok_or_else(|| {
        invalid(
            "label",
            "at most 200 characters, and no line ends or other control characters",
        )
    })
}

fn expiry(end: Timestamp) -> Result<SystemTime, ContractError> {
    let end = SystemTime::try_from(end)
        .ok()
        .filter(|end| *end > UNIX_EPOCH);
    end.ok_or_else(|| invalid("expires_at", "a time after 1970"))
}

/// Networks; an address is the network of itself.
fn networks(texts: &[String]) -> Result<Vec<IpNet>, ContractError> {
    if texts.len() > MAX_ENTRIES {
        return Err(invalid("networks", "at most 1000 networks"));
    }
    let read = |text: &String| {
        let text = text.trim();
        let network = text.parse::<IpNet>();
        let address = || text.parse::<IpAddr>().map(IpNet::from);
        network
            .or_else(|_| address())
            .map(|network| network.trunc())
    };
    let networks: Result<_, _> = texts.iter().map(read).collect();
    networks.map_err(|_| {
        invalid(
            "networks",
            "networks such as `10.0.0.0/8`, or addresses such as `2001:db8::1`",
        )
    })
}

fn models(models: Vec<String>) -> Result<Option<Vec<String>>, ContractError> {
    let is_name = |model: &String| !model.is_empty() && model.chars().count() <= MAX_NAME;
    if models.len() > MAX_ENTRIES || !models.iter().all(is_name) {
        return Err(invalid("models", "at most 1000 names of models"));
    }
    Ok((!models.is_empty()).then_some(models))
}

fn requests_per_minute(limit: i64) -> Result<Option<u64>, ContractError> {
    match bound("requests_per_minute", limit)? {
        Some(_) if limit > MAX_REQUESTS => Err(invalid(
            "requests_per_minute",
            "1 to 1000000, or 0 for no limit",
        )),
        limit => Ok(limit),
    }
}

/// A bound, where 0 is none.
fn bound(param: &str, number: i64) -> Result<Option<u64>, ContractError> {
    let number =
        u64::try_from(number).map_err(|_| invalid(param, "a whole number, or 0 for no limit"))?;
    Ok(Some(number).filter(|number| *number > 0))
}

/// A key as the contract shows it.
fn shown(key: &ClientKey) -> Key {
    let ClientKey {
        settings, holder, ..
    } = key;
    let limits = holder.grant.limits;
    let now = Moment::now();
    let (meter, requests_this_minute) = holder.gauge.read(now);
    let is_today = meter.day == now.day();
    let state = match key.is_expired(SystemTime::now()) {
        true => "expired",
        false => "active",
    };
    Key {
        id: key.id.to_string(),
        label: settings.label.clone(),
        preview: key.preview.clone(),
        state: state.to_owned(),
        expires_at: settings.expires_at.map(Into::into),
        models: holder.grant.models.clone().unwrap_or_default(),
        networks: settings.networks.iter().map(ToString::to_string).collect(),
        requests_per_minute: limits.requests_per_minute.map_or(0, count),
        tokens_per_day: limits.tokens_per_day.map_or(0, count),
        tokens_total: limits.tokens_total.map_or(0, count),
        web_search: holder.grant.web_search,
        introspection: settings.may_introspect,
        requests: count(meter.requests),
        requests_this_minute: count(requests_this_minute),
        input_tokens: count(meter.tokens.input),
        output_tokens: count(meter.tokens.output),
        tokens_today: if is_today {
            count(meter.tokens_of_day)
        } else {
            0
        },
        created_at: Some(key.created_at.into()),
        last_used_at: meter.last_used_ms.map(|milliseconds| Timestamp {
            seconds: milliseconds.div_euclid(1000),
            nanos: i32::try_from(milliseconds.rem_euclid(1000) * 1_000_000).unwrap_or_default(),
        }),
    }
}

fn count(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}
