//! What a task captures goes to another thread.

use std::rc::Rc;

fn main() {
    let pool = pool_thread::ThreadPool::new(1).unwrap();
    let shared = Rc::new(1);
    let _ = pool.apply(|x: i32| x + *shared, 1);
}
