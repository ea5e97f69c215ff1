//! Texts and lists of the venue, cleaned and cut.
//!
//! Knows: how much is kept. Never: what a text means.

use serde_json::value::RawValue;

use super::wire;

/// Characters kept of a question.
pub(crate) const QUESTION_MAX: usize = 1_000;
/// Characters kept of a slug.
pub(crate) const SLUG_MAX: usize = 500;
/// Characters kept of an outcome's name.
pub(crate) const OUTCOME_MAX: usize = 200;
/// Labels kept of a market.
const TAGS_MAX: usize = 50;
/// Characters kept of a label.
const TAG_MAX: usize = 100;

/// The text without control characters, cut.
pub(crate) fn clean(text: &str, characters_max: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(characters_max).collect()
}

/// A list of texts: an array, or one written as a text.
pub(crate) fn list(raw: Option<&RawValue>) -> Option<Vec<String>> {
    wire::list(raw)
}

/// Labels: texts, or objects with a slug or a label; what is neither is passed over.
pub(crate) fn tags(raw: Option<&RawValue>) -> Vec<String> {
    let Some(list) = raw.and_then(|raw| serde_json::from_str::<Vec<&RawValue>>(raw.get()).ok()) else {
        return Vec::new();
    };
    let named = list.into_iter().filter_map(|raw| {
        let tag = || {
            let is_object = raw.get().starts_with('{');
            let tag: wire::Tag<'_> = serde_json::from_str(raw.get()).ok().filter(|_| is_object)?;
            wire::text(tag.slug.or(tag.label))
        };
        let text = wire::text(Some(raw)).or_else(tag)?;
        Some(clean(&text, TAG_MAX)).filter(|text| !text.is_empty())
    });
    named.take(TAGS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_are_texts_or_objects_and_odd_ones_are_passed_over() {
        let raw = |text: &str| RawValue::from_string(text.to_owned()).unwrap();
        let actual = tags(Some(&raw(r#"["a",{"slug":"b","label":"B"},{"label":"C"},7,null,{},"",[1]]"#)));
        assert_eq!(actual, ["a", "b", "C", "7"]);
        for odd in ["null", "7", "{}", r#""a""#] {
            assert_eq!(tags(Some(&raw(odd))), Vec::<String>::new(), "{odd}");
        }
        assert_eq!(tags(Some(&raw(&format!("[{}1]", "1,".repeat(99))))).len(), TAGS_MAX);
    }
}
