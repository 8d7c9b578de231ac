//! Keys that sign codes, and those that check them: Ed25519 (RFC 8032), written in PEM as `openssl` writes them (RFC 8410).

use std::fmt;

use base64::{Engine, engine::general_purpose::STANDARD};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use rustls::pki_types::{PrivatePkcs8KeyDer, SubjectPublicKeyInfoDer, pem::PemObject};
use secrecy::{SecretString, zeroize::Zeroizing};

/// Bytes of a private key's seed, and of a public key.
pub(crate) const KEY_SIZE_BYTES: usize = 32;

/// What stands before the seed in a private key's DER: PKCS#8, version 1, `id-Ed25519`, 32 bytes.
const PRIVATE_PREFIX: [u8; 16] =
    *b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20";
/// What stands before the point in a public key's DER: SubjectPublicKeyInfo, `id-Ed25519`, 32 bytes.
const PUBLIC_PREFIX: [u8; 12] = *b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00";

/// Characters of a line of PEM (RFC 7468, 2).
const PEM_LINE: usize = 64;

/// A key that signs codes.
pub struct SigningKey {
    seed: Zeroizing<[u8; KEY_SIZE_BYTES]>,
    pair: Ed25519KeyPair,
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("SigningKey")
    }
}

impl SigningKey {
    /// Makes a key that nobody can guess.
    ///
    /// # Errors
    ///
    /// Where the system has no randomness.
    pub fn random() -> std::io::Result<Self> {
        let mut seed = Zeroizing::new([0; KEY_SIZE_BYTES]);
        getrandom::fill(seed.as_mut()).map_err(std::io::Error::other)?;
        Ok(Self::from_seed(seed))
    }

    /// Reads a private key in PEM. `None`: it is none of Ed25519.
    #[must_use]
    pub fn from_pem(pem: &str) -> Option<Self> {
        let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).ok()?;
        let der = der.secret_pkcs8_der();
        // ring reads both versions, and checks the public key of the second; the seed stands in the same place in both.
        let pair = Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok()?;
        let seed = der.get(PRIVATE_PREFIX.len()..)?.first_chunk()?;
        let key = Self::from_seed(Zeroizing::new(*seed));
        (key.pair.public_key().as_ref() == pair.public_key().as_ref()).then_some(key)
    }

    /// The private key in PEM.
    #[must_use]
    pub fn to_pem(&self) -> SecretString {
        let der = Zeroizing::new([&PRIVATE_PREFIX[..], &self.seed[..]].concat());
        pem("PRIVATE KEY", &der).into()
    }

    /// The key that checks what this one signs.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        let bytes = self.pair.public_key().as_ref().try_into();
        PublicKey(bytes.expect("a public key of Ed25519 has 32 bytes"))
    }

    pub(crate) fn from_seed(seed: Zeroizing<[u8; KEY_SIZE_BYTES]>) -> Self {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed.as_ref());
        Self {
            pair: pair.expect("32 bytes are a seed"),
            seed,
        }
    }

    pub(crate) fn seed(&self) -> &[u8; KEY_SIZE_BYTES] {
        &self.seed
    }

    pub(super) fn sign(&self, message: &[u8]) -> Vec<u8> {
        self.pair.sign(message).as_ref().to_vec()
    }
}

/// A key that checks codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PublicKey([u8; KEY_SIZE_BYTES]);

impl PublicKey {
    /// Reads a public key in PEM. `None`: it is none of Ed25519.
    #[must_use]
    pub fn from_pem(pem: &str) -> Option<Self> {
        let der = SubjectPublicKeyInfoDer::from_pem_slice(pem.as_bytes()).ok()?;
        let point = der.as_ref().strip_prefix(&PUBLIC_PREFIX)?;
        point.try_into().ok().map(Self)
    }

    /// The key in PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let der = [&PUBLIC_PREFIX[..], &self.0].concat();
        pem("PUBLIC KEY", &der)
    }

    /// By what an authority is called that has not been given another name.
    #[must_use]
    pub fn issuer(&self) -> String {
        let hash = blake3::hash(&self.0).to_hex();
        format!("llm2api:{}", &hash[..16])
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    pub(super) fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let key = UnparsedPublicKey::new(&ED25519, &self.0);
        key.verify(message, signature).is_ok()
    }
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = Zeroizing::new(STANDARD.encode(der));
    let mut pem = format!("-----BEGIN {label}-----\n");
    for at in (0..text.len()).step_by(PEM_LINE) {
        pem.push_str(&text[at..text.len().min(at + PEM_LINE)]);
        pem.push('\n');
    }
    pem.push_str(&format!("-----END {label}-----\n"));
    pem
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    /// As `openssl genpkey -algorithm ed25519` wrote it, and `openssl pkey -pubout` of it: RFC 8410, 10.3 and 10.1.
    const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";
    const PUBLIC: &str = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
        -----END PUBLIC KEY-----\n";

    #[test]
    fn keys_are_read_and_written_as_others_write_them() {
        let private = SigningKey::from_pem(PRIVATE).unwrap();
        assert_eq!(private.to_pem().expose_secret(), PRIVATE);
        assert_eq!(private.public_key().to_pem(), PUBLIC);
        assert_eq!(PublicKey::from_pem(PUBLIC), Some(private.public_key()));
    }

    #[test]
    fn what_is_no_key_of_ed25519_is_refused() {
        let x25519 = "-----BEGIN PUBLIC KEY-----\n\
            MCowBQYDK2VuAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n\
            -----END PUBLIC KEY-----\n";
        for text in ["", "key", PRIVATE, x25519] {
            assert_eq!(PublicKey::from_pem(text), None, "{text}");
        }
        for text in ["", "key", PUBLIC] {
            assert!(SigningKey::from_pem(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_signature_holds_for_its_message_and_its_key_alone() {
        let (key, other) = (SigningKey::random().unwrap(), SigningKey::random().unwrap());
        let signature = key.sign(b"message");
        assert!(key.public_key().has_signed(b"message", &signature));
        assert!(!key.public_key().has_signed(b"Message", &signature));
        assert!(!other.public_key().has_signed(b"message", &signature));
        assert!(!key.public_key().has_signed(b"message", &signature[1..]));
    }
}
