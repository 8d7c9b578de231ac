//! Who decides whether a code is good, and one check by them.

use secrecy::{ExposeSecret, SecretString};

use super::{
    Claims, Fault, PublicKey, introspection::Introspection, issuer::Issuer, standing::Finding,
};
use crate::{
    config::{AuthorizationConfig, Config},
    core::CoreError,
};

/// Who decides.
#[derive(Debug)]
pub(super) struct Authority {
    code: Option<SecretString>,
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    /// The instance itself.
    Own,
    /// Whoever has the private key.
    Key(PublicKey),
    /// The service that is asked.
    Service(Box<Introspection>),
    /// Both, and both must agree.
    Both(PublicKey, Box<Introspection>),
}

impl Authority {
    /// The authority that the configuration names, or the instance itself.
    ///
    /// # Errors
    ///
    /// [`CoreError::Authority`], where the service can't be asked at its address.
    pub(super) fn new(general: &Config, issuer: &Issuer) -> Result<Self, CoreError> {
        let config = &general.authorization;
        let service = config.introspection.as_ref();
        let service = service.map(|service| Introspection::new(service, general).map(Box::new));
        let service = service.transpose().map_err(CoreError::Authority)?;
        let kind = match (config.public_key, service) {
            (None, None) => Kind::Own,
            (Some(key), None) => Kind::Key(key),
            (None, Some(service)) => Kind::Service(service),
            (Some(key), Some(service)) => Kind::Both(key, service),
        };
        let mut code = config.code.clone();
        if let (Kind::Own, Some(foreign)) = (&kind, &code)
            && !issuer.has_signed(foreign.expose_secret())
        {
            tracing::warn!(
                "AUTH_CODE was not issued by this instance, and neither AUTH_PUBLIC_KEY nor AUTH_INTROSPECTION_URL says by \
                 whom: it is not used, and the instance is its own authority"
            );
            code = None;
        }
        Ok(Self { code, kind })
    }

    /// Its name.
    pub(super) fn as_str(&self) -> &'static str {
        match self.kind {
            Kind::Own => "own",
            Kind::Key(_) => "public_key",
            Kind::Service(_) => "introspection",
            Kind::Both(..) => "public_key_and_introspection",
        }
    }

    /// Whether it is another than the instance itself.
    pub(super) fn is_elsewhere(&self) -> bool {
        !matches!(self.kind, Kind::Own)
    }

    /// What an answer belongs to: one about another code, or of another authority, says nothing here.
    pub(super) fn fingerprint(&self, config: &AuthorizationConfig) -> [u8; blake3::OUT_LEN] {
        let mut hasher = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_be_bytes());
            hasher.update(bytes);
        };
        part(
            self.code
                .as_ref()
                .map_or("", |code| code.expose_secret())
                .as_bytes(),
        );
        part(config.public_key.as_ref().map_or(&[], PublicKey::bytes));
        let url = config
            .introspection
            .as_ref()
            .map(|service| service.url.as_str());
        part(url.unwrap_or_default().as_bytes());
        *hasher.finalize().as_bytes()
    }

    /// One check.
    pub(super) async fn check(&self, issuer: &Issuer, now: i64) -> Finding {
        match (&self.kind, &self.code) {
            (Kind::Own, None) => match issuer.own_code(now).await {
                Ok(code) => issuer.check(&code, now),
                Err(error) => {
                    Finding::NoAnswer(format!("the instance can't issue itself a code: {error}"))
                }
            },
            (Kind::Own, Some(code)) => issuer.check(code.expose_secret(), now),
            (_, None) => Finding::Bad(Fault::NoCode, None),
            (Kind::Key(key), Some(code)) => by_key(key, code.expose_secret(), now),
            (Kind::Service(service), Some(code)) => checked(service.ask(code).await, now),
            (Kind::Both(key, service), Some(code)) => {
                let by_key = by_key(key, code.expose_secret(), now);
                // What the key refuses, nobody needs to be asked about.
                let Finding::Good(claims) = by_key else {
                    return by_key;
                };
                match checked(service.ask(code).await, now) {
                    Finding::Good(answer) if !agree(&claims, &answer) => {
                        Finding::Bad(Fault::Disagreement, Some(claims))
                    }
                    Finding::Good(_) => Finding::Good(claims),
                    Finding::Bad(fault, _) => Finding::Bad(fault, Some(claims)),
                    Finding::NoAnswer(why) => Finding::NoAnswer(why),
                }
            }
        }
    }
}

fn by_key(key: &PublicKey, code: &str, now: i64) -> Finding {
    match Claims::read(code, key) {
        Ok(claims) => checked(Finding::Good(claims), now),
        Err(fault) => Finding::Bad(fault, None),
    }
}

/// Looks at the audience and the dates of what is said to be good.
fn checked(finding: Finding, now: i64) -> Finding {
    match finding {
        Finding::Good(claims) => match claims.check(now) {
            Ok(()) => Finding::Good(claims),
            Err(fault) => Finding::Bad(fault, Some(claims)),
        },
        other => other,
    }
}

/// Whether an authority's answer contradicts nothing that the code says: it need not repeat all of it.
fn agree(code: &Claims, answer: &Claims) -> bool {
    let text = |code: &str, answer: &str| answer.is_empty() || answer == code;
    let date = |code: Option<i64>, answer: Option<i64>| answer.is_none() || answer == code;
    let limits = &answer.llm2api_limits;
    text(&code.iss, &answer.iss)
        && text(&code.sub, &answer.sub)
        && text(&code.jti, &answer.jti)
        && date(code.nbf, answer.nbf)
        && date(code.exp, answer.exp)
        && (*limits == Default::default() || *limits == code.llm2api_limits)
}
