//! `starmap` unpacks tuples; `map` takes any item.

fn main() {
    let pool = pool_process::ProcessPool::new(1).unwrap();
    let _ = pool.starmap(|x: u32| x, [1_u32, 2]);
}
