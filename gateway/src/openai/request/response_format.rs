//! The form that the answer must have.

use llm2api_proto::{
    ContractError, json_object,
    v1::{JsonSchema, ResponseFormat},
};
use serde_json::value::RawValue;

use super::{fault::missing, json_text};

json_object! {
    pub(super) struct ResponseFormatJson {
        tag: String = "type",
        json_schema: JsonSchemaJson = "json_schema",
    }
}

json_object! {
    pub(super) struct JsonSchemaJson {
        name: String = "name",
        description: String = "description",
        schema: Box<RawValue> = "schema",
        strict: bool = "strict",
    }
}

impl ResponseFormatJson {
    pub(super) fn translate(self) -> Result<ResponseFormat, ContractError> {
        Ok(ResponseFormat {
            r#type: self.tag.ok_or_else(|| missing("response_format.type"))?,
            json_schema: self
                .json_schema
                .map(JsonSchemaJson::translate)
                .transpose()?,
            extra_fields: self.extra_fields,
        })
    }
}

impl JsonSchemaJson {
    fn translate(self) -> Result<JsonSchema, ContractError> {
        Ok(JsonSchema {
            name: self
                .name
                .ok_or_else(|| missing("response_format.json_schema.name"))?,
            description: self.description,
            schema_json: self.schema.map(json_text).unwrap_or_default(),
            strict: self.strict,
            extra_fields: self.extra_fields,
        })
    }
}
