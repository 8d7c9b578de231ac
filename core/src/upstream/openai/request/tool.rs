//! Tools, the choice among them, and the form of the answer, as JSON.

use llm2api_proto::v1::{ResponseFormat, Tool, ToolChoice, tool, tool_choice::Choice};

use super::json_object::{Object, SpliceError, write_json};

/// Writes one tool.
pub(super) fn write(out: &mut Vec<u8>, tool: &Tool) -> Result<(), SpliceError> {
    let mut object = match &tool.tool {
        Some(tool::Tool::OtherJson(json)) => return write_json(out, "tools", json),
        Some(_) | None => Object::begin(out),
    };
    match &tool.tool {
        Some(tool::Tool::Function(function)) => {
            object.value("type", "function");
            let mut inner = Object::begin(object.name("function"));
            inner.value("name", &function.name);
            inner.optional("description", function.description.as_ref());
            inner.json("parameters", &function.parameters_json)?;
            inner.optional("strict", function.strict);
            inner.splice(
                &function.extra_fields,
                &["name", "description", "parameters", "strict"],
            )?;
            inner.end();
            object.splice(&tool.extra_fields, &["type", "function"])?;
        }
        Some(tool::Tool::Custom(custom)) => {
            object.value("type", "custom");
            let mut inner = Object::begin(object.name("custom"));
            inner.value("name", &custom.name);
            inner.optional("description", custom.description.as_ref());
            inner.json("format", &custom.format_json)?;
            inner.splice(&custom.extra_fields, &["name", "description", "format"])?;
            inner.end();
            object.splice(&tool.extra_fields, &["type", "custom"])?;
        }
        // Whatever it is lies in the other members.
        Some(tool::Tool::OtherJson(_)) | None => object.splice(&tool.extra_fields, &[])?,
    }
    object.end();
    Ok(())
}

/// Writes the choice among the tools, if there is one.
pub(super) fn write_choice(
    request: &mut Object<'_>,
    choice: &ToolChoice,
) -> Result<(), SpliceError> {
    const NAME: &str = "tool_choice";
    let (kind, name) = match &choice.choice {
        Some(Choice::Mode(mode)) => {
            request.value(NAME, mode);
            return Ok(());
        }
        Some(Choice::OtherJson(json)) => return request.json(NAME, json),
        Some(Choice::Function(name)) => ("function", name),
        Some(Choice::Custom(name)) => ("custom", name),
        None => return Ok(()),
    };
    let mut object = Object::begin(request.name(NAME));
    object.value("type", kind);
    let mut inner = Object::begin(object.name(kind));
    inner.value("name", name);
    inner.end();
    object.end();
    Ok(())
}

/// Writes the form of the answer.
pub(super) fn write_response_format(
    out: &mut Vec<u8>,
    format: &ResponseFormat,
) -> Result<(), SpliceError> {
    let mut object = Object::begin(out);
    object.value("type", &format.r#type);
    if let Some(schema) = &format.json_schema {
        let mut inner = Object::begin(object.name("json_schema"));
        inner.value("name", &schema.name);
        inner.optional("description", schema.description.as_ref());
        inner.json("schema", &schema.schema_json)?;
        inner.optional("strict", schema.strict);
        inner.splice(
            &schema.extra_fields,
            &["name", "description", "schema", "strict"],
        )?;
        inner.end();
    }
    object.splice(&format.extra_fields, &["type", "json_schema"])?;
    object.end();
    Ok(())
}
