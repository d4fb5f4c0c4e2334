//! COMPARE.md shows what CPython does otherwise, as it stands in the list that its column is judged by.
#![cfg(feature = "cli")]

use std::fs;
use std::path::Path;
use std::process::Command;

const BEGIN: &str = "<!-- begin: spec-harness list --known cpython -->\n";
const END: &str = "<!-- end -->\n";

#[test]
fn what_cpython_does_otherwise_is_on_the_page() {
    let list = Command::new(env!("CARGO_BIN_EXE_spec-harness"))
        .args(["list", "--known", "cpython"])
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
