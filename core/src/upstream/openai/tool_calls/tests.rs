use llm2api_proto::v1::{ToolCall, tool_call::Call};

use super::{super::wire::ToolCallPiece, TooManyCalls, ToolCalls};

/// A piece in one line: `INDEX ID NAME INPUT`, with `-` for what is absent and `?` for an id that is made up.
fn show(call: &ToolCall) -> String {
    let (name, input) = match &call.call {
        Some(Call::Function(function)) => (&function.name, &function.arguments),
        Some(Call::Custom(custom)) => (&custom.name, &custom.input),
        None => panic!("a piece is of a kind"),
    };
    let or_dash = |text: &str| match text {
        "" => "-".to_owned(),
        text => text.to_owned(),
    };
    let is_made_up = call.id.strip_prefix("call_").is_some_and(|rest| {
        rest.len() == 24 && rest.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    let id = if is_made_up { "?" } else { &call.id };
    format!(
        "{} {} {} {}",
        call.index,
        or_dash(id),
        or_dash(name),
        or_dash(input)
    )
}

/// What clients get of the `tool_calls` of several deltas, and of the end.
fn normalised(deltas: &[&str]) -> Vec<String> {
    let mut calls = ToolCalls::default();
    let mut out = Vec::new();
    for delta in deltas {
        let pieces: Vec<ToolCallPiece> = serde_json::from_str(delta).expect("valid");
        out.extend(calls.add(pieces).expect("few"));
    }
    out.extend(calls.close());
    assert_eq!(calls.close(), [], "closing twice brings nothing");
    out.iter().map(show).collect()
}

#[test]
fn calls_as_openai_writes_them_go_through() {
    let pieces = normalised(&[
        r#"[{"index":0,"id":"a","type":"function","function":{"name":"f","arguments":""}}]"#,
        r#"[{"index":0,"function":{"arguments":"{\"x\""}}]"#,
        r#"[{"index":0,"function":{"arguments":":1}"}}]"#,
        r#"[{"index":1,"id":"b","type":"function","function":{"name":"f","arguments":""}}]"#,
        r#"[{"index":1,"function":{"arguments":"{}"}}]"#,
    ]);
    assert_eq!(pieces, ["0 a f {\"x\"", "0 - - :1}", "1 b f {}"]);
}

#[test]
fn a_missing_index_is_found_by_the_id_or_is_that_of_the_last_call() {
    let pieces = normalised(&[
        r#"[{"id":"a","function":{"name":"f","arguments":"{"}}]"#,
        r#"[{"function":{"arguments":"}"}}]"#,
        r#"[{"id":"b","function":{"name":"g","arguments":"["}}]"#,
        r#"[{"id":"a","function":{"arguments":" "}}]"#,
        r#"[{"id":"b","function":{"arguments":"]"}}]"#,
    ]);
    assert_eq!(
        pieces,
        ["0 a f {", "0 - - }", "1 b g [", "0 - -  ", "1 - - ]"]
    );
}

#[test]
fn ids_and_names_that_are_repeated_are_said_once() {
    let pieces = normalised(&[
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]"#,
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{\"x\""}}]"#,
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":":1}"}}]"#,
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]"#,
    ]);
    assert_eq!(pieces, ["0 a f {\"x\"", "0 - - :1}"]);
}

#[test]
fn an_id_that_comes_anew_with_each_piece_is_said_once() {
    let pieces = normalised(&[
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]"#,
        r#"[{"index":0,"id":"b","function":{"arguments":"{"}}]"#,
        r#"[{"index":0,"id":"c","function":{"arguments":"}"}}]"#,
    ]);
    assert_eq!(pieces, ["0 a f {", "0 - - }"]);
}

#[test]
fn whole_calls_in_one_delta_are_told_apart() {
    let with_ids = normalised(&[
        r#"[{"id":"a","function":{"name":"f","arguments":"{}"}},{"id":"b","function":{"name":"f","arguments":"{}"}}]"#,
    ]);
    assert_eq!(with_ids, ["0 a f {}", "1 b f {}"]);
    let without = normalised(&[
        r#"[{"function":{"name":"f","arguments":{"x": 1}}},{"function":{"name":"f","arguments":{}}}]"#,
    ]);
    assert_eq!(without, ["0 ? f {\"x\": 1}", "1 ? f {}"]);
}

#[test]
fn an_index_that_starts_anew_with_each_delta_is_another_call() {
    let with_ids = normalised(&[
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]"#,
        r#"[{"index":0,"id":"b","function":{"name":"g","arguments":"{}"}}]"#,
        r#"[{"index":0,"id":"c","function":{"name":"g","arguments":"{}"}}]"#,
    ]);
    assert_eq!(with_ids, ["0 a f {}", "1 b g {}", "2 c g {}"]);
    let without = normalised(&[
        r#"[{"index":0,"function":{"name":"f","arguments":"{}"}}]"#,
        r#"[{"index":0,"function":{"name":"f","arguments":"{\"x\":1}"}}]"#,
    ]);
    assert_eq!(without, ["0 ? f {}", "1 ? f {\"x\":1}"]);
}

#[test]
fn one_id_for_several_calls_is_kept_for_the_first() {
    let by_place = normalised(&[
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{"}},{"index":1,"id":"a","function":{"name":"f","arguments":"{"}}]"#,
        r#"[{"index":0,"id":"a","function":{"arguments":"}"}},{"index":1,"id":"a","function":{"arguments":"}"}}]"#,
    ]);
    assert_eq!(by_place, ["0 a f {", "1 ? f {", "0 - - }", "1 - - }"]);
    let in_turn = normalised(&[
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]"#,
        r#"[{"index":0,"id":"a","function":{"name":"g","arguments":"{}"}}]"#,
    ]);
    assert_eq!(in_turn, ["0 a f {}", "1 ? g {}"]);
}

#[test]
fn a_name_that_comes_in_pieces_is_said_whole() {
    let split = normalised(&[
        r#"[{"index":0,"id":"a","function":{"name":"get_"}}]"#,
        r#"[{"index":0,"function":{"name":"weather"}}]"#,
        r#"[{"index":0,"function":{"arguments":"{}"}}]"#,
    ]);
    assert_eq!(split, ["0 a get_weather {}"]);
    let growing = normalised(&[
        r#"[{"index":0,"id":"a","function":{"name":"get_"}}]"#,
        r#"[{"index":0,"id":"a","function":{"name":"get_weather"}}]"#,
    ]);
    assert_eq!(growing, ["0 a get_weather -"]);
}

#[test]
fn two_calls_may_be_interleaved() {
    let pieces = normalised(&[
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":""}},{"index":1,"id":"b","function":{"name":"g","arguments":""}}]"#,
        r#"[{"index":1,"function":{"arguments":"{"}}]"#,
        r#"[{"index":0,"function":{"arguments":"{"}}]"#,
        r#"[{"index":1,"function":{"arguments":"}"}},{"index":0,"function":{"arguments":"}"}}]"#,
    ]);
    assert_eq!(
        pieces,
        ["0 a f -", "1 b g {", "0 - - {", "1 - - }", "0 - - }"]
    );
}

#[test]
fn an_id_is_made_where_none_comes_and_a_late_one_is_taken() {
    let none = normalised(&[
        r#"[{"index":0,"id":"","function":{"name":"f","arguments":"{"}}]"#,
        r#"[{"index":0,"id":null,"function":{"arguments":"}"}}]"#,
    ]);
    assert_eq!(none, ["0 ? f {", "0 - - }"]);
    let late = normalised(&[
        r#"[{"index":0,"function":{"name":"f"}}]"#,
        r#"[{"index":0,"id":"a","function":{"name":"f","arguments":"{}"}}]"#,
    ]);
    assert_eq!(late, ["0 a f {}"]);
}

#[test]
fn arguments_before_the_name_wait_for_it() {
    let pieces = normalised(&[
        r#"[{"index":0,"id":"a","function":{"arguments":"{"}}]"#,
        r#"[{"index":0,"function":{"name":"f","arguments":"}"}}]"#,
    ]);
    assert_eq!(pieces, ["0 a f {}"]);
}

#[test]
fn custom_calls_are_told_from_functions() {
    let mut calls = ToolCalls::default();
    let pieces: Vec<ToolCallPiece> = serde_json::from_str(
        r#"[{"index":3,"id":"a","type":"custom","custom":{"name":"sql","input":"SELECT 1","x":1},"y":2}]"#,
    )
    .expect("valid");
    let out = calls.add(pieces).expect("few");
    let Some(Call::Custom(custom)) = &out[0].call else {
        panic!("{out:?}");
    };
    assert_eq!(show(&out[0]), "0 a sql SELECT 1");
    assert_eq!(custom.extra_fields[0].name, "x");
    assert_eq!(out[0].extra_fields[0].name, "y");
}

#[test]
fn a_piece_that_says_nothing_is_no_call() {
    assert_eq!(normalised(&["[]", "[{}]", r#"[{"index":0}]"#]), [""; 0]);
}

#[test]
fn endless_calls_are_refused() {
    let mut calls = ToolCalls::default();
    let mut add = |index: usize| {
        let piece = format!(r#"[{{"index":{index},"id":"{index}","function":{{"name":"f"}}}}]"#);
        calls.add(serde_json::from_str(&piece).expect("valid"))
    };
    let refused = (0..2000).find_map(|index| add(index).err());
    assert_eq!(refused, Some(TooManyCalls));
}
