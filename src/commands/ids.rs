//! Ids, which may be shortened to a beginning that no other has.

use anyhow::bail;

/// What ids of one kind are like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ids {
    /// What they begin with.
    prefix: &'static str,
    /// What they are ids of.
    what: &'static str,
}

/// Those of cookies.
pub(super) const COOKIE_IDS: Ids = Ids {
    prefix: "ck_",
    what: "cookie",
};

/// Those of client keys.
pub(super) const KEY_IDS: Ids = Ids {
    prefix: "key_",
    what: "key",
};

/// The digits after the prefix.
const DIGITS: usize = 16;

impl Ids {
    /// The whole ids; where one is shortened, `list` gives all that there are.
    pub(super) async fn resolve(
        self,
        wanted: &[String],
        list: impl AsyncFnOnce() -> anyhow::Result<Vec<String>>,
    ) -> anyhow::Result<Vec<String>> {
        if wanted.iter().all(|id| self.is_whole(id)) {
            return Ok(wanted.to_vec());
        }
        let ids = list().await?;
        wanted.iter().map(|id| self.find(id, &ids)).collect()
    }

    /// Whether nothing is left out: what is as long is taken as it is.
    fn is_whole(self, id: &str) -> bool {
        id.starts_with(self.prefix) && id.len() == self.prefix.len() + DIGITS
    }

    fn find(self, wanted: &str, ids: &[String]) -> anyhow::Result<String> {
        let beginning = wanted.trim_start_matches(self.prefix);
        let mut matching = ids
            .iter()
            .filter(|id| id.trim_start_matches(self.prefix).starts_with(beginning));
        let what = self.what;
        match (matching.next(), matching.next()) {
            _ if beginning.is_empty() || self.is_whole(wanted) => Ok(wanted.to_owned()),
            (Some(id), None) => Ok(id.clone()),
            (None, _) => bail!("no {what}'s id begins with {wanted}"),
            (Some(_), Some(_)) => {
                bail!("the ids of several {what}s begin with {wanted}; write more of it")
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_id_is_enough_where_no_other_has_it() {
        let ids = ["ck_0000000000000001", "ck_0000000000000012", "ck_a"].map(str::to_owned);
        let found = |wanted| {
            let found = COOKIE_IDS.find(wanted, &ids);
            found.map_err(|error| error.to_string())
        };
        assert_eq!(found("ck_a"), Ok("ck_a".to_owned()));
        assert_eq!(found("a"), Ok("ck_a".to_owned()));
        assert_eq!(
            found("00000000000000012"),
            Err("no cookie's id begins with 00000000000000012".to_owned())
        );
        assert_eq!(
            found("ck_0"),
            Err("the ids of several cookies begin with ck_0; write more of it".to_owned())
        );
        assert_eq!(
            found("ck_ffffffffffffffff"),
            Ok("ck_ffffffffffffffff".to_owned())
        );
    }
}
