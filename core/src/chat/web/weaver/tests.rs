use llm2api_proto::v1::{ChatStart, ChoiceFinish, FinishReason, ToolCall, Usage};

use super::{super::block::tests::result, *};

const BLOCK: &str = "<search>\n[1] Eins — https://a.example/\nfirst\n\n[2] Zwei 🙂 — https://b.example/\n</search>\n\n";
const CITATIONS_JSON: &str = r#"["https://a.example/","https://b.example/"]"#;

fn weaver(shows_block: bool) -> Weaver {
    let results = [
        result("Eins", "https://a.example/", "first"),
        result("Zwei 🙂", "https://b.example/", ""),
    ];
    Weaver::new(Arc::new(results), shows_block)
}

fn event(event: Event) -> ChatEvent {
    ChatEvent {
        event: Some(event),
        extra_fields: Vec::new(),
    }
}

fn start() -> ChatEvent {
    event(Event::Start(ChatStart::default()))
}

fn text(index: i32, content: &str) -> ChatEvent {
    delta(ChoiceDelta {
        index,
        content: Some(content.to_owned()),
        ..ChoiceDelta::default()
    })
}

fn role(index: i32) -> ChatEvent {
    delta(ChoiceDelta {
        index,
        role: "assistant".to_owned(),
        ..ChoiceDelta::default()
    })
}

fn call(index: i32) -> ChatEvent {
    delta(ChoiceDelta {
        index,
        content: Some(String::new()),
        tool_calls: vec![ToolCall::default()],
        ..ChoiceDelta::default()
    })
}

fn finish(index: i32) -> ChatEvent {
    event(Event::Finish(ChoiceFinish {
        index,
        reason: FinishReason::Stop.into(),
        ..ChoiceFinish::default()
    }))
}

fn first(place: Range<i64>) -> UrlCitation {
    citation(&result("Eins", "https://a.example/", ""), place)
}

fn second(place: Range<i64>) -> UrlCitation {
    citation(&result("Zwei 🙂", "https://b.example/", ""), place)
}

/// The delta that tells the sources.
fn sources(index: i32, annotations: Vec<UrlCitation>) -> ChatEvent {
    ChatEvent {
        extra_fields: vec![RawField {
            name: "citations".to_owned(),
            value_json: CITATIONS_JSON.to_owned(),
        }],
        ..delta(ChoiceDelta {
            index,
            annotations,
            ..ChoiceDelta::default()
        })
    }
}

/// The lines of the block.
fn lines() -> Vec<UrlCitation> {
    vec![first(9..38), second(46..77)]
}

/// What becomes of events that arrive in these batches.
fn woven(mut weaver: Weaver, batches: Vec<Vec<ChatEvent>>) -> Vec<Vec<ChatEvent>> {
    batches
        .into_iter()
        .map(|mut events| {
            weaver.weave(&mut events);
            events
        })
        .collect()
}

#[test]
fn the_block_comes_with_the_first_text_and_the_sources_before_the_end() {
    let block_length = i64::try_from(BLOCK.chars().count()).unwrap();
    let batches = woven(
        weaver(true),
        vec![
            vec![start(), role(0)],
            vec![text(0, "好 [1")],
            vec![text(0, "]"), text(0, " and [2], [3]."), finish(0)],
            vec![event(Event::Usage(Usage::default()))],
        ],
    );
    let mut annotations = lines();
    annotations.push(first(block_length + 2..block_length + 5));
    annotations.push(second(block_length + 10..block_length + 13));
    assert_eq!(
        batches,
        [
            vec![start(), role(0)],
            vec![text(0, BLOCK), text(0, "好 [1")],
            vec![
                text(0, "]"),
                text(0, " and [2], [3]."),
                sources(0, annotations),
                finish(0)
            ],
            vec![event(Event::Usage(Usage::default()))],
        ]
    );
}

#[test]
fn each_choice_has_its_own() {
    let batches = woven(
        weaver(true),
        vec![
            vec![start(), text(1, "b"), text(0, "a"), text(1, "b")],
            vec![finish(0), finish(1)],
        ],
    );
    assert_eq!(
        batches,
        [
            vec![
                start(),
                text(1, BLOCK),
                text(1, "b"),
                text(0, BLOCK),
                text(0, "a"),
                text(1, "b")
            ],
            vec![
                sources(0, lines()),
                finish(0),
                sources(1, lines()),
                finish(1)
            ],
        ]
    );
}

#[test]
fn without_a_block_what_the_text_does_not_cite_is_told_at_its_beginning() {
    for begin in [text(0, "x [2]"), call(0)] {
        let is_call = begins_with_call(&begin);
        let batches = woven(
            weaver(is_call),
            vec![vec![start(), begin.clone(), finish(0)]],
        );
        let annotations = if is_call {
            vec![first(0..0), second(0..0)]
        } else {
            vec![second(2..5), first(0..0)]
        };
        assert_eq!(
            batches,
            [vec![start(), begin, sources(0, annotations), finish(0)]]
        );
    }
}

#[test]
fn an_answer_without_text_has_the_block_before_its_end() {
    let batches = woven(weaver(true), vec![vec![start(), finish(0)]]);
    assert_eq!(
        batches,
        [vec![
            start(),
            text(0, BLOCK),
            sources(0, lines()),
            finish(0)
        ]]
    );
}

#[test]
fn what_the_upstream_cites_moves_behind_the_block() {
    let theirs = |place| citation(&result("t", "https://c.example/", ""), place);
    let other = UrlCitation {
        other_json: "{}".to_owned(),
        ..UrlCitation::default()
    };
    let cited = |annotations| {
        delta(ChoiceDelta {
            content: Some("abc".to_owned()),
            annotations,
            ..ChoiceDelta::default()
        })
    };
    let block_length = i64::try_from(BLOCK.chars().count()).unwrap();
    let batches = woven(
        weaver(true),
        vec![vec![cited(vec![theirs(1..2), other.clone()])]],
    );
    assert_eq!(
        batches,
        [vec![
            text(0, BLOCK),
            cited(vec![theirs(block_length + 1..block_length + 2), other])
        ]]
    );
}
