//! COMPARE.md shows what CPython does otherwise, as it stands in the list that its column is judged by; the tests that it
//! and ARCHITECTURE.md name are there.
#![cfg(feature = "cli")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const BEGIN: &str = "<!-- begin: spec-harness list --expected-failures cpython -->\n";
const END: &str = "<!-- end -->\n";

#[test]
fn what_cpython_does_otherwise_is_on_the_page() {
    let list = Command::new(env!("CARGO_BIN_EXE_spec-harness"))
        .args(["list", "--expected-failures", "cpython"])
        .output()
        .expect("it runs");
    let list = String::from_utf8(list.stdout).expect("text");
    assert!(list.lines().count() > 10, "a table: {list}");

    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../COMPARE.md");
    let page = fs::read_to_string(&file).expect("COMPARE.md");
    let (before, rest) = page.split_once(BEGIN).expect("where the table begins");
    let (shown, after) = rest.split_once(END).expect("where the table ends");
    // As snapshots are: compared, and written where that was asked for.
    if std::env::var("INSTA_UPDATE").is_ok_and(|update| update == "always") {
        fs::write(&file, format!("{before}{BEGIN}{list}{END}{after}")).expect("COMPARE.md");
    } else {
        assert_eq!(shown, list, "INSTA_UPDATE=always writes it anew");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

#[test]
fn the_tests_that_the_pages_name_are_there() {
    let page = |name: &str| fs::read_to_string(root().join(name)).expect("the page is there");

    // In COMPARE.md a test is named with its file.
    let compare = page("COMPARE.md");
    let pairs = compare.lines().filter_map(|line| {
        let (file, name) = line.rsplit_once("`: `")?;
        Some((file.rsplit('`').next()?, name.split('`').next()?))
    });
    let named = pairs.filter(|(file, _)| file.contains("/tests/"));
    let missing: Vec<_> = named
        .clone()
        .filter(|(file, name)| !page(file).contains(&format!("fn {name}(")))
        .collect();
    assert!(named.count() >= 4 && missing.is_empty(), "{missing:?}");

    // In ARCHITECTURE.md by how it begins.
    let folder = root().join("pool-process/tests");
    let entries = fs::read_dir(folder).expect("the tests are there").flatten();
    let tests: String = entries
        .filter_map(|entry| fs::read_to_string(entry.path()).ok())
        .collect();
    let architecture = page("ARCHITECTURE.md");
    let quoted = architecture.split('`').skip(1).step_by(2);
    let begins: Vec<&str> = quoted.filter_map(|word| word.strip_suffix("..")).collect();
    assert!(begins.len() >= 20, "{begins:?}");
    let missing: Vec<_> = begins
        .iter()
        .filter(|begin| !tests.contains(&format!("fn {begin}")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
