//! An argument owns its data: a `String` and not a `&str`.

use pool_process::prelude::*;

fn length(text: &str) -> usize {
    text.len()
}

fn main() {
    let pool = ProcessPool::new(1).unwrap();
    let _ = pool.map(length, ["a", "b"]);
}
