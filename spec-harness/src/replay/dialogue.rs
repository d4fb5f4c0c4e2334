//! The last of what harness, adapter and puppets said to each other, for whoever looks for a mistake in an adapter.

use std::collections::VecDeque;

/// Messages of one run, the last of them.
#[derive(Debug, Default)]
pub(super) struct Dialogue {
    said: VecDeque<(&'static str, String)>,
}

impl Dialogue {
    /// Messages that are kept.
    const KEPT: usize = 24;
    /// Characters of a message that are kept.
    const SHOWN: usize = 240;

    /// Takes note of a message.
    pub(super) fn note(&mut self, way: &'static str, message: &str) {
        if self.said.len() == Dialogue::KEPT {
            self.said.pop_front();
        }
        let message = message.trim_end();
        let mut shown: String = message.chars().take(Dialogue::SHOWN).collect();
        if shown.len() < message.len() {
            shown.push_str("...");
        }
        self.said.push_back((way, shown));
    }

    /// One line per message, the last one last.
    pub(super) fn lines(&self) -> Vec<String> {
        let lines = self.said.iter();
        lines
            .map(|(way, message)| format!("{way:<16}  {message}"))
            .collect()
    }
}
