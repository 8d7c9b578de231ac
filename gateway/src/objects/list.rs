//! Lists, and what remains of what was deleted.

use serde::Serialize;
use utoipa::ToSchema;

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct ListObject<T> {
    /// Always `list`.
    #[schema(value_type = String)]
    pub object: &'static str,
    /// What is on this page.
    pub data: Vec<T>,
    /// Whether there is another page; it begins after `last_id`.
    pub has_more: bool,
    /// The id of the last one on this page; null where there is none.
    pub last_id: Option<String>,
}

impl<T> ListObject<T> {
    /// A page of these.
    #[must_use]
    pub fn new(data: Vec<T>, has_more: bool, id: impl Fn(&T) -> &str) -> Self {
        let last_id = data.last().map(|last| id(last).to_owned());
        Self {
            object: "list",
            data,
            has_more,
            last_id,
        }
    }
}

/// Something is no longer there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Deleted {
    /// Its id; of an upstream its name.
    pub id: String,
    /// What it was: `cookie`, `upstream` or `key`.
    #[schema(value_type = String)]
    pub object: &'static str,
    /// Always true.
    pub deleted: bool,
}

impl Deleted {
    /// A cookie is gone.
    #[must_use]
    pub fn cookie(id: String) -> Self {
        Self {
            id,
            object: "cookie",
            deleted: true,
        }
    }

    /// A client key is gone.
    #[must_use]
    pub fn key(id: String) -> Self {
        Self {
            id,
            object: "key",
            deleted: true,
        }
    }

    /// An upstream is gone.
    #[must_use]
    pub fn upstream(name: String) -> Self {
        Self {
            id: name,
            object: "upstream",
            deleted: true,
        }
    }
}
