//! What must be seen: lines, fates, orders, claims.

use super::Lower;
use crate::case::ast::{
    Claim, Edge, Expect, Fate, Line, Order, Schedules, Span, Spanned, TaskSet, Time, Truth, Which,
    Workers,
};
use crate::case::diagnostic::Diagnostic;
use crate::case::expr;
use crate::case::language::{CLAIM, EXPECT, FATES, WORKERS};
use crate::case::suggest::did_you_mean;
use crate::case::yaml::{Kind, Node, Plain, Scalar};

impl Lower {
    /// The value of `expect:`.
    pub(super) fn expect(&mut self, node: &Node) -> Expect {
        let mut expect = Expect::default();
        let Some(mut fields) = self.fields(node, "`expect`") else {
            return expect;
        };
        expect.timeline = fields.take("timeline").map(|node| self.timeline(node));
        expect.output = fields
            .take("output")
            .map(|node| self.lines(node, "the lines of `output`"));
        expect.elapsed = fields
            .take("elapsed")
            .and_then(|node| self.time(node, "`elapsed`"));
        if let Some(node) = fields.take("tasks") {
            expect.tasks = self.fates(node);
        }
        expect.workers = fields.take("workers").and_then(|node| self.workers(node));
        if let Some(node) = fields.take("order") {
            let items = self.list(node, "`order`").unwrap_or_default();
            expect.order = items.iter().filter_map(|item| self.order(item)).collect();
        }
        if let Some(node) = fields.take("claims") {
            let items = self.list(node, "`claims`").unwrap_or_default();
            expect.claims = items.iter().filter_map(|item| self.claim(item)).collect();
        }
        expect.schedules = fields
            .take("schedules")
            .and_then(|node| self.schedules(node));
        self.finish(fields, EXPECT);
        expect
    }

    /// `rule`, or a list of what may be seen as well.
    fn schedules(&mut self, node: &Node) -> Option<Schedules> {
        let mut also = Vec::new();
        match &node.kind {
            Kind::Scalar(scalar) if scalar.text == "rule" => {}
            Kind::List(items) if !items.is_empty() => {
                for item in items {
                    let expect = self.expect(item);
                    if let Some(nested) = &expect.schedules {
                        let problem = "`schedules` inside of `schedules` says nothing";
                        self.report(Diagnostic::new(nested.span, problem));
                    }
                    also.push(expect);
                }
            }
            _ => {
                self.wrong(
                    node,
                    "`schedules`",
                    "`rule`, or a list of what other orders may give",
                );
                return None;
            }
        }
        Some(Schedules {
            span: node.span,
            also,
        })
    }

    fn timeline(&mut self, node: &Node) -> Vec<(Spanned<Time>, Vec<Line>)> {
        let Kind::Mapping(entries) = &node.kind else {
            self.wrong(node, "`timeline`", "a mapping of times to lists of lines");
            return Vec::new();
        };
        let mut timeline: Vec<(Spanned<Time>, Vec<Line>)> = Vec::new();
        for (key, value) in entries {
            let time = self.time(key, "a key of `timeline`");
            let lines = self.lines(value, "the lines of one instant");
            let Some(time) = time else { continue };
            if let Some((first, _)) = timeline.iter().find(|(first, _)| first.value == time.value) {
                self.report(
                    Diagnostic::new(
                        time.span,
                        format!("the instant {} stands twice", time.value),
                    )
                    .label("again here")
                    .also(first.span, "first here")
                    .help("write all lines of one instant in one list"),
                );
                continue;
            }
            timeline.push((time, lines));
        }
        timeline
    }

    fn lines(&mut self, node: &Node, what: &str) -> Vec<Line> {
        if let Kind::Scalar(scalar) = &node.kind
            && !node.is_null()
        {
            self.report(
                Diagnostic::new(
                    node.span,
                    format!("{what} are a list, not {}", node.describe()),
                )
                .help(format!("write `[{}]`", scalar.text)),
            );
            return Vec::new();
        }
        let items = self.list(node, what).unwrap_or_default();
        items.iter().filter_map(|item| self.line(item)).collect()
    }

    /// Text, or `{any: [..]}`.
    fn line(&mut self, node: &Node) -> Option<Line> {
        let Kind::Mapping(entries) = &node.kind else {
            return self.printed(node).map(Line::Text);
        };
        if let [(key, value)] = &entries[..]
            && let Some(word) = key.scalar()
        {
            if word.text == "any" {
                let items = self.list(value, "`any`")?;
                let lines: Vec<_> = items.iter().filter_map(|item| self.printed(item)).collect();
                return (lines.len() == items.len()).then_some(Line::Any(lines));
            }
            let meant = value.scalar().map_or("", |scalar| scalar.text.as_str());
            self.report(
                Diagnostic::new(node.span, "a line is text, but YAML reads a mapping here")
                    .help(format!(
                        "put quotes around it: `\"{}: {meant}\"`",
                        word.text
                    ))
                    .maybe_help(did_you_mean(&word.text, ["any"])),
            );
        } else {
            self.report(
                Diagnostic::new(node.span, "a line is text, but YAML reads a mapping here")
                    .help("put quotes around it"),
            );
        }
        None
    }

    fn printed(&mut self, node: &Node) -> Option<Spanned<String>> {
        let line = self.text(node, "a line")?;
        if line.value.contains('\n') {
            self.report(
                Diagnostic::new(line.span, "a line has no line break")
                    .help("write each line as an item of its own"),
            );
            return None;
        }
        Some(line)
    }

    fn fates(&mut self, node: &Node) -> Vec<(TaskSet, Fate)> {
        let Kind::Mapping(entries) = &node.kind else {
            self.wrong(node, "`tasks`", "a mapping of tasks to fates");
            return Vec::new();
        };
        let mut fates: Vec<(TaskSet, Fate)> = Vec::new();
        for (key, value) in entries {
            let set = self.scalar(key, "a set of tasks").and_then(|scalar| {
                let whole = 0..scalar.text.len();
                self.task_set(scalar, whole)
            });
            let fate = self.fate(value);
            let (Some(set), Some(fate)) = (set, fate) else {
                continue;
            };
            if let Some((first, _)) = fates
                .iter()
                .find(|(first, _)| first.text.value == set.text.value)
            {
                self.report(
                    Diagnostic::new(set.text.span, format!("`{}` stands twice", set.text.value))
                        .label("again here")
                        .also(first.text.span, "first here"),
                );
                continue;
            }
            fates.push((set, fate));
        }
        fates
    }

    fn fate(&mut self, node: &Node) -> Option<Fate> {
        let word = self.text(node, "the fate of a task")?;
        let fate = FATES.iter().find(|(_, named)| named.name == word.value);
        if fate.is_none() {
            let names = FATES.map(|(_, named)| named.name);
            self.report(
                Diagnostic::new(word.span, format!("unknown fate `{}`", word.value))
                    .help(format!("a task is one of: {}", names.join(", ")))
                    .maybe_help(did_you_mean(&word.value, names)),
            );
        }
        fate.map(|(fate, _)| *fate)
    }

    /// `func`, `func(0..4)` or `func(3)`, which stands in these bytes of a scalar.
    fn task_set(&mut self, scalar: &Scalar, bytes: std::ops::Range<usize>) -> Option<TaskSet> {
        let span = scalar.place(bytes.clone());
        let written = &scalar.text[bytes];
        let text = Spanned {
            value: written.to_owned(),
            span,
        };
        if let Some((task, first, last)) = range(written) {
            if first >= last {
                self.report(
                    Diagnostic::new(span, format!("there is nothing in {first}..{last}"))
                        .help("the end of a range does not belong to it"),
                );
                return None;
            }
            let task = task.trim().to_owned();
            return Some(TaskSet {
                text,
                task,
                which: Which::Range(first, last),
            });
        }
        let called = expr::call(written, span);
        let (task, args) = match called {
            Ok(called) => called,
            Err(error) => {
                self.report(
                    Diagnostic::from(error).help("write `func`, `func(3)` or `func(0..4)`"),
                );
                return None;
            }
        };
        let which = match &args[..] {
            [] => Which::All,
            [arg] => match arg.constant() {
                Some(value) => Which::Is(value),
                None => {
                    self.report(
                        Diagnostic::new(arg.span, "this is no plain value")
                            .help("text is written in quotes: `func('a')`"),
                    );
                    return None;
                }
            },
            [_, second, ..] => {
                self.report(Diagnostic::new(
                    second.span,
                    "a set of tasks is named by the first argument alone",
                ));
                return None;
            }
        };
        Some(TaskSet {
            text,
            task: task.value,
            which,
        })
    }

    fn workers(&mut self, node: &Node) -> Option<Workers> {
        let mut fields = self.fields(node, "`workers`")?;
        let mut workers = Workers::default();
        if let Some(node) = fields.take("distinct") {
            match node.scalar().map(|scalar| scalar.value) {
                Some(Plain::Int(n)) if n >= 0 => {
                    workers.distinct = Some(Spanned {
                        value: n.unsigned_abs(),
                        span: node.span,
                    });
                }
                _ => self.wrong(node, "`distinct`", "a number of workers"),
            }
        }
        workers.reaped = fields
            .take("reaped")
            .and_then(|node| self.boolean(node, "`reaped`"));
        self.finish(fields, WORKERS);
        Some(workers)
    }

    /// `end f(0) < start f(2)`.
    fn order(&mut self, node: &Node) -> Option<Order> {
        let scalar = self.scalar(node, "an order")?;
        let text = &scalar.text;
        let Some(at) = text.find('<') else {
            self.report(
                Diagnostic::new(scalar.at, "an order needs a `<`")
                    .help("write `end f(0) < start f(2)`"),
            );
            return None;
        };
        let before = self.event(scalar, 0..at)?;
        let after = self.event(scalar, at + 1..text.len())?;
        let text = Spanned {
            value: text.clone(),
            span: scalar.at,
        };
        Some(Order {
            text,
            before,
            after,
        })
    }

    /// `start f(2)`, in these bytes of a scalar.
    fn event(&mut self, scalar: &Scalar, bytes: std::ops::Range<usize>) -> Option<(Edge, TaskSet)> {
        let (start, end) = trimmed(&scalar.text, bytes);
        let written = &scalar.text[start..end];
        let word = written.split_whitespace().next().unwrap_or_default();
        let edge = match word {
            "start" => Edge::Start,
            "end" => Edge::End,
            _ => {
                self.report(
                    Diagnostic::new(
                        scalar.place(start..start + word.len()),
                        format!("`{word}` is neither `start` nor `end`"),
                    )
                    .help("write `end f(0) < start f(2)`")
                    .maybe_help(did_you_mean(word, ["start", "end"])),
                );
                return None;
            }
        };
        let (start, end) = trimmed(&scalar.text, start + word.len()..end);
        Some((edge, self.task_set(scalar, start..end)?))
    }

    fn claim(&mut self, node: &Node) -> Option<Claim> {
        let mut fields = self.fields(node, "a claim")?;
        let head: Span = fields.head();
        let says = fields
            .take("says")
            .and_then(|node| self.text(node, "what is claimed"));
        let verdict = fields.take("verdict").map(|node| self.truth(node));
        let why = fields
            .take("why")
            .and_then(|node| self.text(node, "the reason"));
        self.finish(fields, CLAIM);
        let (Some(says), Some(verdict)) = (says, verdict) else {
            self.report(Diagnostic::new(head, "a claim needs `says` and `verdict`"));
            return None;
        };
        Some(Claim {
            says: says.value,
            verdict: verdict?,
            why: why.map(|why| why.value),
        })
    }

    fn truth(&mut self, node: &Node) -> Option<Truth> {
        match node
            .scalar()
            .map(|scalar| (scalar.value, scalar.text.as_str()))
        {
            Some((Plain::Bool(true), _)) => Some(Truth::True),
            Some((Plain::Bool(false), _)) => Some(Truth::False),
            Some((Plain::Text, "usually")) => Some(Truth::Usually),
            _ => {
                self.wrong(node, "a verdict", "`true`, `false` or `usually`");
                None
            }
        }
    }
}

/// Task, first and last of `func(0..4)`.
fn range(text: &str) -> Option<(&str, i64, i64)> {
    let (task, range) = text.strip_suffix(')')?.split_once('(')?;
    let (first, last) = range.split_once("..")?;
    Some((task, first.trim().parse().ok()?, last.trim().parse().ok()?))
}

/// The bytes without the spaces at both ends.
fn trimmed(text: &str, bytes: std::ops::Range<usize>) -> (usize, usize) {
    let part = &text[bytes.clone()];
    let start = bytes.start + (part.len() - part.trim_start().len());
    (start, (start + part.trim().len()))
}
