//! What a scope's task borrows must outlive the scope, not only its body.

fn main() {
    let pool = pool_thread::ThreadPool::new(1).unwrap();
    pool.scope(|scope| {
        let local = vec![1, 2, 3];
        let _handle = scope.apply_async(|()| local.len(), ());
    });
}
