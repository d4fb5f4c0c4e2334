//! What is asked of handles and iterators, and what is done with values.

use super::super::plan::{Look, Span, Use};
use super::{Kept, Nest, Scribe, Step, Thing};

impl Scribe {
    /// Keeps what a step of main gives.
    pub(super) fn keep(&mut self, step: &mut Step, by: u8, holds: Option<String>, truth: bool) {
        if by == 0 {
            let name = self.name("v");
            step.makes = Some(name.clone());
            let holds = holds.map(|holds| holds.replace("{}", &name));
            self.values.push(Kept { name, holds, truth });
        }
    }

    /// What a single task is given, and the value that it needs for that.
    pub(super) fn argument(&self, arg: u8, by: u8) -> (String, Option<String>) {
        if let Nest::Loop(var) = &self.nest {
            return (var.clone(), None);
        }
        let value = usize::from(arg).checked_rem(self.values.len());
        match value.map(|which| self.values[which].name.clone()) {
            Some(value) if arg % 8 == 7 && by == 0 => {
                (format!("len(str({value})) % 5"), Some(value))
            }
            _ => ("0".to_owned(), None),
        }
    }

    pub(super) fn look(&mut self, of: u8, how: Look, by: u8) {
        let Some(thing) = self.thing(of, by, |_| true) else {
            return;
        };
        let (verb, timeout) = how.said(thing.iterator);
        let mut step = Step::of(verb, &thing.name).timeout(timeout);
        match verb {
            "get" => self.keep(&mut step, by, thing.holds, false),
            "next" => self.keep(&mut step, by, None, false),
            "ready" | "successful" => self.keep(&mut step, by, None, true),
            _ => {}
        }
        step.uses = Some(thing.made);
        self.push(step, by);
    }

    /// Ends what a handle or an iterator stands for.
    pub(super) fn cancel(&mut self, of: u8, by: u8) {
        let Some(thing) = self.thing(of, by, |_| true) else {
            return;
        };
        let mut step = Step::of("cancel", &thing.name);
        self.keep(&mut step, by, None, true);
        self.push(step.using(thing.made), by);
    }

    /// One of the things that this thread may look at, the latest first.
    pub(super) fn thing(&self, of: u8, by: u8, is: impl Fn(&Thing) -> bool) -> Option<Thing> {
        let mine = |thing: &&Thing| thing.by.is_none_or(|other| other == by) && is(thing);
        let mine: Vec<&Thing> = self.things.iter().rev().filter(mine).collect();
        let which = usize::from(of).checked_rem(mine.len())?;
        Some(mine[which].clone())
    }

    pub(super) fn drain(&mut self, of: u8, timeout: Option<Span>) {
        let Some(thing) = self.thing(of, 0, |thing| thing.iterator) else {
            return;
        };
        let (var, list) = (self.name("k"), self.name("v"));
        let mut next = Step::of("next", &thing.name).timeout(timeout);
        next.adds_to = Some(list.clone());
        let head = format!("{var} in range({})", thing.items.clamp(1, 8));
        let drain = Step::of("for", head).with("do", vec![next]);
        self.push(drain.using(thing.made.clone()), 0);
        // The end repeats.
        for _ in 0..of % 3 {
            let next = Step::of("next", &thing.name).timeout(timeout);
            self.push(next.using(thing.made.clone()), 0);
        }
        self.values.push(Kept {
            name: list,
            holds: None,
            truth: false,
        });
    }

    pub(super) fn use_value(&mut self, of: u8, how: Use, by: u8) {
        let Some(which) = usize::from(of).checked_rem(self.values.len()) else {
            return;
        };
        let Kept { name, holds, truth } = self.values[self.values.len() - 1 - which].clone();
        let step = match (how, holds) {
            (Use::Check, Some(holds)) => Step::of("check", format!("\"{holds}\"")),
            (Use::Let, _) => {
                let new = self.name("v");
                let value = if truth {
                    format!("not {name}")
                } else {
                    format!("[{name}, clock]")
                };
                let mut step = Step::of("let", format!("{{ {new}: \"{value}\" }}"));
                step.makes = Some(new.clone());
                step.uses = Some(name);
                self.values.push(Kept {
                    name: new,
                    holds: None,
                    truth,
                });
                return self.push(step, 0);
            }
            _ => {
                let step = Step::of("print", format!("\"{name} is {{{name}}}\""));
                return self.push(step.using(name), by);
            }
        };
        self.push(step.using(name), 0);
    }
}
