//! A picture as SVG: one file that stands alone, or a part of a page that has the style once.
//!
//! Text stays text, colours follow the reader's light or dark setting, and what a colour says, a sign or the style of
//! a line says as well.

use std::fmt::Write;

use super::axis::{Axis, stacked};
use super::{Bar, Ink, Lane, LaneKind, Picture, Place, Said};
use crate::judge::report::width;

/// Pixels: of a sign, of a row, of a bar in it, of a line of text.
const SIGN: f64 = 7.3;
const ROW: f64 = 24.0;
const BAR: f64 = 18.0;
const TEXT: f64 = 16.0;

/// Pixels of the axis where nothing asks for more.
const WIDE: f64 = 680.0;

/// Rows of calls and of output each, at most; what is more is counted.
const MOST: usize = 60;

/// Colours and strokes, for a page that holds pictures.
pub const STYLE: &str = include_str!("svg.css");

/// What pictures refer to; once in a page.
pub const PATTERNS: &str = r#"<defs><pattern id="hatch" width="6" height="6" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="hatch" width="2" height="6"/></pattern><pattern id="dots" width="5" height="5" patternUnits="userSpaceOnUse"><rect class="dot" width="1.5" height="1.5"/></pattern></defs>"#;

/// A picture as a file of its own.
pub fn standalone(picture: &Picture, title: &str, on: &str) -> String {
    let own = format!(
        "<style>{STYLE}</style>{PATTERNS}<rect class=\"page\" width=\"100%\" height=\"100%\"/>"
    );
    drawn(picture, &format!("{title} ({on})"), "picture", &own)
}

/// A picture as a part of a page that holds [`STYLE`] and [`PATTERNS`]; the id is this picture's alone.
pub fn inline(picture: &Picture, title: &str, id: &str) -> String {
    drawn(picture, title, id, "")
}

/// A text as it may stand in XML and HTML, between tags and in attributes.
pub fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            // XML has no way to write them.
            c if c.is_control() && !matches!(c, '\n' | '\t') => out.push('\u{fffd}'),
            '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}

fn drawn(picture: &Picture, title: &str, id: &str, own: &str) -> String {
    let names = picture.lanes.iter().map(|lane| width(&lane.name)).max();
    let left = names.unwrap_or(0).max(6) as f64 * SIGN + 24.0;
    let axis = axis(picture);
    let mut draw = Draw {
        picture,
        axis,
        left,
        down: 22.0,
        out: String::new(),
    };
    draw.lanes();
    draw.said("calls", &picture.calls);
    draw.said("output", &picture.output);
    let from = draw.down;
    draw.foot();
    let (wide, high) = (
        draw.left + draw.axis.end + draw.last() + 12.0,
        draw.down + 6.0,
    );
    let grid = draw.grid(from);
    let (title, text) = (escaped(title), escaped(&picture.described()));
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"pic\" role=\"img\" aria-labelledby=\"{id}-t {id}-d\" \
         viewBox=\"0 0 {wide:.0} {high:.0}\" width=\"{wide:.0}\" height=\"{high:.0}\">\
         <title id=\"{id}-t\">{title}</title><desc id=\"{id}-d\">{text}</desc>{own}{grid}{}</svg>\n",
        draw.out
    )
}

/// Slots have room for the labels of what fills them, within reason.
fn axis(picture: &Picture) -> Axis {
    let bars = picture.lanes.iter().flat_map(|lane| &lane.bars);
    let short = bars.filter(|bar| bar.from.instant == bar.to.instant);
    let label = short.map(|bar| width(&bar.label)).max().unwrap_or(1) as f64 * SIGN + 12.0;
    let slots: usize = picture.instants.iter().map(|instant| instant.slots).sum();
    let slot = (WIDE / slots.max(1) as f64).clamp(14.0, label.clamp(14.0, 110.0));
    // What lasts from one instant to the next is to be read as well, within reason.
    let bars = || picture.lanes.iter().flat_map(|lane| &lane.bars);
    let least = |number: usize| {
        let here = bars().filter(|bar| (bar.from.instant, bar.to.instant) == (number, number + 1));
        let label = here.map(|bar| width(&bar.label)).max().unwrap_or(0);
        let label = (label as f64 * SIGN + 14.0).min(76.0);
        let name = width(&picture.instants[number].at.to_string()) as f64 * SIGN + 28.0;
        label.max(name)
    };
    let gaps = picture.instants.len().saturating_sub(1) as f64;
    let wide = WIDE.max(slots as f64 * slot + gaps * 36.0);
    // Where time does not pass there is no need for all the room.
    let wide = if gaps == 0.0 {
        slots as f64 * slot
    } else {
        wide
    };
    Axis::new(&picture.instants, slot, least, wide)
}

struct Draw<'p> {
    picture: &'p Picture,
    axis: Axis,
    left: f64,
    down: f64,
    out: String,
}

impl Draw<'_> {
    fn x(&self, place: Place) -> f64 {
        self.left + self.axis.at(place)
    }

    /// Room for what stands under the last instant.
    fn last(&self) -> f64 {
        let last = self.picture.end().instant;
        let said = self.picture.calls.iter().chain(&self.picture.output);
        let texts = said.filter(|said| said.at.instant == last);
        let longest = texts.map(|said| width(&shown(said))).max().unwrap_or(0);
        let own = self.axis.end - self.axis.start(last);
        (longest as f64 * SIGN - own).clamp(24.0, 260.0)
    }

    fn put(&mut self, text: std::fmt::Arguments<'_>) {
        // Writing to a String cannot fail.
        let _ = self.out.write_fmt(text);
    }

    fn text(&mut self, class: &str, x: f64, y: f64, text: &str) {
        self.put(format_args!(
            "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{}</text>",
            escaped(text)
        ));
    }

    /// Instants as lines from top to bottom, wider where things happen one after the other.
    fn grid(&self, down: f64) -> String {
        let mut out = String::new();
        let mut free = 0.0;
        for (number, instant) in self.picture.instants.iter().enumerate() {
            let x = self.left + self.axis.start(number);
            let end = Place {
                instant: number,
                slot: instant.slots,
            };
            let wide = self.x(end) - x;
            let _ = match instant.slots {
                0 => write!(out, "<path class=\"at\" d=\"M{x:.1} 20V{down:.0}\"/>"),
                _ => write!(
                    out,
                    "<rect class=\"in\" x=\"{x:.1}\" y=\"20\" width=\"{wide:.1}\" height=\"{:.0}\"/>",
                    down - 20.0
                ),
            };
            let text = instant.at.to_string();
            if x >= free {
                let _ = write!(out, "<text class=\"t\" x=\"{x:.1}\" y=\"14\">{text}</text>");
                free = x + width(&text) as f64 * SIGN + 8.0;
            }
        }
        out
    }

    fn lanes(&mut self) {
        for lane in &self.picture.lanes {
            let y = self.down;
            self.text("n", 8.0, y + 16.0, &lane.name);
            if lane.kind == LaneKind::Program {
                let (from, to) = (self.left, self.x(self.picture.end()));
                let y = y + ROW / 2.0;
                self.put(format_args!(
                    "<path class=\"life\" d=\"M{from:.1} {y:.1}H{to:.1}\"/>"
                ));
            }
            for bar in &lane.bars {
                self.bar(lane, bar, y + bar.row as f64 * ROW);
            }
            self.marks(lane, y);
            self.down += lane.depth as f64 * ROW;
        }
        self.down += 8.0;
    }

    fn bar(&mut self, lane: &Lane, bar: &Bar, y: f64) {
        let (from, to) = (self.x(bar.from), self.x(bar.to));
        let (from, wide) = (from + 0.5, (to - from - 1.5).max(3.0));
        let (class, sign) = look(bar.ink);
        let instant = |place: Place| self.picture.instants[place.instant].at;
        let (began, ended) = (instant(bar.from), instant(bar.to));
        let told = match (bar.ink, began == ended) {
            (Ink::Open | Ink::Stuck, _) => format!("{}, from {began}", bar.ink.says()),
            (ink, true) => format!("{}, at {began}", ink.says()),
            (ink, false) => format!("{}, from {began} to {ended}", ink.says()),
        };
        let told = escaped(&format!("{}: {told}", bar.label));
        let waits = matches!(bar.ink, Ink::Waits | Ink::Stuck);
        // A body's own wait lies on the lower edge of the body.
        let inner = waits && lane.kind != LaneKind::Program;
        let (y, high) = if inner {
            (y + 16.0, 5.0)
        } else {
            (y + 3.0, BAR)
        };
        self.put(format_args!("<g class=\"{class}\"><title>{told}</title>"));
        self.put(format_args!(
            "<rect x=\"{from:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{high:.1}\" rx=\"2\"/>"
        ));
        if matches!(bar.ink, Ink::Killed | Ink::Lost | Ink::Waits | Ink::Stuck) {
            let pattern = if waits { "dots" } else { "hatch" };
            self.put(format_args!(
                "<rect fill=\"url(#{pattern})\" class=\"over\" x=\"{from:.1}\" y=\"{y:.1}\" width=\"{wide:.1}\" height=\"{high:.1}\" rx=\"2\"/>"
            ));
        }
        if !inner {
            let room = wide - 8.0 - if sign.is_empty() { 0.0 } else { SIGN + 3.0 };
            let label = shortened(&bar.label, (room / SIGN) as usize);
            if !label.is_empty() {
                self.text("l", from + 4.0, y + 13.0, &label);
            }
            if !sign.is_empty() {
                self.text("s", from + wide - SIGN - 2.0, y + 13.5, sign);
            }
        }
        self.out.push_str("</g>");
    }

    fn marks(&mut self, lane: &Lane, y: f64) {
        let mut marks = lane.marks.as_slice();
        while let Some(first) = marks.first() {
            let same = marks.iter().take_while(|mark| mark.at == first.at).count();
            let (here, rest) = marks.split_at(same);
            marks = rest;
            let bad = here.iter().any(|mark| mark.bad);
            if lane.kind != LaneKind::Program && !bad {
                continue;
            }
            let texts: Vec<String> = here.iter().map(|mark| escaped(&mark.text)).collect();
            let (class, x) = (if bad { "m bad" } else { "m" }, self.x(first.at));
            self.put(format_args!(
                "<g class=\"{class}\"><title>{}</title><path d=\"M{x:.1} {:.1}v{BAR}\"/></g>",
                texts.join("\n"),
                y + 3.0
            ));
        }
    }

    fn said(&mut self, title: &str, said: &[Said]) {
        if said.is_empty() {
            return;
        }
        let whose = title == "calls";
        let text = |said: &Said| {
            if whose {
                shown(said)
            } else {
                said.text.clone()
            }
        };
        let texts: Vec<String> = said.iter().map(text).collect();
        let places: Vec<(f64, f64)> = said
            .iter()
            .zip(&texts)
            .map(|(said, text)| (self.axis.start(said.at.instant), width(text) as f64 * SIGN))
            .collect();
        let (placed, rows) = stacked(&places, SIGN, self.axis.end + self.last());
        self.text("n", 8.0, self.down + 12.0, title);
        let (mut hidden, top) = (0, self.down);
        for ((row, x), (text, said)) in placed.iter().zip(texts.iter().zip(said)) {
            if *row >= MOST {
                hidden += 1;
                continue;
            }
            let class = if said.bad { "o bad" } else { "o" };
            let (x, y) = (self.left + x, top + *row as f64 * TEXT + 12.0);
            self.put(format_args!(
                "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\"><title>{}</title>{}</text>",
                escaped(&said.who),
                escaped(text)
            ));
        }
        self.down += rows.min(MOST) as f64 * TEXT + 8.0;
        if hidden > 0 {
            let (left, down) = (self.left, self.down + 6.0);
            self.text("n", left, down, &format!("and {hidden} more"));
            self.down += TEXT;
        }
    }

    /// What the looks of the bars mean, and how the run ended where it did not end well.
    fn foot(&mut self) {
        let mut x = self.left;
        let y = self.down;
        for ink in self.picture.inks() {
            let (class, sign) = look(ink);
            self.put(format_args!(
                "<g class=\"{class}\"><rect x=\"{x:.1}\" y=\"{:.1}\" width=\"18\" height=\"12\" rx=\"2\"/>",
                y + 2.0
            ));
            self.text("s", x + 5.0, y + 12.0, sign);
            self.out.push_str("</g>");
            self.text("n", x + 23.0, y + 12.0, ink.says());
            x += 23.0 + ink.says().len() as f64 * SIGN + 18.0;
        }
        if x > self.left {
            self.down += TEXT + 2.0;
        }
        if let Some(ending) = &self.picture.ending {
            let (left, down) = (8.0, self.down + 12.0);
            self.text("o bad", left, down, ending);
            self.down += TEXT + 2.0;
        }
    }
}

/// Words with whose they are, where that is not main.
fn shown(said: &Said) -> String {
    match said.who.as_str() {
        "main" => said.text.clone(),
        who => format!("{who}: {}", said.text),
    }
}

/// A text of at most so many signs; nothing where it would say nothing.
fn shortened(text: &str, signs: usize) -> String {
    if width(text) <= signs {
        return text.to_owned();
    }
    if signs < 4 {
        return String::new();
    }
    let mut kept = String::new();
    for c in text.chars() {
        if width(&kept) + width(&c.to_string()) >= signs {
            break;
        }
        kept.push(c);
    }
    kept.push('…');
    kept
}

/// The class of an ink, and the sign at the end of its bars.
fn look(ink: Ink) -> (&'static str, &'static str) {
    match ink {
        Ink::Done => ("done", ""),
        Ink::Raised => ("raised", "!"),
        Ink::Killed => ("killed", "✗"),
        Ink::Lost => ("lost", "†"),
        Ink::Open => ("open", "…"),
        Ink::Never => ("never", ""),
        Ink::Waits => ("waits", ""),
        Ink::Stuck => ("stuck", "∞"),
    }
}
