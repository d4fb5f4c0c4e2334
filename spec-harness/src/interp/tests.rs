//! Programs on a pool that is a few lines of model: what is asked for, in which order, and what is recorded.

use std::collections::{BTreeMap, VecDeque};

use super::*;
use crate::case::ast::{Case, Fate};
use crate::case::expr::Value;
use crate::history::{Ending, History, Key, Raised, What, Who};
use crate::protocol::{Call, Order};

/// A pool of one kind: so many workers, a queue, handles that are ready when their task has ended.
#[derive(Default)]
struct Model {
    workers: usize,
    queue: VecDeque<Key>,
    running: Vec<Key>,
    results: BTreeMap<Key, Value>,
    handles: BTreeMap<String, Key>,
    /// Calls that wait for a task, or for all of them.
    waiting: Vec<(Caller, Option<Key>)>,
    timers: BTreeMap<u64, Caller>,
}

fn see(stage: &mut Stage<'_>, observed: Observed) {
    stage.observe(observed).expect("it can be");
}

impl Model {
    fn call(&mut self, stage: &mut Stage<'_>, caller: Caller, command: Call) {
        let mut result = Ok(Value::None);
        match command {
            Call::Pool(options) => self.workers = options.size.unwrap_or(1) as usize,
            Call::ApplyAsync { key, handle, .. } => {
                self.queue.push_back(key);
                self.handles.insert(handle, key);
            }
            Call::Get { handle, timeout } => {
                if let Some(timeout) = timeout {
                    let timer = self.timers.len() as u64;
                    self.timers.insert(timer, caller);
                    let after = crate::case::ast::Time::from_units(timeout).unwrap();
                    see(stage, Observed::Timer(timer, after));
                }
                return self.waiting.push((caller, Some(self.handles[&handle])));
            }
            Call::Join { .. } => return self.waiting.push((caller, None)),
            Call::Ready { handle } => {
                result = Ok(Value::Bool(
                    self.results.contains_key(&self.handles[&handle]),
                ));
            }
            Call::Terminate { .. } => {
                self.queue.clear();
                self.running
                    .drain(..)
                    .for_each(|key| see(stage, Observed::Gone(key)));
            }
            Call::Close { .. } => {}
            _ => {
                result = Err(Raised {
                    kind: "NotRunning".into(),
                    text: "not modelled".into(),
                })
            }
        }
        see(stage, Observed::Returned(caller, result));
    }

    /// What happens by itself.
    fn run_until_idle(&mut self, stage: &mut Stage<'_>) {
        while self.running.len() < self.workers
            && let Some(key) = self.queue.pop_front()
        {
            self.running.push(key);
            see(
                stage,
                Observed::Began(Beginning {
                    key,
                    on: (1, key as i32),
                    in_parent: false,
                    args: 1,
                    given: None,
                    initializer: None,
                    name: None,
                }),
            );
        }
        let busy = !self.running.is_empty();
        self.waiting.retain(|(caller, key)| {
            let result = match key {
                Some(key) => self.results.get(key).cloned(),
                None => (!busy).then_some(Value::None),
            };
            let waits = result.is_none();
            let mine = self.timers.iter().filter(|(_, of)| !waits && *of == caller);
            mine.for_each(|(timer, _)| see(stage, Observed::Cancelled(*timer)));
            result
                .into_iter()
                .for_each(|value| see(stage, Observed::Returned(*caller, Ok(value))));
            waits
        });
    }

    fn run(case: &Case, options: Options) -> (History, Move) {
        let mut stage = Stage::new(case, options);
        let mut model = Model::default();
        loop {
            match stage.next_move() {
                Move::Call { caller, command } => model.call(&mut stage, caller, command),
                Move::Order {
                    key,
                    order,
                    last: true,
                } => {
                    if let Order::Return(value) = order {
                        model.results.insert(key, Value::from_json(&value).unwrap());
                    }
                    model.running.retain(|running| *running != key);
                    see(&mut stage, Observed::Gone(key));
                }
                Move::Order {
                    key, last: false, ..
                } => see(&mut stage, Observed::Done(key)),
                Move::Kill(_) => panic!("no case here kills"),
                Move::Fire(timer) => {
                    let caller = model.timers[&timer];
                    model.waiting.retain(|(waiting, _)| *waiting != caller);
                    let late = Raised {
                        kind: "TimedOut".into(),
                        text: "late".into(),
                    };
                    see(&mut stage, Observed::Returned(caller, Err(late)));
                }
                Move::Exit => {
                    stage.over(0);
                }
                end @ (Move::Late(_) | Move::Stuck) => {
                    return (stage.finish(Ending::Finished), end);
                }
            }
            model.run_until_idle(&mut stage);
        }
    }
}

fn case(text: &str) -> Case {
    let text = format!("spec: 1\ntitle: a test\n{text}\nexpect: {{ output: [] }}\n");
    Case::parse("test", &text).unwrap_or_else(|errors| panic!("{}", errors[0].render(&text, false)))
}

fn run(text: &str) -> History {
    Model::run(
        &case(text),
        Options {
            timers: true,
            ..Options::default()
        },
    )
    .0
}

/// Printed lines, and what was not met, each with its instant.
fn lines(history: &History) -> Vec<String> {
    let events = history.events.iter().filter_map(|event| match &event.what {
        What::Print(line) => Some(format!("{} {line}", event.at)),
        What::Unmet { text, .. } => Some(format!("{} unmet: {text}", event.at)),
        _ => None,
    });
    events.collect()
}

const FUNC: &str = "
tasks:
  func(i):
    - print: 'start {i}'
    - sleep: 1
    - print: 'end {i} at {clock}'
    - return: i * i
";

#[test]
fn main_goes_first_then_tasks_by_number_and_the_clock_jumps() {
    let history = run(&format!(
        "{FUNC}
main:
  - pool: 2
  - for: i in range(3)
    do:
      - apply_async: func(i)
        takes: 0
  - print: submitted
  - close
  - join: pool
    takes: 2
  - print: 'over at {{clock}}'
"
    ));
    assert_eq!(
        lines(&history),
        [
            "0 submitted",
            "0 start 0",
            "0 start 1",
            "1 end 0 at 1",
            "1 end 1 at 1",
            "1 start 2",
            "2 end 2 at 2",
            "2 over at 2",
        ]
    );
    assert!(history.tasks.iter().all(|task| task.fate == Fate::Done));
    assert_eq!(history.tasks[2].value, Some(Value::Int(4)));
    assert_eq!(
        history.events.last().map(|e| &e.what),
        Some(&What::Exit { code: 0 })
    );
}

#[test]
fn who_was_killed_and_who_never_began_is_known() {
    let history = run(&format!(
        "{FUNC}
main:
  - pool: 1
  - apply_async: func(0)
  - apply_async: func(1)
  - sleep: 0.5
  - terminate
"
    ));
    let fates: Vec<Fate> = history.tasks.iter().map(|task| task.fate).collect();
    assert_eq!(fates, [Fate::Killed, Fate::Never]);
    let end = history
        .events
        .iter()
        .find(|e| matches!(e.what, What::End { .. }))
        .unwrap();
    assert_eq!(
        (end.at.to_string(), &end.who),
        ("0.5".to_owned(), &Who::Puppet(0))
    );
}

#[test]
fn what_a_step_promises_is_judged_and_the_program_goes_on() {
    let history = run(&format!(
        "{FUNC}
main:
  - pool: 1
  - apply_async: func(3)
    as: r
  - get: r
    as: value
    takes: 2
  - get: r
    raises: TimedOut
  - check: value == 10
  - print: '{{value}}'
"
    ));
    assert_eq!(
        lines(&history)[2..],
        [
            "1 unmet: takes 2 was expected, it took 1",
            "1 unmet: TimedOut was expected, it returned 9",
            "1 unmet: the check is false: value is 9",
            "1 9",
        ]
    );
}

#[test]
fn an_uncaught_error_ends_main_but_not_the_record() {
    let history = run("
main:
  - pool: 1
  - drop
  - print: not reached
");
    assert_eq!(
        lines(&history),
        ["0 unmet: uncaught error: NotRunning: not modelled"]
    );
    assert!(matches!(
        history.events.last().unwrap().what,
        What::Exit { .. }
    ));
}

#[test]
fn an_error_that_was_expected_does_not_end_main() {
    let history = run("
main:
  - pool: 1
  - drop: pool
    raises: NotRunning
  - print: reached
");
    assert_eq!(lines(&history), ["0 reached"]);
}

#[test]
fn a_thread_does_its_steps_in_order_beside_main() {
    let history = run(&format!(
        "{FUNC}
main:
  - pool: 2
  - apply_async: func(2)
    as: r
  - in: t1
    get: r
    as: value
  - in: t1
    print: 't1 has {{value}}'
  - print: main goes on
"
    ));
    assert_eq!(
        lines(&history),
        ["0 main goes on", "0 start 2", "1 end 2 at 1", "1 t1 has 4"]
    );
    // Main's end waits for its threads.
    assert_eq!(
        history.events.last().map(|e| e.at.to_string()),
        Some("1".to_owned())
    );
}

const TIMED: &str = "
main:
  - pool: 1
  - apply_async: func(0)
    as: r
  - get: r
    timeout: 0.5
    raises: TimedOut
    takes: 0.5
  - get: r
    timeout: 5
    takes: 0.5
";

#[test]
fn a_timeout_is_an_instant_of_the_virtual_clock() {
    let history = run(&format!("{FUNC}{TIMED}"));
    assert_eq!(lines(&history), ["0 start 0", "1 end 0 at 1"]);
}

#[test]
fn without_timers_a_call_that_is_late_is_found_out_by_a_first_run() {
    let case = case(&format!("{FUNC}{TIMED}"));
    let (_, end) = Model::run(&case, Options::default());
    // Calls: pool, apply_async, and the first get, which has number 2.
    assert_eq!(end, Move::Late(2));
}

#[test]
fn a_late_answer_is_held_until_its_deadline() {
    let case = case(&format!("{FUNC}{TIMED}"));
    let mut stage = Stage::new(
        &case,
        Options {
            timers: false,
            late: [2].into(),
            ..Options::default()
        },
    );
    let next = |stage: &mut Stage<'_>| match stage.next_move() {
        Move::Call { caller, command } => (caller, command),
        other => panic!("{other:?}"),
    };
    for _ in 0..2 {
        let (caller, _) = next(&mut stage);
        see(&mut stage, Observed::Returned(caller, Ok(Value::None)));
    }
    let (caller, command) = next(&mut stage);
    assert!(matches!(command, Call::Get { timeout: Some(short), .. } if short < 0.1));
    assert!(stage.awaits_real_timeout());
    let late = Raised {
        kind: "TimedOut".into(),
        text: String::new(),
    };
    see(&mut stage, Observed::Returned(caller, Err(late)));
    assert!(!stage.awaits_real_timeout());
    let (_, command) = next(&mut stage);
    assert_eq!(stage.now().to_string(), "0.5");
    assert!(matches!(command, Call::Get { timeout: None, .. }));
}

#[test]
fn a_task_that_begins_twice_is_recorded_twice_and_performed_once() {
    let case = case(&format!(
        "{FUNC}\nmain:\n  - pool: 1\n  - apply_async: func(0)\n"
    ));
    let mut stage = Stage::new(&case, Options::default());
    for _ in 0..2 {
        let Move::Call { caller, .. } = stage.next_move() else {
            panic!("no call")
        };
        see(&mut stage, Observed::Returned(caller, Ok(Value::None)));
    }
    assert_eq!(stage.is_first(0, false), Ok(true));
    for worker in [7, 8] {
        see(
            &mut stage,
            Observed::Began(Beginning {
                key: 0,
                on: (worker, worker),
                in_parent: false,
                args: 1,
                given: None,
                initializer: None,
                name: None,
            }),
        );
    }
    assert_eq!(stage.is_first(0, false), Ok(false));
    assert!(stage.is_first(1, false).is_err());
    assert!(stage.is_first(0, true).is_err());
    while stage.next_move() != Move::Stuck {}
    let history = stage.finish(Ending::Finished);
    let begins: Vec<&What> = history
        .events
        .iter()
        .map(|e| &e.what)
        .filter(|what| matches!(what, What::Begin { .. }))
        .collect();
    assert_eq!(
        begins,
        [&What::Begin { worker: 0 }, &What::Begin { worker: 1 }]
    );
    assert_eq!(
        lines(&history)
            .iter()
            .filter(|line| line.contains("start"))
            .count(),
        1
    );
}

#[test]
fn the_case_of_a_body_that_makes_no_sense_is_told() {
    let history = run("
tasks:
  func(i):
    - print: '{1 / i}'
main:
  - pool: 1
  - apply_async: func(0)
  - join
");
    let lines = lines(&history);
    assert!(
        lines.len() == 1 && lines[0].starts_with("0 unmet: "),
        "{lines:?}"
    );
    assert_eq!(history.tasks[0].fate, Fate::Raised);
}

#[test]
fn a_body_calls_its_own_pool_and_sees_mains_variables_behind_its_own() {
    let history = run("
tasks:
  inner(i):
    - sleep: 1
    - return: i * 10
  outer(i):
    - call: { apply_async: inner(i + step), as: job }
    - call: { get: job, as: value, takes: 1 }
    - print: '{i} got {value} at {clock}'
    - call: { ready: job, takes: 1 }
main:
  - let: { step: 2, i: 100 }
  - pool: 2
  - apply_async: outer(1)
  - close
  - join
");
    assert_eq!(
        lines(&history),
        [
            "1 1 got 30 at 1",
            "1 unmet: takes 1 was expected, it took 0",
        ]
    );
    let calls = history.events.iter().filter(|event| {
        matches!(
            (&event.who, &event.what),
            (Who::Puppet(0), What::Call { .. })
        )
    });
    assert_eq!(calls.count(), 3);
}

#[test]
fn an_error_that_a_bodys_call_does_not_expect_ends_the_body() {
    let history = run("
tasks:
  outer(i):
    - call: { successful: nothing }
    - print: 'not reached'
main:
  - pool: 1
  - let: { nothing: 3 }
  - apply_async: outer(1)
  - close
  - join
");
    assert_eq!(lines(&history), ["0 unmet: 3 is no handle of a job"]);
    assert_eq!(history.tasks[0].fate, Fate::Raised);
}
