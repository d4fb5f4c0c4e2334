//! The whole text: what stands before and behind the functions and the program.

use super::Export;
use crate::author::Seen;
use crate::case::ast::{Case, Kind};
use crate::export::words::string;
use crate::history::Ending;
use crate::model::{self, Dialect, Prediction};

impl Export<'_> {
    pub(super) fn program(&self, case: &Case, tasks: &[String]) -> String {
        let (pool, process, name) = match self.kind {
            Kind::Process => (
                "multiprocessing.get_context(\"fork\").Pool",
                "multiprocessing.get_context(\"fork\").Process",
                "multiprocessing.current_process().name",
            ),
            Kind::Thread => (
                "multiprocessing.pool.ThreadPool",
                "multiprocessing.dummy.Process",
                "threading.current_thread().name",
            ),
        };
        let uses = &self.uses;
        let body = self.lines.join("\n");
        let of_pool = body.contains("Pool(");
        let of_process = body.contains("Process(");
        let mut text = format!("#!/usr/bin/env python3\n# {}\n", case.title);
        text += &format!("# The case {}, on {} workers.\n", case.name, self.kind);
        let mut imports = vec!["multiprocessing", "sys", "time"];
        let more = [
            ("contextlib", uses.raises),
            (
                "multiprocessing.dummy",
                of_process && self.kind == Kind::Thread,
            ),
            (
                "multiprocessing.pool",
                self.kind == Kind::Thread || body.contains("multiprocessing.pool."),
            ),
            ("os", uses.os),
            ("signal", uses.signal),
            (
                "threading",
                uses.threading || uses.after || uses.worker && self.kind == Kind::Thread,
            ),
        ];
        imports.extend(more.iter().filter(|(_, used)| *used).map(|(name, _)| *name));
        imports.sort_unstable();
        for import in imports {
            text += &format!("import {import}\n");
        }
        text += "\nUNIT = 0.2  # seconds\nSTART = time.monotonic()\n";
        if of_pool {
            text += &format!("Pool = {pool}\n");
        }
        if of_process {
            text += &format!("Process = {process}\n");
        }
        text += SLEEP_AND_PRINT;
        let told = tasks.join("\n") + &body;
        if told.contains("clock()") {
            let (grain, parts) = grain(case, self.kind);
            text += &format!(
                "def clock():\n    \"\"\"Units of time since the program began, to {grain}.\"\"\"\n    \
                 units = round((time.monotonic() - START) / UNIT * {parts}) / {parts}\n    \
                 return int(units) if units == int(units) else units\n\n\n"
            );
        }
        if uses.worker {
            text += &format!("def worker():\n    return {name}\n\n\n");
        }
        if uses.numbers {
            text += "def numbers(*bounds):\n    return list(range(*bounds))\n\n\n";
        }
        if uses.raises {
            text += "@contextlib.contextmanager\ndef raises(error):\n    try:\n        yield\n    except error:\n        return\n    raise AssertionError(f\"{error.__name__} was not raised\")\n\n\n";
        }
        if uses.after {
            text += AFTER;
        }
        for class in &self.classes {
            text += &format!("class {class}(Exception):\n    pass\n\n\n");
        }
        text += &tasks.join("\n");
        if !tasks.is_empty() {
            text.push('\n');
        }
        text += &format!("if __name__ == \"__main__\":\n{body}\n");
        text + &self.expected(case)
    }

    /// What is to be seen, as remarks: what the model of CPython's pools predicts, or where that cannot see the end,
    /// what a right pool shows.
    fn expected(&self, case: &Case) -> String {
        let dialects = [Dialect::CPython, Dialect::Contract]
            .map(|dialect| model::predict_in(dialect, case, self.kind));
        let ended = dialects
            .into_iter()
            .find_map(|prediction| match prediction {
                Prediction::Ran(history) if history.ending == Ending::Finished => Some(history),
                _ => None,
            });
        let Some(history) = ended else {
            return String::new();
        };
        let seen = Seen::of(case, &history);
        let mut text = format!(
            "\n# Printed, at which unit of time (all has ended at {}):\n",
            seen.elapsed
        );
        for (at, line) in &seen.lines {
            let shown = string(line);
            let line = if shown.len() == line.len() + 2 {
                line
            } else {
                &shown
            };
            text += &format!("# {:>5}  {line}\n", at.to_string());
        }
        text
    }
}

/// Whole lines, whoever else prints: `print` may write a line and its end apart.
const SLEEP_AND_PRINT: &str = "

def sleep(units):
    time.sleep(units * UNIT)


def print(line):
    sys.stdout.write(f\"{line}\\n\")
    sys.stdout.flush()


";

/// A thread whose steps stand in several places of the program: each part is a thread that waits for the one before.
const AFTER: &str = "def after(before, steps):
    def run():
        if before:
            before.join()
        steps()

    thread = threading.Thread(target=run)
    thread.start()
    return thread


";

/// How finely the program has to tell time so that what it shows is what the model predicts, if it can: the real clock
/// is always a little late.
fn grain(case: &Case, kind: Kind) -> (&'static str, u32) {
    let halves = match model::predict(case, kind) {
        Prediction::Ran(history) => history.events.iter().all(|event| event.at.0 % 500_000 == 0),
        Prediction::NotApplicable(_) => false,
    };
    if halves {
        ("the nearest half", 2)
    } else {
        ("the nearest tenth", 10)
    }
}
