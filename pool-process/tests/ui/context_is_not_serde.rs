//! A context travels as serde data, too.

use std::sync::Mutex;

struct Table(Mutex<Vec<u32>>);

use pool_process::prelude::*;

fn main() {
    let pool = ProcessPool::new(1).unwrap();
    let table = Table(Mutex::new(vec![1]));
    let _ = pool.with(table);
}
