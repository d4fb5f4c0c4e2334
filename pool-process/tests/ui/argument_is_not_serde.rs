//! An argument travels as serde data.

struct Opaque(u32);

fn main() {
    let pool = pool_process::ProcessPool::new(1).unwrap();
    let _ = pool.apply(|opaque: Opaque| opaque.0, Opaque(1));
}
