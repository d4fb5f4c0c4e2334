//! Writes values as YAML, in the one form that expectations have.

/// Longest line that is written where there is a choice.
const WIDTH: usize = 100;

/// A value to write. The keys of mappings are as they are written.
#[derive(Debug, Clone)]
pub(super) enum Yaml {
    /// A text, in quotes where it needs them.
    Text(String),
    /// A number or a word, as it is.
    Plain(String),
    /// On one line where it fits.
    List(Vec<Yaml>),
    /// On one line where it fits.
    Mapping(Vec<(String, Yaml)>),
    /// A mapping whose entries stand below each other.
    Block(Vec<(String, Yaml)>),
    /// The same, for the place of a mapping whose other entries stay.
    Into(Vec<(String, Yaml)>),
}

impl Yaml {
    pub(super) fn texts<'l>(lines: impl IntoIterator<Item = &'l str>) -> Yaml {
        let lines = lines.into_iter();
        Yaml::List(lines.map(|line| Yaml::Text(line.to_owned())).collect())
    }

    /// On one line, in brackets or not.
    fn flow(&self, in_flow: bool) -> String {
        match self {
            Yaml::Text(text) => scalar(text, in_flow),
            Yaml::Plain(text) => text.clone(),
            Yaml::List(items) => {
                let items: Vec<String> = items.iter().map(|item| item.flow(true)).collect();
                format!("[{}]", items.join(", "))
            }
            Yaml::Mapping(entries) | Yaml::Block(entries) | Yaml::Into(entries) => {
                let entries: Vec<String> = entries
                    .iter()
                    .map(|(key, value)| format!("{key}: {}", value.flow(true)))
                    .collect();
                if entries.is_empty() {
                    return "{}".to_owned();
                }
                format!("{{ {} }}", entries.join(", "))
            }
        }
    }
}

/// An entry of a mapping in this column: on one line where it fits, else with its value below.
pub(super) fn entry(key: &str, value: &Yaml, column: usize) -> String {
    let (pad, inner) = (" ".repeat(column), column + 2);
    let flow = value.flow(false);
    let fits = column + key.len() + 2 + flow.len() <= WIDTH;
    let has_mappings = |items: &[Yaml]| items.iter().any(|item| matches!(item, Yaml::Mapping(_)));
    let below = match value {
        Yaml::Block(entries) | Yaml::Into(entries) if !entries.is_empty() => block(entries, inner),
        Yaml::Mapping(entries) if !fits => block(entries, inner),
        Yaml::List(items) if !fits || has_mappings(items) => {
            let item = |item: &Yaml| match item {
                Yaml::Mapping(entries) => block(entries, inner + 2).trim_start().to_owned(),
                _ => item.flow(false),
            };
            let items = items
                .iter()
                .map(|value| format!("{pad}  - {}", item(value)));
            items.collect::<Vec<_>>().join("\n")
        }
        _ => return format!("{pad}{key}: {flow}"),
    };
    format!("{pad}{key}:\n{below}")
}

/// Entries below each other, in this column.
pub(super) fn block(entries: &[(String, Yaml)], column: usize) -> String {
    let lines = entries.iter().map(|(key, value)| entry(key, value, column));
    lines.collect::<Vec<_>>().join("\n")
}

/// A text as a YAML scalar, without quotes where it cannot be taken for anything else.
pub(super) fn scalar(text: &str, in_flow: bool) -> String {
    if is_plain(text, in_flow) {
        return text.to_owned();
    }
    let control = text.contains(|c: char| c.is_control() || c == '\u{feff}');
    if !control && !text.contains(['"', '\\']) {
        return format!("\"{text}\"");
    }
    if !control && !text.contains('\'') {
        return format!("'{text}'");
    }
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\t' => quoted.push_str("\\t"),
            c if c.is_control() || c == '\u{feff}' => {
                quoted.push_str(&format!("\\U{:08X}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted + "\""
}

fn is_plain(text: &str, in_flow: bool) -> bool {
    let words = ["null", "true", "false", "yes", "no", "on", "off", "y", "n"];
    let begins = text
        .chars()
        .next()
        .is_some_and(|c| c.is_alphanumeric() || c == '_' || c == '(');
    begins
        && text.trim() == text
        && !text.ends_with(':')
        && !text.contains(": ")
        && !text.contains(" #")
        && !text.contains(char::is_control)
        && !(in_flow && text.contains([',', '[', ']', '{', '}']))
        && !words.contains(&text.to_lowercase().as_str())
        // A number is a line as well, but nobody should have to think about that.
        && text.parse::<f64>().is_err()
        && !text.starts_with("0x")
        && !text.starts_with("0o")
}
