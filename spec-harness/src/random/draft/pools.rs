//! What makes pools and processes, and what ends them.

use super::super::plan::{Bare, End, Finale, NewPool, Sort};
use super::body::Place;
use super::{Nest, Pool, Scribe, Step};

impl Scribe {
    pub(super) fn pool(&mut self, new: &NewPool) {
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
    pub(super) fn on(&mut self, number: u8, by: u8) -> Option<usize> {
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

    pub(super) fn end(&mut self, number: u8, how: End, by: u8) {
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

    pub(super) fn bare(&mut self, of: u8, how: &Bare) {
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

    pub(super) fn finale(&mut self, finale: Finale) {
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
