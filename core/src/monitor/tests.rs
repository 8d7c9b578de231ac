//! Many days of many credentials, in no time.

use std::time::Duration;

use super::{tables::Tables, windows::Window, *};
use crate::{
    config::{Config, UpstreamConfig},
    pool::CredentialId,
    registry::Registry,
};

const COOKIES: i64 = 1_000;
/// Chats a day: each credential has some in every five minutes.
const CHATS: u32 = 288 * COOKIES as u32;
const DAY: Duration = Duration::from_secs(86_400);

/// A day of chats that are answered, evenly by all credentials, from this time on.
fn a_day(tables: &mut Tables, entry: &Arc<crate::registry::Entry>, begins_at: SystemTime) {
    let asked = Asked {
        model: "m".to_owned(),
        ..Asked::default()
    };
    let mut record = ChatRecord::new(RequestContext::default(), asked);
    record.outcome = Outcome::Answered;
    let took = Duration::from_secs(2);
    record.took = took;
    let one = CredentialId::from_bits(1);
    let mut attempt = Attempt::new(entry, "m", one, Duration::ZERO);
    (attempt.end, attempt.ended) = (End::Answered, Some(took));
    record.attempts.push(attempt);
    for number in 0..CHATS {
        record.started_at = begins_at + DAY / CHATS * number;
        let cookie = i64::from(number) % COOKIES + 1;
        record.attempts[0].credential = CredentialId::from_bits(cookie);
        tables.count(&record);
    }
    tables.settle();
}

#[test]
fn further_days_of_a_thousand_cookies_need_no_more_room_and_all_are_counted() {
    let upstream = UpstreamConfig::named("one", Some(&["m"]));
    let registry = Registry::of_config(&Config::of_upstreams(vec![upstream]));
    let entry = Arc::clone(&registry.routing().entries[0]);
    let mut tables = Tables::default();
    let begin = SystemTime::UNIX_EPOCH + DAY * 20_000;
    let mut rooms = Vec::new();
    for day in 0..3 {
        a_day(&mut tables, &entry, begin + DAY * day);
        let now = seconds(begin + DAY * (day + 1)) - 1;
        drop(tables.take_changed(now));
        rooms.push(tables.slot_count());
    }
    // Of each day one slot stays, in the window of a month.
    let series = 1 + 1 + 1 + 1 + usize::try_from(COOKIES).unwrap();
    assert_eq!(rooms[1] - rooms[0], series, "{rooms:?}");
    assert_eq!(rooms[2] - rooms[1], series, "{rooms:?}");
    assert!(rooms[2] < series * 80 + 300, "{rooms:?}");

    let now = seconds(begin + DAY * 3) - 1;
    let chats = u64::from(CHATS);
    assert_eq!(tables.all.total().requests, 3 * chats);
    assert_eq!(tables.all.requests(Window::Day, now), chats);
    let cookies = tables.cookies.iter();
    let of_cookies: Vec<u64> = cookies
        .map(|(_, counted)| counted.total().requests)
        .collect();
    assert_eq!(of_cookies.len(), 1000);
    assert!(of_cookies.iter().all(|&count| count == 3 * chats / 1000));
}
