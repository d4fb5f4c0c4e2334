//! Turns the tree of a YAML document into a [`Case`], collecting everything that is wrong on the way.

mod action;
mod expect;
mod fields;
mod scalar;
mod step;
mod task;

use super::ast::{Case, Expect, Kind, Spanned};
use super::diagnostic::Diagnostic;
use super::language::{self, DOCUMENT, ON};
use super::suggest::{did_you_mean, nearest};
use super::yaml::{self, Node};
use fields::Fields;

/// The version of case files that is read here.
const VERSION: i64 = 1;

/// Most problems that are reported for one file: one slip can break every line.
const MAX_PROBLEMS: usize = 50;

/// The case that `tree` describes, and everything that is wrong with it.
///
/// What is wrong is left out of the case, so that the rest can still be checked.
pub(super) fn lower(name: &str, tree: &Node) -> (Case, Vec<Diagnostic>) {
    let mut lower = Lower {
        problems: Vec::new(),
    };
    let case = lower.document(name, tree);
    (case, lower.problems)
}

/// Collects what is wrong.
struct Lower {
    problems: Vec<Diagnostic>,
}

impl Lower {
    fn report(&mut self, problem: Diagnostic) {
        if self.problems.len() < MAX_PROBLEMS {
            self.problems.push(problem);
        }
    }

    /// Reports that a node is something else than it should be.
    fn wrong(&mut self, node: &Node, what: &str, wanted: &str) {
        self.report(
            Diagnostic::new(
                node.span,
                format!("{what} is {wanted}, not {}", node.describe()),
            )
            .label(format!("expected {wanted}")),
        );
    }

    fn document(&mut self, name: &str, tree: &Node) -> Case {
        let mut case = Case {
            name: name.to_owned(),
            title: String::new(),
            source: None,
            covers: Vec::new(),
            tags: Vec::new(),
            needs: Vec::new(),
            only: None,
            tasks: Vec::new(),
            main: Vec::new(),
            expect: Expect::default(),
            on: Vec::new(),
        };
        if tree.is_null() {
            self.report(
                Diagnostic::new(tree.span, "the file is empty")
                    .help("a case begins with `spec: 1`"),
            );
            return case;
        }
        let Some(mut fields) = self.fields(tree, "a case") else {
            return case;
        };

        if !self.version(&mut fields) {
            // What another version means by its keys is not known here.
            return case;
        }
        match fields.take("title") {
            Some(node) => {
                if let Some(title) = self.text(node, "the title") {
                    if title.value.is_empty() {
                        self.report(Diagnostic::new(node.span, "the title is empty"));
                    }
                    case.title = title.value;
                }
            }
            None if is_misspelt(&fields, "title") => {}
            None => self.report(
                Diagnostic::new(fields.head(), "a case needs a `title`")
                    .help("say in one line what the case shows"),
            ),
        }
        if let Some(node) = fields.take("source") {
            case.source = self.text(node, "a source");
        }
        case.covers = self.words(fields.take("covers"), "`covers`", "a row of the contract");
        case.tags = self
            .words(fields.take("tags"), "`tags`", "a tag")
            .into_iter()
            .map(|tag| tag.value)
            .collect();
        case.needs = self.words(fields.take("needs"), "`needs`", "an ability");
        case.only = fields.take("only").and_then(|node| self.kind(node));
        if let Some(node) = fields.take("tasks") {
            case.tasks = self.tasks(node);
        }
        match fields.take("main") {
            Some(node) => {
                case.main = self.steps(node, "the program `main`");
                if case.main.is_empty() && self.problems.is_empty() {
                    self.report(Diagnostic::new(
                        node.span,
                        "the program `main` has no steps",
                    ));
                }
            }
            None if is_misspelt(&fields, "main") => {}
            None => self.report(
                Diagnostic::new(fields.head(), "a case needs a program")
                    .help("write its steps as a list under `main:`"),
            ),
        }
        if let Some(node) = fields.take("expect") {
            case.expect = self.expect(node);
        }
        if let Some(node) = fields.take("on") {
            case.on = self.on(node);
        }
        self.finish(fields, DOCUMENT);
        case
    }

    /// Whether the document is of the version that is read here.
    fn version(&mut self, fields: &mut Fields<'_>) -> bool {
        let Some(node) = fields.take("spec") else {
            self.report(
                Diagnostic::new(fields.head(), "the file does not say its version")
                    .help("begin it with `spec: 1`"),
            );
            return true;
        };
        let known = node
            .scalar()
            .is_some_and(|scalar| scalar.value == yaml::Plain::Int(VERSION));
        if !known {
            let message = match node.scalar() {
                Some(scalar) if scalar.text.parse() == Ok(VERSION) => {
                    "the version of case files is a number, not text".to_owned()
                }
                Some(scalar) => format!("unknown version `{}` of case files", scalar.text),
                None => format!("unknown version `{}` of case files", node.describe()),
            };
            self.report(
                Diagnostic::new(node.span, message)
                    .label("this program reads version 1")
                    .help("write `spec: 1`"),
            );
        }
        known
    }

    /// `thread` or `process`.
    fn kind(&mut self, node: &Node) -> Option<Spanned<Kind>> {
        let word = self.text(node, "a kind of worker")?;
        let value = self.kind_named(&word)?;
        Some(Spanned {
            value,
            span: word.span,
        })
    }

    fn kind_named(&mut self, word: &Spanned<String>) -> Option<Kind> {
        match word.value.as_str() {
            "thread" => Some(Kind::Thread),
            "process" => Some(Kind::Process),
            other => {
                self.report(
                    Diagnostic::new(word.span, format!("unknown kind of worker `{other}`"))
                        .help("a kind is `thread` or `process`")
                        .maybe_help(did_you_mean(other, ["thread", "process"])),
                );
                None
            }
        }
    }

    fn on(&mut self, node: &Node) -> Vec<(Spanned<Kind>, Expect)> {
        let Some(mut fields) = self.fields(node, "`on`") else {
            return Vec::new();
        };
        let mut on = Vec::new();
        for (key, node) in fields.take_all() {
            let Some(kind) = self.kind_named(&key) else {
                continue;
            };
            let Some(mut inner) = self.fields(node, "a part of `on`") else {
                continue;
            };
            match inner.take("expect") {
                Some(expect) => {
                    on.push((
                        Spanned {
                            value: kind,
                            span: key.span,
                        },
                        self.expect(expect),
                    ));
                }
                None => self.report(
                    Diagnostic::new(key.span, "this part says nothing")
                        .help("write what must be seen under `expect:`"),
                ),
            }
            self.finish(inner, ON);
        }
        on
    }
}

/// Whether a key was probably meant to be this one: then that is said, and not that it is missing.
fn is_misspelt(fields: &Fields<'_>, name: &str) -> bool {
    let known = language::names(DOCUMENT);
    let mut unknown = fields
        .keys()
        .filter(|key| !known.contains(&key.value.as_str()));
    unknown.any(|key| nearest(&key.value, known.iter().copied()) == Some(name))
}
