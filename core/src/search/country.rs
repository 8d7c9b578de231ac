//! In which language people of a country are likely to look for something.

/// A country of which that can be told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Country {
    /// ISO 3166-1's two letters.
    code: &'static str,
    languages: &'static [&'static str],
}

impl Country {
    /// The country of two letters, in any case. `None`: there is none, or its people write in several languages whose letters are the
    /// same, so that SearXNG's own guess is better.
    pub(super) fn named(code: &str) -> Option<Self> {
        COUNTRIES.iter().find_map(|&(codes, languages)| {
            let code = codes
                .split(' ')
                .find(|known| known.eq_ignore_ascii_case(code))?;
            Some(Self { code, languages })
        })
    }

    /// The language of a text that was written there, and its region, as SearXNG names them; `of_script` is what the text's script tells.
    /// `None`: nothing can be said beyond that.
    pub(super) fn language(self, of_script: Option<&str>) -> Option<String> {
        let mut languages = self.languages.iter();
        let language = match of_script {
            Some(told) => languages.find(|&&language| language == told),
            None => languages.find(|language| !OTHER_SCRIPTS.contains(language)),
        };
        language.map(|language| format!("{language}-{}", self.code))
    }
}

/// Languages that are not written in Latin letters.
const OTHER_SCRIPTS: [&str; 11] = [
    "ar", "el", "fa", "he", "hi", "ja", "ko", "ru", "th", "uk", "zh",
];

/// Countries with the languages, as SearXNG names them, in which most of their people look for something: one in each script.
const COUNTRIES: [(&str, &[&str]); 37] = [
    (
        "AE BH DZ EG IQ JO KW LB LY MA OM QA SA SD SY TN YE",
        &["ar"],
    ),
    (
        "AR BO CL CO CR CU DO EC ES GT HN MX NI PA PE PY SV UY VE",
        &["es"],
    ),
    ("AT DE LI", &["de"]),
    ("AU CA GB GH IE JM KE NG NZ PH US ZA", &["en"]),
    ("AO BR MZ PT", &["pt"]),
    ("BY KZ RU", &["ru"]),
    ("CN MO TW", &["zh"]),
    ("CY GR", &["el"]),
    ("CZ", &["cs"]),
    ("DK", &["da"]),
    ("EE", &["et"]),
    ("FI", &["fi"]),
    ("CI FR MC SN", &["fr"]),
    ("HK SG", &["en", "zh"]),
    ("HR", &["hr"]),
    ("HU", &["hu"]),
    ("ID", &["id"]),
    ("IL", &["he"]),
    ("IN", &["en", "hi"]),
    ("IR", &["fa"]),
    ("IS", &["is"]),
    ("IT SM", &["it"]),
    ("JP", &["ja"]),
    ("KR", &["ko"]),
    ("LT", &["lt"]),
    ("LV", &["lv"]),
    ("MY", &["ms"]),
    ("NL", &["nl"]),
    ("NO", &["nb"]),
    ("PL", &["pl"]),
    ("MD RO", &["ro"]),
    ("SE", &["sv"]),
    ("SI", &["sl"]),
    ("SK", &["sk"]),
    ("TH", &["th"]),
    ("TR", &["tr"]),
    ("UA", &["uk", "ru"]),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_country_tells_the_language_where_its_script_is_that_of_the_text() {
        let table = [
            ("DE", None, Some("de-DE")),
            ("at", None, Some("de-AT")),
            ("US", None, Some("en-US")),
            ("US", Some("zh"), None),
            ("TW", Some("zh"), Some("zh-TW")),
            // No Chinese is written in Latin letters.
            ("TW", None, None),
            ("HK", None, Some("en-HK")),
            ("HK", Some("zh"), Some("zh-HK")),
            ("UA", Some("ru"), Some("ru-UA")),
            ("NO", None, Some("nb-NO")),
        ];
        for (code, of_script, expected) in table {
            let country = Country::named(code).expect(code);
            assert_eq!(country.language(of_script).as_deref(), expected, "{code}");
        }
        for unknown in ["CH", "BE", "", " ", "DE LI", "Germany", "XX"] {
            assert_eq!(Country::named(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn each_country_is_there_once_with_one_language_a_script() {
        let codes = || COUNTRIES.iter().flat_map(|(codes, _)| codes.split(' '));
        let mut sorted: Vec<_> = codes().collect();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), codes().count());
        for code in codes() {
            let languages = Country::named(code).expect(code).languages;
            let latin = languages
                .iter()
                .filter(|language| !OTHER_SCRIPTS.contains(language));
            assert!(latin.count() <= 1, "{code}");
        }
    }
}
