//! Keeps modules in layers: a file lists its modules ground floor first, and each uses only those above it among its siblings.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

/// The crate itself, and those that lie beside it in the workspace.
const CRATES: [&str; 4] = ["pool-core", "pool-thread", "pool-process", "spec-harness"];

/// Crates that list the modules of a folder by name: below their top level it is enough that no module uses itself by way of
/// others.
const BY_NAME: [&str; 1] = ["spec-harness"];

#[test]
fn each_module_uses_only_those_above_it() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (mut wrong, mut circular) = (Vec::new(), Vec::new());
    let mut all_here = true;
    for name in CRATES {
        let src = match name {
            "pool-core" => here.join("src"),
            name => here.join("..").join(name).join("src"),
        };
        // A package of its own has no neighbours.
        if !src.is_dir() {
            all_here = false;
            continue;
        }
        let modules = modules(&src);
        let top = &modules[&Vec::new()];
        assert!(top.children.len() > 8, "{name} lists the modules");
        for (folder, edges) in edges(&modules) {
            let place = format!("{name}/{}", folder.join("/"));
            if BY_NAME.contains(&name) && !folder.is_empty() {
                circular.extend(has_circle(&edges).then_some(place));
                continue;
            }
            let floor = |module| {
                modules[&folder]
                    .children
                    .iter()
                    .position(|child| child == module)
            };
            let up = edges
                .iter()
                .filter(|(user, used)| floor(user) < floor(used));
            wrong.extend(up.map(|(user, used)| format!("{place}: {user} uses {used}")));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
    if all_here {
        assert!(
            circular.is_empty(),
            "folders whose modules use each other in circles: {circular:?}"
        );
    }
}

/// A module's place in its crate: the names of the modules around it, and its own.
type Place = Vec<String>;

struct Module {
    /// The modules that it lists, in its order.
    children: Vec<String>,
    /// Names that it imports from one of them.
    imports: BTreeMap<String, String>,
    /// What it names of its crate, as paths from the top.
    uses: Vec<Place>,
}

/// The modules of a crate, inline ones aside.
fn modules(src: &Path) -> BTreeMap<Place, Module> {
    let mut text = read(&src.join("lib.rs"));
    // A file that is named by its path lies beside `lib.rs`, as do the modules that it lists, which are those of the crate.
    if let Some((_, path)) = text.split_once("#[path = \"") {
        let file = path.split('"').next().unwrap_or_default();
        text = read(&src.join(file));
    }
    let mut modules = BTreeMap::new();
    let mut open = vec![(Vec::new(), src.to_owned(), text)];
    while let Some((place, folder, text)) = open.pop() {
        let module = module(&place, &text);
        for child in &module.children {
            let place = [&place[..], std::slice::from_ref(child)].concat();
            let within = folder.join(child);
            let beside = within.with_extension("rs");
            let file = if beside.is_file() {
                beside
            } else {
                within.join("mod.rs")
            };
            open.push((place, within, read(&file)));
        }
        modules.insert(place, module);
    }
    modules
}

fn module(place: &[String], text: &str) -> Module {
    let tests = text.find("#[cfg(test)]\nmod tests {");
    let lines = text[..tests.unwrap_or(text.len())].lines();
    let code: Vec<&str> = lines
        .filter(|line| !line.trim_start().starts_with("//"))
        .collect();
    let mut children = Vec::new();
    for (at, line) in code.iter().enumerate() {
        if let Some(child) = declared(line)
            && (at == 0 || code[at - 1] != "#[cfg(test)]")
        {
            children.push(child.to_owned());
        }
    }
    let code = code.join("\n");
    let mut imports = BTreeMap::new();
    let mut uses = Vec::new();
    for (at, _) in code.match_indices("use ") {
        for path in paths(&code[at + "use ".len()..]) {
            if let [child, .., name] = &path[..]
                && children.contains(child)
            {
                imports.insert(name.clone(), child.clone());
            }
        }
    }
    for (at, _) in code.match_indices("crate::") {
        uses.extend(paths(&code[at + "crate::".len()..]));
    }
    for (at, _) in code.match_indices("super::") {
        // Of several in a row, the last one stands before the path.
        let before = code[..at].trim_end_matches("super::");
        let ups = 1 + (at - before.len()) / "super::".len();
        let from = &place[..place.len().saturating_sub(ups)];
        let all = paths(&code[at + "super::".len()..]).into_iter();
        uses.extend(all.map(|path| [from, &path[..]].concat()));
    }
    Module {
        children,
        imports,
        uses,
    }
}

/// The module that a line declares, whose file is another one.
fn declared(line: &str) -> Option<&str> {
    let visible = line
        .strip_prefix("pub")
        .map(|rest| match rest.strip_prefix('(') {
            Some(rest) => rest.split_once(')').map_or("", |(_, rest)| rest),
            None => rest,
        });
    let line = visible.unwrap_or(line).trim_start();
    line.strip_prefix("mod ")?.strip_suffix(';')
}

/// Which module of a folder uses which other one there, itself or by what it contains.
fn edges(modules: &BTreeMap<Place, Module>) -> BTreeMap<Place, BTreeSet<(String, String)>> {
    let mut edges: BTreeMap<Place, BTreeSet<(String, String)>> = BTreeMap::new();
    for (place, module) in modules {
        for used in &module.uses {
            let pairs = place.iter().zip(used);
            let common = pairs.take_while(|(one, other)| one == other).count();
            let (Some(user), Some(used)) = (place.get(common), used.get(common)) else {
                continue;
            };
            let folder = &modules[&place[..common]];
            let used = folder.imports.get(used).unwrap_or(used);
            if folder.children.contains(used) && used != user {
                let edges = edges.entry(place[..common].to_vec()).or_default();
                edges.insert((user.clone(), used.clone()));
            }
        }
    }
    edges
}

/// Whether a module uses itself by way of others.
fn has_circle(edges: &BTreeSet<(String, String)>) -> bool {
    let mut left: BTreeSet<_> = edges.iter().collect();
    // One that uses nothing that is left is in no circle.
    loop {
        let users: BTreeSet<&String> = left.iter().map(|(user, _)| user).collect();
        let before = left.len();
        left.retain(|(_, used)| users.contains(used));
        if left.len() == before {
            return before > 0;
        }
    }
}

/// The paths that a text begins with: one, or those of a list in braces, `self` being the list's own.
fn paths(text: &str) -> Vec<Place> {
    let mut paths = Vec::new();
    tree(text, &mut Vec::new(), &mut paths);
    paths
}

/// Reads one path, or a list of them, and returns what is behind it.
fn tree<'a>(text: &'a str, before: &mut Place, paths: &mut Vec<Place>) -> &'a str {
    let text = text.trim_start();
    if let Some(mut rest) = text.strip_prefix('{') {
        loop {
            rest = tree(rest, &mut before.clone(), paths).trim_start();
            match rest.strip_prefix(',') {
                Some(next) if !next.trim_start().starts_with('}') => rest = next,
                Some(next) => rest = next.trim_start(),
                None => {}
            }
            match rest.strip_prefix('}') {
                Some(rest) => return rest,
                None if rest.is_empty() || rest.starts_with(';') => return rest,
                None => {}
            }
        }
    }
    let end = text.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
    let (name, rest) = text.split_at(end.unwrap_or(text.len()));
    if !name.is_empty() && name != "self" {
        before.push(name.to_owned());
    }
    if let Some(rest) = rest.strip_prefix("::") {
        return tree(rest, before, paths);
    }
    paths.push(before.clone());
    // `*`, or another name behind `as`: up to the end of this part of a list.
    let end = rest.find([',', '}', ';']);
    &rest[end.unwrap_or(rest.len())..]
}

fn read(file: &Path) -> String {
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}
