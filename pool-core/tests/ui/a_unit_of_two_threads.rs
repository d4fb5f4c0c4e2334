//! A unit is one thread's: what it works on need not be `Sync`.

use pool_core::backend::Unit;

fn shared<T: Sync>() {}

fn main() {
    shared::<Unit>();
}
