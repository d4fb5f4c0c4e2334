//! With a context, `starmap` passes it before the parts of each tuple.

use pool_thread::prelude::*;

fn main() {
    let pool = pool_thread::ThreadPool::new(1).unwrap();
    let _ = pool.with(String::new()).starmap(|a: i32, b: i32| a + b, [(1, 2), (3, 4)]);
}
