//! The value of a key: what a client sends.

use blake3::Hash;
use secrecy::SecretString;

/// What every value begins with, as clients know it of OpenAI's.
const PREFIX: &str = "sk-";

/// Characters after that: 285 bits, more than anybody tries.
const LENGTH: usize = 48;

/// The characters of a value: a double click marks all of it.
const ALPHABET: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// What may be shown of a value: that it is one, and its last four characters.
pub(crate) type Preview = String;

/// A value that nobody knows yet.
pub(super) struct NewSecret {
    /// What the client sends.
    pub(super) value: SecretString,
    /// What it is known by here.
    pub(super) hash: Hash,
    /// What is shown of it from now on.
    pub(super) preview: Preview,
}

impl NewSecret {
    /// Makes one.
    ///
    /// # Errors
    ///
    /// Where the system gives no random numbers.
    pub(super) fn make() -> Result<Self, getrandom::Error> {
        let mut value = String::with_capacity(PREFIX.len() + LENGTH);
        value.push_str(PREFIX);
        let mut random = [0_u8; 64];
        while value.len() < PREFIX.len() + LENGTH {
            getrandom::fill(&mut random)?;
            // Two of 64 numbers stand for none, so that each character is as likely as any other.
            let characters = random.iter().filter_map(|byte| {
                let at = usize::from(byte & 63);
                ALPHABET.get(at).copied().map(char::from)
            });
            let room = PREFIX.len() + LENGTH - value.len();
            value.extend(characters.take(room));
        }
        let end = &value[value.len() - 4..];
        Ok(Self {
            preview: format!("{PREFIX}…{end}"),
            hash: blake3::hash(value.as_bytes()),
            value: value.into(),
        })
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_value_has_openais_form_and_shows_four_characters() {
        let first = NewSecret::make().expect("random numbers");
        let second = NewSecret::make().expect("random numbers");
        let value = first.value.expose_secret();
        assert_eq!(value.len(), 51);
        let rest = value.strip_prefix("sk-").expect("the prefix");
        assert!(rest.bytes().all(|byte| byte.is_ascii_alphanumeric()));
        assert_eq!(first.preview, format!("sk-…{}", &value[47..]));
        assert_eq!(first.hash, blake3::hash(value.as_bytes()));
        assert_ne!(first.hash, second.hash);
    }
}
