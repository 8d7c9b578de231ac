//! The code itself: a JWT (RFC 7519) that is signed with EdDSA (RFC 8037), and nothing else.
//!
//! Signed and read here, as one algorithm is all there is: the header is compared before the signature is looked at, so that a code
//! can't choose by what it is checked. Dates are compared by who knows what time it is.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, Serialize};

use super::{Fault, PublicKey, SigningKey};

/// For whom codes are (`aud`).
pub const AUDIENCE: &str = "llm2api";
/// By how much the clocks of an authority and of an instance may differ, in seconds.
pub const LEEWAY_SECONDS: i64 = 60;
/// Bytes that a code may have: it travels in a variable, and in forms.
pub const MAX_CODE_BYTES: usize = 16 * 1024;

/// The only header that codes are issued with.
const HEADER: &str = r#"{"alg":"EdDSA","typ":"JWT"}"#;

/// What a code says. Times are seconds since 1970.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Who issued it.
    #[serde(default)]
    pub iss: String,
    /// For whom.
    #[serde(default)]
    pub sub: String,
    /// Its id.
    #[serde(default)]
    pub jti: String,
    /// When it was issued.
    #[serde(
        default,
        deserialize_with = "numeric_date",
        skip_serializing_if = "Option::is_none"
    )]
    pub iat: Option<i64>,
    /// From when it is good.
    #[serde(
        default,
        deserialize_with = "numeric_date",
        skip_serializing_if = "Option::is_none"
    )]
    pub nbf: Option<i64>,
    /// Until when it is good. What is signed always says it; what an authority says of an opaque code need not.
    #[serde(
        default,
        deserialize_with = "numeric_date",
        skip_serializing_if = "Option::is_none"
    )]
    pub exp: Option<i64>,
    /// For what.
    #[serde(default)]
    pub aud: Audience,
    /// What an instance may do that runs by it.
    #[serde(default, skip_serializing_if = "CodeLimits::is_empty")]
    pub llm2api_limits: CodeLimits,
}

/// For what a token is: one name, or several.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Audience {
    /// One.
    One(String),
    /// Several.
    Many(Vec<String>),
}

impl Default for Audience {
    /// None.
    fn default() -> Self {
        Self::Many(Vec::new())
    }
}

/// What an instance may do that runs by a code. A limit that is not known here makes a code unreadable: it could not be kept.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CodeLimits {
    /// Requests within any minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u32>,
    /// Tokens within a day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<u64>,
    /// The models that may be asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub models: Option<Vec<String>>,
    /// Whether the web may be searched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub web_search: Option<bool>,
}

impl CodeLimits {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The part of a header that is looked at.
#[derive(Deserialize)]
struct Header {
    alg: String,
    /// Extensions that a reader must know (RFC 7515, 4.1.11); none is known here.
    crit: Option<serde::de::IgnoredAny>,
}

impl Claims {
    /// Signs these claims: the code.
    #[must_use]
    pub fn sign(&self, key: &SigningKey) -> String {
        let claims = serde_json::to_vec(self).expect("text and numbers, into memory");
        let message = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(HEADER),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = URL_SAFE_NO_PAD.encode(key.sign(message.as_bytes()));
        format!("{message}.{signature}")
    }

    /// Reads a code that this key has signed. Its dates and its audience are not looked at.
    ///
    /// # Errors
    ///
    /// [`Fault::Malformed`], [`Fault::WrongAlgorithm`], [`Fault::WrongSignature`] or [`Fault::NoExpiry`].
    pub fn read(code: &str, key: &PublicKey) -> Result<Self, Fault> {
        if code.len() > MAX_CODE_BYTES {
            return Err(Fault::Malformed);
        }
        let mut parts = code.split('.');
        let (Some(header), Some(claims), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(Fault::Malformed);
        };
        let message = &code[..header.len() + 1 + claims.len()];
        let header: Header = part(header)?;
        if header.alg != "EdDSA" {
            return Err(Fault::WrongAlgorithm);
        }
        if header.crit.is_some() {
            return Err(Fault::Malformed);
        }
        let signature = URL_SAFE_NO_PAD.decode(signature);
        let signature = signature.map_err(|_| Fault::Malformed)?;
        if !key.has_signed(message.as_bytes(), &signature) {
            return Err(Fault::WrongSignature);
        }
        let claims: Self = part(claims)?;
        match claims.exp {
            Some(_) => Ok(claims),
            None => Err(Fault::NoExpiry),
        }
    }

    /// Whether the claims are for llm2api, and good at this time.
    ///
    /// # Errors
    ///
    /// [`Fault::WrongAudience`], [`Fault::NotYetValid`] or [`Fault::Expired`].
    pub fn check(&self, now: i64) -> Result<(), Fault> {
        let is_ours = match &self.aud {
            Audience::One(name) => name == AUDIENCE,
            Audience::Many(names) => names.iter().any(|name| name == AUDIENCE),
        };
        if !is_ours {
            return Err(Fault::WrongAudience);
        }
        if self
            .nbf
            .is_some_and(|nbf| now.saturating_add(LEEWAY_SECONDS) < nbf)
        {
            return Err(Fault::NotYetValid);
        }
        if self.ends_at().is_some_and(|end| now >= end) {
            return Err(Fault::Expired);
        }
        Ok(())
    }

    /// When the claims are good no more, leeway included.
    pub(super) fn ends_at(&self) -> Option<i64> {
        self.exp.map(|exp| exp.saturating_add(LEEWAY_SECONDS))
    }
}

fn part<T: for<'de> Deserialize<'de>>(text: &str) -> Result<T, Fault> {
    let json = URL_SAFE_NO_PAD.decode(text).map_err(|_| Fault::Malformed)?;
    // A derived `Deserialize` would take an array for the members in their order.
    if !json.trim_ascii_start().starts_with(b"{") {
        return Err(Fault::Malformed);
    }
    serde_json::from_slice(&json).map_err(|_| Fault::Malformed)
}

/// A NumericDate, which may have a fraction (RFC 7519, 2); that is cut off.
fn numeric_date<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<i64>, D::Error> {
    let number = Option::<serde_json::Number>::deserialize(deserializer)?;
    // A float becomes the nearest integer that there is.
    Ok(number.and_then(|number| {
        number
            .as_i64()
            .or_else(|| number.as_f64().map(|date| date as i64))
    }))
}

#[cfg(test)]
mod tests;
