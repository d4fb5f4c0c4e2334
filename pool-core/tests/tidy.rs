//! Keeps the house tidy: `lib.rs` lists the modules ground floor first, and each uses only those above it.

use std::fs;
use std::path::Path;

#[test]
fn each_module_uses_only_those_above_it() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let read = |name: &str| fs::read_to_string(src.join(name)).expect("a source file");
    let lib = read("lib.rs");
    let modules: Vec<&str> = lib
        .lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    assert!(modules.len() > 10, "lib.rs lists the modules");
    let mut wrong = Vec::new();
    for (floor, module) in modules.iter().enumerate() {
        let text = read(&format!("{module}.rs"));
        let code = text
            .lines()
            .take_while(|line| !line.starts_with("#[cfg(test)]"));
        for line in code.filter(|line| !line.trim_start().starts_with("//")) {
            for above in &modules[floor + 1..] {
                if line.contains(&format!("crate::{above}::")) {
                    wrong.push(format!("{module} uses {above}: {}", line.trim()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
