//! Reads the words after a command.

use crate::run::Outcome;

/// The words that no option has taken yet. A word that is left at the end is an error.
pub(crate) struct Arguments {
    words: Vec<String>,
}

impl Arguments {
    pub(crate) fn new(words: impl Iterator<Item = String>) -> Self {
        Arguments {
            words: words.collect(),
        }
    }

    /// Takes `--name`. Returns whether it was there.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.words.len();
        self.words.retain(|word| word != name);
        self.words.len() < before
    }

    /// Takes `--name VALUE` or `--name=VALUE`.
    pub(crate) fn value(&mut self, name: &str) -> Outcome<Option<String>> {
        let assigned = format!("{name}=");
        if let Some(at) = self
            .words
            .iter()
            .position(|word| word.starts_with(&assigned))
        {
            let word = self.words.remove(at);
            return Ok(word.strip_prefix(&assigned).map(str::to_owned));
        }
        let Some(at) = self.words.iter().position(|word| word == name) else {
            return Ok(None);
        };
        self.words.remove(at);
        if at < self.words.len() {
            Ok(Some(self.words.remove(at)))
        } else {
            Err(format!("{name} needs a value after it; `cargo xtask help` shows which").into())
        }
    }

    /// Takes `--name NUMBER`: a whole number above zero. It may contain underscores and commas.
    pub(crate) fn number(&mut self, name: &str) -> Outcome<Option<u64>> {
        let Some(word) = self.value(name)? else {
            return Ok(None);
        };
        match word.replace(['_', ','], "").parse() {
            Ok(number) if number > 0 => Ok(Some(number)),
            _ => Err(format!("{name} needs a whole number above zero, not \"{word}\"").into()),
        }
    }

    /// Fails if a word is left that no option has taken.
    pub(crate) fn finish(&self) -> Outcome<()> {
        match self.words.first() {
            None => Ok(()),
            Some(word) => Err(format!(
                "\"{word}\" is not an option here; `cargo xtask help` lists them"
            )
            .into()),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::Arguments;

    fn arguments(line: &str) -> Arguments {
        Arguments::new(line.split_whitespace().map(str::to_owned))
    }

    #[test]
    fn options_are_read_in_both_spellings_and_in_any_order() {
        let mut given = arguments("--port 80 --headless --state=generated:5 --runs 1_000");
        assert_eq!(
            given.value("--state").unwrap().as_deref(),
            Some("generated:5")
        );
        assert!(given.flag("--headless"));
        assert!(!given.flag("--headless"));
        assert_eq!(given.number("--port").unwrap(), Some(80));
        assert_eq!(given.number("--runs").unwrap(), Some(1000));
        assert!(given.finish().is_ok());
    }

    #[test]
    fn a_missing_value_a_wrong_number_and_an_unknown_option_are_errors() {
        assert!(arguments("--port").value("--port").is_err());
        assert!(arguments("--port zero").number("--port").is_err());
        assert!(arguments("--port 0").number("--port").is_err());
        assert!(arguments("--prot 80").finish().is_err());
    }
}
