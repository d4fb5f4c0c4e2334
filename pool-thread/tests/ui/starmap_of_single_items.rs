//! `starmap` unpacks tuples; `map` takes any item.

use pool_thread::prelude::*;

fn main() {
    let pool = pool_thread::ThreadPool::new(1).unwrap();
    let _ = pool.starmap(|x: u32| x, [1_u32, 2]);
    let _ = pool.with(1).starmap(|by: &u32, x: u32| x * by, [1_u32, 2]);
}
