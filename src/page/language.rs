//! The languages that the page speaks, and which of them a language tag means.

/// A language of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Language {
    /// English, which is also for whoever understands none of the others.
    English,
    /// German.
    German,
    /// French.
    French,
    /// Spanish.
    Spanish,
    /// Portuguese.
    Portuguese,
    /// Italian.
    Italian,
    /// Dutch.
    Dutch,
    /// Polish.
    Polish,
    /// Japanese.
    Japanese,
    /// Chinese, in simplified characters.
    Chinese,
    /// Arabic.
    Arabic,
    /// Hebrew.
    Hebrew,
}

impl Language {
    /// All of them; the first is the default.
    pub const ALL: [Language; 12] = [
        Language::English,
        Language::German,
        Language::French,
        Language::Spanish,
        Language::Portuguese,
        Language::Italian,
        Language::Dutch,
        Language::Polish,
        Language::Japanese,
        Language::Chinese,
        Language::Arabic,
        Language::Hebrew,
    ];

    /// Its tag (BCP 47), as in `lang` and `Content-Language`.
    pub fn tag(self) -> &'static str {
        match self {
            Language::English => "en",
            Language::German => "de",
            Language::French => "fr",
            Language::Spanish => "es",
            Language::Portuguese => "pt",
            Language::Italian => "it",
            Language::Dutch => "nl",
            Language::Polish => "pl",
            Language::Japanese => "ja",
            Language::Chinese => "zh",
            Language::Arabic => "ar",
            Language::Hebrew => "he",
        }
    }

    /// Which way it is written: `ltr` or `rtl`.
    pub fn direction(self) -> &'static str {
        match self {
            Language::Arabic | Language::Hebrew => "rtl",
            Language::English
            | Language::German
            | Language::French
            | Language::Spanish
            | Language::Portuguese
            | Language::Italian
            | Language::Dutch
            | Language::Polish
            | Language::Japanese
            | Language::Chinese => "ltr",
        }
    }

    /// The language that a tag means, by its first part: `de-AT` is German. `iw` is what Hebrew was called before 1989,
    /// and Java still says it.
    pub fn of_tag(tag: &str) -> Option<Language> {
        let first = tag.split(['-', '_']).next().unwrap_or(tag);
        if first.eq_ignore_ascii_case("iw") {
            return Some(Language::Hebrew);
        }
        Language::ALL.into_iter().find(|language| language.tag().eq_ignore_ascii_case(first))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_means_a_language_by_its_first_part() {
        for language in Language::ALL {
            assert_eq!(Language::of_tag(language.tag()), Some(language));
        }
        assert_eq!(Language::of_tag("de-AT"), Some(Language::German));
        assert_eq!(Language::of_tag("PT_br"), Some(Language::Portuguese));
        assert_eq!(Language::of_tag("zh-Hant-TW"), Some(Language::Chinese));
        assert_eq!(Language::of_tag("iw"), Some(Language::Hebrew));
        for unknown in ["", "*", "d", "den", "-de", "\u{fffd}"] {
            assert_eq!(Language::of_tag(unknown), None, "{unknown}");
        }
    }
}
