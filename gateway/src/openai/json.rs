//! Writing JSON straight into the buffer that goes out: no tree in between.

use bytes::{BufMut, BytesMut};
use llm2api_proto::v1::RawField;
use serde::Serialize;

/// Writes punctuation, and whatever else is JSON already and of our own making.
pub(crate) fn text(out: &mut BytesMut, json: &str) {
    out.extend_from_slice(json.as_bytes());
}

/// Writes a string.
pub(crate) fn string(out: &mut BytesMut, value: &str) {
    serialize(out, value);
}

/// Writes an integer.
pub(crate) fn integer(out: &mut BytesMut, value: i64) {
    serialize(out, &value);
}

/// Writes a number; `null` where it is none.
pub(crate) fn number(out: &mut BytesMut, value: f64) {
    serialize(out, &value);
}

fn serialize<T: Serialize + ?Sized>(out: &mut BytesMut, value: &T) {
    serde_json::to_writer(out.writer(), value)
        .expect("strings and numbers are JSON, and the buffer grows");
}

/// Writes JSON that an upstream made, byte for byte, but on one line: a line end would end the event that it travels in. Between the
/// tokens of JSON a blank means the same, and inside a string there are no raw line ends.
pub(crate) fn raw(out: &mut BytesMut, json: &str) {
    if !json.contains(['\n', '\r']) {
        text(out, json);
        return;
    }
    for line in json.split(['\n', '\r']) {
        text(out, line);
        text(out, " ");
    }
}

/// Writes a member of an object that has members already.
pub(crate) fn member(out: &mut BytesMut, name: &str, json: &str) {
    text(out, ",");
    string(out, name);
    text(out, ":");
    raw(out, json);
}

/// Writes carried members into an object that has members already, all but those whose names are the object's own.
pub(crate) fn extra_fields(out: &mut BytesMut, fields: &[RawField], own_names: &[&str]) {
    for field in fields {
        if !own_names.contains(&field.name.as_str()) {
            member(out, &field.name, &field.value_json);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut BytesMut)) -> String {
        let mut out = BytesMut::new();
        write(&mut out);
        String::from_utf8(out.to_vec()).unwrap()
    }

    #[test]
    fn strings_are_escaped_and_numbers_keep_their_digits() {
        assert_eq!(
            written(|out| string(out, "a\"\\\n\u{1}好😀")),
            r#""a\"\\\n\u0001好😀""#
        );
        assert_eq!(
            written(|out| integer(out, i64::MIN)),
            "-9223372036854775808"
        );
        assert_eq!(
            written(|out| number(out, -0.123_456_789_012_345_66)),
            "-0.12345678901234566"
        );
        assert_eq!(written(|out| number(out, f64::NAN)), "null");
    }

    #[test]
    fn carried_members_stay_on_one_line_and_never_override() {
        let fields =
            [("id", "1"), ("a\"b", "{\r\n \"x\": 1e-7\n}")].map(|(name, value)| RawField {
                name: name.to_owned(),
                value_json: value.to_owned(),
            });
        assert_eq!(
            written(|out| extra_fields(out, &fields, &["id"])),
            r#","a\"b":{   "x": 1e-7 } "#
        );
    }
}
