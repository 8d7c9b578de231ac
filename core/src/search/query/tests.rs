use llm2api_proto::v1::{ContentPart, Message, content_part::Part};
use proptest::prelude::*;

use super::*;

fn said(role: &str, content: &str) -> Message {
    Message {
        role: role.to_owned(),
        content: Some(content.to_owned()),
        ..Message::default()
    }
}

fn query(text: &str) -> Option<String> {
    Query::new(text, &SearchLanguage::Auto, None).map(|query| query.text)
}

/// A conversation, as roles and texts.
type Conversation = [(&'static str, &'static str)];

#[test]
fn only_a_users_last_message_with_text_is_searched_for() {
    let table: &[(&Conversation, Option<&str>)] = &[
        (
            &[("user", "a"), ("assistant", "b"), ("user", "c")],
            Some("c"),
        ),
        (&[("system", "s"), ("user", "c")], Some("c")),
        (&[("user", "a"), ("assistant", "b")], None),
        (&[("user", "a"), ("tool", "b")], None),
        (&[("user", " \n")], None),
        (&[("user", "<search>\nx\n</search>")], None),
        (&[], None),
    ];
    for (messages, text) in table {
        let messages: Vec<_> = messages
            .iter()
            .map(|&(role, text)| said(role, text))
            .collect();
        assert_eq!(of_messages(&messages).as_deref(), *text, "{messages:?}");
    }
}

#[test]
fn the_text_of_a_message_in_parts_is_that_of_its_texts() {
    let part = |part| ContentPart {
        part: Some(part),
        ..ContentPart::default()
    };
    let message = Message {
        role: "user".to_owned(),
        content_parts: vec![
            part(Part::Text("What is".to_owned())),
            part(Part::OtherJson(r#"{"type":"video"}"#.to_owned())),
            part(Part::Text("this?".to_owned())),
        ],
        ..Message::default()
    };
    assert_eq!(of_messages(&[message]).as_deref(), Some("What is\nthis?"));
}

#[test]
fn results_that_somebody_pastes_are_not_searched_for() {
    let table = [
        ("<search>\n[1] T\n</search>\n\nand now?", "\n\nand now?"),
        ("a<search>x</search>b<search>y</search>c", "abc"),
        ("how does <search> work?", "how does <search> work?"),
        ("</search> alone", "</search> alone"),
    ];
    for (text, without) in table {
        assert_eq!(without_blocks(text), without, "{text}");
    }
}

#[test]
fn searxngs_own_syntax_is_taken_out() {
    let table = [
        ("!images cats", Some("cats")),
        ("!! first result", Some("first result")),
        ("!!g :de <3 Katzen", Some("Katzen")),
        (
            "what does !important do in css",
            Some("what does important do in css"),
        ),
        ("weather :fr Paris", Some("weather fr Paris")),
        ("wow!! really", Some("wow!! really")),
        (":) smile", Some(":) smile")),
        ("a <b and x <3 y", Some("a <b and x 3 y")),
        ("!g", None),
        ("?!", None),
        ("", None),
    ];
    for (text, without) in table {
        assert_eq!(query(text).as_deref(), without, "{text}");
    }
}

#[test]
fn a_long_message_becomes_the_question_in_it_or_its_beginning() {
    let filler = "The quick brown fox jumps over the lazy dog. ".repeat(20);
    let question = "Which animal jumps over the dog?";
    assert_eq!(
        query(&format!("{filler}{question}")).as_deref(),
        Some(question)
    );
    assert_eq!(
        query(&format!("{question} {filler}")).as_deref(),
        Some(question)
    );
    let chinese = format!("{}哪种动物会跳过懒狗呢？", "狐狸跳过懒狗。".repeat(100));
    assert_eq!(query(&chinese).as_deref(), Some("哪种动物会跳过懒狗呢？"));

    let code = format!(
        "Why is this slow\n```rust\n{}\n```",
        "let x = 1;\n".repeat(100)
    );
    assert_eq!(query(&code).as_deref(), Some("Why is this slow"));

    let words = "word ".repeat(200);
    let beginning = query(&words).expect("a query");
    assert_eq!(beginning, format!("{}word", "word ".repeat(79)));
    assert_eq!(query(&"字".repeat(500)), Some("字".repeat(400)));
}

#[test]
fn the_language_is_that_of_the_message_and_the_country_unless_one_is_set() {
    let (auto, fixed) = (SearchLanguage::Auto, SearchLanguage::Fixed("de".to_owned()));
    let table = [
        ("上海天气", &auto, None, "zh"),
        ("上海天气", &auto, Some("TW"), "zh-TW"),
        ("上海天气", &auto, Some("US"), "zh"),
        ("weather", &auto, None, "auto"),
        ("weather", &auto, Some("US"), "en-US"),
        ("weather", &auto, Some("TW"), "auto"),
        ("weather", &auto, Some("CH"), "auto"),
        ("上海天气", &fixed, None, "de"),
        ("weather", &fixed, Some("US"), "de"),
    ];
    for (text, language, country, expected) in table {
        let query = Query::new(text, language, country.and_then(Country::named));
        let query = query.expect("a query");
        assert_eq!(query.language(), expected, "{text} {country:?}");
    }
}

proptest! {
    #[test]
    fn any_text_becomes_a_short_line_without_operators(text in any::<String>()) {
        if let Some(query) = query(&text) {
            prop_assert!(query.chars().count() <= MAX_CHARACTERS);
            prop_assert!(!query.contains(char::is_control));
            prop_assert!(!query.split(' ').any(is_operator), "{query:?}");
        }
    }
}
