//! An instance that is its own authority, with a store.

use secrecy::{ExposeSecret, SecretString};
use tempfile::TempDir;

use super::*;
use crate::store::tests::Running;

/// An authorization, and the store that it keeps things in.
struct Stage {
    authorization: Authorization,
    running: Running,
    folder: TempDir,
}

impl Stage {
    async fn new(config: AuthorizationConfig) -> Self {
        let folder = TempDir::new().unwrap();
        Self::open(folder, config).await
    }

    async fn open(folder: TempDir, config: AuthorizationConfig) -> Self {
        let running = Running::open(folder.path()).await;
        let kept = running.loaded.authorization.clone();
        let config = Config {
            authorization: config,
            ..Config::of_upstreams(Vec::new())
        };
        let mut meters = running.loaded.meters.clone();
        let authorization = Authorization::new(&config, running.store.clone(), kept, &mut meters);
        Self {
            authorization: authorization.await.unwrap(),
            running,
            folder,
        }
    }

    /// The same after a restart.
    async fn again(self, config: AuthorizationConfig) -> Self {
        let Self {
            authorization,
            running,
            folder,
        } = self;
        drop(authorization);
        running.close().await;
        Self::open(folder, config).await
    }

    fn verdict(&self) -> (State, &'static str) {
        let view = self.authorization.view();
        (view.state, view.reason)
    }

    async fn issue(&self, subject: &str, begins_in: i64, ends_in: i64) -> (String, SecretString) {
        let order = Order {
            subject: subject.to_owned(),
            not_before: now() + begins_in,
            expires_at: now() + ends_in,
            limits: CodeLimits::default(),
        };
        let (code, text) = self.authorization.issue(order).await.unwrap();
        (code.claims.jti, text.into())
    }
}

fn with_code(code: &SecretString) -> AuthorizationConfig {
    AuthorizationConfig {
        code: Some(code.clone()),
        ..AuthorizationConfig::default()
    }
}

fn with_key(code: Option<SecretString>, key: PublicKey) -> AuthorizationConfig {
    AuthorizationConfig {
        code,
        public_key: Some(key),
        ..AuthorizationConfig::default()
    }
}

#[tokio::test]
async fn an_instance_without_an_authority_issues_itself_one_code_and_keeps_it() {
    let stage = Stage::new(AuthorizationConfig::default()).await;
    assert_eq!(stage.verdict(), (State::Valid, ""));
    let first = stage.authorization.view().claims.clone().unwrap();
    assert_eq!(first.iss, stage.authorization.own_public_key().issuer());
    let stage = stage.again(AuthorizationConfig::default()).await;
    assert_eq!(stage.authorization.view().claims, Some(first));
    let (codes, has_more) = stage.authorization.list(None, 10).unwrap();
    assert_eq!((codes.len(), has_more), (1, false));
    assert!(codes[0].is_own);
}

#[tokio::test]
async fn the_own_code_is_renewed_before_it_ends() {
    let stage = Stage::new(AuthorizationConfig::default()).await;
    let issuer = &stage.authorization.issuer;
    let day = 24 * 3600;
    let first = issuer.own_code(now()).await.unwrap();
    assert_eq!(issuer.own_code(now() + 19 * day).await.unwrap(), first);
    let second = issuer.own_code(now() + 21 * day).await.unwrap();
    assert_ne!(second, first);
    assert_eq!(issuer.own_code(now() + 22 * day).await.unwrap(), second);
    let checked = issuer.check(&second, now() + 22 * day);
    assert!(matches!(checked, Finding::Good(_)), "{checked:?}");
}

#[tokio::test]
async fn a_foreign_code_without_an_authority_is_not_used() {
    let other = SigningKey::random().unwrap();
    let foreign = Claims {
        exp: Some(now() + 1000),
        aud: Audience::One(AUDIENCE.to_owned()),
        ..Claims::default()
    }
    .sign(&other);
    for foreign in [foreign, "opaque".to_owned()] {
        let stage = Stage::new(with_code(&foreign.into())).await;
        assert_eq!(stage.verdict(), (State::Valid, ""));
        assert!(stage.authorization.list(None, 10).unwrap().0[0].is_own);
    }
}

#[tokio::test]
async fn codes_are_good_while_they_last_and_are_not_revoked() {
    let stage = Stage::new(AuthorizationConfig::default()).await;
    let is_active = |code: &SecretString| {
        let known = stage.authorization.introspect(code.expose_secret());
        known.map(|code| code.claims.sub)
    };
    let (id, code) = stage.issue("one", 0, 1000).await;
    assert_eq!(is_active(&code).as_deref(), Some("one"));
    assert_eq!(is_active(&stage.issue("early", 100, 1000).await.1), None);
    assert_eq!(is_active(&stage.issue("late", -1000, -100).await.1), None);

    let revoked = stage
        .authorization
        .revoke(&id, true)
        .await
        .unwrap()
        .unwrap();
    assert!(revoked.revoked_at.is_some());
    assert_eq!(is_active(&code), None);
    let again = stage
        .authorization
        .revoke(&id, true)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(again, revoked);
    stage.authorization.revoke(&id, false).await.unwrap();
    assert_eq!(is_active(&code).as_deref(), Some("one"));
    assert_eq!(
        stage.authorization.revoke("ac_0", true).await.unwrap(),
        None
    );

    // One that the same key has signed, but that was never issued.
    let claims = Claims {
        jti: "ac_1".to_owned(),
        exp: Some(now() + 1000),
        aud: Audience::One(AUDIENCE.to_owned()),
        ..Claims::default()
    };
    let unknown = claims.sign(&SigningKey::from_seed(stage.running_seed().await));
    assert_eq!(is_active(&unknown.into()), None);
}

impl Stage {
    /// The seed of the key that signs here.
    async fn running_seed(&self) -> secrecy::zeroize::Zeroizing<[u8; KEY_SIZE_BYTES]> {
        let (_, _, loaded) = Store::open(&crate::store::tests::config(self.folder.path()))
            .await
            .unwrap();
        loaded.authorization.signing_key.unwrap()
    }
}

#[tokio::test]
async fn what_was_issued_and_revoked_is_there_after_a_restart() {
    let stage = Stage::new(AuthorizationConfig::default()).await;
    let (first, code) = stage.issue("one", 0, 1000).await;
    stage.issue("two", 0, 1000).await;
    stage.authorization.revoke(&first, true).await.unwrap();
    let before = stage.authorization.list(None, 10).unwrap();
    let public_key = *stage.authorization.own_public_key();

    // It may also run by one of these, which is revoked now.
    let stage = stage.again(with_code(&code)).await;
    assert_eq!(stage.authorization.list(None, 10).unwrap(), before);
    assert_eq!(*stage.authorization.own_public_key(), public_key);
    assert_eq!(stage.verdict(), (State::Invalid, "revoked"));
}

#[tokio::test]
async fn codes_are_listed_page_by_page() {
    let stage = Stage::new(AuthorizationConfig::default()).await;
    for subject in ["one", "two", "three"] {
        stage.issue(subject, 0, 1000).await;
    }
    let subjects = |codes: &[StoredCode]| {
        let subjects = codes.iter().map(|code| code.claims.sub.clone());
        subjects.collect::<Vec<_>>()
    };
    let (page, has_more) = stage.authorization.list(None, 2).unwrap();
    assert_eq!(
        (subjects(&page), has_more),
        (vec!["this instance".to_owned(), "one".to_owned()], true)
    );
    let after = page.last().unwrap().claims.jti.clone();
    let (page, has_more) = stage.authorization.list(Some(&after), 2).unwrap();
    assert_eq!(
        (subjects(&page), has_more),
        (vec!["two".to_owned(), "three".to_owned()], false)
    );
    assert_eq!(stage.authorization.list(Some("ac_0"), 2), None);
}

#[tokio::test]
async fn a_public_key_decides_without_asking_anybody() {
    let key = SigningKey::random().unwrap();
    let code = |begins_in: i64, ends_in: i64| {
        let claims = Claims {
            nbf: Some(now() + begins_in),
            exp: Some(now() + ends_in),
            aud: Audience::One(AUDIENCE.to_owned()),
            ..Claims::default()
        };
        Some(SecretString::from(claims.sign(&key)))
    };
    let other = SigningKey::random().unwrap().public_key();
    for (code, public_key, verdict) in [
        (code(0, 1000), key.public_key(), (State::Valid, "")),
        (code(50, 1000), key.public_key(), (State::Valid, "")),
        (
            code(100, 1000),
            key.public_key(),
            (State::Invalid, "not_yet_valid"),
        ),
        (code(-1000, -50), key.public_key(), (State::Valid, "")),
        (
            code(-1000, -100),
            key.public_key(),
            (State::Invalid, "expired"),
        ),
        (code(0, 1000), other, (State::Invalid, "wrong_signature")),
        (Some("opaque".into()), other, (State::Invalid, "malformed")),
        (None, other, (State::Invalid, "no_code")),
    ] {
        let stage = Stage::new(with_key(code, public_key)).await;
        assert_eq!(stage.verdict(), verdict);
        let admitted = stage.authorization.admit().map_err(|error| error.reason);
        let expected = match verdict.0.admits() {
            true => Ok(()),
            false => Err(ErrorReason::AuthorizationInvalid),
        };
        assert_eq!(admitted, expected);
    }
}

#[tokio::test]
async fn another_code_is_taken_over_while_it_runs() {
    let stage = Stage::new(AuthorizationConfig::default()).await;
    let (_, code) = stage.issue("one", 0, 1000).await;
    let public_key = *stage.authorization.own_public_key();
    let take_over = async |authorization: AuthorizationConfig| {
        let config = Config {
            authorization,
            ..Config::of_upstreams(Vec::new())
        };
        let replacement = stage.authorization.replacement(&config).unwrap();
        stage.authorization.replace(replacement).await;
        stage.verdict()
    };
    let without = take_over(with_key(None, public_key)).await;
    assert_eq!(without, (State::Invalid, "no_code"));
    let with = take_over(with_key(Some(code), public_key)).await;
    assert_eq!(with, (State::Valid, ""));
    assert_eq!(stage.authorization.authority(), "public_key");
    let own = take_over(AuthorizationConfig::default()).await;
    assert_eq!(own, (State::Valid, ""));
}
