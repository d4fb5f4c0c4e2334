//! An error travels as serde data; one that cannot becomes a `Report`.

use pool_process::prelude::*;

fn main() {
    let pool = ProcessPool::new(1).unwrap();
    let _ = pool.try_apply(|path: String| std::fs::read(path), "a".to_owned());
}
