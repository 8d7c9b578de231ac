//! Which language a text is in, as far as its script tells.

/// The language of a text, as SearXNG names it. `None`: its script is that of many, or it has none.
pub(super) fn of(text: &str) -> Option<&'static str> {
    let mut counts = [0_usize; SCRIPTS.len()];
    let mut others = 0;
    for letter in text.chars().filter(|character| character.is_alphabetic()) {
        match SCRIPTS.iter().position(|(_, has)| has(letter)) {
            Some(at) => counts[at] += 1,
            None => others += 1,
        }
    }
    let (at, &count) = counts
        .iter()
        .enumerate()
        .max_by_key(|&(at, &count)| (count, std::cmp::Reverse(at)))?;
    // Names and terms in Latin letters change nothing, and are longer than words of Han characters.
    if count == 0 || count * 4 < others {
        return None;
    }
    let has_any = |letters: &[std::ops::RangeInclusive<char>]| {
        text.chars()
            .any(|letter| letters.iter().any(|range| range.contains(&letter)))
    };
    match SCRIPTS[at].0 {
        "zh" if has_any(&['\u{3041}'..='\u{30FF}']) => Some("ja"),
        "ru" if has_any(&['є'..='є', 'ї'..='ї', 'ґ'..='ґ', 'і'..='і']) => Some("uk"),
        "ar" if has_any(&['پ'..='پ', 'چ'..='چ', 'گ'..='گ']) => Some("fa"),
        language => Some(language),
    }
}

/// Tells whether a letter is of a script.
type Has = fn(char) -> bool;

/// Scripts, each with the language that most who write it mean.
const SCRIPTS: [(&str, Has); 9] = [
    (
        "zh",
        |letter| matches!(letter, '\u{3400}'..='\u{4DBF}' | '\u{4E00}'..='\u{9FFF}' | '\u{20000}'..='\u{323AF}'),
    ),
    (
        "ja",
        |letter| matches!(letter, '\u{3041}'..='\u{30FF}' | '\u{31F0}'..='\u{31FF}'),
    ),
    (
        "ko",
        |letter| matches!(letter, '\u{1100}'..='\u{11FF}' | '\u{AC00}'..='\u{D7A3}'),
    ),
    ("ru", |letter| matches!(letter, '\u{0400}'..='\u{04FF}')),
    ("el", |letter| matches!(letter, '\u{0370}'..='\u{03FF}')),
    ("he", |letter| matches!(letter, '\u{0590}'..='\u{05FF}')),
    ("ar", |letter| matches!(letter, '\u{0600}'..='\u{06FF}')),
    ("hi", |letter| matches!(letter, '\u{0900}'..='\u{097F}')),
    ("th", |letter| matches!(letter, '\u{0E00}'..='\u{0E7F}')),
];

#[cfg(test)]
mod tests {
    #[test]
    fn a_script_tells_the_language_where_few_write_it() {
        let table = [
            ("今天上海的天气怎么样？", Some("zh")),
            ("Rust 2024 有哪些新特性", Some("zh")),
            ("東京の天気は？", Some("ja")),
            ("カタカナ", Some("ja")),
            ("오늘 서울 날씨", Some("ko")),
            ("погода в Москве", Some("ru")),
            ("Погода в Києві", Some("uk")),
            ("καιρός στην Αθήνα", Some("el")),
            ("מזג האוויר", Some("he")),
            ("الطقس في القاهرة", Some("ar")),
            ("آب و هوای گرگان", Some("fa")),
            ("दिल्ली का मौसम", Some("hi")),
            ("อากาศวันนี้", Some("th")),
            ("weather in Zürich", None),
            ("what does 好 mean in English sentences", None),
            ("42 + 7 = ?", None),
            ("", None),
        ];
        for (text, language) in table {
            assert_eq!(super::of(text), language, "{text}");
        }
    }
}
