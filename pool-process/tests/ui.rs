//! Programs that must not compile, and what the compiler says of them.
//!
//! Its words change with its version. They are compared with those of the version that they were written down with:
//! `TRYBUILD=overwrite cargo test --test ui` writes them anew.

use std::process::Command;

/// The compiler whose words stand in `ui/*.stderr`.
const COMPILER: &str = "rustc 1.95.";

#[test]
fn what_must_not_compile_is_refused_and_the_refusal_points_at_the_cause() {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version = Command::new(rustc).arg("-V").output().expect("a compiler");
    let version = String::from_utf8_lossy(&version.stdout).into_owned();
    if version.starts_with(COMPILER) {
        trybuild::TestCases::new().compile_fail("tests/ui/*.rs");
    } else {
        println!("not compared: this is {version}, and the words are those of {COMPILER}*");
    }
}
