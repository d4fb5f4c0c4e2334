//! `starmap` calls the function with the parts of each tuple.

fn main() {
    let pool = pool_thread::ThreadPool::new(1).unwrap();
    let _ = pool.starmap(|a: i32| a, [(1, 2), (3, 4)]);
}
