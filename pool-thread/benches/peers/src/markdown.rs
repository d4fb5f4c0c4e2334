//! A table as Markdown, aligned so that it can be read on a terminal, too.

use std::fmt::Write;

use crate::stats::median;
use crate::table::{Line, Table, digits};
use crate::workload::Workload;

pub(crate) fn page(table: &Table) -> String {
    let machine = &table.machine;
    let others = machine.used_by_others;
    let mut page = format!("# {}\n\n", table.title);
    let facts = [
        format!(
            "{}, {} CPUs, Linux {}",
            machine.cpu, machine.cpus, machine.kernel
        ),
        format!(
            "{}; {}; python3: {}",
            machine.date, machine.rustc, machine.python
        ),
        format!(
            "load at the start: {}; of the CPUs, other programs have used {}{}",
            machine.load_at_start,
            others.map_or("an unknown part".to_owned(), |part| format!(
                "{:.0} %",
                part * 100.0
            )),
            if others.is_some_and(|part| part < 0.05) {
                ""
            } else {
                ": **this is no quiet machine, and times of rows that sleep are longer than they would be**"
            },
        ),
        format!("`{}`", machine.command),
        format!(
            "{} mode: medians of {} repetitions of each pool in turn, in one run, a new pool for each; {} workers where a row does not say",
            table.mode, table.repetitions, table.workers
        ),
        format!(
            "in brackets: how many times {} is better, below 1 worse; `-`: there is no such thing there, or it was not measured",
            table.rivals.first().map_or("ours", String::as_str)
        ),
    ];
    for fact in facts {
        add(&mut page, format_args!("- {fact}"));
    }
    page.push_str("\n## What the machine can do\n\n");
    let limits: Vec<Vec<String>> = table
        .limits
        .iter()
        .map(|limit| {
            let value = median(&limit.samples).map(|value| limit.unit.show(value));
            vec![limit.name.to_owned(), value.unwrap_or_default()]
        })
        .collect();
    page.push_str(&grid(&["limit".into(), "median".into()], &limits));
    page.push_str("\n## Workloads\n\n");
    page.push_str(&lines(table, |workload| {
        !matches!(workload, Workload::Open { .. })
    }));
    page.push_str(
        "\nSleeps are voluntary context switches of all threads and processes, CPU time is that of all of them; \
         system calls are counted under a tracer, which makes threads sleep more often.\n",
    );
    page.push_str("\n## Tasks that arrive at random\n\n");
    page.push_str(
        "A caller hands tasks in when they are due (exponential gaps from a fixed seed), waiting for the next arrival on a CPU of his own; \
         the workers have the others. A latency is from when a task was due until it has run. 100 % is what the slowest pool of the table, \
         or where it says so the pool itself, did in the same repetition when the tasks were handed in at once; CPU time is without the caller's waiting.\n\n",
    );
    page.push_str(&lines(table, |workload| {
        matches!(workload, Workload::Open { .. })
    }));
    page.push_str("\n## Won on idle CPUs only\n\n");
    let won = table.won_on_idle_cpus_only();
    if won.is_empty() {
        page.push_str("Nothing that was measured in several settings.\n");
    }
    for won in won {
        let elsewhere: Vec<String> = won
            .elsewhere
            .iter()
            .map(|(setting, factor)| format!("{} {}", setting.title(), digits(*factor)))
            .collect();
        add(
            &mut page,
            format_args!(
                "- {}, {}, against {}: {}; {}",
                won.row,
                won.metric,
                won.rival,
                digits(won.quiet),
                elsewhere.join(", ")
            ),
        );
    }
    if !table.left_out.is_empty() {
        page.push_str("\n## Left out\n\n");
        for what in &table.left_out {
            add(&mut page, format_args!("- {what}"));
        }
    }
    page
}

fn add(page: &mut String, line: std::fmt::Arguments<'_>) {
    // A string takes all that is written to it.
    let _ = writeln!(page, "{line}");
}

fn lines(table: &Table, which: impl Fn(Workload) -> bool) -> String {
    let mut head = vec!["workload".to_owned(), "metric".to_owned()];
    head.extend(table.rivals.iter().cloned());
    let rows: Vec<Vec<String>> = table
        .lines
        .iter()
        .filter(|line| which(line.row.workload))
        .filter(|line| line.samples.iter().any(|samples| !samples.is_empty()))
        .map(|line| {
            let mut cells = vec![line.title(), line.metric.name.to_owned()];
            cells.extend((0..table.rivals.len()).map(|rival| cell(line, rival)));
            cells
        })
        .collect();
    grid(&head, &rows)
}

fn cell(line: &Line, rival: usize) -> String {
    let Some(value) = line.median(rival) else {
        return "-".to_owned();
    };
    let value = line.metric.unit.show(value);
    match line.factor(rival) {
        Some(factor) => format!("{value} ({})", digits(factor)),
        None => value,
    }
}

fn grid(head: &[String], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([head[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    let show = |cells: &[String]| {
        let cells: Vec<String> = cells
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:<width$}"))
            .collect();
        format!("| {} |\n", cells.join(" | "))
    };
    let rule: Vec<String> = widths.iter().map(|width| "-".repeat(*width)).collect();
    let mut grid = show(head) + &show(&rule);
    for row in rows {
        grid.push_str(&show(row));
    }
    grid
}
