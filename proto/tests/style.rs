//! Holds the contract to its style: documented throughout, named as buf and AIP-191 ask.
#![allow(clippy::unwrap_used, reason = "a test target")]

use std::{collections::HashMap, fs, path::PathBuf};

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
};

// Field numbers in descriptor.proto, of which `SourceCodeInfo` paths are made.
const FILE_MESSAGE: i32 = 4;
const FILE_ENUM: i32 = 5;
const FILE_SERVICE: i32 = 6;
const MESSAGE_FIELD: i32 = 2;
const MESSAGE_ONEOF: i32 = 8;
const ENUM_VALUE: i32 = 2;
const SERVICE_METHOD: i32 = 2;

/// The contract's files, with their comments.
fn contract() -> FileDescriptorSet {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let mut files: Vec<_> = fs::read_dir(root.join("llm2api/v1"))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    let mut compiler = protox::Compiler::new([&root]).unwrap();
    compiler.include_source_info(true).include_imports(false);
    compiler.open_files(&files).unwrap().file_descriptor_set()
}

/// The comments of one file, by the path of what they stand before.
struct Comments<'a>(HashMap<&'a [i32], &'a str>);

impl<'a> Comments<'a> {
    fn of(file: &'a FileDescriptorProto) -> Self {
        let locations = &file.source_code_info.as_ref().unwrap().location;
        Self(
            locations
                .iter()
                .map(|location| (&*location.path, location.leading_comments()))
                .collect(),
        )
    }

    fn complain(&self, path: &[i32], name: &str, complaints: &mut Vec<String>) {
        let comment = self.0.get(path).copied().unwrap_or_default().trim();
        if !comment.starts_with(|first: char| first.is_uppercase() || first == '`')
            || !comment.ends_with(['.', ')'])
        {
            complaints.push(format!(
                "{name}: no comment in whole sentences: {comment:?}"
            ));
        }
    }
}

#[test]
fn every_element_is_documented() {
    let mut complaints = Vec::new();
    for file in &contract().file {
        let comments = Comments::of(file);
        for (at, message) in (0..).zip(&file.message_type) {
            check_message(&comments, &[FILE_MESSAGE, at], message, &mut complaints);
        }
        for (at, declared) in (0..).zip(&file.enum_type) {
            check_enum(&comments, &[FILE_ENUM, at], declared, &mut complaints);
        }
        for (at, service) in (0..).zip(&file.service) {
            check_service(&comments, &[FILE_SERVICE, at], service, &mut complaints);
        }
    }
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

fn check_message(
    comments: &Comments<'_>,
    path: &[i32],
    message: &DescriptorProto,
    complaints: &mut Vec<String>,
) {
    comments.complain(path, message.name(), complaints);
    for (at, field) in (0..).zip(&message.field) {
        let name = format!("{}.{}", message.name(), field.name());
        comments.complain(&[path, &[MESSAGE_FIELD, at]].concat(), &name, complaints);
        if field.name().chars().any(|letter| letter.is_uppercase()) {
            complaints.push(format!("{name}: not lower_snake_case"));
        }
    }
    for (at, oneof) in (0..).zip(&message.oneof_decl) {
        // An `optional` field is a oneof of its own, which nobody wrote.
        if !oneof.name().starts_with('_') {
            let name = format!("{}.{}", message.name(), oneof.name());
            comments.complain(&[path, &[MESSAGE_ONEOF, at]].concat(), &name, complaints);
        }
    }
}

fn check_enum(
    comments: &Comments<'_>,
    path: &[i32],
    declared: &EnumDescriptorProto,
    complaints: &mut Vec<String>,
) {
    comments.complain(path, declared.name(), complaints);
    let first = declared.value.first().unwrap().name();
    if !first.ends_with("_UNSPECIFIED") {
        complaints.push(format!("{}: its zero is {first}", declared.name()));
    }
    let prefix = first.trim_end_matches("UNSPECIFIED");
    for (at, value) in (0..).zip(&declared.value) {
        comments.complain(
            &[path, &[ENUM_VALUE, at]].concat(),
            value.name(),
            complaints,
        );
        if !value.name().starts_with(prefix) {
            complaints.push(format!("{}: not {prefix}…", value.name()));
        }
    }
}

fn check_service(
    comments: &Comments<'_>,
    path: &[i32],
    service: &ServiceDescriptorProto,
    complaints: &mut Vec<String>,
) {
    comments.complain(path, service.name(), complaints);
    if !service.name().ends_with("Service") {
        complaints.push(format!("{}: not …Service", service.name()));
    }
    for (at, method) in (0..).zip(&service.method) {
        comments.complain(
            &[path, &[SERVICE_METHOD, at]].concat(),
            method.name(),
            complaints,
        );
        for (what, named) in [
            ("Request", method.input_type()),
            ("Response", method.output_type()),
        ] {
            let expected = format!(".llm2api.v1.{}{what}", method.name());
            if named != expected {
                complaints.push(format!("{}: {named} is not {expected}", method.name()));
            }
        }
    }
}
