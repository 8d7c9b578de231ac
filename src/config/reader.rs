//! Reading settings from their sources, the first of which that has one wins.

use std::fs;

use super::{
    problem::Problem,
    source::{FILE_SUFFIX, Given, Origin, Source},
    value::SettingValue,
};

/// A setting as it is in effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Effective {
    /// The setting's name.
    pub(crate) name: &'static str,
    /// Its value, masked where secret.
    pub(crate) value: String,
    /// Where it was given.
    pub(crate) origin: Origin,
}

/// Reads settings one by one, and keeps what was wrong and what is in effect.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    /// In order of precedence.
    sources: Vec<Source<'a>>,
    /// What was wrong.
    pub(crate) problems: Vec<Problem>,
    /// What was read.
    pub(crate) effective: Vec<Effective>,
}

impl<'a> Reader<'a> {
    /// A reader of these sources, the first of which wins.
    pub(crate) fn new(sources: Vec<Source<'a>>) -> Self {
        Self {
            sources,
            problems: Vec::new(),
            effective: Vec::new(),
        }
    }

    /// Reads one setting; `None` where a problem was noted.
    pub(crate) fn read<T: SettingValue>(
        &mut self,
        name: &'static str,
        default: &'static str,
    ) -> Option<T> {
        match self.find::<T>(name) {
            Err(problem) => {
                self.problems.push(problem);
                None
            }
            Ok(Some((given, origin))) => {
                let value = self.interpret::<T>(&given, &origin)?;
                self.note(name, T::shown(&given.as_text()), origin);
                Some(value)
            }
            Ok(None) => {
                let value = T::absent().or_else(|| T::from_text(default));
                self.note(name, default.replace('`', ""), Origin::Default);
                debug_assert!(value.is_some(), "the default of {name} is what it takes");
                value
            }
        }
    }

    /// Notes that another value is in effect than the one read.
    pub(crate) fn replace(&mut self, name: &'static str, value: String, origin: Origin) {
        if let Some(effective) = self
            .effective
            .iter_mut()
            .find(|effective| effective.name == name)
        {
            (effective.value, effective.origin) = (value, origin);
        }
    }

    /// Where this setting was given.
    pub(crate) fn origin(&self, name: &str) -> &Origin {
        self.effective
            .iter()
            .find(|effective| effective.name == name)
            .map_or(&Origin::Default, |effective| &effective.origin)
    }

    fn find<T: SettingValue>(&self, name: &str) -> Result<Option<(Given, Origin)>, Problem> {
        for source in &self.sources {
            let own = source.find(name);
            if !T::SECRET {
                if own.is_some() {
                    return Ok(own);
                }
                continue;
            }
            match (own, source.find(&format!("{name}{FILE_SUFFIX}"))) {
                (Some((_, own)), Some((_, file))) => {
                    return Err(Problem::new(
                        own,
                        format!("{file} is set too; set one of the two"),
                    ));
                }
                (Some(own), None) => return Ok(Some(own)),
                (None, Some((path, origin))) => {
                    let text = read_secret(&path.as_text(), &origin)?;
                    return Ok(Some((Given::Text(text), origin)));
                }
                (None, None) => {}
            }
        }
        Ok(None)
    }

    fn interpret<T: SettingValue>(&mut self, given: &Given, origin: &Origin) -> Option<T> {
        let value = match given {
            Given::Text(text) => T::from_text(text),
            Given::List(items) => T::from_list(items),
            Given::Table(entries) => T::from_table(entries),
            Given::Other => None,
        };
        if value.is_none() {
            let message = match given {
                Given::Text(text) if !T::SECRET => {
                    format!("“{}” is not what it takes: {}", T::shown(text), T::TAKES)
                }
                _ => format!("the value is not what it takes: {}", T::TAKES),
            };
            self.problems.push(Problem::new(origin, message));
        }
        value
    }

    fn note(&mut self, name: &'static str, value: String, origin: Origin) {
        self.effective.push(Effective {
            name,
            value,
            origin,
        });
    }
}

/// The secret that a file holds, without white space at its ends.
fn read_secret(path: &str, origin: &Origin) -> Result<String, Problem> {
    let text = fs::read_to_string(path)
        .map_err(|error| Problem::new(origin, format!("can't read {path}: {error}")))?;
    let secret = text.trim();
    if secret.is_empty() {
        return Err(Problem::new(origin, format!("{path} is empty")));
    }
    Ok(secret.to_owned())
}
