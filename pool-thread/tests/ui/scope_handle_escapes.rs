//! The handle of a scope's task cannot leave the scope.

fn main() {
    let pool = pool_thread::ThreadPool::new(1).unwrap();
    let text = String::from("outside");
    let handle = pool.scope(|scope| scope.apply_async(|()| text.len(), ()));
    drop(handle);
}
