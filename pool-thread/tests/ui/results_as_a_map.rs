//! An input of results is for imaps: the error says so.

use pool_thread::prelude::*;

fn main() {
    let pool = ThreadPool::new(2).expect("a pool");
    let lines = ["1", "2"].map(str::parse::<u32>);
    let _ = pool.try_each_ok(|x| Ok(x + 1), lines).wait();
}
