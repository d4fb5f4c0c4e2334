//! Task functions and callbacks, and what they call from inside.

use super::super::plan::{Body, End, Inner, Last, Leaf, Look, Op, Sort, Way, Worth};
use super::words::units;
use super::{Function, Line, Scribe, Step, Thing};

/// What a body may do besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    Task,
    Callback,
    Bare,
    Initializer,
}

impl Scribe {
    pub(super) fn function(
        &mut self,
        name: &str,
        params: &str,
        body: &Body,
        place: Place,
        number: usize,
    ) {
        let arg = params.split(',').next().unwrap_or(params);
        let dies = match place {
            Place::Task => body.only.is_none() && matches!(body.last, Last::Exit(_) | Last::Kill),
            Place::Callback | Place::Initializer => false,
            Place::Bare => true,
        };
        let mut ops = Vec::new();
        for op in &body.ops {
            match op {
                Op::Print => ops.push(Line::Text(format!("print: \"{name}({{{arg}}})\""))),
                Op::Sleep(span) => ops.push(Line::Text(format!("sleep: {}", units(*span)))),
                Op::Uneven(span, rising) if place == Place::Task => {
                    let times = if *rising { "i % 5 + 1" } else { "5 - i % 5" };
                    let half = units(span / 2);
                    ops.push(Line::Text(format!("work: {half} * ({times})")));
                }
                Op::Uneven(span, _) => ops.push(Line::Text(format!("sleep: {}", units(*span)))),
                Op::Either(span) if place == Place::Task => {
                    ops.push(Line::Text("set: { odd: i % 2 == 1 }".to_owned()));
                    ops.push(Line::Text(format!(
                        "if: odd\n      then:\n        - sleep: {}\n      else:\n        - print: \"{name} at {{clock}}\"",
                        units(*span)
                    )));
                }
                Op::Allocate(mib) if place != Place::Callback => {
                    ops.push(Line::Text(format!("allocate: {mib}")));
                }
                Op::SpawnChild if self.sort == Sort::Process && place == Place::Task => {
                    ops.push(Line::Text("spawn_child".to_owned()));
                }
                // A worker that lives on does not listen in later tasks either, and which tasks it gets is nobody's
                // promise.
                Op::IgnoreSigterm if self.sort == Sort::Process && dies => {
                    ops.push(Line::Text("ignore_sigterm".to_owned()));
                }
                Op::Cancelled if self.sort == Sort::Thread && place == Place::Task => {
                    let asks = Step {
                        head: "cancelled:".to_owned(),
                        makes: Some("unwanted".to_owned()),
                        uses: None,
                        ..Step::default()
                    };
                    ops.push(Line::Call(asks));
                    let print = format!("print: \"{name}: {{unwanted}}\"");
                    ops.push(Line::Text(print));
                }
                Op::Call(inner) if self.may_call(place) => {
                    let count = ops.len();
                    ops.extend(self.call(inner, name, count, number));
                }
                Op::Either(_)
                | Op::Allocate(_)
                | Op::SpawnChild
                | Op::IgnoreSigterm
                | Op::Cancelled
                | Op::Call(_) => {}
            }
        }
        let last = match body.last {
            Last::Return(_) if place == Place::Callback => None,
            Last::Return(worth) => Some(format!("return: {}", worth.said(arg, number))),
            _ => self.last(body.last, place, name, arg),
        };
        let fails = !matches!(body.last, Last::Return(_) | Last::Nothing);
        let dies = matches!(body.last, Last::Exit(_) | Last::Kill);
        let dies = dies && self.sort == Sort::Process && place == Place::Task;
        let comes_back = dies || body.is_picked && place == Place::Task;
        if let (true, Some(times)) = (comes_back, body.times) {
            let print = format!("print: \"{name}({{{arg}}}), attempt {{attempt}}\"");
            let ends = format!(
                "if: attempt > {times}\n      then:\n        - {print}\n        - return: attempt"
            );
            ops.push(Line::Text(ends));
        }
        match (last, body.only) {
            (Some(last), Some(only)) if fails && place == Place::Task => {
                ops.push(Line::Only(only, last));
                ops.push(Line::Text(format!("return: {arg} * 10")));
            }
            (Some(last), _) => ops.push(Line::Text(last)),
            (None, _) => {}
        }
        self.functions.push(Function {
            signature: format!("{name}({params})"),
            ops,
        });
    }

    /// How a body ends that returns nothing.
    fn last(&self, last: Last, place: Place, name: &str, arg: &str) -> Option<String> {
        let raise = |kind| Some(format!("raise: \"{kind}: {name} of {{{arg}}}\""));
        let (of_processes, task) = (self.sort == Sort::Process, place == Place::Task);
        match last {
            Last::Return(_) | Last::Nothing => None,
            Last::Panic => Some(format!("panic: \"{name} of {{{arg}}}\"")),
            Last::Raise { .. } => raise(last.raised()?),
            _ if !of_processes || place == Place::Callback => raise("ValueError"),
            Last::Exit(code) => Some(format!("exit: {code}")),
            Last::Kill => Some("kill_self".to_owned()),
            Last::Stop => Some("stop_self".to_owned()),
            // What these mean for a process that has nobody to be connected with is its own affair.
            Last::CloseFds if task => Some("close_fds".to_owned()),
            Last::ReturnUnsendable if task => Some("return_unsendable".to_owned()),
            Last::RaiseUnsendable if task => Some("raise_unsendable".to_owned()),
            Last::CloseFds | Last::ReturnUnsendable | Last::RaiseUnsendable => raise("ValueError"),
        }
    }

    fn may_call(&self, place: Place) -> bool {
        match place {
            Place::Task => self.sort == Sort::Thread,
            Place::Callback => true,
            Place::Bare | Place::Initializer => false,
        }
    }

    /// A call from inside; what it submits is a function of its own.
    fn call(&mut self, inner: &Inner, caller: &str, count: usize, number: usize) -> Vec<Line> {
        // A callback that waits for a place runs no others meanwhile, which the model has not learnt.
        let bounded = self.pools.iter().any(|pool| pool.bounded);
        let steps = match inner {
            Inner::Submit { .. } if bounded => Vec::new(),
            Inner::Submit {
                way,
                leaf,
                items,
                elsewhere,
                callback,
                look,
            } => {
                let name = format!("{caller}g{count}");
                self.leaf(&name, leaf, *way, number);
                let on = self.elsewhere(*elsewhere);
                let mut steps = vec![submitted(*way, &name, *items, on)];
                if !way.blocks() {
                    let made = format!("r{name}");
                    steps[0].makes = Some(made.clone());
                    if *callback && !way.iterates() {
                        let back = format!("{name}c");
                        let line = format!("print: \"{back}({{value}})\"");
                        self.functions.push(Function {
                            signature: format!("{back}(value)"),
                            ops: vec![Line::Text(line)],
                        });
                        steps[0] = steps[0].clone().beside("callback", back);
                    }
                    steps.extend(look.map(|look| {
                        let (verb, timeout) = look.said(way.iterates());
                        Step::of(verb, &made).timeout(timeout).using(made)
                    }));
                }
                steps
            }
            Inner::Look { of, how } => self.look_inside(*of, *how),
            // Who drops a pool must be alone with it.
            Inner::End { how, elsewhere } => {
                let how = match how {
                    End::Drop => End::Close,
                    other => *other,
                };
                let pool = self.elsewhere(*elsewhere).unwrap_or_default();
                vec![how.said(pool)]
            }
        };
        steps.into_iter().map(Line::Call).collect()
    }

    fn leaf(&mut self, name: &str, leaf: &Leaf, way: Way, number: usize) {
        let star = way.said().2;
        let mut ops = Vec::new();
        if let Some(span) = leaf.deeper.filter(|_| self.sort == Sort::Thread) {
            let deeper = format!("{name}d");
            self.functions.push(Function {
                signature: format!("{deeper}(i)"),
                ops: vec![
                    Line::Text(format!("sleep: {}", units(span))),
                    Line::Text(format!("print: \"{deeper}({{i}})\"")),
                ],
            });
            ops.push(Line::Call(Step::of("apply", format!("\"{deeper}(0)\""))));
        }
        if let Some(span) = leaf.span {
            ops.push(Line::Text(format!("sleep: {}", units(span))));
        }
        if leaf.prints {
            ops.push(Line::Text(format!("print: \"{name}({{i}})\"")));
        }
        ops.push(Line::Text(match leaf.last {
            Last::Return(worth) => format!("return: {}", worth.said("i", number)),
            other => {
                let last = self.last(other, Place::Task, name, "i");
                last.unwrap_or_else(|| "return: None".to_owned())
            }
        }));
        let params = if star { "i, j" } else { "i" };
        self.functions.push(Function {
            signature: format!("{name}({params})"),
            ops,
        });
    }

    /// Another pool than the body's own, if there is one by now.
    fn elsewhere(&mut self, elsewhere: bool) -> Option<String> {
        let open = self
            .pools
            .iter_mut()
            .filter(|pool| !pool.dropped && !pool.endless);
        let pool = open.last().filter(|_| elsewhere)?;
        pool.shared = true;
        Some(pool.name.clone())
    }

    /// At a handle that main has made by now.
    fn look_inside(&self, of: u8, how: Look) -> Vec<Step> {
        let theirs = |thing: &&Thing| !thing.iterator && thing.by.is_none();
        let handles: Vec<&Thing> = self.things.iter().rev().filter(theirs).collect();
        let Some(which) = usize::from(of).checked_rem(handles.len()) else {
            return Vec::new();
        };
        let thing = handles[which];
        let (verb, timeout) = how.said(false);
        let step = Step::of(verb, format!("\"{}\"", thing.name)).timeout(timeout);
        vec![step.using(thing.made.clone())]
    }
}

/// The step that submits a leaf.
fn submitted(way: Way, name: &str, items: u8, on: Option<String>) -> Step {
    let (verb, many, star) = way.said();
    let mut step = if many {
        let over = if star {
            let pairs = (0..items).map(|i| format!("({i}, 0)"));
            format!("\"[{}]\"", pairs.collect::<Vec<_>>().join(", "))
        } else {
            format!("\"range({items})\"")
        };
        Step::of(verb, name).beside("over", over)
    } else {
        Step::of(verb, format!("\"{name}(0)\""))
    };
    if let Some(on) = on {
        step = step.beside("on", on);
    }
    step
}

impl Worth {
    /// The expression.
    fn said(self, arg: &str, number: usize) -> String {
        match self {
            Worth::Number => format!("{arg} * 10 + {number}"),
            Worth::Truth => format!("{arg} % 2 == 0"),
            Worth::Hollow(0) => "False".to_owned(),
            Worth::Hollow(1) => "0".to_owned(),
            Worth::Hollow(2) => "\"''\"".to_owned(),
            Worth::Hollow(3) => "\"[]\"".to_owned(),
            Worth::Hollow(_) => "0.0".to_owned(),
            Worth::Mixed => format!("\"[{arg} / 2, 'of {number}', ({arg}, None), [True]]\""),
            Worth::Large => "\"'large ' * 12000\"".to_owned(),
        }
    }
}
