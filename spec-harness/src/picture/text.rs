//! A picture on a terminal.

use super::axis::{Axis, stacked};
use super::{Bar, Ink, Picture, Said};
use crate::judge::report::width;

/// Columns of the names of lanes, at most.
const NAMES: usize = 16;

/// How a picture is to look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Look {
    /// Columns of the terminal.
    pub columns: usize,
    /// Whether only signs of ASCII may be used for bars and lines; the texts are the program's own.
    pub ascii: bool,
    /// Lines for calls and for output each, and for lanes; what does not fit is counted.
    pub most: Option<usize>,
}

impl Default for Look {
    fn default() -> Look {
        Look {
            columns: 100,
            ascii: false,
            most: None,
        }
    }
}

/// What a part of a line is, for those who colour it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// A bar.
    Bar(Ink),
    /// Something that was refused, raised or not as expected.
    Bad,
    /// Names and lines.
    Faint,
    /// Everything else.
    Plain,
}

/// One line: its parts, from left to right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(pub Vec<(Tone, String)>);

impl std::fmt::Display for Line {
    /// Without colour, and without blanks at its end.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let text: String = self.0.iter().map(|(_, text)| text.as_str()).collect();
        f.write_str(text.trim_end())
    }
}

/// A picture as text.
pub fn plain(picture: &Picture, look: Look) -> String {
    lines(picture, look)
        .iter()
        .map(|line| format!("{line}\n"))
        .collect()
}

/// A picture, line by line.
pub fn lines(picture: &Picture, look: Look) -> Vec<Line> {
    let names = picture.lanes.iter().map(|lane| width(&lane.name)).max();
    let names = names.unwrap_or(0).clamp(6, NAMES) + 2;
    let wide = look.columns.saturating_sub(names).max(16);
    let axis = axis(picture, wide);
    let mut draw = Draw {
        picture,
        look,
        axis,
        names,
        wide,
        lines: Vec::new(),
    };
    draw.instants();
    draw.lanes();
    draw.said("calls", &picture.calls);
    draw.said("output", &picture.output);
    draw.legend();
    if let Some(ending) = &picture.ending {
        draw.lines.push(Line(vec![(Tone::Bad, ending.clone())]));
    }
    draw.lines
}

/// Slots are as wide as the labels of what fills them, where there is room.
fn axis(picture: &Picture, wide: usize) -> Axis {
    let bars = picture.lanes.iter().flat_map(|lane| &lane.bars);
    let short = bars.filter(|bar| bar.from.instant == bar.to.instant);
    let label = short.map(|bar| width(&bar.label) + 2).max().unwrap_or(3);
    let slots: usize = picture.instants.iter().map(|instant| instant.slots).sum();
    let gaps = picture.instants.len().saturating_sub(1);
    let slot = wide.saturating_sub(gaps * 4 + 1) / slots.max(1);
    let slot = slot.clamp(2, label.max(2));
    let least = |number: usize| (width(&picture.instants[number].at.to_string()) + 2) as f64;
    // What is said in the last instant stands to the right of it.
    let last = picture.end().instant;
    let said = picture.calls.iter().chain(&picture.output);
    let longest = said
        .filter(|said| said.at.instant == last)
        .map(|said| width(&said.text));
    let longest = longest.max().unwrap_or(0).max(6).min(wide / 4);
    let own = picture.instants.last().map_or(0, |last| last.slots * slot);
    let within = wide.saturating_sub(longest.saturating_sub(own).max(1)) as f64;
    Axis::new(&picture.instants, slot as f64, least, within).within(within)
}

/// A row of signs, each with its tone; the second column of a wide sign is empty.
struct Row(Vec<(Tone, Option<char>)>);

impl Row {
    fn blank(columns: usize) -> Row {
        Row(vec![(Tone::Plain, Some(' ')); columns])
    }

    fn put(&mut self, column: usize, sign: char, tone: Tone) {
        if let Some(cell) = self.0.get_mut(column) {
            *cell = (tone, Some(sign));
        }
    }

    /// Writes a text; what does not fit before `end` is cut.
    fn text(&mut self, column: usize, end: usize, text: &str, tone: Tone, look: Look) {
        let end = end.min(self.0.len());
        let text = if look.ascii {
            // What the layout itself has put there.
            &text.replace('×', "x").replace(" … ", " .. ")
        } else {
            text
        };
        let mut at = column;
        for sign in shortened(text, end.saturating_sub(column), look.ascii).chars() {
            let wide = width(&sign.to_string());
            if at + wide > end {
                return;
            }
            self.put(at, sign, tone);
            if wide == 2 {
                self.0[at + 1] = (tone, None);
            }
            at += wide;
        }
    }

    fn line(self, names: usize, name: &str) -> Line {
        let pad = " ".repeat(names.saturating_sub(width(name)));
        let mut parts = vec![(Tone::Faint, format!("{name}{pad}"))];
        for (tone, sign) in self.0 {
            let Some(sign) = sign else { continue };
            match parts.get_mut(1..).and_then(<[_]>::last_mut) {
                Some((last, text)) if *last == tone => text.push(sign),
                _ => parts.push((tone, sign.to_string())),
            }
        }
        while let Some((_, text)) = parts.last_mut() {
            text.truncate(text.trim_end().len());
            if !text.is_empty() {
                break;
            }
            parts.pop();
        }
        Line(parts)
    }
}

/// A text that takes no more than so many columns.
fn shortened(text: &str, columns: usize, ascii: bool) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let sign = if ascii { '~' } else { '…' };
    let mut kept = String::new();
    for c in text.chars() {
        if width(&kept) + width(&c.to_string()) >= columns {
            break;
        }
        kept.push(c);
    }
    if columns > 0 {
        kept.push(sign);
    }
    kept
}

/// A picture that is being drawn.
struct Draw<'p> {
    picture: &'p Picture,
    look: Look,
    axis: Axis,
    names: usize,
    wide: usize,
    lines: Vec<Line>,
}

impl Draw<'_> {
    fn column(&self, place: super::Place) -> usize {
        (self.axis.at(place).round() as usize).min(self.wide.saturating_sub(1))
    }

    fn instants(&mut self) {
        let mut row = Row::blank(self.wide);
        let mut free = 0;
        for (number, instant) in self.picture.instants.iter().enumerate() {
            let at = self.axis.start(number).round() as usize;
            let text = instant.at.to_string();
            if at >= free {
                row.text(at, self.wide, &text, Tone::Plain, self.look);
                free = at + width(&text) + 1;
            }
        }
        let line = row.line(self.names, "");
        self.lines.push(line);
    }

    fn lanes(&mut self) {
        let most = self.look.most.unwrap_or(usize::MAX);
        let picture = self.picture;
        let mut drawn = 0;
        for (number, lane) in picture.lanes.iter().enumerate() {
            if drawn + lane.depth > most && number > 0 {
                let left = picture.lanes.len() - number;
                let text = format!("and {}", super::plural(left, "more lane"));
                self.lines.push(Line(vec![(Tone::Faint, text)]));
                return;
            }
            drawn += lane.depth;
            for depth in 0..lane.depth {
                let mut row = Row::blank(self.wide);
                if lane.kind == super::LaneKind::Program && depth == 0 {
                    let rule = if self.look.ascii { '-' } else { '─' };
                    let end = self.column(picture.end());
                    (0..=end).for_each(|column| row.put(column, rule, Tone::Faint));
                }
                let program = lane.kind == super::LaneKind::Program;
                let waits = |bar: &&Bar| matches!(bar.ink, Ink::Waits | Ink::Stuck);
                let bars = || lane.bars.iter().filter(|bar| bar.row == depth);
                for bar in bars().filter(|bar| program || !waits(bar)) {
                    self.bar(&mut row, bar, None);
                }
                for bar in bars().filter(|bar| !program && waits(bar)) {
                    let around =
                        |body: &&Bar| !waits(body) && (body.from..=body.to).contains(&bar.from);
                    self.bar(&mut row, bar, bars().rfind(around));
                }
                if lane.kind == super::LaneKind::Program || depth == 0 {
                    for mark in &lane.marks {
                        self.mark(&mut row, mark, lane.kind);
                    }
                }
                let name = if depth == 0 { lane.name.as_str() } else { "" };
                let name = shortened(name, NAMES, self.look.ascii);
                let line = row.line(self.names, &name);
                self.lines.push(line);
            }
        }
    }

    fn mark(&self, row: &mut Row, mark: &super::Mark, kind: super::LaneKind) {
        let column = self.column(mark.at);
        let (call, bad) = if self.look.ascii {
            ('+', '!')
        } else {
            ('┼', '!')
        };
        let free = matches!(row.0.get(column), Some((Tone::Faint, _)));
        if mark.bad && kind == super::LaneKind::Program {
            row.put(column, bad, Tone::Bad);
        } else if free {
            row.put(column, call, Tone::Faint);
        }
    }

    fn bar(&self, row: &mut Row, bar: &Bar, body: Option<&Bar>) {
        let mut from = self.column(bar.from);
        let mut to = self.column(bar.to).max(from + 1);
        // A body's own wait lies on the body, whose name and end stay.
        if let Some(body) = body {
            let begins = self.column(body.from);
            from = from.max(begins + 1 + width(&body.label));
            to = to.min(self.column(body.to).saturating_sub(1));
        }
        if from >= to {
            return;
        }
        let tone = Tone::Bar(bar.ink);
        let (fill, end) = signs(bar.ink, self.look.ascii);
        (from..to).for_each(|column| row.put(column, fill, tone));
        row.put(to - 1, end, tone);
        let room = to - from - 1;
        let label = width(&bar.label);
        if label < room {
            row.text(from + 1, to - 1, &bar.label, tone, self.look);
        } else if label == room || room >= 4 {
            row.text(from, to - 1, &bar.label, tone, self.look);
        }
    }

    fn said(&mut self, title: &str, said: &[Said]) {
        let text = |said: &Said| match said.who.as_str() {
            // Whose output it is, the lanes show.
            "main" => said.text.clone(),
            _ if title == "output" => said.text.clone(),
            who => format!("{who}: {}", said.text),
        };
        let texts: Vec<String> = said.iter().map(text).collect();
        let places: Vec<(f64, f64)> = said
            .iter()
            .zip(&texts)
            .map(|(said, text)| {
                let start = self.axis.start(said.at.instant).round();
                (start, width(text).min(self.wide) as f64)
            })
            .collect();
        let (placed, rows) = stacked(&places, 2.0, self.wide as f64);
        let most = self.look.most.unwrap_or(usize::MAX);
        let shown = if rows > most {
            most.saturating_sub(1)
        } else {
            rows
        };
        for number in 0..shown {
            let mut row = Row::blank(self.wide);
            for ((at, column), (text, said)) in placed.iter().zip(texts.iter().zip(said)) {
                if *at == number {
                    let tone = if said.bad { Tone::Bad } else { Tone::Plain };
                    row.text(*column as usize, self.wide, text, tone, self.look);
                }
            }
            let name = if number == 0 { title } else { "" };
            let line = row.line(self.names, name);
            self.lines.push(line);
        }
        let hidden = placed.iter().filter(|(row, _)| *row >= shown).count();
        if hidden > 0 {
            let pad = " ".repeat(self.names);
            let text = format!("{pad}and {hidden} more");
            self.lines.push(Line(vec![(Tone::Faint, text)]));
        }
    }

    fn legend(&mut self) {
        let inks = self.picture.inks();
        if inks.is_empty() {
            return;
        }
        let pad = " ".repeat(self.names);
        let mut parts = vec![(Tone::Faint, pad.clone())];
        let mut wide = 0;
        for ink in inks {
            let (fill, end) = signs(ink, self.look.ascii);
            let says = ink.says();
            if wide > 0 && wide + 6 + width(says) > self.wide {
                parts.pop();
                let begun = vec![(Tone::Faint, pad.clone())];
                self.lines.push(Line(std::mem::replace(&mut parts, begun)));
                wide = 0;
            }
            parts.push((Tone::Bar(ink), format!("{fill}{end}")));
            parts.push((Tone::Faint, format!(" {says}")));
            parts.push((Tone::Faint, "   ".to_owned()));
            wide += 6 + width(says);
        }
        parts.pop();
        self.lines.push(Line(parts));
    }
}

/// What fills a bar, and its last sign. Without colour, the signs alone tell what became of it.
fn signs(ink: Ink, ascii: bool) -> (char, char) {
    match (ink, ascii) {
        (Ink::Done, false) => ('█', '▌'),
        (Ink::Raised, false) => ('▓', '!'),
        (Ink::Killed, false) => ('▒', '✗'),
        (Ink::Lost, false) => ('▒', '†'),
        (Ink::Open, false) => ('█', '…'),
        (Ink::Never, false) => ('┄', '┄'),
        (Ink::Waits, false) => ('░', '░'),
        (Ink::Stuck, false) => ('░', '∞'),
        (Ink::Done, true) => ('=', '|'),
        (Ink::Raised, true) => ('=', '!'),
        (Ink::Killed, true) => ('%', 'X'),
        (Ink::Lost, true) => ('%', '+'),
        (Ink::Open, true) => ('=', '>'),
        (Ink::Never, true) => ('.', '.'),
        (Ink::Waits, true) => (':', ':'),
        (Ink::Stuck, true) => (':', '?'),
    }
}
