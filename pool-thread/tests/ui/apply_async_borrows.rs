//! A call that returns before its task has ended cannot lend what lies on the caller's stack.

fn main() {
    let pool = pool_thread::ThreadPool::new(1).unwrap();
    let text = String::from("on the stack");
    let _handle = pool.apply_async(|()| text.len(), ());
}
