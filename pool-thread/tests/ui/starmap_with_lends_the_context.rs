//! `starmap_with` lends the context before the parts of each tuple.

fn main() {
    let pool = pool_thread::ThreadPool::new(1).unwrap();
    let _ = pool.starmap_with(String::new(), |a: i32, b: i32| a + b, [(1, 2), (3, 4)]);
}
