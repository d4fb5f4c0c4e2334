//! What is wrong with a case file, shown at its place.

use annotate_snippets::{Annotation, AnnotationKind, Level, Origin, Renderer, Snippet};

use super::span::Span;

/// Longest line that is shown, in bytes: laying one out costs time, and nobody reads it.
const MAX_LINE: usize = 2000;

/// One thing that is wrong with a case file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, as it is to be shown.
    pub file: String,
    /// Where in the file.
    pub span: Span,
    /// What is wrong: one lowercase sentence that names the thing.
    pub message: String,
    /// What is said at the place itself.
    pub label: Option<String>,
    /// A second place that has to do with it, and what is said there.
    pub also: Option<(Span, String)>,
    /// What was probably meant, or what to do.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Something wrong at a place of a file that is named later.
    pub fn new(span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            file: String::new(),
            span,
            message: message.into(),
            label: None,
            also: None,
            help: None,
        }
    }

    /// With a word at the place itself.
    #[must_use]
    pub fn label(mut self, label: impl Into<String>) -> Diagnostic {
        self.label = Some(label.into());
        self
    }

    /// With a second place.
    #[must_use]
    pub fn also(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.also = Some((span, text.into()));
        self
    }

    /// With advice.
    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> Diagnostic {
        self.help = Some(help.into());
        self
    }

    /// With advice, where there is some.
    #[must_use]
    pub fn maybe_help(mut self, help: Option<String>) -> Diagnostic {
        self.help = help.or(self.help);
        self
    }

    /// Line and column of its place in the file's text, counted from 1, columns in characters.
    pub fn position(&self, text: &str) -> (usize, usize) {
        let before = &text[..clamp(text, self.span).start];
        let line = before.rfind('\n').map_or(0, |newline| newline + 1);
        (
            1 + before.matches('\n').count(),
            1 + before[line..].chars().count(),
        )
    }

    /// The message with its place, the lines it concerns, and the advice, as a compiler shows it.
    pub fn render(&self, text: &str, colour: bool) -> String {
        let renderer = if colour {
            Renderer::styled()
        } else {
            Renderer::plain()
        };
        // The end of a line is no part of it; every place stays what it was.
        let text = &text.replace("\r\n", " \n");
        let title = Level::ERROR.primary_title(self.message.as_str());
        let mut report = match self.snippet(text) {
            Some(snippet) => title.element(snippet),
            None => {
                let (line, column) = self.position(text);
                title.element(
                    Origin::path(self.file.as_str())
                        .line(line)
                        .char_column(column),
                )
            }
        };
        if let Some(help) = &self.help {
            report = report.element(Level::HELP.message(help.as_str()));
        }
        renderer.render(&[report])
    }

    /// The lines in question with marks at the places; nothing if they are too long to be shown.
    fn snippet<'a>(&'a self, text: &'a str) -> Option<Snippet<'a, Annotation<'a>>> {
        let main = clamp(text, self.span);
        let also = self
            .also
            .as_ref()
            .map(|(span, said)| (clamp(text, *span), said));
        let first = also
            .as_ref()
            .map_or(main.start, |(span, _)| span.start.min(main.start));
        let last = also
            .as_ref()
            .map_or(main.end, |(span, _)| span.end.max(main.end));
        let from = text[..first].rfind('\n').map_or(0, |newline| newline + 1);
        let to = text[last..]
            .find('\n')
            .map_or(text.len(), |newline| last + newline);
        let lines = &text[from..to];
        if lines.lines().any(|line| line.len() > MAX_LINE) {
            return None;
        }

        let range = |span: Span| span.start - from..span.end - from;
        let main = AnnotationKind::Primary
            .span(range(main))
            .label(self.label.as_deref());
        let snippet = Snippet::source(lines)
            .line_start(1 + text[..from].matches('\n').count())
            .path(self.file.as_str())
            .annotation(main);
        Some(match also {
            Some((span, said)) => snippet.annotation(
                AnnotationKind::Context
                    .span(range(span))
                    .label(said.as_str()),
            ),
            None => snippet,
        })
    }
}

/// The part of `span` that lies in `text`, on character boundaries.
pub(super) fn clamp(text: &str, span: Span) -> Span {
    let mut start = span.start.min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    let mut end = span.end.clamp(start, text.len());
    while !text.is_char_boundary(end) {
        end += 1;
    }
    Span { start, end }
}
