//! Takes out of an upstream's message what looks like a secret or says whose account it was.

use std::cmp::Reverse;

use secrecy::{ExposeSecret, SecretString};

/// What stands in a secret's place.
const MASK: &str = "[redacted]";

/// How keys, tokens and account ids of well-known services begin.
const PREFIXES: [&str; 13] = [
    "sk-", "pk-", "rk-", "sk_", "gsk_", "xai-", "hf_", "AIza", "eyJ", "AKIA", "ghp_", "org-",
    "proj_",
];

/// The fewest characters behind a prefix that make a secret of it: `sk-test` and `hf_hub` are words.
const MIN_BODY: usize = 8;

/// The length from which letters and digits without any other character are a key and not a word.
const MIN_BARE_KEY: usize = 32;

/// The length from which a credential is looked for in a message: a shorter one would blot out words.
const MIN_CREDENTIAL: usize = 6;

/// Masks these texts, which are parts of a credential, keys, bearer tokens, cookies, e-mail addresses and account ids.
pub(super) fn scrub(text: &str, hidden: &[SecretString]) -> String {
    let mut hidden: Vec<&str> = hidden.iter().map(ExposeSecret::expose_secret).collect();
    // One may be a part of another.
    hidden.sort_unstable_by_key(|hidden| Reverse(hidden.len()));
    let text = hidden
        .into_iter()
        .filter(|hidden| hidden.len() >= MIN_CREDENTIAL)
        .fold(text.to_owned(), |text, hidden| text.replace(hidden, MASK));
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        scrub_line(line, &mut out);
    }
    out
}

fn scrub_line(line: &str, out: &mut String) {
    let lower = line.to_ascii_lowercase();
    let (line, has_cookie) = match lower.find("cookie:") {
        Some(start) => (&line[..start + "cookie:".len()], true),
        None => (line, false),
    };
    let mut rest = line;
    let mut is_after_bearer = false;
    while !rest.is_empty() {
        let gap = rest.find(is_word_character).unwrap_or(rest.len());
        out.push_str(&rest[..gap]);
        rest = &rest[gap..];
        let end = rest
            .find(|character| !is_word_character(character))
            .unwrap_or(rest.len());
        let word = &rest[..end];
        rest = &rest[end..];
        if word.is_empty() {
            continue;
        }
        // A full stop behind a word ends the sentence.
        let bare = word.trim_end_matches('.');
        if (is_after_bearer && bare.len() >= MIN_BODY) || is_secret(bare) {
            out.push_str(MASK);
            out.push_str(&word[bare.len()..]);
        } else {
            out.push_str(word);
        }
        is_after_bearer = word.eq_ignore_ascii_case("bearer");
    }
    if has_cookie {
        out.push(' ');
        out.push_str(MASK);
    }
}

fn is_word_character(character: char) -> bool {
    character.is_alphanumeric() || "_-.+@*%~".contains(character)
}

fn is_secret(word: &str) -> bool {
    let has_prefix = PREFIXES.iter().any(|prefix| {
        word.strip_prefix(prefix)
            .is_some_and(|body| body.len() >= MIN_BODY)
    });
    let is_mail = word
        .split_once('@')
        .is_some_and(|(name, host)| !name.is_empty() && host.contains('.'));
    let is_bare_key = word.len() >= MIN_BARE_KEY
        && word.bytes().all(|byte| byte.is_ascii_alphanumeric())
        && word.bytes().any(|byte| byte.is_ascii_digit())
        && word.bytes().any(|byte| byte.is_ascii_alphabetic());
    has_prefix || is_mail || is_bare_key
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::scrub;

    #[test]
    fn secrets_go_and_words_stay() {
        let table = [
            (
                "Incorrect API key provided: sk-proj-abc***********xyz. You can find it",
                "Incorrect API key provided: [redacted]. You can find it",
            ),
            (
                "Rate limit reached for gpt-4o in organization org-AbCdEf123456 on tokens per min (TPM): Limit 30000",
                "Rate limit reached for gpt-4o in organization [redacted] on tokens per min (TPM): Limit 30000",
            ),
            (
                "header 'Authorization: Bearer abcdefghij' is bad",
                "header 'Authorization: Bearer [redacted]' is bad",
            ),
            ("contact jane.doe+x@example.org.", "contact [redacted]."),
            (
                "got\nSet-Cookie: hf-chat=abc; path=/\nend",
                "got\nSet-Cookie: [redacted]end",
            ),
            (
                "key 0123456789abcdef0123456789abcdef is unknown",
                "key [redacted] is unknown",
            ),
            ("user:my-own-key failed", "user:[redacted] failed"),
            (
                "The model `meta-llama/Llama-3.3-70B-Instruct-Turbo-Free` does not exist; 模型不存在。",
                "The model `meta-llama/Llama-3.3-70B-Instruct-Turbo-Free` does not exist; 模型不存在。",
            ),
            ("sk-test, a bearer of news", "sk-test, a bearer of news"),
        ];
        for (text, scrubbed) in table {
            assert_eq!(scrub(text, &["my-own-key".into()]), scrubbed);
        }
    }

    #[test]
    fn a_part_of_a_secret_does_not_uncover_the_rest() {
        let hidden = ["token1".into(), "a=token1; b=2".into(), "2".into()];
        assert_eq!(
            scrub("got a=token1; b=2, or token1?", &hidden),
            "got [redacted], or [redacted]?"
        );
    }

    proptest! {
        #[test]
        fn any_text_survives(text in "\\PC{0,80}") {
            scrub(&text, &[]);
        }
    }
}
