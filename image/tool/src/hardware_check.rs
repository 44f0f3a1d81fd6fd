//! `cargo xtask hardware-check`: what the ConnectX model can't tell, as a checklist for the first person with a card.
//!
//! The list is `tests/model/inferred.toml`. A test holds that every file it names is there.

use serde::Deserialize;

/// The list, built in: it goes with the model that this was built from.
const LIST: &str = include_str!("../../../tests/model/inferred.toml");
/// Columns of the text.
const WIDTH: usize = 100;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    assumption: Vec<Assumption>,
}

/// Something that no driver or document that was read says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Assumption {
    /// Where the notes on inline offload infer it.
    facts: String,
    /// What the model assumes.
    assumed: String,
    /// The model's file or directory that does.
    #[serde(rename = "where")]
    place: String,
    /// How a card would tell.
    check: String,
}

/// The whole command.
pub(crate) fn command() -> Result<(), toml::de::Error> {
    let document: Document = toml::from_str(LIST)?;
    print!("{}", text(&document));
    Ok(())
}

fn text(document: &Document) -> String {
    let mut text = String::from(
        "What the model of the ConnectX assumes and only a card can tell. Please note firmware version and PSID\n\
         (`devlink dev info`) with every answer.\n",
    );
    for (number, assumption) in (1..).zip(&document.assumption) {
        let Assumption { facts, assumed, place, check } = assumption;
        text.push_str(&format!("\n[ ] {number}. ({facts})\n"));
        for (word, sentence) in [("assumed", assumed), ("where", place), ("check", check)] {
            text.push_str(&wrapped(word, sentence));
        }
    }
    text
}

/// A paragraph behind its word.
fn wrapped(word: &str, sentence: &str) -> String {
    let mut text = format!("    {word:<8}");
    let indent = text.len();
    let mut column = indent;
    for word in sentence.split_whitespace() {
        let length = word.chars().count() + 1;
        if column + length > WIDTH {
            text.push('\n');
            text.push_str(&" ".repeat(indent));
            column = indent;
        }
        text.push(' ');
        text.push_str(word);
        column += length;
    }
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use ravelin_tests::paths;

    #[test]
    fn every_place_is_there_and_every_item_of_the_facts_checklist_is_on_the_list() {
        let document: Document = toml::from_str(LIST).unwrap();
        for assumption in &document.assumption {
            assert!(paths::root().join(&assumption.place).exists(), "{}", assumption.place);
            assert!(assumption.check.len() > 40, "{}: how?", assumption.facts);
        }
        // The checklist of section G.8 has ten items.
        for item in 'a'..='j' {
            let item = format!("G.8 ({item})");
            assert!(document.assumption.iter().any(|known| known.facts.contains(&item)), "{item}");
        }
    }

    #[test]
    fn lines_are_short_and_words_are_whole() {
        let text = wrapped("check", &"sequence ".repeat(40));
        assert!(text.lines().all(|line| line.chars().count() <= WIDTH), "{text}");
        assert_eq!(text.split_whitespace().filter(|word| *word == "sequence").count(), 40);
    }
}
