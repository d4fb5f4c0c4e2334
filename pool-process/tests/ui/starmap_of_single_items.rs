//! `starmap` unpacks tuples; `map` takes any item.

use pool_process::prelude::*;

fn main() {
    let pool = ProcessPool::new(1).unwrap();
    let _ = pool.starmap(|x: u32| x, [1_u32, 2]);
}
