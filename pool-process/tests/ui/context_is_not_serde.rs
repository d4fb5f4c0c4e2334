//! A context travels as serde data, too.

use std::sync::Mutex;

struct Table(Mutex<Vec<u32>>);

fn main() {
    let pool = pool_process::ProcessPool::new(1).unwrap();
    let table = Table(Mutex::new(vec![1]));
    let _ = pool.map_with(table, |table: &Table, x: u32| table.0.lock().unwrap()[0] + x, 0..3);
}
