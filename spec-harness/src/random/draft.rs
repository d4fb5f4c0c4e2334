//! A plan with names: every number means something that is there, and what a kind of worker lacks is replaced.

mod body;
mod pools;
mod results;
mod words;

use super::plan::{Body, Last, Limits, Pick, Plan, Planned, Sort, Submit, Worth};
use body::Place;
use words::units;

/// A program whose names are all made before they are used.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) sort: Sort,
    pub(super) functions: Vec<Function>,
    pub(super) steps: Vec<Step>,
    /// Number of all steps, with those of loops and the calls from inside.
    pub(super) count: usize,
}

/// A task function or a callback.
#[derive(Debug, Clone)]
pub(super) struct Function {
    /// `f0(i)`.
    pub(super) signature: String,
    pub(super) ops: Vec<Line>,
}

/// An operation of a body.
#[derive(Debug, Clone)]
pub(super) enum Line {
    /// As it stands in the file.
    Text(String),
    Call(Step),
    /// It is done for this item only.
    Only(u8, String),
}

/// A step of main, or a call from inside.
#[derive(Debug, Clone, Default)]
pub(super) struct Step {
    /// Each has another.
    pub(super) number: usize,
    /// `get: h0`.
    pub(super) head: String,
    /// The same where a pool's size must not be the machine's.
    pub(super) sized: Option<String>,
    /// `timeout: 1`.
    pub(super) beside: Vec<(&'static str, String)>,
    /// The name that its result gets.
    pub(super) makes: Option<String>,
    /// The list that gets it.
    pub(super) adds_to: Option<String>,
    /// The name that it cannot do without.
    pub(super) uses: Option<String>,
    /// The steps of a loop or a branch, by their keys.
    pub(super) inside: Vec<(&'static str, Vec<Step>)>,
}

/// The program's token.
pub(super) const TOKEN: &str = "stop";

/// Most submissions of one program.
const MOST_JOBS: usize = 12;

/// Gives a plan its names.
pub(super) fn draft(plan: &Plan) -> Draft {
    let mut scribe = Scribe::of(plan.sort);
    scribe.pool(&plan.first);
    scribe.steps(&plan.steps);
    scribe.finale(plan.finale);
    let mut draft = Draft {
        sort: scribe.sort,
        functions: scribe.functions,
        steps: scribe.steps,
        count: 0,
    };
    draft.forget_what_nobody_uses();
    draft.number();
    draft
}

struct Scribe {
    sort: Sort,
    functions: Vec<Function>,
    steps: Vec<Step>,
    pools: Vec<Pool>,
    /// The last one that was asked for could not be made.
    refused: bool,
    things: Vec<Thing>,
    /// What main's calls have returned.
    values: Vec<Kept>,
    /// How many processes there are, and which were started.
    processes: Vec<bool>,
    jobs: usize,
    /// Names of values and loops so far.
    names: usize,
    /// Something can be cancelled by the token.
    has_token: bool,
    /// The loop or branch that is written.
    nest: Nest,
}

#[derive(Debug, Clone)]
enum Nest {
    Top,
    Branch,
    /// With the loop's variable.
    Loop(String),
}

#[derive(Debug)]
struct Pool {
    name: String,
    /// Another thread than main may be in it.
    shared: bool,
    /// It was told to end: what is handed to it from now on is refused.
    ended: bool,
    terminated: bool,
    dropped: bool,
    /// It may have an input without end, which nobody can wait for.
    endless: bool,
    /// Its queue has a bound.
    bounded: bool,
    /// Its workers begin by a function.
    initialized: bool,
}

/// What a submission gives.
#[derive(Debug, Clone)]
struct Thing {
    /// `h0`, `h0s[1]`.
    name: String,
    /// The variable in it.
    made: String,
    iterator: bool,
    /// Results that come of it, where it has several.
    items: u8,
    /// What holds of its value `{}`, if that is known.
    holds: Option<String>,
    /// Whose it is: main's things are everybody's, but an iterator is of who asked it first.
    by: Option<u8>,
}

/// A value that main has.
#[derive(Debug, Clone)]
struct Kept {
    name: String,
    /// What holds of it.
    holds: Option<String>,
    /// It is True or False.
    truth: bool,
}

impl Scribe {
    fn of(sort: Sort) -> Scribe {
        Scribe {
            sort,
            functions: Vec::new(),
            steps: Vec::new(),
            pools: Vec::new(),
            refused: false,
            things: Vec::new(),
            values: Vec::new(),
            processes: Vec::new(),
            jobs: 0,
            names: 0,
            has_token: false,
            nest: Nest::Top,
        }
    }

    fn push(&mut self, step: Step, by: u8) {
        let mut step = step;
        if by > 0 {
            step.beside.push(("in", format!("t{by}")));
        }
        self.steps.push(step);
    }

    fn steps(&mut self, steps: &[Planned]) {
        for Planned { pick, by } in steps {
            self.step(pick, *by);
        }
    }

    fn step(&mut self, pick: &Pick, by: u8) {
        match pick {
            Pick::Submit(submit) => self.submit(submit, by),
            Pick::Look { of, how } => self.look(*of, *how, by),
            Pick::Cancel { of } => self.cancel(*of, by),
            Pick::CancelToken if self.has_token => {
                let cancel = Step::of("cancel_token", TOKEN);
                self.push(cancel.using(TOKEN.to_owned()), by);
            }
            Pick::CancelToken => {}
            Pick::Drain { of, timeout } => self.drain(*of, *timeout),
            Pick::Use { of, how } => self.use_value(*of, *how, by),
            Pick::End { on, how } => self.end(*on, *how, by),
            Pick::Bare { of, how } => self.bare(*of, how),
            Pick::Sleep(span) => self.push(Step::of("sleep", units(*span)), by),
            Pick::Pool(new) => self.pool(new),
            Pick::Repeat { rounds, steps } => {
                let var = self.name("k");
                let inside = self.nested(Nest::Loop(var.clone()), *rounds, steps);
                let head = format!("{var} in range({rounds})");
                self.push(Step::of("for", head).with("do", inside), 0);
            }
            Pick::Branch {
                of,
                before,
                then,
                otherwise,
            } => {
                let truth: Vec<&Kept> = self.values.iter().filter(|value| value.truth).collect();
                let value = usize::from(*of).checked_rem(truth.len());
                let value = value.map(|which| truth[which].name.clone());
                let condition = value.clone();
                let condition = condition.unwrap_or(format!("clock < {}", units(*before)));
                let then = self.nested(Nest::Branch, 1, then);
                let otherwise = self.nested(Nest::Branch, 1, otherwise);
                let mut step = Step::of("if", condition).with("then", then);
                step = step.with("else", otherwise);
                step.uses = value;
                self.push(step, 0);
            }
        }
    }

    /// The steps of a loop or a branch. What they make is theirs, but for the handles of a loop, which are kept as a
    /// list.
    fn nested(&mut self, nest: Nest, rounds: u8, steps: &[Planned]) -> Vec<Step> {
        let (things, values) = (self.things.len(), self.values.len());
        let before = std::mem::take(&mut self.steps);
        let is_loop = matches!(nest, Nest::Loop(_));
        let outer = std::mem::replace(&mut self.nest, nest);
        self.steps(steps);
        self.nest = outer;
        self.values.truncate(values);
        let made = self.things.split_off(things);
        let lists = made.into_iter().filter(|thing| is_loop && !thing.iterator);
        for thing in lists {
            self.things.extend((0..rounds).map(|round| Thing {
                name: format!("{}s[{round}]", thing.made),
                made: format!("{}s", thing.made),
                ..thing.clone()
            }));
        }
        std::mem::replace(&mut self.steps, before)
    }

    fn name(&mut self, letter: &str) -> String {
        self.names += 1;
        format!("{letter}{}", self.names)
    }

    fn submit(&mut self, submit: &Submit, by: u8) {
        let Some(on) = self.on(submit.on, by).filter(|_| self.jobs < MOST_JOBS) else {
            return;
        };
        let number = self.jobs;
        self.jobs += 1;
        let (verb, many, star) = submit.way.said();
        let iterator = submit.way.iterates();
        let thing = format!("{}{number}", if iterator { "it" } else { "h" });
        let name = format!("f{number}");
        let params = if star { "i, j" } else { "i" };
        let mut body = submit.body.clone();
        body.only = body.only.filter(|_| many);
        let mut limits = submit.limits;
        // Whether an idle worker of a closed pool stays for a task that may be tried again is the pool's own affair.
        limits.retries = limits.retries.filter(|_| !self.pools[on].initialized);
        limits.pause = limits.pause.filter(|_| limits.retries.is_some());
        body.times = limits.retries.filter(|times| (1..3).contains(times));
        let picked = body
            .last
            .raised()
            .filter(|_| limits.picks && limits.retries.is_some());
        body.is_picked = picked.is_some();
        // A list of such values would be more than a case may have.
        if many && submit.items > 5 && matches!(body.last, Last::Return(Worth::Large)) {
            body.last = Last::Return(Worth::Number);
        }
        // What an item that has closed its worker's connection leaves undone of its chunk is a race.
        if many && submit.chunksize != Some(1) && matches!(body.last, Last::CloseFds) {
            body.last = Last::Kill;
        }
        self.function(&name, params, &body, Place::Task, number);
        let endless = iterator && submit.endless;
        let items = if endless { 12 } else { submit.items };
        let mut step = if many {
            Step::of(verb, &name)
        } else {
            let (arg, uses) = self.argument(submit.arg, by);
            let mut step = Step::of(verb, format!("\"{name}({arg})\""));
            step.uses = uses;
            step
        };
        // Without a word on it, the last one is meant; of another thread's step, the last one by then.
        if by != 0 || on + 1 < self.pools.len() || self.refused || submit.on.is_multiple_of(2) {
            step = step.beside("on", self.pools[on].name.clone());
        }
        if many {
            let over = if star {
                let pairs = (0..items).map(|i| format!("({i}, {})", i + 1));
                format!("\"[{}]\"", pairs.collect::<Vec<_>>().join(", "))
            } else {
                format!("range({items})")
            };
            step = step.beside("over", over);
            let chunksize = match submit.chunksize {
                Some(3) if endless => None,
                // A long queue is one of chunks.
                None if items > 5 && items % 2 == 0 => Some(1),
                given => given,
            };
            if let Some(chunksize) = chunksize {
                step = step.beside("chunksize", chunksize.to_string());
            }
        }
        step = self.limited(step, limits);
        if let Some(error) = picked {
            step = step.beside("retry_if", error.to_owned());
        }
        let read_ahead = match submit.read_ahead {
            Some(3) | None if endless => Some(2),
            given => given.filter(|_| iterator),
        };
        if let Some(read_ahead) = read_ahead {
            step = step.beside("read_ahead", read_ahead.to_string());
        }
        if endless {
            self.pools[on].endless = true;
            step = step.beside("endless", "true".to_owned());
        }
        let holds = self.holds(&body, many, items, number, submit.arg);
        if submit.way.blocks() {
            self.keep(&mut step, by, holds, false);
        } else {
            if matches!(self.nest, Nest::Loop(_)) && !iterator {
                step.adds_to = Some(format!("{thing}s"));
            }
            self.things.push(Thing {
                name: thing.clone(),
                made: thing.clone(),
                iterator,
                items: if endless { 3 } else { items },
                holds,
                by: (by > 0 || iterator).then_some(by),
            });
            step.makes = Some(thing);
        }
        if !submit.way.blocks() && !iterator {
            let has_callbacks = !limits.token || self.sort == Sort::Thread;
            let both = [
                ("callback", "c", &submit.callback),
                ("error_callback", "e", &submit.error_callback),
            ];
            for (key, letter, body) in both {
                if let Some(body) = body.as_ref().filter(|_| has_callbacks) {
                    let name = format!("{letter}{number}");
                    self.function(&name, "value", body, Place::Callback, number);
                    step = step.beside(key, name);
                }
            }
        }
        if self.pools[on].bounded && !submit.way.blocks() && !iterator {
            step = step.timeout(submit.patience);
        }
        self.push(step, by);
    }

    /// A submission with its limits.
    fn limited(&mut self, step: Step, limits: Limits) -> Step {
        let Limits {
            deadline,
            expiry,
            retries,
            pause,
            picks: _,
            token,
        } = limits;
        let times = [
            ("deadline", deadline),
            ("expiry", expiry),
            ("retry_pause", pause),
        ];
        let times = times
            .into_iter()
            .filter_map(|(key, span)| Some((key, units(span?))));
        let retries = retries.map(|retries| ("retries", retries.to_string()));
        let token = token.then(|| ("cancel_on", TOKEN.to_owned()));
        self.has_token |= token.is_some();
        let said = times.chain(retries).chain(token);
        said.fold(step, |step, (key, value)| step.beside(key, value))
    }

    /// What holds of the value of a job.
    fn holds(&self, body: &Body, many: bool, items: u8, number: usize, arg: u8) -> Option<String> {
        if many {
            return Some(format!("len({{}}) == {items}"));
        }
        let plain = matches!(self.nest, Nest::Loop(_)) || arg % 8 != 7;
        match body.last {
            Last::Return(Worth::Number) if plain && matches!(self.nest, Nest::Loop(_)) => {
                Some(format!("{{}} % 10 == {}", number % 10))
            }
            Last::Return(Worth::Number) if plain => Some(format!("{{}} == {number}")),
            _ => None,
        }
    }
}

impl Draft {
    /// Nothing has a name that nobody uses.
    fn forget_what_nobody_uses(&mut self) {
        fn walk(steps: &mut [Step], each: &mut impl FnMut(&mut Step)) {
            for step in steps {
                each(step);
                for (_, inside) in &mut step.inside {
                    walk(inside, each);
                }
            }
        }
        let mut used = std::collections::BTreeSet::new();
        let calls = self.functions.iter().flat_map(|function| &function.ops);
        used.extend(calls.filter_map(|op| match op {
            Line::Call(step) => step.uses.clone(),
            _ => None,
        }));
        walk(&mut self.steps, &mut |step| used.extend(step.uses.clone()));
        walk(&mut self.steps, &mut |step| {
            let needed = step.needs_a_name();
            step.makes = step.makes.take_if(|name| needed || used.contains(name));
            step.adds_to = step.adds_to.take_if(|name| used.contains(name));
        });
    }

    fn number(&mut self) {
        fn each(steps: &mut [Step], count: &mut usize) {
            for step in steps {
                step.number = *count;
                *count += 1;
                for (_, inside) in &mut step.inside {
                    each(inside, count);
                }
            }
        }
        each(&mut self.steps, &mut self.count);
        for function in &mut self.functions {
            for op in &mut function.ops {
                if let Line::Call(step) = op {
                    each(std::slice::from_mut(step), &mut self.count);
                }
            }
        }
    }
}
