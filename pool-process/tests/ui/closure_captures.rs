//! A function for processes carries no data of its own.

use pool_process::prelude::*;

fn main() {
    let pool = ProcessPool::new(1).unwrap();
    let by = 2;
    let _ = pool.map(|x: u32| x * by, 0..3);
}
