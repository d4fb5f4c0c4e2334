//! The factors of a table as bars on a logarithmic axis: to the right of 1 ours is better, to the left it is worse.

use std::fmt::Write;

use crate::table::{Table, digits};

const WIDTH: f64 = 1_000.0;
const LEFT: f64 = 430.0;
const BAR: f64 = 13.0;
const COLOURS: [&str; 8] = [
    "#4477aa", "#ee6677", "#228833", "#ccbb44", "#66ccee", "#aa3377", "#999933", "#555555",
];

pub(crate) fn chart(table: &Table) -> String {
    let mut bars = String::new();
    let mut y = 60.0 + 18.0 * table.rivals.len().div_ceil(3) as f64;
    let top = y;
    let factors = |line: &crate::table::Line| {
        let factor = |rival| Some((rival, line.factor(rival)?));
        (1..table.rivals.len())
            .filter_map(factor)
            .collect::<Vec<_>>()
    };
    let leading = || table.lines.iter().filter(|line| line.leads());
    let all = leading()
        .flat_map(factors)
        .map(|(_, factor)| factor.log10());
    let (low, high) = all.fold((-1.0_f64, 1.0_f64), |(low, high), factor| {
        (low.min(factor.floor()), high.max(factor.ceil()))
    });
    let x = |exponent: f64| LEFT + (exponent - low) / (high - low) * (WIDTH - LEFT - 70.0);
    for line in leading() {
        let factors = factors(line);
        if factors.is_empty() {
            continue;
        }
        let middle = y + BAR * factors.len() as f64 / 2.0 + 4.0;
        let title = escaped(&format!("{} ({})", line.title(), line.metric.name));
        text(&mut bars, LEFT - 8.0, middle, "end", &title);
        for (rival, factor) in factors {
            let (from, to) = (x(0.0), x(factor.log10()));
            let (left, width) = (from.min(to), (to - from).abs().max(1.0));
            put(
                &mut bars,
                format_args!(
                    r#"<rect x="{left:.1}" y="{y:.1}" width="{width:.1}" height="{:.1}" fill="{}"/>"#,
                    BAR - 2.0,
                    colour(rival)
                ),
            );
            let beside = from.max(to) + 4.0;
            text(&mut bars, beside, y + BAR - 3.5, "start", &digits(factor));
            y += BAR;
        }
        y += 8.0;
    }
    let mut svg = String::new();
    put(
        &mut svg,
        format_args!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{:.0}" font-family="sans-serif" font-size="11">"#,
            y + 30.0
        ),
    );
    put(
        &mut svg,
        format_args!(r#"<rect width="100%" height="100%" fill="white"/>"#),
    );
    let ours = table.rivals.first().map_or("ours", String::as_str);
    let title = format!(
        "{}: how many times {ours} is better (left of 1: worse)",
        table.title
    );
    text(&mut svg, 12.0, 20.0, "start", &escaped(&title));
    let machine = &table.machine;
    let facts = format!(
        "{}, {} CPUs, {}, {} mode",
        machine.cpu, machine.cpus, machine.date, table.mode
    );
    text(&mut svg, 12.0, 36.0, "start", &escaped(&facts));
    for (rival, name) in table.rivals.iter().enumerate().skip(1) {
        let place = rival - 1;
        let (left, line) = (
            12.0 + 320.0 * (place % 3) as f64,
            50.0 + 18.0 * (place / 3) as f64,
        );
        put(
            &mut svg,
            format_args!(
                r#"<rect x="{left}" y="{line}" width="12" height="12" fill="{}"/>"#,
                colour(rival)
            ),
        );
        text(&mut svg, left + 17.0, line + 10.0, "start", &escaped(name));
    }
    let mut exponent = low;
    while exponent <= high {
        let (at, stroke) = (
            x(exponent),
            if exponent == 0.0 { "black" } else { "#dddddd" },
        );
        put(
            &mut svg,
            format_args!(
                r#"<line x1="{at:.1}" y1="{:.1}" x2="{at:.1}" y2="{y:.1}" stroke="{stroke}"/>"#,
                top - 6.0
            ),
        );
        text(
            &mut svg,
            at,
            y + 14.0,
            "middle",
            &digits(10_f64.powf(exponent)),
        );
        exponent += 1.0;
    }
    svg + &bars + "</svg>\n"
}

fn colour(rival: usize) -> &'static str {
    COLOURS[(rival - 1) % COLOURS.len()]
}

fn put(svg: &mut String, element: std::fmt::Arguments<'_>) {
    // A string takes all that is written to it.
    let _ = writeln!(svg, "{element}");
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, content: &str) {
    put(
        svg,
        format_args!(r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}">{content}</text>"#),
    );
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
