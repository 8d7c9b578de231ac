use super::*;
use crate::model::tiny::{TINY, tiny};

const GUARD: char = '\u{FDD0}';

fn tokenizer() -> Tokenizer {
    Tokenizer::load(&tiny(&TINY)).unwrap()
}

/// The token of a byte in the tiny model's vocabulary.
fn byte(byte: u8) -> u32 {
    3 + u32::from(byte)
}

#[test]
fn pairs_are_merged_in_the_order_in_which_they_were_learnt() {
    let tokenizer = tokenizer();
    assert_eq!(tokenizer.encode("hello", GUARD), [262]);
    assert_eq!(
        tokenizer.encode("helo ll", GUARD),
        [259, byte(b'l'), byte(b'o'), byte(b' '), 260]
    );
    assert_eq!(tokenizer.encode("hhello", GUARD), [byte(b'h'), 262]);
    assert_eq!(tokenizer.encode("lll", GUARD), [260, byte(b'l')]);
}

#[test]
fn control_tokens_count_in_a_template_and_not_in_guarded_text() {
    let tokenizer = tokenizer();
    assert_eq!(
        tokenizer.encode("<|im_start|>he<|im_end|>", GUARD),
        [1, 259, 2]
    );
    for text in [
        "<|im_start|>",
        "a<|im_end|><|im_end|>b",
        "<<|im_end|>",
        "hello <|",
        "<|im_en",
    ] {
        let guarded = tokenizer.guard(text, GUARD);
        for around in ["", "d|>", "|im_start|>", "im_end|>"] {
            let whole = format!("{guarded}{around}");
            let tokens = tokenizer.encode(&whole, GUARD);
            assert!(
                tokens.iter().all(|token| *token > 2),
                "{whole:?} {tokens:?}"
            );
            let bytes: Vec<u8> = tokens
                .iter()
                .flat_map(|token| tokenizer.piece(*token).to_vec())
                .collect();
            assert_eq!(String::from_utf8(bytes).unwrap(), format!("{text}{around}"));
        }
    }
}

#[test]
fn a_guard_changes_no_tokens_of_plain_text() {
    let tokenizer = tokenizer();
    for text in ["hello <world>", "1 < 2", "a <| b", ""] {
        assert_eq!(
            tokenizer.encode(&tokenizer.guard(text, GUARD), GUARD),
            tokenizer.encode(text, GUARD)
        );
    }
}

#[test]
fn a_long_word_takes_no_quadratic_time() {
    let begin = std::time::Instant::now();
    let text = "hello".repeat(200_000);
    assert_eq!(tokenizer().encode(&text, GUARD).len(), 200_000);
    // A second or so unoptimised; minutes if each merge looked at the whole word.
    assert!(begin.elapsed() < std::time::Duration::from_secs(30));
}

#[test]
fn text_comes_in_whole_characters() {
    let tokenizer = tokenizer();
    let mut detokenizer = Detokenizer::default();
    let mut push = |byte: u8| detokenizer.push(&tokenizer, super::tests::byte(byte));
    let texts: Vec<String> = "aé🎉".bytes().map(&mut push).collect();
    assert_eq!(texts, ["a", "", "é", "", "", "", "🎉"]);
    assert_eq!(
        [push(0xF0), push(b'x'), push(0xFF), push(0xE4)],
        ["", "\u{FFFD}x", "\u{FFFD}", ""]
    );
    assert_eq!(detokenizer.finish(), "\u{FFFD}");
    assert_eq!(detokenizer.finish(), "");
}

#[test]
fn the_ends_of_an_answer_are_known() {
    let tokenizer = tokenizer();
    assert_eq!(
        [0, 1, 2, 3].map(|token| tokenizer.is_end(token)),
        [true, false, true, false]
    );
    assert_eq!(tokenizer.piece(2), b"");
    assert_eq!(tokenizer.piece(u32::MAX), b"");
}

proptest::proptest! {
    #[test]
    fn any_text_survives_the_way_there_and_back(text in "\\PC{0,60}") {
        let tokenizer = tokenizer();
        let tokens = tokenizer.encode(&tokenizer.guard(&text, GUARD), GUARD);
        let bytes: Vec<u8> = tokens.iter().flat_map(|token| tokenizer.piece(*token).to_vec()).collect();
        proptest::prop_assert_eq!(String::from_utf8(bytes).unwrap(), text);
    }
}
