//! A plan with names: every number means something that is there, and what a kind of worker lacks is replaced.

mod body;

use super::plan::{
    Bare, Body, End, Finale, Last, Look, NewPool, Pick, Plan, Planned, Sort, Span, Submit, Use,
    Way, Worth,
};
use body::Place;

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

    /// Keeps what a step of main gives.
    fn keep(&mut self, step: &mut Step, by: u8, holds: Option<String>, truth: bool) {
        if by == 0 {
            let name = self.name("v");
            step.makes = Some(name.clone());
            let holds = holds.map(|holds| holds.replace("{}", &name));
            self.values.push(Kept { name, holds, truth });
        }
    }

    fn pool(&mut self, new: &NewPool) {
        let number = self.pools.len();
        if number == 3 || !matches!(self.nest, Nest::Top) {
            return;
        }
        let refused = match (new.size, new.queue) {
            (Some(0), _) => Some("size: 0"),
            (_, Some(0)) => Some("size: 1, queue: 0"),
            _ => None,
        };
        if let Some(refused) = refused {
            self.refused = true;
            return self.push(Step::of("pool", format!("{{{refused}, name: nobody}}")), 0);
        }
        let name = format!("p{number}");
        let mut keys = vec![format!("name: {name}")];
        // Which worker has its share first is chance, and where workers begin by a task, it shows.
        let shows = new.initializer.is_some() && new.size != Some(1);
        let share = new.share.filter(|_| !shows);
        keys.extend(share.map(|share| format!("maxtasksperchild: {share}")));
        keys.extend(new.queue.map(|places| format!("queue: {places}")));
        // A worker that stands in for one that waits leaves when it likes; the next begins by the task again.
        let initializer = new.initializer.as_ref();
        if let Some(body) = initializer.filter(|_| self.sort != Sort::Thread) {
            let initializer = format!("n{number}");
            self.function(&initializer, "i", body, Place::Initializer, number);
            keys.push(format!("initializer: {initializer}(0)"));
        }
        let keys = keys.join(", ");
        let sized = |size| format!("{{size: {size}, {keys}}}");
        let plain = format!("{{{keys}}}");
        let mut step = Step::of("pool", new.size.map_or(plain, sized));
        step.sized = new.size.is_none().then(|| Step::of("pool", sized(2)).head);
        self.push(step, 0);
        self.refused = false;
        self.pools.push(Pool {
            name,
            shared: false,
            ended: false,
            terminated: false,
            dropped: false,
            endless: false,
            bounded: new.queue.is_some(),
            initialized: initializer.is_some(),
        });
    }

    /// One of the pools that are there, and mostly one that was not told to end; and who uses it.
    fn on(&mut self, number: u8, by: u8) -> Option<usize> {
        let runs = self.pools.iter().any(|pool| !pool.ended);
        let whatever = number % 5 == 4 || !runs;
        let is_there = |which: &usize| {
            let pool = &self.pools[*which];
            !pool.dropped && (whatever || !pool.ended)
        };
        let open: Vec<usize> = (0..self.pools.len()).filter(is_there).collect();
        let which = open[usize::from(number).checked_rem(open.len())?];
        self.pools[which].shared |= by > 0;
        Some(which)
    }

    fn submit(&mut self, submit: &Submit, by: u8) {
        let Some(on) = self.on(submit.on, by).filter(|_| self.jobs < MOST_JOBS) else {
            return;
        };
        // Of several who wait for a place, nobody promises who is let in.
        let by = if self.pools[on].bounded { 0 } else { by };
        let number = self.jobs;
        self.jobs += 1;
        let (verb, many, star) = submit.way.said();
        let iterator = submit.way.iterates();
        let thing = format!("{}{number}", if iterator { "it" } else { "h" });
        let name = format!("f{number}");
        let params = if star { "i, j" } else { "i" };
        let mut body = submit.body.clone();
        body.only = body.only.filter(|_| many);
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
            let both = [
                ("callback", "c", &submit.callback),
                ("error_callback", "e", &submit.error_callback),
            ];
            for (key, letter, body) in both {
                if let Some(body) = body {
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

    /// What a single task is given, and the value that it needs for that.
    fn argument(&self, arg: u8, by: u8) -> (String, Option<String>) {
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

    fn look(&mut self, of: u8, how: Look, by: u8) {
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

    /// One of the things that this thread may look at, the latest first.
    fn thing(&self, of: u8, by: u8, is: impl Fn(&Thing) -> bool) -> Option<Thing> {
        let mine = |thing: &&Thing| thing.by.is_none_or(|other| other == by) && is(thing);
        let mine: Vec<&Thing> = self.things.iter().rev().filter(mine).collect();
        let which = usize::from(of).checked_rem(mine.len())?;
        Some(mine[which].clone())
    }

    fn drain(&mut self, of: u8, timeout: Option<Span>) {
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

    fn use_value(&mut self, of: u8, how: Use, by: u8) {
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

    fn end(&mut self, number: u8, how: End, by: u8) {
        let Some(on) = self.on(number, by) else {
            return;
        };
        let looped = matches!(self.nest, Nest::Loop(_));
        // Mostly, who waits for the end of a pool has told it to end.
        if matches!(how, End::Join(_)) && !self.pools[on].ended && !number.is_multiple_of(4) {
            self.push(End::Close.said(self.pools[on].name.clone()), by);
            self.pools[on].ended = true;
        }
        let pool = &mut self.pools[on];
        // Who drops a pool must be alone with it.
        let alone = !pool.shared && by == 0 && !looped;
        let name = pool.name.clone();
        let how = match how {
            // Who waits for an input without end waits for ever, and nobody says for what.
            End::Join(_) if pool.endless && !pool.terminated => End::Terminate,
            // What is left of an imap fails in a pool whose workers do not start; whether it has by now is a race.
            End::Join(Some(0)) if pool.initialized => End::Join(None),
            End::Drop if !alone => End::Close,
            other => other,
        };
        pool.ended |= !matches!(how, End::Join(_));
        pool.terminated |=
            matches!(how, End::Terminate) && matches!(self.nest, Nest::Top) && by == 0;
        pool.dropped |= matches!(how, End::Drop);
        self.push(how.said(name), by);
    }

    fn bare(&mut self, of: u8, how: &Bare) {
        if let Bare::Make { body, daemon } = how {
            if self.processes.len() == 3 || !matches!(self.nest, Nest::Top) {
                return;
            }
            let (number, name) = (self.processes.len(), format!("b{}", self.processes.len()));
            self.function(&name, "i", body, Place::Bare, number);
            let mut step = Step::of("process", format!("{name}(0)"));
            if *daemon {
                step = step.beside("daemon", "true".to_owned());
            }
            step.makes = Some(format!("q{number}"));
            self.processes.push(!of.is_multiple_of(4));
            self.push(step, 0);
            if !of.is_multiple_of(4) {
                let process = format!("q{number}");
                self.push(Step::of("start", &process).using(process), 0);
            }
            return;
        }
        let Some(which) = usize::from(of).checked_rem(self.processes.len()) else {
            return;
        };
        let process = format!("q{which}");
        let started = std::mem::replace(&mut self.processes[which], true);
        let mut step = match how {
            // Once in a while what cannot be asked of it yet, or no more, is asked all the same.
            _ if !started && of % 8 != 7 => Step::of("start", &process),
            Bare::Start if started && of % 8 != 7 => Step::of("is_alive", &process),
            Bare::Make { .. } | Bare::Start => Step::of("start", &process),
            Bare::Join(timeout) => Step::of("join_process", &process).timeout(*timeout),
            Bare::ExitCode if self.sort == Sort::Process => Step::of("exitcode", &process),
            Bare::Signal { kill } if self.sort == Sort::Process => {
                let verb = if *kill { "kill" } else { "terminate_process" };
                Step::of(verb, &process)
            }
            Bare::IsAlive | Bare::ExitCode | Bare::Signal { .. } => Step::of("is_alive", &process),
        };
        let verb = step.head.split(':').next().unwrap_or_default();
        match verb {
            "is_alive" => self.keep(&mut step, 0, None, true),
            "exitcode" => self.keep(&mut step, 0, None, false),
            _ => {}
        }
        if !step.head.starts_with("start") {
            self.processes[which] = started;
        }
        self.push(step.using(process), 0);
    }

    fn finale(&mut self, finale: Finale) {
        let open = self.pools.iter().filter(|pool| !pool.dropped);
        let open: Vec<(String, bool)> =
            open.map(|pool| (pool.name.clone(), pool.endless)).collect();
        let how = match finale {
            Finale::CloseAndJoin => End::Close,
            Finale::TerminateAndJoin => End::Terminate,
            Finale::Nothing => return,
        };
        for (name, endless) in open {
            let how = if endless { End::Terminate } else { how };
            self.push(how.said(name.clone()), 0);
            self.push(End::Join(None).said(name), 0);
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

impl Way {
    /// The step, whether it is for many items, and whether they are unpacked.
    fn said(self) -> (&'static str, bool, bool) {
        match self {
            Way::Apply => ("apply", false, false),
            Way::ApplyAsync => ("apply_async", false, false),
            Way::Map => ("map", true, false),
            Way::MapAsync => ("map_async", true, false),
            Way::Starmap => ("starmap", true, true),
            Way::StarmapAsync => ("starmap_async", true, true),
            Way::Imap => ("imap", true, false),
            Way::ImapUnordered => ("imap_unordered", true, false),
        }
    }

    fn iterates(self) -> bool {
        matches!(self, Way::Imap | Way::ImapUnordered)
    }

    fn blocks(self) -> bool {
        matches!(self, Way::Apply | Way::Map | Way::Starmap)
    }
}

impl Look {
    fn said(self, iterator: bool) -> (&'static str, Option<Span>) {
        match self {
            Look::Get(timeout) | Look::Wait(timeout) if iterator => ("next", timeout),
            Look::Ready | Look::Successful if iterator => ("next", None),
            Look::Get(timeout) => ("get", timeout),
            Look::Wait(timeout) => ("wait", timeout),
            Look::Ready => ("ready", None),
            Look::Successful => ("successful", None),
        }
    }
}

impl End {
    fn said(self, pool: impl Into<String>) -> Step {
        match self {
            End::Close => Step::of("close", pool),
            End::Terminate => Step::of("terminate", pool),
            End::Join(timeout) => Step::of("join", pool).timeout(timeout),
            End::Drop => Step::of("drop", pool),
        }
    }
}

impl Step {
    fn of(verb: &str, what: impl Into<String>) -> Step {
        let what = what.into();
        let head = if what.is_empty() {
            format!("{verb}:")
        } else {
            format!("{verb}: {what}")
        };
        Step {
            head,
            ..Step::default()
        }
    }

    fn beside(mut self, key: &'static str, value: String) -> Step {
        self.beside.push((key, value));
        self
    }

    fn timeout(self, timeout: Option<Span>) -> Step {
        match timeout {
            Some(timeout) => self.beside("timeout", units(timeout)),
            None => self,
        }
    }

    fn with(mut self, key: &'static str, steps: Vec<Step>) -> Step {
        self.inside.push((key, steps));
        self
    }

    /// Whether the name that it makes stands in its head.
    pub(super) fn names_in_its_head(&self) -> bool {
        self.head.starts_with("let:")
    }

    /// Whether it is of no use without one.
    fn needs_a_name(&self) -> bool {
        self.head.starts_with("imap") || self.head.starts_with("process:")
    }

    fn using(mut self, name: String) -> Step {
        self.uses = Some(name);
        self
    }
}

/// Hundredths as a number of units: `1`, `0.5`, `1.13`.
fn units(span: Span) -> String {
    crate::case::ast::Time(u64::from(span) * 10_000).to_string()
}
