//! The text of a page that its readers come for: its paragraphs, without menus, notices and scripts.

use super::super::plain_text::{self, Piece};

/// Elements of which nothing is read.
const SKIPPED: &[&str] = &[
    "head", "script", "style", "noscript", "template", "svg", "iframe", "nav", "header", "footer",
    "aside", "menu", "button", "select", "textarea", "dialog", "figure",
];
/// Elements that part no words.
const INLINE: &[&str] = &[
    "a", "abbr", "b", "bdi", "cite", "code", "del", "dfn", "em", "font", "i", "ins", "kbd", "mark",
    "q", "s", "samp", "small", "span", "strong", "sub", "sup", "time", "u", "var", "wbr",
];
/// Elements that hold what a page is about.
const MAIN: &[&str] = &["article", "main"];
/// Bytes that a paragraph has, at the least; labels and buttons have fewer.
const MIN_PARAGRAPH_BYTES: usize = 40;
/// Bytes that the main element has, at the least, to be taken for the page.
const MIN_MAIN_BYTES: usize = 200;

/// A piece of text between two elements that part it from others.
#[derive(Default)]
struct Paragraph {
    text: String,
    /// Bytes of it that are links'.
    linked: usize,
    is_in_main: bool,
}

impl Paragraph {
    /// Whether it is one that people read, and no list of links.
    fn is_read(&self) -> bool {
        let length = self.text.trim().len();
        length >= MIN_PARAGRAPH_BYTES && self.linked * 2 < length
    }
}

/// The text of a page in one line; empty where there is none to be found.
pub(super) fn text(html: &str) -> String {
    let mut paragraphs = paragraphs(html);
    paragraphs.retain(Paragraph::is_read);
    let of_main: usize = paragraphs
        .iter()
        .filter(|paragraph| paragraph.is_in_main)
        .map(|paragraph| paragraph.text.len())
        .sum();
    let has_main = of_main >= MIN_MAIN_BYTES;
    let texts: Vec<String> = paragraphs
        .iter()
        .filter(|paragraph| paragraph.is_in_main || !has_main)
        .map(|paragraph| plain_text::plain(&paragraph.text))
        .collect();
    texts.join(" ")
}

fn paragraphs(html: &str) -> Vec<Paragraph> {
    let mut paragraphs = Vec::new();
    let mut current = Paragraph::default();
    // The element that is skipped, and how many of its name are open.
    let mut skipped: Option<(String, usize)> = None;
    let (mut links, mut mains) = (0_usize, 0_usize);
    for piece in plain_text::pieces(html) {
        let (name, is_end) = match piece {
            Piece::Text(text) => {
                if skipped.is_none() {
                    current.text.push_str(text);
                    if links > 0 {
                        current.linked += text.trim().len();
                    }
                }
                continue;
            }
            Piece::Tag { name, is_end } => (name, is_end),
        };
        let count = |open: &mut usize| {
            *open = if is_end {
                open.saturating_sub(1)
            } else {
                *open + 1
            };
        };
        if let Some((skipped_name, open)) = &mut skipped {
            if name == *skipped_name {
                count(open);
                if *open == 0 {
                    skipped = None;
                }
            }
            continue;
        }
        if name == "a" {
            count(&mut links);
        }
        if INLINE.contains(&name.as_str()) {
            continue;
        }
        let ended = std::mem::take(&mut current);
        paragraphs.push(Paragraph {
            is_in_main: mains > 0,
            ..ended
        });
        // Whoever forgot to close a link didn't mean the next paragraph.
        links = 0;
        if MAIN.contains(&name.as_str()) {
            count(&mut mains);
        } else if SKIPPED.contains(&name.as_str()) && !is_end {
            skipped = Some((name, 1));
        }
    }
    paragraphs.push(Paragraph {
        is_in_main: mains > 0,
        ..current
    });
    paragraphs
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LONG: &str = "Bees make honey out of nectar that they gather from many flowers.";

    #[test]
    fn paragraphs_are_read_and_what_is_around_them_is_not() {
        let html = format!(
            "<!DOCTYPE html><html><head><title>Bees, the title of the page that nobody reads</title><style>p{{}}</style></head><body>\
             <header><p>Our newsletter comes to you each week, subscribe to it now.</p></header>\
             <nav><ul><li><a href=/>Everything about all insects that there are on earth</a></li></ul></nav>\
             <div><a href=/1>A list of links that has</a> <a href=/2>more links than other text</a> and so on</div>\
             <script>if (a < b) document.write('<p>Text that a script writes, which is none.</p>');</script>\
             <p>{LONG} <a href=x>More</a> &amp; <b>mo</b>re.</p><p>Too short.</p>\
             <footer><p>All rights are reserved, and cookies are used for your best.</p></footer></body></html>"
        );
        assert_eq!(text(&html), format!("{LONG} More & more."));
    }

    #[test]
    fn an_article_is_the_page_where_it_has_text() {
        let beside = "<p>Something else entirely, which is beside what the page is about.</p>";
        let article =
            format!("<article><p>{LONG}</p><p>{LONG}</p><p>{LONG}</p><p>{LONG}</p></article>");
        let whole = [LONG; 4].join(" ");
        assert_eq!(text(&format!("{beside}{article}{beside}")), whole);
        let small = format!("{beside}<main><p>{LONG}</p></main>");
        assert!(text(&small).starts_with("Something else entirely"));
    }

    #[test]
    fn broken_pages_give_what_can_be_read() {
        let table = [
            (format!("{LONG}<p"), format!("{LONG}<p")),
            (format!("<p>{LONG}<script>never closed"), LONG.to_owned()),
            (
                format!("<p>{LONG}<!-- never closed <p>{LONG}"),
                LONG.to_owned(),
            ),
            (format!("</div></nav></a><p>{LONG}"), LONG.to_owned()),
            (
                format!("<p>{LONG} 你好，世界"),
                format!("{LONG} 你好，世界"),
            ),
            (String::new(), String::new()),
        ];
        for (html, readable) in table {
            assert_eq!(text(&html), readable, "{html}");
        }
    }

    proptest! {
        #[test]
        fn any_page_gives_one_line(html in "(<[a-z/!\"'-]{0,9}>?|[a-z ]{0,20}|\\PC){0,40}") {
            prop_assert!(!text(&html).contains('\n'));
        }
    }

    #[test]
    fn a_page_made_to_take_long_takes_no_longer() {
        // A MiB each: searched anew at each place, these would take minutes.
        for piece in ["<a ", "<!--", "<script><", "<script></script", "<p>&", "</"] {
            let html = piece.repeat((1 << 20) / piece.len());
            let begin = std::time::Instant::now();
            text(&html);
            assert!(begin.elapsed().as_secs() < 5, "{piece}");
        }
    }
}
