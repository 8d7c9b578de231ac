//! Ids, which may be shortened to a beginning that no other has.

use anyhow::bail;
use llm2api_proto::v1::ListCookiesRequest;

use super::list;
use crate::commands::instance::Instance;

/// What ids begin with.
const PREFIX: &str = "ck_";
/// The length of a whole id: what is as long is taken as it is.
const LENGTH: usize = PREFIX.len() + 16;

/// The whole ids.
pub(super) async fn resolve(wanted: &[String], instance: &Instance) -> anyhow::Result<Vec<String>> {
    if wanted.iter().all(|id| is_whole(id)) {
        return Ok(wanted.to_vec());
    }
    let cookies = list::all(&ListCookiesRequest::default(), instance).await?;
    let ids: Vec<&str> = cookies.iter().map(|cookie| cookie.id.as_str()).collect();
    wanted.iter().map(|id| find(id, &ids)).collect()
}

fn is_whole(id: &str) -> bool {
    id.starts_with(PREFIX) && id.len() == LENGTH
}

fn find(wanted: &str, ids: &[&str]) -> anyhow::Result<String> {
    let beginning = wanted.trim_start_matches(PREFIX);
    let mut matching = ids
        .iter()
        .filter(|id| id.trim_start_matches(PREFIX).starts_with(beginning));
    match (matching.next(), matching.next()) {
        _ if beginning.is_empty() || is_whole(wanted) => Ok(wanted.to_owned()),
        (Some(id), None) => Ok((*id).to_owned()),
        (None, _) => bail!("no cookie's id begins with {wanted}"),
        (Some(_), Some(_)) => {
            bail!("the ids of several cookies begin with {wanted}; write more of it")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_beginning_of_an_id_is_enough_where_no_other_has_it() {
        let ids = ["ck_0000000000000001", "ck_0000000000000012", "ck_a"];
        let found = |wanted| find(wanted, &ids).map_err(|error| error.to_string());
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
