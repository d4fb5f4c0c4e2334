//! The steps of the main program.

use super::Lower;
use super::fields::Fields;
use super::scalar::{across, is_name};
use crate::case::ast::{Action, Span, Spanned, Step};
use crate::case::diagnostic::Diagnostic;
use crate::case::language::{self, Form, POOL, is_modifier};
use crate::case::suggest::did_you_mean;
use crate::case::yaml::{Kind, Node};

impl Lower {
    /// A list of steps.
    pub(super) fn steps(&mut self, node: &Node, what: &str) -> Vec<Step> {
        let Some(items) = self.list(node, what) else {
            return Vec::new();
        };
        items.iter().filter_map(|item| self.step(item)).collect()
    }

    /// The step that a body makes from inside: the value of `call:`.
    pub(super) fn inner_step(&mut self, node: &Node) -> Option<Step> {
        let step = self.step(node)?;
        let known = match &node.kind {
            Kind::Mapping(entries) => entries
                .iter()
                .find_map(|(key, _)| Form::named(&key.scalar()?.text)),
            _ => node.scalar().and_then(|scalar| Form::named(&scalar.text)),
        };
        let name = known.map_or("", Form::name);
        if !known.is_some_and(Form::inside) {
            let list: Vec<_> = Form::names_inside().collect();
            self.report(
                Diagnostic::new(step.span, format!("a body cannot do `{name}`"))
                    .help(format!("from inside it can do: {}", list.join(", "))),
            );
            return None;
        }
        if let Some(thread) = &step.thread {
            let message = format!("a body has no other threads, such as `{thread}`");
            self.report(Diagnostic::new(step.span, message).help("leave out `in`"));
            return None;
        }
        Some(step)
    }

    fn step(&mut self, node: &Node) -> Option<Step> {
        if let Kind::Scalar(scalar) = &node.kind {
            let word = self.scalar(node, "a step").map(|_| &scalar.text)?;
            let key = Spanned {
                value: word.clone(),
                span: node.span,
            };
            let form = self.form(&key)?;
            if !form.bare() {
                self.report(
                    Diagnostic::new(node.span, format!("`{word}` of what?"))
                        .help(format!("write `- {word}: ...`")),
                );
                return None;
            }
            let mut nothing = Fields::none(node.span);
            let action = self.action(form, &key, None, &mut nothing)?;
            return Some(step(node.span, action));
        }
        let mut fields = self.fields(node, "a step")?;
        let key = self.action_key(&fields)?;
        let form = self.form(&key)?;
        let value = fields.take(&key.value)?;
        let span = if value.scalar().is_some() {
            across(key.span, value.span)
        } else {
            key.span
        };
        let value = (!value.is_null()).then_some(value);

        let action = self.action(form, &key, value, &mut fields);
        let modified = self.modifiers(form, &mut fields);
        self.leftovers(form, fields);
        let mut step = step(span, action?);
        modified(&mut step);
        self.contradictions(&step);
        Some(step)
    }

    /// The key that says what a step does.
    fn action_key(&mut self, fields: &Fields<'_>) -> Option<Spanned<String>> {
        let mut actions = fields
            .keys()
            .filter(|key| Form::named(&key.value).is_some());
        if let Some(first) = actions.next() {
            if let Some(second) = actions.next() {
                let message = format!(
                    "one step does both `{}` and `{}`",
                    first.value, second.value
                );
                let help = if second.value == "pool" {
                    "which pool is meant is said by `on`"
                } else {
                    "each step is an item of its own: begin it with `- `"
                };
                self.report(
                    Diagnostic::new(second.span, message)
                        .also(first.span, "it already does this")
                        .help(help),
                );
            }
            return Some(first.clone());
        }
        let unknown = fields.keys().find(|key| !is_modifier(&key.value));
        match unknown.or_else(|| fields.keys().next()) {
            Some(key) => self.form(key).map(|_| key.clone()),
            None => {
                self.report(Diagnostic::new(fields.span(), "a step is missing"));
                None
            }
        }
    }

    /// The form of this name, or an error.
    fn form(&mut self, key: &Spanned<String>) -> Option<&'static Form> {
        let form = Form::named(&key.value);
        if form.is_none() {
            let names = Form::names();
            let problem = if is_modifier(&key.value) {
                Diagnostic::new(key.span, format!("`{}` alone is no step", key.value))
                    .help("it stands beside a step, without a `- ` of its own")
            } else {
                Diagnostic::new(key.span, format!("unknown step `{}`", key.value))
                    .help(format!(
                        "a step is one of: {}",
                        names.clone().collect::<Vec<_>>().join(", ")
                    ))
                    .maybe_help(did_you_mean(&key.value, names))
                    .maybe_help(pythons(&key.value))
            };
            self.report(problem);
        }
        form
    }

    /// What all steps may say beside their action; gives back what to do to the step.
    fn modifiers(
        &mut self,
        form: &Form,
        fields: &mut Fields<'_>,
    ) -> impl FnOnce(&mut Step) + use<> {
        let mut take = |key: &str, allowed: bool| if allowed { fields.take(key) } else { None };
        let (thread, bind, into) = (
            take("in", form.threaded()),
            take("as", form.yields),
            take("into", form.yields),
        );
        let (takes, raises, blocks) = (
            take("takes", form.call.is_some()),
            take("raises", form.call.is_some()),
            take("blocks", form.call.is_some()),
        );
        let thread = thread.and_then(|node| self.name(node, "the name of a thread"));
        let bind = bind.and_then(|node| self.name(node, "the name of a variable"));
        let into = into.and_then(|node| self.name(node, "the name of a variable"));
        let takes = takes.and_then(|node| self.time(node, "`takes`"));
        let raises = raises.and_then(|node| self.name(node, "the name of an error"));
        let blocks = blocks.is_some_and(|node| {
            let forever = node.scalar().is_some_and(|scalar| scalar.text == "forever");
            if !forever {
                self.wrong(node, "`blocks`", "`forever`");
            }
            forever
        });
        move |step| {
            step.thread = thread.map(|name| name.value);
            step.bind = bind.map(|name| name.value);
            step.into = into.map(|name| name.value);
            step.takes = takes;
            step.raises = raises;
            step.blocks = blocks;
        }
    }

    /// Reports what nobody has taken.
    fn leftovers(&mut self, form: &Form, mut fields: Fields<'_>) {
        let others = form.others();
        for (key, _) in fields.take_all() {
            if Form::named(&key.value).is_some() && !others.contains(&key.value.as_str()) {
                continue; // Reported as a second action.
            }
            let what = if is_modifier(&key.value) {
                format!("`{}` does not go with `{}`", key.value, form.name())
            } else {
                format!("unknown key `{}` in a step `{}`", key.value, form.name())
            };
            let list = others.join(", ");
            let help =
                if form.name() == "pool" && language::names(POOL).contains(&key.value.as_str()) {
                    format!(
                        "options of a pool stand in braces: `pool: {{ {}: ... }}`",
                        key.value
                    )
                } else if key.value == "in" {
                    match form.name() {
                        "for" | "if" => "say `in` on each step inside".to_owned(),
                        _ => "threads share main's variables: main does this".to_owned(),
                    }
                } else if list.is_empty() {
                    format!("`{}` stands alone", form.name())
                } else {
                    format!("beside `{}` can stand: {list}", form.name())
                };
            self.report(
                Diagnostic::new(key.span, what)
                    .help(help)
                    .maybe_help(did_you_mean(&key.value, others.iter().copied())),
            );
        }
    }

    /// Modifiers that cannot hold together.
    fn contradictions(&mut self, step: &Step) {
        let clash = match (&step.raises, step.blocks, &step.takes) {
            (Some(raises), true, _) => Some((raises.span, "`raises`", "`blocks: forever`")),
            (_, true, Some(takes)) => Some((takes.span, "`takes`", "`blocks: forever`")),
            _ => None,
        };
        if let Some((span, one, other)) = clash {
            self.report(
                Diagnostic::new(span, format!("{one} contradicts {other}"))
                    .help("a step that never returns has no outcome"),
            );
        }
        if let Some(raises) = &step.raises
            && (step.bind.is_some() || step.into.is_some())
        {
            self.report(
                Diagnostic::new(raises.span, "a step that raises has no result to keep")
                    .help("leave out `as` or `into`"),
            );
        }
    }
}

/// Advice for what is written as in Python: `r = apply_async`, `x = 1`, `p = Pool(2)`, `pool.close()`, `get(x)`.
fn pythons(key: &str) -> Option<String> {
    if let Some((name, value)) = key.split_once('=')
        && is_name(name.trim())
    {
        let (name, value) = (name.trim(), value.trim());
        let size = ["Pool(", "ThreadPool("]
            .iter()
            .find_map(|pool| value.strip_prefix(pool));
        return Some(match (Form::named(value), size) {
            (Some(_), _) => format!("write `- {value}: ...`, and `as: {name}` on a line below it"),
            (_, Some(size)) => {
                let size = size.trim_end_matches(')');
                format!("write `- pool: {{ size: {size}, name: {name} }}`")
            }
            _ => format!("write `- let: {{ {name}: {value} }}`"),
        });
    }
    let (said, arguments) = match key.split_once(['(', ' ', ':']) {
        Some((said, arguments)) => (said, arguments.trim().trim_end_matches(')')),
        None => (key, ""),
    };
    let Some((object, method)) = said.split_once('.') else {
        let form = Form::named(said).filter(|_| said != key)?;
        return Some(match arguments {
            "" if form.bare() => format!("write `- {said}`"),
            "" => format!("write `- {said}: ...`"),
            of => format!("write `- {said}: {of}`"),
        });
    };
    let form = Form::named(method).filter(|_| is_name(object))?;
    Some(if !form.bare() && form.others().contains(&"on") {
        format!("write `- {method}: ...`, and `on: {object}` on a line below it")
    } else {
        format!("write `- {method}: {object}`")
    })
}

/// A step that says nothing but what it does.
fn step(span: Span, action: Action) -> Step {
    Step {
        span,
        thread: None,
        takes: None,
        raises: None,
        blocks: false,
        bind: None,
        into: None,
        action,
    }
}
