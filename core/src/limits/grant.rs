//! What a key or code grants.

/// What a key or code grants to whoever holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Grant {
    /// How much it grants.
    pub(crate) limits: Limits,
    /// The models that may be asked, by the names that clients ask with. `None`: all.
    pub(crate) models: Option<Vec<String>>,
    /// Whether the web may be searched.
    pub(crate) web_search: bool,
}

/// How much is granted; what is `None` has no bound.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Limits {
    /// Chats within any 60 seconds.
    pub(crate) requests_per_minute: Option<u64>,
    /// Tokens of a day of UTC's, read and written.
    pub(crate) tokens_per_day: Option<u64>,
    /// Tokens in all, read and written.
    pub(crate) tokens_total: Option<u64>,
}

impl Grant {
    /// One that grants everything.
    #[cfg(test)]
    pub(crate) const EVERYTHING: Self = Self {
        limits: Limits {
            requests_per_minute: None,
            tokens_per_day: None,
            tokens_total: None,
        },
        models: None,
        web_search: true,
    };

    /// Whether a model may be asked that has these names.
    pub(crate) fn allows_any(&self, names: &[&str]) -> bool {
        self.models.as_ref().is_none_or(|models| {
            let mut models = models.iter();
            models.any(|model| names.contains(&model.as_str()))
        })
    }
}

impl Limits {
    /// Whether tokens are bounded.
    pub(crate) fn bound_tokens(self) -> bool {
        self.tokens_per_day.is_some() || self.tokens_total.is_some()
    }
}
