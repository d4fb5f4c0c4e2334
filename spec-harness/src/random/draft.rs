//! A plan with names: every number means something that is there, and what a kind of worker lacks is replaced.

use super::plan::{
    Bare, Body, End, Finale, Inner, Last, Look, Op, Pick, Plan, Sort, Span, Submit, Way,
};

/// A program whose names are all made before they are used.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) sort: Sort,
    pub(super) functions: Vec<Function>,
    pub(super) steps: Vec<Step>,
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
    /// `get: h0`.
    pub(super) head: String,
    /// `timeout: 1`.
    pub(super) beside: Vec<(&'static str, String)>,
    /// The name that its result gets.
    pub(super) makes: Option<String>,
    /// The name that it cannot do without.
    pub(super) uses: Option<String>,
}

/// Most submissions of one program.
const MOST_JOBS: usize = 12;

/// Gives a plan its names.
pub(super) fn draft(plan: &Plan) -> Draft {
    let mut scribe = Scribe {
        sort: plan.sort,
        functions: Vec::new(),
        steps: Vec::new(),
        pools: Vec::new(),
        things: Vec::new(),
        processes: Vec::new(),
        jobs: 0,
    };
    scribe.pool(plan.size);
    for planned in &plan.steps {
        scribe.step(&planned.pick, planned.apart);
    }
    scribe.finale(plan.finale);
    Draft {
        sort: scribe.sort,
        functions: scribe.functions,
        steps: scribe.steps,
    }
}

struct Scribe {
    sort: Sort,
    functions: Vec<Function>,
    steps: Vec<Step>,
    pools: Vec<Pool>,
    things: Vec<Thing>,
    /// How many processes there are, and which were started.
    processes: Vec<bool>,
    jobs: usize,
}

#[derive(Debug)]
struct Pool {
    name: String,
    /// Another thread than main may be in it.
    shared: bool,
    /// It was told to end: what is handed to it from now on is refused.
    ended: bool,
    dropped: bool,
}

/// What a submission gives.
#[derive(Debug)]
struct Thing {
    name: String,
    iterator: bool,
    /// Whose it is: main's things are everybody's, but an iterator is of who asked it first.
    apart: Option<bool>,
}

/// What a body may do besides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Task,
    Callback,
    Bare,
}

impl Scribe {
    fn push(&mut self, step: Step, apart: bool) {
        let mut step = step;
        if apart {
            step.beside.push(("in", "t1".to_owned()));
        }
        self.steps.push(step);
    }

    fn step(&mut self, pick: &Pick, apart: bool) {
        match pick {
            Pick::Submit(submit) => self.submit(submit, apart),
            Pick::Look { of, how } => self.look(*of, *how, apart),
            Pick::End { on, how } => self.end(*on, *how, apart),
            Pick::Bare { of, how } => self.bare(*of, how),
            Pick::Sleep(span) => self.push(Step::of("sleep", units(*span)), apart),
            Pick::Pool(0) => self.push(Step::of("pool", "{size: 0, name: nobody}"), false),
            Pick::Pool(size) => self.pool(*size),
        }
    }

    fn pool(&mut self, size: u8) {
        let number = self.pools.len();
        if number == 3 {
            return;
        }
        let name = format!("p{number}");
        self.push(
            Step::of("pool", format!("{{size: {size}, name: {name}}}")),
            false,
        );
        self.pools.push(Pool {
            name,
            shared: false,
            ended: false,
            dropped: false,
        });
    }

    /// One of the pools that are there, and mostly one that was not told to end; and who uses it.
    fn on(&mut self, number: u8, apart: bool) -> Option<String> {
        let runs = self.pools.iter().any(|pool| !pool.ended);
        let whatever = number % 5 == 4 || !runs;
        let open = self.pools.iter_mut();
        let open = open.filter(|pool| !pool.dropped && (whatever || !pool.ended));
        let mut open: Vec<&mut Pool> = open.collect();
        let which = usize::from(number).checked_rem(open.len())?;
        open[which].shared |= apart;
        Some(open[which].name.clone())
    }

    fn submit(&mut self, submit: &Submit, apart: bool) {
        let Some(on) = self.on(submit.on, apart).filter(|_| self.jobs < MOST_JOBS) else {
            return;
        };
        let number = self.jobs;
        self.jobs += 1;
        let (verb, many, star) = match submit.way {
            Way::Apply => ("apply", false, false),
            Way::ApplyAsync => ("apply_async", false, false),
            Way::Map => ("map", true, false),
            Way::MapAsync => ("map_async", true, false),
            Way::Starmap => ("starmap", true, true),
            Way::StarmapAsync => ("starmap_async", true, true),
            Way::Imap => ("imap", true, false),
            Way::ImapUnordered => ("imap_unordered", true, false),
        };
        let iterator = matches!(submit.way, Way::Imap | Way::ImapUnordered);
        let later = iterator
            || matches!(
                submit.way,
                Way::ApplyAsync | Way::MapAsync | Way::StarmapAsync
            );
        let thing = format!("{}{number}", if iterator { "it" } else { "h" });
        let name = format!("f{number}");
        let params = if star { "i, j" } else { "i" };
        let mut body = submit.body.clone();
        body.only = body.only.filter(|_| many);
        // What an item that has closed its worker's connection leaves undone of its chunk is a race.
        if many && submit.chunksize != Some(1) && matches!(body.last, Last::CloseFds) {
            body.last = Last::Kill;
        }
        self.function(&name, params, &body, Place::Task, number);
        let head = if many {
            Step::of(verb, &name)
        } else {
            Step::of(verb, format!("{name}(0)"))
        };
        let mut step = head.beside("on", on);
        if many {
            let items = submit.items;
            let over = if star {
                let pairs = (0..items).map(|i| format!("({i}, {})", i + 1));
                format!("\"[{}]\"", pairs.collect::<Vec<_>>().join(", "))
            } else {
                format!("range({items})")
            };
            step = step.beside("over", over);
            if let Some(chunksize) = submit.chunksize {
                step = step.beside("chunksize", chunksize.to_string());
            }
        }
        if let Some(read_ahead) = submit.read_ahead.filter(|_| iterator) {
            step = step.beside("read_ahead", read_ahead.to_string());
        }
        if later {
            self.things.push(Thing {
                name: thing.clone(),
                iterator,
                apart: (apart || iterator).then_some(apart),
            });
            step.makes = Some(thing);
        }
        if later && !iterator {
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
        self.push(step, apart);
    }

    fn look(&mut self, of: u8, how: Look, apart: bool) {
        let mine = |thing: &&mut Thing| thing.apart.is_none_or(|other| other == apart);
        let mut mine: Vec<&mut Thing> = self.things.iter_mut().filter(mine).collect();
        let Some(which) = usize::from(of).checked_rem(mine.len()) else {
            return;
        };
        // The latest first.
        let place = mine.len() - 1 - which;
        let thing = &mut mine[place];
        let (verb, timeout) = match how {
            Look::Get(timeout) | Look::Wait(timeout) if thing.iterator => ("next", timeout),
            Look::Ready | Look::Successful if thing.iterator => ("next", None),
            Look::Get(timeout) => ("get", timeout),
            Look::Wait(timeout) => ("wait", timeout),
            Look::Ready => ("ready", None),
            Look::Successful => ("successful", None),
        };
        let step = Step::of(verb, &thing.name).timeout(timeout);
        let step = step.using(thing.name.clone());
        self.push(step, apart);
    }

    fn end(&mut self, on: u8, how: End, apart: bool) {
        let Some(name) = self.on(on, apart) else {
            return;
        };
        let Some(pool) = self.pools.iter_mut().find(|pool| pool.name == name) else {
            return;
        };
        pool.ended |= !matches!(how, End::Join(_));
        // Who drops a pool must be alone with it.
        let alone = !pool.shared && !apart;
        pool.dropped = alone && matches!(how, End::Drop);
        let step = match how {
            End::Terminate => Step::of("terminate", &name),
            End::Join(timeout) => Step::of("join", &name).timeout(timeout),
            End::Drop if alone => Step::of("drop", &name),
            End::Close | End::Drop => Step::of("close", &name),
        };
        self.push(step, apart);
    }

    fn bare(&mut self, of: u8, how: &Bare) {
        if let Bare::Make { body, daemon } = how {
            if self.processes.len() == 3 {
                return;
            }
            let (number, name) = (self.processes.len(), format!("b{}", self.processes.len()));
            self.function(&name, "i", body, Place::Bare, number);
            let mut step = Step::of("process", format!("{name}(0)"));
            if *daemon {
                step = step.beside("daemon", "true".to_owned());
            }
            step.makes = Some(format!("q{number}"));
            self.processes.push(false);
            return self.push(step, false);
        }
        let Some(which) = usize::from(of).checked_rem(self.processes.len()) else {
            return;
        };
        let process = format!("q{which}");
        let started = std::mem::replace(&mut self.processes[which], true);
        let step = match how {
            // Once in a while what cannot be asked of it yet, or no more, is asked all the same.
            _ if !started && of % 8 != 7 => Step::of("start", &process),
            Bare::Start if started && of % 8 != 7 => Step::of("is_alive", &process),
            Bare::Make { .. } | Bare::Start => Step::of("start", &process),
            Bare::Join(timeout) => Step::of("join_process", &process).timeout(*timeout),
            Bare::ExitCode => Step::of("exitcode", &process),
            Bare::Signal { kill } if self.sort == Sort::Process => {
                let verb = if *kill { "kill" } else { "terminate_process" };
                Step::of(verb, &process)
            }
            Bare::IsAlive | Bare::Signal { .. } => Step::of("is_alive", &process),
        };
        if !step.head.starts_with("start") {
            self.processes[which] = started;
        }
        self.push(step.using(process), false);
    }

    fn finale(&mut self, finale: Finale) {
        let open = self.pools.iter().filter(|pool| !pool.dropped);
        let open: Vec<String> = open.map(|pool| pool.name.clone()).collect();
        let verb = match finale {
            Finale::CloseAndJoin => "close",
            Finale::TerminateAndJoin => "terminate",
            Finale::Nothing => return,
        };
        for name in open {
            self.push(Step::of(verb, &name), false);
            self.push(Step::of("join", name), false);
        }
    }

    fn function(&mut self, name: &str, params: &str, body: &Body, place: Place, number: usize) {
        let arg = params.split(',').next().unwrap_or(params);
        let dies = match place {
            Place::Task => body.only.is_none() && matches!(body.last, Last::Exit(_) | Last::Kill),
            Place::Callback => false,
            Place::Bare => true,
        };
        let mut ops = Vec::new();
        for op in &body.ops {
            match op {
                Op::Print => ops.push(Line::Text(format!("print: \"{name}({{{arg}}})\""))),
                Op::Sleep(span) => ops.push(Line::Text(format!("sleep: {}", units(*span)))),
                Op::Uneven(span, rising) if place == Place::Task => {
                    let times = if *rising { "(i + 1)" } else { "(6 - i)" };
                    let half = units(span / 2);
                    ops.push(Line::Text(format!("sleep: {half} * {times}")));
                }
                Op::Uneven(span, _) => ops.push(Line::Text(format!("sleep: {}", units(*span)))),
                // A worker that lives on does not listen in later tasks either, and which tasks it gets is nobody's
                // promise.
                Op::IgnoreSigterm if self.sort == Sort::Process && dies => {
                    ops.push(Line::Text("ignore_sigterm".to_owned()));
                }
                Op::Call(inner) if self.may_call(place) => {
                    let count = ops.len();
                    ops.extend(self.call(inner, name, count, number));
                }
                Op::IgnoreSigterm | Op::Call(_) => {}
            }
        }
        let last = match body.last {
            Last::Return if place == Place::Callback => None,
            Last::Return => Some(format!("return: {arg} * 10 + {number}")),
            Last::Nothing => None,
            Last::Panic => Some(format!("panic: \"{name} of {{{arg}}}\"")),
            Last::Exit(code) if self.sort == Sort::Process => Some(format!("exit: {code}")),
            Last::Kill if self.sort == Sort::Process => Some("kill_self".to_owned()),
            // What it means for a process that has nobody to be connected with is its own affair.
            Last::CloseFds if self.sort == Sort::Process && place == Place::Task => {
                Some("close_fds".to_owned())
            }
            Last::Stop if self.sort == Sort::Process => Some("stop_self".to_owned()),
            _ => Some(format!("raise: \"ValueError: {name} of {{{arg}}}\"")),
        };
        let fails = !matches!(body.last, Last::Return | Last::Nothing);
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

    fn may_call(&self, place: Place) -> bool {
        match place {
            Place::Task => self.sort == Sort::Thread,
            Place::Callback => true,
            Place::Bare => false,
        }
    }

    /// A call from inside; what it submits is a function of its own.
    fn call(&mut self, inner: &Inner, caller: &str, count: usize, number: usize) -> Vec<Line> {
        let leaf = format!("{caller}g{count}");
        let mut submitted = |span: Span| {
            self.functions.push(Function {
                signature: format!("{leaf}(i)"),
                ops: vec![
                    Line::Text(format!("sleep: {}", units(span))),
                    Line::Text(format!("return: {number}")),
                ],
            });
        };
        let steps = match inner {
            Inner::Apply(span) => {
                submitted(*span);
                vec![Step::of("apply", format!("\"{leaf}(0)\""))]
            }
            Inner::ApplyAsync(span, get) => {
                submitted(*span);
                let result = format!("r{leaf}");
                let mut step = Step::of("apply_async", format!("\"{leaf}(0)\""));
                step.makes = Some(result.clone());
                let get = get.map(|timeout| Step::of("get", &result).timeout(timeout));
                let get = get.map(|step| step.using(result));
                std::iter::once(step).chain(get).collect()
            }
            Inner::Map(items, span) => {
                submitted(*span);
                vec![Step::of("map", &leaf).beside("over", format!("\"range({items})\""))]
            }
            Inner::Get(of, timeout) => self.look_inside("get", *of, *timeout),
            Inner::Wait(of, timeout) => self.look_inside("wait", *of, *timeout),
            Inner::Close => vec![Step::of("close", "")],
            Inner::Terminate => vec![Step::of("terminate", "")],
            Inner::Join => vec![Step::of("join", "")],
        };
        steps.into_iter().map(Line::Call).collect()
    }

    /// At a handle that main has made by now.
    fn look_inside(&self, verb: &'static str, of: u8, timeout: Option<Span>) -> Vec<Step> {
        let theirs = |thing: &&Thing| !thing.iterator && thing.apart.is_none();
        let handles: Vec<&Thing> = self.things.iter().filter(theirs).collect();
        let Some(which) = usize::from(of).checked_rem(handles.len()) else {
            return Vec::new();
        };
        let name = &handles[handles.len() - 1 - which].name;
        let step = Step::of(verb, name).timeout(timeout);
        vec![step.using(name.clone())]
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

    fn using(mut self, name: String) -> Step {
        self.uses = Some(name);
        self
    }
}

/// Hundredths as a number of units: `1`, `0.5`, `1.13`.
fn units(span: Span) -> String {
    crate::case::ast::Time(u64::from(span) * 10_000).to_string()
}
