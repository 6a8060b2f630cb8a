//! Completions in bash.
//!
//! clap's script for bash inserts candidates as they are, which splits the name of a hero into
//! words. This one passes on whether the word is quoted, so that spaces can be escaped.

use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;

use clap_complete::engine;
use clap_complete::env::EnvCompleter;

/// The environment variables of the script: the number of the word to complete, and the character
/// by which it begins.
const INDEX: &str = "_SUPERHERO_INDEX";
const FIRST: &str = "_SUPERHERO_FIRST";

// Bash 3.2, which macOS has, knows neither `mapfile` nor `compopt`.
const SCRIPT: &str = r#"_superhero() {
    local words=("${COMP_WORDS[@]}") candidate
    words[COMP_CWORD]=$2
    COMPREPLY=()
    while IFS= read -r candidate; do
        COMPREPLY+=("$candidate")
    done < <(VARIABLE=bash INDEX=$COMP_CWORD FIRST=${COMP_WORDS[COMP_CWORD]:0:1} \
        PROGRAM -- "${words[@]}" 2>/dev/null)
    if [[ ${#COMPREPLY[@]} == 1 && ${COMPREPLY[0]} == */ ]]; then
        compopt -o nospace 2>/dev/null
    fi
}
complete -o bashdefault -F _superhero NAME
"#;

/// The shell bash.
pub(super) struct Bash;

impl EnvCompleter for Bash {
    fn name(&self) -> &'static str {
        "bash"
    }

    fn is(&self, name: &str) -> bool {
        name == self.name()
    }

    fn write_registration(
        &self,
        variable: &str,
        _: &str,
        name: &str,
        program: &str,
        to: &mut dyn Write,
    ) -> io::Result<()> {
        let script = SCRIPT
            .replace("VARIABLE", variable)
            .replace("INDEX", INDEX)
            .replace("FIRST", FIRST)
            .replace("NAME", name)
            .replace("PROGRAM", &escaped(program));
        to.write_all(script.as_bytes())
    }

    fn write_complete(
        &self,
        command: &mut clap::Command,
        mut words: Vec<OsString>,
        directory: Option<&Path>,
        to: &mut dyn Write,
    ) -> io::Result<()> {
        let variable = |name| std::env::var(name).unwrap_or_default();
        let index: usize = variable(INDEX).parse().unwrap_or_default();
        let is_quoted = ["\"", "'"].contains(&variable(FIRST).as_str());
        if let Some(word) = words.get_mut(index)
            && !is_quoted
        {
            *word = unescaped(&word.to_string_lossy()).into();
        }
        for candidate in engine::complete(command, words, index, directory)? {
            let value = candidate.get_value().to_string_lossy();
            let value = if is_quoted { value.into_owned() } else { escaped(&value) };
            writeln!(to, "{value}")?;
        }
        Ok(())
    }
}

/// Returns a word that bash reads as this text.
fn escaped(text: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || !c.is_ascii() || "-_./,:=@%+".contains(c);
    text.chars().flat_map(|c| (!is_plain(c)).then_some('\\').into_iter().chain([c])).collect()
}

/// Returns the text of an unfinished word without quotes.
fn unescaped(word: &str) -> String {
    let mut is_escaped = false;
    let is_kept = |c: &char| {
        is_escaped = *c == '\\' && !is_escaped;
        !is_escaped
    };
    word.chars().filter(is_kept).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escaped_word_is_read_as_the_text() {
        for (text, word) in [
            ("Night Heron", r"Night\ Heron"),
            ("O'Hara $HOME", r"O\'Hara\ \$HOME"),
            (r"a\b", r"a\\b"),
            ("a/b.toml", "a/b.toml"),
            ("影の英雄", "影の英雄"),
            ("*", r"\*"),
        ] {
            assert_eq!((escaped(text).as_str(), unescaped(word).as_str()), (word, text));
        }
        assert_eq!(unescaped(r"Night\"), "Night");
    }
}
