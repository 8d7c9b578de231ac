//! How settings are declared: once, as a struct whose fields carry name, meaning, default and type.

/// One setting, as help, documentation and `llm2api config` show it.
#[derive(Debug)]
pub(crate) struct Setting {
    /// Its name, as the variable has it; in the file in lower case.
    pub(crate) name: &'static str,
    /// What it means.
    pub(crate) meaning: &'static str,
    /// What holds where it is not given: its text, or a description.
    pub(crate) default: &'static str,
    /// What it takes.
    pub(crate) takes: &'static str,
    /// Whether it is masked, and also read from the file that `<NAME>_FILE` names.
    pub(crate) secret: bool,
}

/// Declares a struct of settings, the table of their [`Setting`]s, and how the struct is read.
///
/// Each field reads `/// MEANING`, then `field: Type = "NAME", "DEFAULT";`. The default is read like a value, unless the type says
/// itself what holds where nothing is given ([`SettingValue::absent`](super::value::SettingValue::absent)): then it is a description.
macro_rules! declare_settings {
    (
        $(#[$meta:meta])*
        $visibility:vis struct $struct:ident, table $table:ident {
            $($(#[doc = $meaning:literal])+ $field:ident: $type:ty = $name:literal, $default:literal;)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Debug, Clone)]
        $visibility struct $struct {
            $($(#[doc = $meaning])+ pub(crate) $field: $type,)*
        }

        /// The settings' table, in the order of the documentation.
        $visibility static $table: &[$crate::config::declaration::Setting] = &[
            $($crate::config::declaration::Setting {
                name: $name,
                meaning: concat!($($meaning),+),
                default: $default,
                takes: <$type as $crate::config::value::SettingValue>::TAKES,
                secret: <$type as $crate::config::value::SettingValue>::SECRET,
            },)*
        ];

        impl $struct {
            /// Reads all settings; `None` where the reader noted a problem.
            $visibility fn read(reader: &mut $crate::config::reader::Reader<'_>) -> Option<Self> {
                // All are read before the first problem ends it, so that each one is told.
                $(let $field: Option<$type> = reader.read($name, $default);)*
                Some(Self { $($field: $field?,)* })
            }
        }
    };
}

pub(crate) use declare_settings;
