//! Reading JSON objects of which only some members are known.

/// Declares a struct for a JSON object: named members are typed, all others are kept byte for byte.
///
/// Each member is an `Option`, where `null` and absence are the same `None`. The struct gets a field `extra_fields` with the other
/// members, in order, as [`RawField`](crate::v1::RawField)s. A member that comes twice fails the whole object: two parsers
/// would disagree on which one counts. A struct with a lifetime borrows from the text.
///
/// ```
/// llm2api_proto::json_object! {
///     /// A tool call's function.
///     struct Function {
///         name: String = "name",
///         arguments: String = "arguments",
///     }
/// }
///
/// let function: Function = serde_json::from_str(r#"{"name":"f","strict":1e-7}"#)?;
/// assert_eq!(function.name.as_deref(), Some("f"));
/// assert_eq!(function.arguments, None);
/// assert_eq!(function.extra_fields[0].value_json, "1e-7");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[macro_export]
macro_rules! json_object {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $name:ident<$text:lifetime> $members:tt
    ) => {
        $crate::json_object! { @object $text [<$text>] $(#[$meta])* $visibility struct $name $members }
    };
    (
        $(#[$meta:meta])*
        $visibility:vis struct $name:ident $members:tt
    ) => {
        $crate::json_object! { @object 'de [] $(#[$meta])* $visibility struct $name $members }
    };
    (
        @object $text:lifetime [$($generics:tt)*]
        $(#[$meta:meta])*
        $visibility:vis struct $name:ident {
            $($(#[$field_meta:meta])* $field:ident: $type:ty = $key:literal),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Default)]
        $visibility struct $name $($generics)* {
            $($(#[$field_meta])* $visibility $field: Option<$type>,)*
            /// The members without a field of their own, in order.
            $visibility extra_fields: Vec<$crate::v1::RawField>,
        }

        impl<$text> $crate::private::serde::Deserialize<$text> for $name $($generics)* {
            fn deserialize<D>(deserializer: D) -> Result<Self, D::Error>
            where
                D: $crate::private::serde::Deserializer<$text>,
            {
                use $crate::private::{
                    serde::de::{Error, MapAccess, Visitor},
                    serde_json::value::RawValue,
                };

                struct ObjectVisitor;

                /// The members that came, be it as null.
                #[derive(Default)]
                struct Seen {
                    $($field: bool,)*
                }

                impl<$text> Visitor<$text> for ObjectVisitor {
                    type Value = $name $($generics)*;

                    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                        formatter.write_str("an object")
                    }

                    fn visit_map<A: MapAccess<$text>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                        // Read in place: an object may be large, and is moved often enough.
                        let mut object = $name::default();
                        let mut seen = Seen::default();
                        while let Some(key) = map.next_key::<$crate::private::Key<$text>>()? {
                            match key.0.as_ref() {
                                $($key => {
                                    if std::mem::replace(&mut seen.$field, true) {
                                        return Err(A::Error::duplicate_field($key));
                                    }
                                    object.$field = map.next_value()?;
                                })*
                                name => {
                                    if object.extra_fields.len() == $crate::private::MAX_EXTRA_FIELDS {
                                        return Err(A::Error::custom("too many members in one object"));
                                    }
                                    if object.extra_fields.iter().any(|field| field.name == name) {
                                        return Err(A::Error::custom(format_args!(
                                            "duplicate field `{name}`"
                                        )));
                                    }
                                    let name = name.to_owned();
                                    let value_json = map.next_value::<&RawValue>()?.get().to_owned();
                                    object.extra_fields.push($crate::v1::RawField { name, value_json });
                                }
                            }
                        }
                        Ok(object)
                    }
                }

                deserializer.deserialize_map(ObjectVisitor)
            }
        }
    };
}

#[cfg(test)]
mod tests {
    crate::json_object! {
        struct Options {
            seed: i64 = "seed",
            stop: Vec<String> = "stop",
        }
    }

    #[test]
    fn known_members_are_typed_and_others_keep_their_bytes() {
        let options: Options = serde_json::from_str(
            r#"{"seed":9223372036854775807,"stop":null,"x":{"b":1e-7, "a":"\ud800"}}"#,
        )
        .expect("valid");
        assert_eq!(options.seed, Some(i64::MAX));
        assert_eq!(options.stop, None);
        assert_eq!(options.extra_fields.len(), 1);
        assert_eq!(options.extra_fields[0].name, "x");
        assert_eq!(
            options.extra_fields[0].value_json,
            r#"{"b":1e-7, "a":"\ud800"}"#
        );
    }

    #[test]
    fn a_member_that_comes_twice_fails() {
        for text in [
            r#"{"seed":1,"seed":1}"#,
            r#"{"seed":null,"seed":1}"#,
            r#"{"x":1,"x":2}"#,
        ] {
            let error = serde_json::from_str::<Options>(text).expect_err("twice");
            assert!(error.to_string().starts_with("duplicate field"), "{error}");
        }
    }
}
